import { networkInterfaces } from "node:os";
import type {
  DeliveryRoute,
  DeliveryTarget,
  MailParameters,
  NextHopRoute,
} from "../../core/delivery/delivery.ts";
import type { DeliveryAllow } from "../../core/delivery/delivery-allow.ts";
import type { Endpoint } from "../../core/delivery/next-hop-policy.ts";
import type { HopConnection } from "./hop-connection.ts";
import { type HopSession, type NextHopLimits, openSession } from "./hop-session.ts";
import { HopTransaction } from "./hop-transaction.ts";
import { type Lookup, resolveNextHop, systemLookup } from "./next-hop-address.ts";
import { NextHopTrouble } from "./trouble.ts";

export interface SmtpDeliveryOptions {
  /** Our name in EHLO and LHLO: SMTP_NAME. */
  readonly name: string;
  readonly limits: NextHopLimits;
  readonly allow: DeliveryAllow;
  /** What we listen on now, as the sockets report it: a next hop there is a loop. */
  readonly ownListeners: () => readonly Endpoint[];
  readonly ownAddresses?: () => readonly string[];
  readonly lookup?: Lookup;
  /** Trust anchors in PEM for next hops; left out = those of the process. */
  readonly ca?: readonly string[];
}

/**
 * DeliveryTarget for smtp, smtps and lmtp routes: the transaction is passed through over a separate
 * connection, and accepted means that the next hop accepted it after the dot.
 */
export function createSmtpDelivery(options: SmtpDeliveryOptions): DeliveryTarget {
  const { limits, ownAddresses = interfaceAddresses, lookup = systemLookup } = options;
  const connections = new Set<HopConnection>();
  let isClosed = false;
  const policy = { allow: options.allow, lookup, ownListeners: options.ownListeners, ownAddresses };

  function track(connection: HopConnection): void {
    connections.add(connection);
    connection.onceClosed(() => connections.delete(connection));
    if (isClosed) connection.giveUp(SHUT_DOWN);
  }

  async function open(
    route: NextHopRoute,
    { body, smtpUtf8, requireTls }: MailParameters,
    onConnection: (connection: HopConnection) => void,
  ): Promise<HopSession> {
    const hop = await resolveNextHop(route, policy, limits.nextHopConnectMs);
    return openSession({
      route,
      addresses: hop.addresses,
      tls: hop.tls,
      name: options.name,
      ca: options.ca,
      limits,
      needsExtensions: body === "8BITMIME" || smtpUtf8 || requireTls,
      onConnection: (connection) => {
        track(connection);
        onConnection(connection);
      },
    });
  }

  return {
    begin(route, mail) {
      const nextHop = nextHopOf(route);
      return new HopTransaction({
        kind: nextHop.kind,
        mail,
        limits,
        open: (onConnection) => open(nextHop, mail.parameters, onConnection),
      });
    },
    async close() {
      isClosed = true;
      const closed = [...connections].map(
        (connection) =>
          new Promise<void>((resolve) => {
            connection.onceClosed(resolve);
            connection.giveUp(SHUT_DOWN);
          }),
      );
      await Promise.all(closed);
    },
  };
}

const SHUT_DOWN = new NextHopTrouble("bad-connection", {
  cause: "dropped",
  detail: "delivery was shut down",
});

function nextHopOf(route: DeliveryRoute): NextHopRoute {
  if (route.kind === "maildir" || route.kind === "s3")
    throw new TypeError(`SMTP delivery was given a route of kind ${route.kind}`);
  return route;
}

const interfaceAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
