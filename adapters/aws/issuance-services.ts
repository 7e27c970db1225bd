/** Services that only issuance needs, loaded on demand; apart from the stores, which the API bundles too. */

import type { ChallengeRecords } from "../../core/management/challenge-records.ts";
import { type Route53Zone, zoneOf } from "../../core/management/challenge-variables.ts";
import { onDemand, openedOnce } from "./on-demand.ts";
import { ServiceCalls } from "./service-calls.ts";

/** Challenge records in zones of Route 53, whose client is loaded by the first of them. */
export function openRoute53Records(zones: readonly Route53Zone[]): ChallengeRecords {
  const opened = openedOnce(async () => {
    const { createRoute53Client, Route53Records } = await import("./route53-records.ts");
    return new Route53Records({
      client: createRoute53Client(),
      calls: new ServiceCalls("DNS service Route 53"),
      zones,
    });
  });
  return {
    ...onDemand<Pick<ChallengeRecords, "put" | "delete">>({ put: true, delete: true }, opened),
    publishes: (name) => zoneOf(zones, name) !== null,
  };
}

/** Reader of secrets in Parameter Store, whose client is loaded by the first. @see readParameter */
export function openParameters(): (name: string) => Promise<string | null> {
  const opened = openedOnce(async () => {
    const { createParameters } = await import("./parameters.ts");
    return createParameters();
  });
  return async (name) => (await opened()).read(name);
}
