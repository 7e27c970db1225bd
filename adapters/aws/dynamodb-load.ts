import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../../core/errors.ts";
import type { MxHost } from "../../core/settings/mx-host.ts";
import type {
  FeedEntry,
  LogEntry,
  RecordChange,
  StoreContents,
  UnreadableItem,
} from "../../core/settings/store.ts";
import {
  readCertificate,
  readDomain,
  readMxHost,
  readOrReport,
  readTrustStore,
} from "../../core/settings/stored-record.ts";
import { mapAtMost } from "./at-most.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import { allEntriesUpTo, entriesUpTo, headOf } from "./dynamodb-log.ts";
import {
  HEAD_KEY,
  RECORD_PARTITIONS,
  recordKey,
  type StoredKind,
  storedItemOf,
  wholePartition,
} from "./table-keys.ts";

const PARTITIONS_AT_ONCE = 8;
/** About 5 ms of reading; then others have their turn. */
const ITEMS_AT_ONCE = 250;
const LOADS = 5;
const ENTRIES_AT_ONCE = 500;
/** A second's worth of writes at the goal of 20 a second. */
const OVERLAP_ENTRIES = 20;
const GAP_POLLS = 5;
const GAP_PAUSE_MS = 20;

type Value = NonNullable<RecordChange["after"]> | MxHost;

/** What is stored under one key, and since which revision. */
interface Held {
  readonly kind: StoredKind;
  readonly revision: number;
  readonly read: { readonly value: Value } | { readonly unreadable: UnreadableItem };
}

/**
 * Everything at one revision: `Store.loadAll`. The partitions are read one after the other while others write, and then
 * the log makes one moment of them all.
 */
export async function loadContents(table: DynamoDbTable): Promise<StoreContents> {
  for (let load = 0; load < LOADS; load += 1) {
    const contents = await loadOnce(table);
    if (contents !== null) return contents;
  }
  throw new Unavailable("the settings could not be read at one revision");
}

/** null = an entry that is needed cannot be read: the next load starts behind it. */
async function loadOnce(table: DynamoDbTable): Promise<StoreContents | null> {
  const start = await headOf(table);
  const overlap = await newestEntries(table, start);
  const held = new Map<string, Held>();
  await mapAtMost(PARTITIONS_AT_ONCE, RECORD_PARTITIONS, (pk) => readPartition(table, pk, held));
  // The head may show a write before a Query shows all of it, so the newest are applied once more.
  for (const entry of overlap) applyEntry(held, entry);
  // Settled, and read last: a write of which any partition has shown a part is not newer than this.
  const end = numberOf(await table.getSettled(HEAD_KEY), "head") ?? 0;
  for (let revision = start; revision < end; ) {
    const entries = await continuation(table, revision, end);
    if (entries === null) return null;
    for (const entry of entries) applyEntry(held, entry);
    revision += entries.length;
  }
  return contentsOf(held, end);
}

async function readPartition(table: DynamoDbTable, pk: string, held: Map<string, Held>): Promise<void> {
  let count = 0;
  for await (const items of table.pages(wholePartition(pk))) {
    for (const item of items) {
      const sk = sortKeyOf(item);
      const about = storedItemOf(sk);
      if (about !== null) held.set(sk, readItem(about.kind, about.id, item));
      count += 1;
      if (count % ITEMS_AT_ONCE === 0) await setImmediate();
    }
  }
}

function readItem(kind: StoredKind, id: string, item: Item): Held {
  return {
    kind,
    revision: numberOf(item, "revision") ?? 0,
    read: readOrReport(kind, id, () => valueOf(kind, id, item)),
  };
}

/** @throws Unreadable */
function valueOf(kind: StoredKind, id: string, item: Item): Value {
  switch (kind) {
    case "domain":
      return readDomain(id, textOf(item, "json"));
    case "certificate":
      return readCertificate(id, textOf(item, "json"));
    case "trust-store":
      return readTrustStore(id, textOf(item, "json"));
    case "mx-host":
      return mxHostOf(id, item);
    default:
      return kind satisfies never;
  }
}

/** @throws Unreadable */
export const mxHostOf = (host: string, item: Item): MxHost =>
  readMxHost(host, {
    host,
    account: textOf(item, "account"),
    certificateId: textOf(item, "certificateId") ?? null,
    domainCount: numberOf(item, "domainCount"),
    certificateRevision: numberOf(item, "certificateRevision"),
  });

/** The entries that follow without a gap; one that a transaction is about to show is waited for. */
async function continuation(table: DynamoDbTable, revision: number, end: number): Promise<LogEntry[] | null> {
  for (let poll = 0; poll < GAP_POLLS; poll += 1) {
    if (poll > 0) await sleep(GAP_PAUSE_MS * poll);
    const entries: LogEntry[] = [];
    for (const item of await entriesUpTo(table, { after: revision, head: end, limit: ENTRIES_AT_ONCE })) {
      if (item.kind === "unreadable") return null;
      if (item.entry.revision !== revision + entries.length + 1) break;
      entries.push(item.entry);
    }
    if (entries.length > 0) return entries;
  }
  return null;
}

/** The newest entries up to `head` without a gap; fewer when older ones are gone or cannot be read. */
async function newestEntries(table: DynamoDbTable, head: number): Promise<readonly LogEntry[]> {
  const after = Math.max(0, head - OVERLAP_ENTRIES);
  let run: readonly LogEntry[] = [];
  for (let poll = 0; poll < GAP_POLLS && run.length < head - after; poll += 1) {
    if (poll > 0) await sleep(GAP_PAUSE_MS * poll);
    run = runUpTo(head, await allEntriesUpTo(table, { after, head, limit: OVERLAP_ENTRIES }));
  }
  return run;
}

/** Of entries in their order, the last that follow one another up to `head`. */
function runUpTo(head: number, feed: readonly FeedEntry[]): LogEntry[] {
  const run: LogEntry[] = [];
  for (const item of feed.toReversed()) {
    if (item.kind === "unreadable" || item.entry.revision !== head - run.length) break;
    run.unshift(item.entry);
  }
  return run;
}

function applyEntry(held: Map<string, Held>, { revision, record, hosts }: LogEntry): void {
  const put = (kind: StoredKind, id: string, value: Value | null): void => {
    const { sk } = recordKey(kind, id);
    // What was read after this entry was written has it already.
    if ((held.get(sk)?.revision ?? 0) >= revision) return;
    if (value === null) held.delete(sk);
    else held.set(sk, { kind, revision, read: { value } });
  };
  put(record.kind, record.id, record.after);
  for (const { host, after } of hosts) put("mx-host", host, after);
}

function contentsOf(held: ReadonlyMap<string, Held>, revision: number): StoreContents {
  const all = [...held.values()];
  const values = <T extends Value>(kind: StoredKind, is: (value: Value) => value is T): T[] =>
    all.flatMap((each) =>
      each.kind === kind && "value" in each.read && is(each.read.value) ? [each.read.value] : [],
    );
  return {
    revision,
    domains: values("domain", (value) => "mxHosts" in value),
    mxHosts: values("mx-host", (value) => "host" in value),
    certificates: values("certificate", (value) => "material" in value),
    trustStores: values("trust-store", (value) => "anchors" in value),
    unreadable: all.flatMap(({ read }) => ("unreadable" in read ? [read.unreadable] : [])),
  };
}
