/** Scopes: the closed list of what a caller may do in its account. */

import type { Actor } from "../actor.ts";
import type { Timestamp } from "../clock.ts";
import { MissingScope } from "../errors.ts";

/** Each scope with its meaning, which docs/access.md and the OpenAPI document show. */
export const SCOPES = {
  "domains:read": "read domains, their TLS settings and their status",
  "domains:write": "create, change and delete domains",
  "certificates:read": "read certificates, their versions, chains and status",
  "certificates:write": "make, upload, order, change, renew, roll back and delete certificates",
  "trust-stores:read": "read trust stores",
  "trust-stores:write": "create, change, restore and delete trust stores",
  "changes:read": "read the change log",
  "edges:read": "read the state of the edges",
  evaluate: "ask what an edge would answer to a sender",
  "evidence:read": "read evidence of what senders did",
  "rollouts:write": "start and stop rollouts",
  "notifications:write": "set notifications",
  "tokens:write": "list, make and revoke tokens of the account",
  "accounts:write": "read, make, change and delete accounts and principals",
  operator: "every other scope, in every account",
} as const satisfies Readonly<Record<string, string>>;

export type Scope = keyof typeof SCOPES;

export const SCOPE_NAMES: readonly Scope[] = Object.keys(SCOPES).filter(isScope);

/** Those of a list that this release knows. */
export const knownScopes = (texts: readonly string[]): ReadonlySet<Scope> => new Set(texts.filter(isScope));

export function isScope(text: unknown): text is Scope {
  return typeof text === "string" && Object.hasOwn(SCOPES, text);
}

/** How the credentials of a caller are known. */
export const CALLER_KINDS = ["api-token", "token", "iam", "jwt"] as const;
export type CallerKind = (typeof CALLER_KINDS)[number];

/** An actor with what it may do. */
export interface Caller extends Actor {
  readonly scopes: ReadonlySet<Scope>;
  readonly kind: CallerKind;
  /** Id of the token, ARN of the principal, or subject of the JWT; null = API_TOKEN. */
  readonly id: string | null;
  /** When the credentials end; null = not known, or never. */
  readonly expiresAt: Timestamp | null;
  /** Receives each scope that the request is judged by; absent = none needs them. */
  readonly onRequired?: (scope: Scope) => void;
}

export const hasScope = ({ scopes }: Pick<Caller, "scopes">, scope: Scope): boolean =>
  scopes.has(scope) || scopes.has("operator");

/** @throws MissingScope */
export function requireScope(caller: Caller, scope: Scope): void {
  caller.onRequired?.(scope);
  if (!hasScope(caller, scope)) throw new MissingScope(scope);
}
