/** The newest entries of the change log without a gap, for a list in descending order. */

import { setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../../core/errors.ts";
import type { LogEntry } from "../../core/store/store.ts";
import { allEntriesUpTo, type Head } from "./dynamodb-log.ts";
import { type DynamoDbTable, numberOf } from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { logRange } from "./table-keys.ts";

export const GAP_POLLS = 5;
export const GAP_PAUSE_MS = 20;
/**
 * Entries live for 90 days from their write (dynamodb-commit.ts). One younger than this must be in the log.
 */
const SURELY_KEPT_SECONDS = 80 * 24 * 3600;
const DAY_SECONDS = 24 * 3600;

/** Entries that follow one another without a gap, in their order. */
export interface Run {
  readonly entries: readonly LogEntry[];
  /** No entry before them: the log begins here, the rest has expired, or the next cannot be read. */
  readonly isLast: boolean;
}

export interface RunRange {
  /** The run ends with the entry before this revision. */
  readonly below: number;
  readonly head: Head;
  readonly limit: number;
  readonly nowMs: number;
}

/**
 * The newest entries below a revision, at most `limit`. One that a transaction is about to show is waited
 * for.
 *
 * @throws Unavailable when one is missing that has not expired: this replica has not received it.
 */
export async function runBelow(table: DynamoDbTable, { below, head, limit, nowMs }: RunRange): Promise<Run> {
  const first = Math.max(0, head.settled, below - 1 - limit);
  const wanted = below - 1 - first;
  const isLast = first <= head.settled;
  if (wanted <= 0) return { entries: [], isLast: true };
  let entries: LogEntry[] = [];
  for (let poll = 0; poll < GAP_POLLS; poll += 1) {
    if (poll > 0) await sleep(GAP_PAUSE_MS * poll);
    entries = [];
    const feed = await allEntriesUpTo(table, { after: first, head: below - 1, limit: wanted });
    for (const item of feed.toReversed()) {
      if (item.kind === "unreadable" && item.revision === below - 1 - entries.length)
        return { entries, isLast: true };
      if (item.kind === "unreadable" || item.entry.revision !== below - 1 - entries.length) break;
      entries.unshift(item.entry);
    }
    if (entries.length === wanted) return { entries, isLast };
  }
  const missing = below - 1 - entries.length;
  if (await mustExist(table, { missing, head, nowMs }))
    throw new Unavailable(`entry ${missing} of the log has not been replicated to this region`);
  return { entries, isLast: true };
}

/** Entries expire in the order of their writes: none is gone while one before it is kept. */
async function mustExist(
  table: DynamoDbTable,
  { missing, head, nowMs }: { readonly missing: number; readonly head: Head; readonly nowMs: number },
): Promise<boolean> {
  const now = nowMs / 1000;
  if (missing === head.revision && head.writtenAt !== undefined)
    return now - head.writtenAt < SURELY_KEPT_SECONDS;
  // An empty range is an error to DynamoDB.
  if (missing <= head.settled + 1) return false;
  const [before] = await table.page(logRange(head.settled + 1, missing - 1), 1);
  const expiresAt = numberOf(before, TABLE_DEFINITION.timeToLive);
  return expiresAt !== undefined && expiresAt - now > DAY_SECONDS;
}
