import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../../core/errors.ts";
import { changesOf, following, type ItemChange } from "../../core/store/log-applier.ts";
import type { MxHost, StoredHostField } from "../../core/record/mx-host.ts";
import type { LogEntry, StoreContents, UnreadableItem } from "../../core/store/store.ts";
import {
  readCertificate,
  readDomain,
  readMxHost,
  readOrReport,
  readTrustStore,
} from "../../core/store/stored-record.ts";
import { mapAtMost } from "./at-most.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import { entriesUpTo, type Head, readHead } from "./dynamodb-log.ts";
import { GAP_PAUSE_MS, GAP_POLLS, type Run, runBelow } from "./log-run.ts";
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
/**
 * A replica is about a second behind; an alarm rings long before one of its partitions is this far behind
 * (infra/alarms.ts).
 */
const OVERLAP_MS = 15 * 60_000;

type Value = NonNullable<ItemChange["after"]>;

/** What is stored under one key, and since which revision. */
interface Held {
  readonly kind: StoredKind;
  readonly revision: number;
  readonly read: { readonly value: Value } | { readonly unreadable: UnreadableItem };
}

/**
 * Everything at one revision: `Store.loadAll`. The partitions are read one after the other while others
 * write, and then the log makes one moment of them all.
 *
 * A replica in another region receives each item by itself, in no order: then head, log and records may each
 * be ahead of the others. What cannot be shown to be whole is not loaded (docs/adr/0020).
 *
 * @throws Unavailable
 */
export async function loadContents(table: DynamoDbTable, nowMs: number): Promise<StoreContents> {
  for (let load = 0; load < LOADS; load += 1) {
    const contents = await loadOnce(table, nowMs);
    if (contents !== null) return contents;
  }
  throw new Unavailable("the settings could not be read at one revision");
}

/** null = an entry that is needed cannot be read: the next load starts behind it. */
async function loadOnce(table: DynamoDbTable, nowMs: number): Promise<StoreContents | null> {
  const head = readHead(await table.get(HEAD_KEY));
  const newest = await runBelow(table, { below: head.revision + 1, head, limit: OVERLAP_ENTRIES, nowMs });
  const held = new Map<string, Held>();
  await mapAtMost(PARTITIONS_AT_ONCE, RECORD_PARTITIONS, (pk) => readPartition(table, pk, held));
  const ahead = Math.max(0, ...[...held.values()].map(({ revision }) => revision));
  // The head may show a write before a Query shows all of it, so the newest are applied once more.
  await applyNewest(table, held, { newest, head, nowMs });
  const revision = await followLog(table, held, { from: head.revision, ahead });
  return revision === null ? null : contentsOf(held, revision);
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
    // One that is no text is not one that is absent.
    certificateId: item["certificateId"] === undefined ? null : (textOf(item, "certificateId") ?? ""),
    domainCount: numberOf(item, "domainCount"),
    certificateRevision: numberOf(item, "certificateRevision"),
  } satisfies Record<StoredHostField, unknown>);

/**
 * Applies what was written since `from`, to the head or to the last entry before a gap in the log.
 *
 * @param ahead the newest revision that a record has shown: at a lower one the contents would be of two
 *   moments.
 * @returns the revision of the contents; null = an entry cannot be read.
 */
async function followLog(
  table: DynamoDbTable,
  held: Map<string, Held>,
  { from, ahead }: { readonly from: number; readonly ahead: number },
): Promise<number | null> {
  let revision = from;
  for (let poll = 0; poll < GAP_POLLS; poll += 1) {
    if (poll > 0) await sleep(GAP_PAUSE_MS * poll);
    // Settled, and read last: in the region of its writer, a write of which any partition has shown a part is
    // not newer.
    const end = readHead(await table.getSettled(HEAD_KEY)).revision;
    for (let isGap = false; !isGap && revision < end; ) {
      const entries = await entriesAfter(table, revision, end);
      if (entries === null) return null;
      for (const entry of entries) applyEntry(held, entry);
      revision += entries.length;
      isGap = entries.length === 0;
    }
    if (revision >= end && revision >= ahead) return revision;
  }
  if (revision >= ahead) return revision;
  throw new Unavailable(`a record of revision ${ahead} is here and the log ends at ${revision}`);
}

/** The entries that follow, to the first gap; null = one of them cannot be read. */
async function entriesAfter(table: DynamoDbTable, revision: number, end: number): Promise<LogEntry[] | null> {
  const feed = await entriesUpTo(table, { after: revision, head: end, limit: ENTRIES_AT_ONCE });
  const entries: LogEntry[] = [];
  for (const item of following(revision, feed).entries) {
    if (item.kind === "unreadable") return null;
    entries.push(item.entry);
  }
  return entries;
}

function applyEntry(held: Map<string, Held>, entry: LogEntry): void {
  for (const change of changesOf(entry)) apply(held, entry.revision, change);
}

function apply(held: Map<string, Held>, revision: number, { kind, id, after }: ItemChange): void {
  const { sk } = recordKey(kind, id);
  // What was read after this entry was written has it already.
  if ((held.get(sk)?.revision ?? 0) >= revision) return;
  if (after === null) held.delete(sk);
  else held.set(sk, { kind, revision, read: { value: after } });
}

interface Overlap {
  readonly newest: Run;
  readonly head: Head;
  readonly nowMs: number;
}

/**
 * Applies the newest entries, and all of the minutes before them: a partition of a replica may be that far
 * behind. From the newest to the oldest, since there may be more than fit into memory: the first that names a
 * record decides.
 */
async function applyNewest(
  table: DynamoDbTable,
  held: Map<string, Held>,
  { newest, head, nowMs }: Overlap,
): Promise<void> {
  const decided = new Set<string>();
  const until = Date.parse(newest.entries.at(-1)?.at ?? "") - OVERLAP_MS;
  for (let run = newest; ; ) {
    for (const entry of run.entries.toReversed()) {
      const first = changesOf(entry).filter(({ kind, id }) => !decided.has(recordKey(kind, id).sk));
      for (const change of first) {
        decided.add(recordKey(change.kind, change.id).sk);
        apply(held, entry.revision, change);
      }
    }
    const [oldest] = run.entries;
    if (oldest === undefined || run.isLast || Date.parse(oldest.at) < until) return;
    run = await runBelow(table, { below: oldest.revision, head, limit: ENTRIES_AT_ONCE, nowMs });
  }
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
