/** Rate limits of callers at the routes below /v1. */

import type { MiddlewareHandler } from "hono";
import {
  CallerRates,
  RATE_KINDS,
  type RateKind,
  type RateLimits,
  type Taken,
} from "../../core/access/rate-limit.ts";
import type { Clock } from "../../core/clock.ts";
import type { Caller } from "../../core/access/scope.ts";
import type { ApiEnv } from "./api-env.ts";

/** The caller has made too many requests. Maps to HTTP 429. */
export class RateLimited extends Error {
  override readonly name = "RateLimited";
  readonly retryAfterSeconds: number;
  /** What every answer to the caller has. */
  readonly headers: Readonly<Record<string, string>>;
  constructor(kind: RateKind, { retryInSeconds }: Taken, headers: Readonly<Record<string, string>>) {
    super(`too many ${kind}s by this caller`);
    this.retryAfterSeconds = retryInSeconds;
    this.headers = headers;
  }
}

const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** It stores nothing. */
const READ_BY_POST = "/v1/evaluate";

const kindOf = (method: string, path: string): RateKind =>
  READS.has(method) || path === READ_BY_POST ? "read" : "write";

/** By the credentials: those who share a role share its rate, whatever account they act in. */
export const keyOf = ({ kind, id, name, account }: Caller): string => `${kind} ${account} ${id ?? name}`;

/**
 * Counts the request before anything else of it is read. API_TOKEN has no limit: its holder owns the machine.
 * Requests without valid credentials are bounded by their client's address (caller.ts).
 *
 * @throws RateLimited
 */
export function limitRate(limits: RateLimits, clock: Clock): MiddlewareHandler<ApiEnv> {
  const rates = new CallerRates(limits, () => clock.now());
  const policy = RATE_KINDS.map((kind) => policyText(kind, limits)).join(", ");
  return async (c, next) => {
    const caller = c.get("actor");
    if (caller.kind === "api-token") return next();
    const kind = kindOf(c.req.method, c.req.path);
    const taken = rates.take(keyOf(caller), kind);
    const headers = { "RateLimit-Policy": policy, RateLimit: rateText(kind, taken) };
    if (!taken.isAllowed) throw new RateLimited(kind, taken, headers);
    await next();
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
  };
}

/** draft-ietf-httpapi-ratelimit-headers-10: `q` requests in a window of `w` seconds. */
const policyText = (kind: RateKind, limits: RateLimits): string => {
  const { burst, perSecond } = limits[kind];
  return `"${kind}";q=${burst};w=${Math.ceil(burst / perSecond)}`;
};

/** `r` requests are left, and all of them are there again in `t` seconds. */
const rateText = (kind: RateKind, { remaining, fullInSeconds }: Taken): string =>
  `"${kind}";r=${remaining};t=${fullInSeconds}`;
