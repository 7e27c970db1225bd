/** Callers of stored records: holders of tokens, IAM principals, subjects of JWTs. */

import {
  ACCOUNTS,
  type AccessKind,
  type PrincipalRecord,
  PRINCIPALS,
  type TokenRecord,
  TOKENS,
} from "../../core/access/access-record.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import { isAccountName } from "../../core/access/account-name.ts";
import { type DefaultAccess, toPrincipalArn } from "../../core/access/principal-arn.ts";
import { type Caller, knownScopes } from "../../core/access/scope.ts";
import { isSecretOf, readTokenText } from "../../core/access/token-text.ts";
import { OPERATOR_ACCOUNT } from "../../core/actor.ts";
import { BoundedMap } from "../../core/bounded-map.ts";
import { type Clock, timestamp } from "../../core/clock.ts";
import { Unreadable } from "../../core/errors.ts";
import { cutText } from "../../core/plain-text.ts";

/** Valid credentials that give no access. Maps to HTTP 403. */
export class NoAccess extends Error {
  override readonly name = "NoAccess";
}

/** The caller of a bearer token; null = the token is not valid, for whatever reason. */
export type ReadBearer = (token: string) => Promise<Caller | null>;

const MAX_ACTOR_NAME = 200;
/** OpenID Connect Core section 2. The whole subject is the caller: of a part, two of them would be one. */
const MAX_SUBJECT = 255;
const HOUR_MS = 3_600_000;
const TOKENS_REMEMBERED = 10_000;
const NEVER = "9999-12-31T00:00:00.000Z";
/** Compared where there is no token, so that the time taken does not tell. */
const NO_SECRET = "0".repeat(64);

/**
 * Tokens of the store. Each request reads its token: a revocation is in force at once. `onUnmarked` receives
 * why the use of a token could not be noted, which no request waits for.
 */
export function storedTokens(
  store: AccessStore,
  { clock, onUnmarked }: { readonly clock: Clock; readonly onUnmarked: (error: unknown) => void },
): ReadBearer {
  const marked = new BoundedMap<string, string>(TOKENS_REMEMBERED);
  const mark = (id: string, now: number): void => {
    const hour = timestamp(now - (now % HOUR_MS));
    if (marked.get(id) === hour) return;
    marked.set(id, hour);
    store.markUsed(id, hour).catch(onUnmarked);
  };
  return async (text) => {
    const presented = readTokenText(text);
    if (presented === null) return null;
    const record = await readOrNull<TokenRecord>(store, TOKENS, presented.id);
    const isHeld = isSecretOf(record?.secretSha256 ?? NO_SECRET, presented.secret);
    const now = clock.now();
    const hasEnded = Date.parse(record?.expiresAt ?? NEVER) <= now;
    if (record === null || !isHeld || hasEnded) return null;
    mark(record.id, now);
    return {
      account: record.account,
      name: `token:${record.id}`,
      scopes: knownScopes(record.scopes),
      kind: "token",
      id: record.id,
      expiresAt: record.expiresAt,
    };
  };
}

/** @param userArn as API Gateway's authorizer reports it. @throws NoAccess */
export async function principalCaller(
  store: AccessStore,
  { userArn, defaultAccess }: { readonly userArn: string; readonly defaultAccess: DefaultAccess },
): Promise<Caller> {
  const arn = toPrincipalArn(userArn);
  const who = { name: cutText(userArn, MAX_ACTOR_NAME), kind: "iam", id: arn, expiresAt: null } as const;
  const record = arn === null ? null : await principalOf(store, arn);
  if (record !== null) return { ...who, account: record.account, scopes: knownScopes(record.scopes) };
  if (defaultAccess === "none") throw new NoAccess("no record gives this IAM principal access");
  return { ...who, account: OPERATOR_ACCOUNT, scopes: new Set(["operator"]) };
}

/** A record that cannot be read gives nothing: the default would be more. */
async function principalOf(store: AccessStore, arn: string): Promise<PrincipalRecord | null> {
  try {
    return await store.get(PRINCIPALS, arn);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new NoAccess("the record of this IAM principal cannot be read", { cause: error });
  }
}

/** Which claims of a JWT say what its subject may do. */
export interface JwtClaims {
  /** null = every subject acts in the operator's account. */
  readonly accountClaim: string | null;
  readonly scopeClaim: string;
}

/** @returns null without a subject. @throws NoAccess */
export async function jwtCaller(
  store: AccessStore,
  claims: Readonly<Record<string, unknown>>,
  { accountClaim, scopeClaim }: JwtClaims,
): Promise<Caller | null> {
  const { sub, exp } = claims;
  if (typeof sub !== "string" || sub === "") return null;
  if (sub.length > MAX_SUBJECT)
    throw new NoAccess(`the subject of the token has over ${MAX_SUBJECT} characters`);
  const account = accountClaim === null ? OPERATOR_ACCOUNT : await accountOf(store, claims[accountClaim]);
  const ends = Number(exp);
  return {
    account,
    name: cutText(sub, MAX_ACTOR_NAME),
    scopes: knownScopes(scopesIn(claims[scopeClaim])),
    kind: "jwt",
    id: sub,
    expiresAt: Number.isSafeInteger(ends) && ends > 0 && ends < 1e11 ? timestamp(ends * 1000) : null,
  };
}

async function accountOf(store: AccessStore, claimed: unknown): Promise<string> {
  const isKnown =
    typeof claimed === "string" &&
    isAccountName(claimed) &&
    (claimed === OPERATOR_ACCOUNT || (await readOrNull(store, ACCOUNTS, claimed)) !== null);
  if (!isKnown) throw new NoAccess("the token names no account that exists");
  return claimed;
}

const PREFIX = "postern:";

/**
 * Entries `postern:<scope>` of a claim: of a list, or of a text with blanks between them (RFC 8693 section
 * 4.2). API Gateway makes the text `[a b]` of a list.
 */
function scopesIn(claim: unknown): string[] {
  const entries: unknown[] = Array.isArray(claim) ? claim : [];
  const texts = typeof claim === "string" ? claim.replaceAll(/^\[|\]$/g, "").split(/[\s,]+/) : entries;
  return texts.flatMap((entry) =>
    typeof entry === "string" && entry.startsWith(PREFIX) ? entry.slice(PREFIX.length) : [],
  );
}

async function readOrNull<R extends { readonly revision: number }>(
  store: AccessStore,
  kind: AccessKind<R>,
  id: string,
): Promise<R | null> {
  try {
    return await store.get(kind, id);
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
