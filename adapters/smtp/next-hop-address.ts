/** Addresses of a next hop, looked up and held against the policy. */

import { promises as dns } from "node:dns";
import { isIP } from "node:net";
import type { DeliveryAllow } from "../../core/delivery/delivery-allow.ts";
import { type Endpoint, judgeNextHop, type NextHopJudgement } from "../../core/delivery/next-hop-policy.ts";
import type { NextHopRoute } from "../../core/delivery/delivery.ts";
import { NextHopTrouble } from "./trouble.ts";

/** All addresses of a name, best first. Rejects with an error that has a `code`, as Node's do. */
export type Lookup = (host: string, setBy: NextHopRoute["setBy"]) => Promise<readonly string[]>;

export interface AddressPolicy {
  readonly allow: DeliveryAllow;
  readonly lookup: Lookup;
  readonly ownListeners: () => readonly Endpoint[];
  readonly ownAddresses: () => readonly string[];
}

type AllowedNextHop = Extract<NextHopJudgement, { kind: "allowed" }>;

/** More are not needed, and each costs a part of the time to connect. */
const MAX_ADDRESSES = 8;

/**
 * Looks a route's host up once and judges what came. Connect to the addresses of the answer: a second lookup
 * could say something else (DNS rebinding).
 *
 * @throws NextHopTrouble
 */
export async function resolveNextHop(
  route: NextHopRoute,
  policy: AddressPolicy,
  deadlineMs: number,
): Promise<AllowedNextHop> {
  const addresses = isIP(route.host) === 0 ? await lookUp(route, policy.lookup, deadlineMs) : [route.host];
  const judgement = judgeNextHop({
    route,
    addresses,
    allow: policy.allow,
    ownListeners: policy.ownListeners(),
    ownAddresses: policy.ownAddresses(),
  });
  if (judgement.kind === "allowed")
    return { ...judgement, addresses: judgement.addresses.slice(0, MAX_ADDRESSES) };
  const { cause, detail } = judgement;
  throw new NextHopTrouble("not-allowed", { cause, phase: "lookup", detail });
}

async function lookUp(route: NextHopRoute, lookup: Lookup, deadlineMs: number): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(lookupTrouble("timeout", `${route.host}: no answer from DNS in time`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([lookup(route.host, route.setBy), late]);
  } catch (error) {
    if (error instanceof NextHopTrouble) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "lookup failed";
    throw lookupTrouble(DNS_TIMEOUTS.includes(code) ? "timeout" : "lookup-failed", `${route.host}: ${code}`);
  } finally {
    clearTimeout(timer);
  }
}

/** c-ares, and getaddrinfo when a name server does not answer. */
const DNS_TIMEOUTS = ["ETIMEOUT", "EAI_AGAIN"];

const lookupTrouble = (cause: "timeout" | "lookup-failed", detail: string): NextHopTrouble =>
  new NextHopTrouble("no-connection", { cause, phase: "lookup", detail });

/** Answers of a resolver after which asking the system (hosts file, search list) is quick. */
const NOT_IN_DNS = ["ENOTFOUND", "ENODATA", "ECONNREFUSED"];
const RESOLVER_TIMEOUT_MS = 5000;

/**
 * How names are looked up in production. The operator's own go to the system's resolver. Names set through
 * the API go to DNS first, over sockets: getaddrinfo holds one of four threads of the whole process for as
 * long as a hostile name server cares to be silent.
 */
export const systemLookup: Lookup = async (host, setBy) => {
  if (setBy === "operator" || host === "localhost") return systemAddresses(host);
  const resolver = new dns.Resolver({ timeout: RESOLVER_TIMEOUT_MS, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (addresses.length > 0) return addresses;
  const failures = answers.flatMap((answer) =>
    answer.status === "rejected" ? [errorOf(answer.reason)] : [],
  );
  const serious = failures.find((error) => !("code" in error && NOT_IN_DNS.includes(String(error.code))));
  if (serious !== undefined) throw serious;
  return systemAddresses(host);
};

const errorOf = (reason: unknown): Error => (reason instanceof Error ? reason : new Error("lookup failed"));

async function systemAddresses(host: string): Promise<readonly string[]> {
  const answers = await dns.lookup(host, { all: true });
  return answers.map(({ address }) => address);
}
