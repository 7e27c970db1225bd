import type { DeliveryRoute, DeliveryTarget, DeliveryTransaction } from "./delivery.ts";
import { refused } from "./delivery-refusals.ts";

/** What takes mail for each kind of route; a kind that is left out answers `451 4.3.5`. */
export interface DeliveryTargets {
  /** smtp, smtps and lmtp. */
  readonly nextHop?: DeliveryTarget | undefined;
  readonly maildir?: DeliveryTarget | undefined;
  readonly s3?: DeliveryTarget | undefined;
}

const TARGET_OF = {
  smtp: "nextHop",
  smtps: "nextHop",
  lmtp: "nextHop",
  maildir: "maildir",
  s3: "s3",
} as const;

/** One target for every kind of route. */
export function createDeliveryRouter(targets: DeliveryTargets): DeliveryTarget {
  const targetOf = (route: DeliveryRoute): DeliveryTarget | undefined => targets[TARGET_OF[route.kind]];
  return {
    begin: (route, transaction) =>
      targetOf(route)?.begin(route, transaction) ?? nothing(`no target for routes of kind ${route.kind}`),
    close: async () => {
      await Promise.all(Object.values(targets).map((target) => target?.close()));
    },
  };
}

function nothing(detail: string): DeliveryTransaction {
  const reply = refused("not-configured", "not-configured", { detail });
  return {
    recipient: () => Promise.resolve(reply),
    message: () => Promise.resolve(reply),
    abort: () => undefined,
  };
}
