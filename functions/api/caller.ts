/** Authentication: the caller of a request by bearer token, or by API Gateway. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { Caller } from "../../core/access/scope.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import type { DefaultAccess } from "../../core/access/principal-arn.ts";
import { BoundedMap } from "../../core/bounded-map.ts";
import { clientKey } from "../../core/name/client-address.ts";
import type { GatewayAuth } from "./api-config.ts";
import { jwtCaller, type JwtClaims, principalCaller, type ReadBearer } from "./stored-callers.ts";

/** Finds out who makes a request. @throws Unauthenticated, TooManyAttempts */
export type Authenticate = (request: Request, env: unknown) => Caller | Promise<Caller>;

export interface BearerToken {
  /** Secret. */
  readonly token: string;
  readonly actor: Caller;
}

/** RFC 6750 section 2.1; the scheme is compared without case (RFC 9110 section 11.1). */
const AUTHORIZATION = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

const FAILURES_ALLOWED = 30;
const WINDOW_MS = 60_000;
const CLIENTS_REMEMBERED = 10_000;

/**
 * Callers by bearer token: those of a list, then those that a source knows. Tokens of the list are compared
 * by their digests and all of them every time, so that the time taken says nothing of a token. A valid token
 * always passes: one client's failures cannot lock out another of the same address.
 */
export function bearerAuthentication(
  tokens: readonly BearerToken[],
  now: () => number,
  sources: readonly ReadBearer[] = [],
): Authenticate {
  const known = tokens.map(({ token, actor }) => ({ digest: digestOf(token), actor }));
  const failures = new FailureCount(now);
  const callerOf = async (token: string): Promise<Caller | null> => {
    const presented = digestOf(token);
    const [match] = known.filter(({ digest }) => timingSafeEqual(digest, presented));
    if (match !== undefined) return match.actor;
    for (const read of sources) {
      const caller = await read(token);
      if (caller !== null) return caller;
    }
    return null;
  };
  return async (request, env) => {
    const header = request.headers.get("authorization");
    if (header === null) throw new Unauthenticated(false);
    const caller = await callerOf(AUTHORIZATION.exec(header)?.[1] ?? "");
    if (caller !== null) return caller;
    const waitMs = failures.add(clientOf(env));
    throw waitMs === null ? new Unauthenticated(true) : new TooManyAttempts(Math.ceil(waitMs / 1000));
  };
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

/** @hono/node-server passes Node's request as `incoming`; API Gateway's event names the address. */
function clientOf(env: unknown): string {
  const gateway = memberOf(memberOf(memberOf(env, "requestContext"), "http"), "sourceIp");
  const address = gateway ?? memberOf(memberOf(memberOf(env, "incoming"), "socket"), "remoteAddress");
  return typeof address === "string" ? clientKey(address) : "unknown";
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

const SCHEME_OF = {
  iam: "AWS4-HMAC-SHA256",
  jwt: "Bearer",
} as const satisfies Readonly<Record<GatewayAuth, AuthenticationScheme>>;

export interface GatewayAccess extends JwtClaims {
  readonly store: AccessStore;
  readonly defaultAccess: DefaultAccess;
}

/**
 * Callers by what API Gateway's authorizer found (payload 2.0), and by nothing in the request itself:
 * headers, query and body come from the client. An event that another kind of authorizer let pass, or none,
 * has no caller: the stage is set up differently from API_AUTH.
 */
export function gatewayAuthentication(auth: GatewayAuth, access: GatewayAccess): Authenticate {
  return async (_request, env) => {
    const authorizer = memberOf(memberOf(env, "requestContext"), "authorizer");
    if (auth === "iam") {
      const userArn = memberOf(memberOf(authorizer, "iam"), "userArn");
      if (typeof userArn !== "string" || userArn === "") throw new Unauthenticated(false, SCHEME_OF.iam);
      return principalCaller(access.store, { userArn, defaultAccess: access.defaultAccess });
    }
    const claims = memberOf(memberOf(authorizer, "jwt"), "claims");
    const isObject = typeof claims === "object" && claims !== null;
    const caller = isObject ? await jwtCaller(access.store, { ...claims }, access) : null;
    if (caller === null) throw new Unauthenticated(false, SCHEME_OF.jwt);
    return caller;
  };
}

/**
 * Failures of each client in the present window; bounded, the one that failed least recently evicted first.
 */
class FailureCount {
  readonly #now: () => number;
  readonly #clients = new BoundedMap<string, { count: number; endsAt: number }>(CLIENTS_REMEMBERED);

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns how long the client has to wait; null = this failure is still answered as such. */
  add(client: string): number | null {
    const now = this.#now();
    const running = this.#clients.get(client);
    const window =
      running === undefined || running.endsAt <= now ? { count: 0, endsAt: now + WINDOW_MS } : running;
    window.count++;
    this.#clients.set(client, window);
    return window.count > FAILURES_ALLOWED ? window.endsAt - now : null;
  }
}

/** Authentication scheme of callers (RFC 9110 section 11.1). SigV4 is specific to AWS and in no registry. */
export type AuthenticationScheme = "Bearer" | "AWS4-HMAC-SHA256";

/** No credentials, or none that are valid. 401 with WWW-Authenticate. */
export class Unauthenticated extends Error {
  override readonly name = "Unauthenticated";
  readonly scheme: AuthenticationScheme;
  /** RFC 6750 section 3.1: `invalid_token` is sent only when a token was presented. */
  readonly presented: boolean;
  constructor(presented: boolean, scheme: AuthenticationScheme = "Bearer") {
    super(NEEDED[scheme][presented ? "invalid" : "absent"]);
    this.presented = presented;
    this.scheme = scheme;
  }
}

const NEEDED = {
  Bearer: {
    absent: "a bearer token is needed: Authorization: Bearer …",
    invalid: "the bearer token is not valid",
  },
  "AWS4-HMAC-SHA256": {
    absent: "a signature of AWS's Signature Version 4 is needed",
    invalid: "the signature is not valid",
  },
} as const satisfies Readonly<Record<AuthenticationScheme, object>>;

/** Too many failed attempts from one client. 429. */
export class TooManyAttempts extends Error {
  override readonly name = "TooManyAttempts";
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super("too many requests with credentials that are not valid");
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
