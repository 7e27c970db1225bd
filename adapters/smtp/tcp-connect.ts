/** TCP connections to a next hop, one address after another. */

import { connect, type Socket } from "node:net";
import type { DeliveryFailure } from "../../core/delivery/delivery.ts";
import { NextHopTrouble } from "./trouble.ts";

/**
 * Firewalls and load balancers on the way to a next hop forget a connection that is silent: AWS's after 350
 * s, while the reply to a dot may take `nextHopDotMs`. A minute of silence sends a probe; four without an
 * answer end the connection.
 */
const KEEP_ALIVE = { enable: true, initialDelay: 60_000, interval: 15_000, count: 4 } as const;

/**
 * Connects to the first of these addresses that answers, in their order; each gets an equal part of the time
 * that is left. Takes addresses only, so nothing is looked up here.
 *
 * @throws NextHopTrouble
 */
export async function connectTcp(
  addresses: readonly string[],
  port: number,
  deadlineMs: number,
): Promise<Socket> {
  const deadline = performance.now() + deadlineMs;
  const failures: ConnectFailure[] = [];
  for (const [at, address] of addresses.entries()) {
    const share = (deadline - performance.now()) / (addresses.length - at);
    const outcome = await connectOnce(address, port, Math.max(share, 0));
    if (!("cause" in outcome)) return outcome;
    failures.push(outcome);
  }
  throw new NextHopTrouble("no-connection", {
    cause: mostTelling(failures),
    phase: "connect",
    detail: failures.map(({ detail }) => detail).join("; "),
  });
}

/**
 * The most telling first: a host without IPv6 finds every IPv6 address unreachable, whatever is wrong with
 * the next hop.
 */
const CONNECT_FAILURES = [
  "connection-refused",
  "timeout",
  "connect-failed",
  "unreachable",
] as const satisfies readonly DeliveryFailure[];
type ConnectCause = (typeof CONNECT_FAILURES)[number];

interface ConnectFailure {
  readonly cause: ConnectCause;
  readonly detail: string;
}

const mostTelling = (failures: readonly ConnectFailure[]): ConnectCause =>
  CONNECT_FAILURES.find((cause) => failures.some((failure) => failure.cause === cause)) ?? "connect-failed";

const CAUSE_OF_CODE: ReadonlyMap<string, ConnectCause> = new Map([
  ["ECONNREFUSED", "connection-refused"],
  ["ETIMEDOUT", "timeout"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["EHOSTDOWN", "unreachable"],
  ["ENETDOWN", "unreachable"],
  // No address of this kind on this machine.
  ["EADDRNOTAVAIL", "unreachable"],
]);

function connectOnce(address: string, port: number, deadlineMs: number): Promise<Socket | ConnectFailure> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, noDelay: true });
    socket.setKeepAlive(KEEP_ALIVE);
    const failed = (cause: ConnectCause, reason: string): void => {
      clearTimeout(timer);
      resolve({ cause, detail: `${address} port ${String(port)}: ${reason}` });
    };
    const timer = setTimeout(() => {
      socket.destroy();
      failed("timeout", "no connection in time");
    }, deadlineMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on("error", (error) => {
      const code = "code" in error ? String(error.code) : error.message;
      failed(CAUSE_OF_CODE.get(code) ?? "connect-failed", code);
    });
  });
}
