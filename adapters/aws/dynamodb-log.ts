/** Reads of the change log and its head. */

import type { ChangeFeed, FeedEntry } from "../../core/store/store.ts";
import { readFeedEntry } from "../../core/store/stored-record.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import { HEAD_KEY, logRange, revisionOf } from "./table-keys.ts";

/** The newest revision; 0 before the first write. One read unit. */
export async function headOf(table: DynamoDbTable): Promise<number> {
  return numberOf(await table.get(HEAD_KEY), "head") ?? 0;
}

/** The head's item, as a full load reads it. */
export interface Head {
  /** The newest revision; 0 before the first write. */
  readonly revision: number;
  /** Epoch seconds of that write; undefined = written by a release before 0.2, or by a take-over. */
  readonly writtenAt: number | undefined;
  /** Up to this revision the records are the truth, and the log may have holes (take-over.ts); 0 = none. */
  readonly settled: number;
}

export const readHead = (item: Item | undefined): Head => ({
  revision: numberOf(item, "head") ?? 0,
  writtenAt: numberOf(item, "writtenAt"),
  settled: numberOf(item, "settled") ?? 0,
});

/** `Store.changesAfter`: without news, one read of one small item. */
export async function changesAfter(
  table: DynamoDbTable,
  revision: number,
  limit: number,
): Promise<ChangeFeed> {
  const head = await headOf(table);
  if (head <= revision) return { entries: [], head };
  return { entries: await entriesUpTo(table, { after: revision, head, limit }), head };
}

/** `Store.changesBefore`: one read of the head, one request for the entries. */
export async function changesBefore(
  table: DynamoDbTable,
  revision: number,
  limit: number,
): Promise<ChangeFeed> {
  const head = await headOf(table);
  const last = Math.min(head, revision - 1);
  // An empty range is an error to DynamoDB.
  if (last < 1) return { entries: [], head };
  const items = await table.page(logRange(1, last), limit, "last-first");
  return { entries: items.flatMap(feedEntryOf), head };
}

/** `Store.oldestRevision`: one read of the head, one of the first entry. */
export async function oldestRevision(table: DynamoDbTable): Promise<number> {
  const head = await headOf(table);
  // An empty range is an error to DynamoDB.
  if (head === 0) return 1;
  const [first] = await table.page(logRange(1, head), 1);
  return first === undefined ? head + 1 : revisionOf(sortKeyOf(first));
}

export interface EntryRange {
  readonly after: number;
  readonly head: number;
  readonly limit: number;
}

/**
 * Entries behind `after` up to `head`, fewer than `limit` where one request reads no more (1 MB). A strongly
 * consistent Query may show an entry before its predecessor: code that applies them must check that they
 * continue without a gap.
 */
export async function entriesUpTo(
  table: DynamoDbTable,
  { after, head, limit }: EntryRange,
): Promise<FeedEntry[]> {
  return (await table.page(logRange(after + 1, head), limit)).flatMap(feedEntryOf);
}

/** The same, `limit` of them where there are so many. */
export async function allEntriesUpTo(
  table: DynamoDbTable,
  { after, head, limit }: EntryRange,
): Promise<FeedEntry[]> {
  return (await table.first(logRange(after + 1, head), limit)).flatMap(feedEntryOf);
}

/** The entry that the item holds; none when the item is of another kind. */
export function feedEntryOf(item: Item): FeedEntry[] {
  const revision = revisionOf(sortKeyOf(item));
  return Number.isNaN(revision) ? [] : [readFeedEntry(revision, textOf(item, "json"))];
}
