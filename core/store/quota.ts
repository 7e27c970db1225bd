/** Quotas of an account: how many records of a kind it may have. */

import { QuotaExceeded } from "../errors.ts";
import { actionOf } from "./log-entry.ts";
import type { ChangeAction, Commit, FeedEntry, LogEntry, RecordKind } from "./store.ts";

/** Records of one kind and account. */
export interface Counted {
  readonly kind: RecordKind;
  readonly account: string;
}

/** What an action makes of a count. */
export const CHANGE = { create: 1, update: 0, delete: -1 } as const satisfies Readonly<
  Record<ChangeAction, number>
>;

/** Keys of an account's `quotas`. */
export const QUOTA_OF = {
  domain: "domains",
  certificate: "certificates",
  "trust-store": "trustStores",
} as const satisfies Readonly<Record<RecordKind, string>>;

/** A creation in an account with a quota. */
export const isBounded = (commit: Pick<Commit, "record" | "replaced" | "quota">): boolean =>
  commit.quota !== undefined && commit.quota !== null && actionOf(commit) === "create";

/** @param count of the account's records before the commit. @throws QuotaExceeded */
export function checkQuota(commit: Pick<Commit, "record" | "replaced" | "quota">, count: number): void {
  const limit = commit.quota ?? null;
  if (limit === null || !isBounded(commit) || count < limit) return;
  throw new QuotaExceeded({ quota: QUOTA_OF[commit.record.kind], limit, count });
}

/**
 * What entries of the log, oldest first, make of a count at the revision before them; null = they do not
 * continue it, or one cannot be read.
 */
export function countAfter(
  { count, revision }: { readonly count: number; readonly revision: number },
  entries: readonly FeedEntry[],
  of: Counted,
): number | null {
  let now = count;
  for (const [index, item] of entries.entries()) {
    if (item.kind === "unreadable" || item.entry.revision !== revision + index + 1) return null;
    if (isOf(item.entry, of)) now += CHANGE[item.entry.action];
  }
  return now;
}

/** Ids of a list that may lag, with what the newest entries of the log, in any order, say of them. */
export function idsWithLog(
  listed: ReadonlySet<string>,
  entries: readonly FeedEntry[],
  of: Counted,
): ReadonlySet<string> {
  const ids = new Set(listed);
  const readable = entries.flatMap((each) => (each.kind === "entry" ? each.entry : []));
  for (const entry of readable.toSorted((a, b) => a.revision - b.revision)) {
    if (!isOf(entry, of)) continue;
    if (entry.action === "delete") ids.delete(entry.record.id);
    else ids.add(entry.record.id);
  }
  return ids;
}

const isOf = (entry: LogEntry, { kind, account }: Counted): boolean =>
  entry.record.kind === kind && entry.account === account;
