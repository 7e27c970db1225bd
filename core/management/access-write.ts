/** How records of access are judged by the condition of a request, and written. */

import type { AccessKind } from "../access/access-record.ts";
import type { AccessStore } from "../access/access-store.ts";
import { type Caller, hasScope, isScope, requireScope } from "../access/scope.ts";
import { OPERATOR_ACCOUNT } from "../actor.ts";
import { RuleViolation, StaleRevision } from "../errors.ts";
import { ACCOUNTS } from "../access/access-record.ts";
import { checkCondition, type WriteCondition } from "../store/write-condition.ts";
import { saysTheSame } from "./record-write.ts";

/** Another write may come in between: each attempt reads and judges again. */
const ATTEMPTS = 5;

export interface AccessWritten<R> {
  readonly record: R;
  readonly action: "create" | "update" | "unchanged";
}

interface Present<R> {
  readonly record: R;
  /** False = it has defaults, and was never written. */
  readonly isStored: boolean;
}

/**
 * Creates or replaces a record under the condition of the request. A write without a difference stores
 * nothing.
 *
 * @param read the record as it is now; null = absent.
 * @throws StaleRevision; ConditionMissing; what `read` and `build` throw
 */
export async function writeAccess<R extends { readonly revision: number }>(
  { store, kind }: { readonly store: AccessStore; readonly kind: AccessKind<R> },
  condition: WriteCondition,
  steps: {
    readonly read: () => Promise<Present<R> | null>;
    readonly build: (before: R | null) => R | Promise<R>;
  },
): Promise<AccessWritten<R>> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present = await steps.read();
    const before = present?.record ?? null;
    checkCondition(condition, before);
    const after = await steps.build(before);
    if (before !== null && saysTheSame(before, after)) return { record: before, action: "unchanged" };
    const expected = present?.isStored === true ? present.record.revision : null;
    const revision = await store.put(kind, after, expected);
    if (revision !== null)
      return { record: { ...after, revision }, action: before === null ? "create" : "update" };
  }
  throw new StaleRevision("the record is changed again and again");
}

/** @throws StaleRevision; ConditionMissing; what `read` throws */
export async function deleteAccess<R extends { readonly revision: number }>(
  { store, kind }: { readonly store: AccessStore; readonly kind: AccessKind<R> },
  condition: WriteCondition,
  read: () => Promise<R>,
): Promise<R> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const record = await read();
    checkCondition(condition, record);
    if (await store.delete(kind, kind.idOf(record), record.revision)) return record;
  }
  throw new StaleRevision("the record is changed again and again");
}

/** Callers that administer all accounts: the operator, and those of the operator's account. */
export const isAdministrator = (caller: Caller): boolean =>
  hasScope(caller, "operator") || caller.account === OPERATOR_ACCOUNT;

/** A caller gives no scope that it lacks. @throws MissingScope */
export function requireScopes(caller: Caller, scopes: readonly string[]): void {
  for (const scope of scopes) if (isScope(scope)) requireScope(caller, scope);
}

/** Whose a new record is: only an operator gives another account than its own. @throws MissingScope */
export function accountFor(caller: Caller, named: string | undefined): string {
  if (named !== undefined && named !== caller.account) requireScope(caller, "operator");
  return named ?? caller.account;
}

/** @throws RuleViolation */
export async function requireAccount(store: AccessStore, name: string): Promise<void> {
  if (name === OPERATOR_ACCOUNT || (await store.get(ACCOUNTS, name)) !== null) return;
  const message = `no account has the name ${name}`;
  throw new RuleViolation([{ pointer: "/account", code: "unknown-account", message }]);
}
