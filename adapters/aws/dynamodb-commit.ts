/** One write as DynamoDB transactions: the record, its references, its log entry and the head. */

import { StateConflict, TooLarge } from "../../core/errors.ts";
import type { MxHost, MxHostChange, MxHostRead } from "../../core/record/mx-host.ts";
import type {
  Commit,
  CommitSeries,
  LogEntry,
  OfferedWrite,
  SeriesExtent,
  UseChange,
} from "../../core/store/store.ts";
import { logEntryOf, otherUses, ownUses, replacedRevision } from "../../core/store/log-entry.ts";
import { commitFailure } from "./commit-failure.ts";
import {
  ABSENT,
  type Action,
  type Condition,
  type DynamoDbTable,
  keyItem,
  keyOf,
  textOf,
} from "./dynamodb-table.ts";
import { hostAction, hostCheck, type HostWrite, isSameItem } from "./dynamodb-host-actions.ts";
import { offerAction } from "./dynamodb-queue.ts";
import { type ReferenceChange, referenceChanges } from "./references.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { HEAD_KEY, type ItemKey, listKeyOf, logKey, recordKey, WRITER_REGION } from "./table-keys.ts";

/** How long the change log is kept. */
const LOG_KEPT_SECONDS = 90 * 24 * 3600;
/** DynamoDB's cap on one transaction. */
export const MAX_ACTIONS = 100;
/** A transaction takes 4 MB of items; keys and other attributes of 100 actions have room beside this. */
const MAX_BYTES = 3_500_000;
/** Of a certificate's commit: its record, the head, the log entry, an offer, and another use. */
const ACTIONS_BESIDE_HOSTS = 5;

/** MX hosts that a commit of a certificate may change in one transaction. */
export const hostsIn = (maxActions: number): number => Math.max(1, maxActions - ACTIONS_BESIDE_HOSTS);

/**
 * One transaction for record, head, log entry, host claims, use counts and references: `Store.commit`.
 *
 * At the caps of core/limits.ts all but the references are 84 actions at most. References that find no room
 * are written before, as loose ones: what is named there is believed only after a look (references.ts).
 */
export async function commitTo(table: DynamoDbTable, commit: Commit, maxActions: number): Promise<LogEntry> {
  const { along = [] } = commit;
  const [entry] = await store(table, { first: commit, others: along }, { maxActions, extent: "first" });
  return entry;
}

/** `Store.commitAll`: as many as one transaction takes, or all. */
export async function commitAllTo(
  table: DynamoDbTable,
  [first, ...others]: CommitSeries,
  room: Room,
): Promise<readonly LogEntry[]> {
  return store(table, { first, others: others.map((commit) => ({ commit })) }, room);
}

interface Room {
  readonly maxActions: number;
  /** `all`: references that find no room are loose, as those of a single write. */
  readonly extent: SeriesExtent;
}

/** A write after the first of a transaction; `ticket`: of another writer, who has offered it. */
type LaterWrite = Pick<OfferedWrite, "commit"> & { readonly ticket?: number };

async function store(
  table: DynamoDbTable,
  { first: commit, others }: { readonly first: Commit; readonly others: readonly LaterWrite[] },
  { maxActions, extent }: Room,
): Promise<readonly [LogEntry, ...LogEntry[]]> {
  const entry = logEntryOf(commit);
  for (const change of commit.hosts) checkOwner(change);
  const own = joined(NOTHING, commit) ?? twice();
  const { later, all } = withRoom(others, own, { maxActions, extent });
  if (extent === "all" && later.length < others.length) throw noRoom();
  const entries: readonly [LogEntry, ...LogEntry[]] = [
    entry,
    ...later.map((write) => logEntryOf(write.commit)),
  ];
  const last = later.at(-1);
  const [record, log, ...offers] = all.actions;
  const actions = [
    // The record first: a caller whose record has changed must receive that error, not one about another
    // item.
    ...(record === undefined ? [] : [record]),
    headAction(commit, { last, region: await table.region() }),
    ...(log === undefined ? [] : [log]),
    ...[...all.hosts.values()].map(hostAction),
    ...[...all.uses.values()].map(useAction),
    ...[...all.checks.values()].map(hostCheck),
    ...offers,
  ];
  const room = Math.max(0, maxActions - actions.length);
  const loose = all.references.slice(room).map(({ key }) => ({ ...keyItem(key), loose: { BOOL: true } }));
  await table.putAll(loose);
  const cancelled = await table.transact([...actions, ...all.references.slice(0, room).map(referenceAction)]);
  if (cancelled === null) return entries;
  if (!cancelled.isCertain && (await isLogged(table, entry))) return entries;
  throw commitFailure(commit, cancelled.reasons, 3 + all.hosts.size);
}

function noRoom(): TooLarge {
  const message = "the write changes more MX hosts and certificates than one transaction holds";
  return new TooLarge(message, [{ pointer: "", code: "too-large", message }]);
}

function twice(): never {
  throw new TypeError("a commit is at one item twice");
}

/**
 * What commits do together, beside taking the head: each item once, as if they had been done one after the
 * other.
 */
interface Joined {
  /** Of each commit: its record, its log entry, and its offer if it was one. */
  readonly actions: readonly Action[];
  readonly references: readonly ReferenceChange[];
  /** Keys of the items of both. */
  readonly keys: ReadonlySet<string>;
  readonly hosts: ReadonlyMap<string, HostWrite>;
  readonly checks: ReadonlyMap<string, MxHostRead>;
  readonly uses: ReadonlyMap<string, UseChange>;
  /** About how many octets the records and log entries have. */
  readonly bytes: number;
}

const NOTHING: Joined = {
  actions: [],
  references: [],
  keys: new Set(),
  hosts: new Map(),
  checks: new Map(),
  uses: new Map(),
  bytes: 0,
};

/**
 * With the next commit; null when that does not continue what is there, or is at the same record. A record
 * may be created where one of the same key is deleted: both are one action.
 */
function joined(before: Joined, commit: Commit): Joined | null {
  const entry = logEntryOf(commit);
  const record = recordAction(entry, { before: replacedRevision(commit), used: ownUses(commit) });
  const anew = createdAnew(before, record);
  const actions = [
    ...(anew === null ? [record] : []),
    logAction(entry),
    ...(commit.offered === undefined ? [] : [offerAction(commit.offered, entry.revision)]),
  ];
  const references = referenceChanges(commit);
  const keys = [...actions.map(keyOf), ...references.map(({ key }) => key)].map(textOfKey);
  const uses = new Map(before.uses);
  for (const use of otherUses(commit)) {
    const key = textOfKey(recordKey(use.kind, use.id));
    uses.set(key, { ...use, delta: use.delta + (uses.get(key)?.delta ?? 0) });
  }
  const all = new Set([...before.keys, ...keys]);
  const isApart =
    all.size === before.keys.size + keys.length && [...uses.keys()].every((key) => !all.has(key));
  const hosts = new Map(before.hosts);
  const checks = new Map(before.checks);
  const isNext = (host: string, item: MxHost | null): boolean => {
    const known = hosts.get(host)?.change.after ?? checks.get(host)?.item;
    return (!hosts.has(host) && !checks.has(host)) || isSameItem(known ?? null, item);
  };
  for (const [index, change] of entry.hosts.entries()) {
    // As it was read: the log does not have what a damaged one was.
    const read = commit.hosts[index]?.before ?? null;
    if (!isNext(change.host, read)) return null;
    const first = hosts.get(change.host)?.change.before;
    checks.delete(change.host);
    const whole = { ...change, before: first === undefined ? read : first };
    hosts.set(change.host, { change: whole, revision: entry.revision });
  }
  for (const read of commit.hostsRead ?? []) {
    if (!isNext(read.host, read.item)) return null;
    if (!hosts.has(read.host)) checks.set(read.host, read);
  }
  if (!isApart) return null;
  return {
    actions: [...(anew ?? before.actions), ...actions],
    references: [...before.references, ...references],
    keys: all,
    hosts,
    checks,
    uses,
    bytes: before.bytes + actions.reduce((sum, action) => sum + bytesOf(action), 0),
  };
}

/** The actions with the creation of a record in the place of its deletion; null where it is not deleted. */
function createdAnew({ actions }: Joined, creation: Action): readonly Action[] | null {
  if (!("put" in creation)) return null;
  const key = textOfKey(keyOf(creation));
  const index = actions.findIndex((action) => "delete" in action && textOfKey(action.delete) === key);
  const { condition } = actions[index] ?? {};
  return condition === undefined ? null : actions.with(index, { put: creation.put, condition });
}

/** Of the JSON that it writes: the rest of an item is small. */
function bytesOf(action: Action): number {
  const written = "put" in action ? action.put : action.condition?.values;
  const texts = Object.values(written ?? {}).map(({ S: text = "" }) => text);
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/**
 * The first of the others that the transaction has room for; of the extent `first` all their references too.
 */
function withRoom(
  others: readonly LaterWrite[],
  own: Joined,
  { maxActions, extent }: Room,
): { readonly later: readonly LaterWrite[]; readonly all: Joined } {
  const later: LaterWrite[] = [];
  let all = own;
  for (const write of others) {
    const { commit, ticket } = write;
    if (commit.hosts.some(changesOwner)) break;
    const next = joined(all, ticket === undefined ? commit : { ...commit, offered: ticket });
    if (next === null || next.bytes > MAX_BYTES) break;
    const loose = extent === "all" ? next.references.length : 0;
    if (actionCount(next) - loose > maxActions) break;
    all = next;
    later.push(write);
  }
  return { later, all };
}

/** With the head. */
const actionCount = ({ keys, hosts, checks, uses }: Joined): number =>
  1 + keys.size + hosts.size + checks.size + uses.size;

const textOfKey = ({ pk, sk }: ItemKey): string => `${pk} ${sk}`;

/**
 * Whether the revision holds this very entry: tried again as if it did not, the write would be stored twice.
 */
async function isLogged(table: DynamoDbTable, entry: LogEntry): Promise<boolean> {
  return textOf(await table.get(logKey(entry.revision)), "json") === JSON.stringify(entry);
}

function checkOwner(change: MxHostChange): void {
  if (changesOwner(change))
    throw new StateConflict("host-taken", `MX host ${change.host} belongs to another account`);
}

const changesOwner = ({ before, after }: MxHostChange): boolean =>
  before !== null && after !== null && before.account !== after.account;

/** Of the record that a commit writes. */
interface WrittenRecord {
  /** The revision that is stored; undefined = there must be none. */
  readonly before: number | undefined;
  /** Change of its uses. */
  readonly used: number;
}

function recordAction({ revision, record }: LogEntry, { before, used }: WrittenRecord): Action {
  const { kind, id, after } = record;
  const key = recordKey(kind, id);
  if (after === null) return { delete: key, condition: unchanged(before, kind === "domain" ? null : -used) };
  if (before === undefined) {
    const item = {
      ...keyItem(key),
      revision: { N: String(revision) },
      json: { S: JSON.stringify(after) },
      [TABLE_DEFINITION.index.partitionKey]: { S: kind },
      [TABLE_DEFINITION.index.sortKey]: { S: listKeyOf(after.account, id) },
      ...(kind === "domain" ? {} : { usedCount: { N: String(used) } }),
    };
    return { put: item, condition: ABSENT };
  }
  // Not a put: the use count is not part of the record.
  const values = { ":after": { S: JSON.stringify(after) }, ":taken": { N: String(revision) } };
  const condition = unchanged(before, null);
  const set = "SET revision = :taken, json = :after";
  if (used === 0)
    return { update: key, set, condition: { ...condition, values: { ...condition.values, ...values } } };
  const counted = { ":delta": { N: String(used) }, ":least": { N: String(-used) } };
  return {
    update: key,
    set: `${set} ADD usedCount :delta`,
    condition: {
      expression: `${condition.expression} AND usedCount >= :least`,
      values: { ...condition.values, ...values, ...counted },
    },
  };
}

/** `uses`: that many must be counted; null = whatever is. */
function unchanged(before: number | undefined, uses: number | null): Condition {
  const values = { ":before": { N: String(before ?? 0) } };
  if (uses === null) return { expression: "revision = :before", values };
  return {
    expression: "revision = :before AND usedCount = :uses",
    values: { ...values, ":uses": { N: String(uses) } },
  };
}

/**
 * Takes the next revision. After a take-over one region alone may (take-over.ts): replicas of a table accept
 * writes anywhere, and the later of two would replace the other.
 */
function headAction(
  commit: Commit,
  { last, region }: { readonly last: LaterWrite | undefined; readonly region: string },
): Action {
  const { expectedHead } = commit;
  const newest = last?.commit ?? commit;
  // Tickets before those of `along` are served only where this one's is marked as such.
  const ticket = commit.ticket === undefined ? undefined : (last?.ticket ?? commit.ticket);
  const taken = {
    ":next": { N: String(newest.expectedHead + 1) },
    ":at": { N: String(Math.floor(Date.parse(newest.at) / 1000)) },
    ...(ticket === undefined ? {} : { ":ticket": { N: String(ticket) } }),
  };
  const condition =
    expectedHead === 0
      ? { ...ABSENT, values: taken }
      : {
          expression: `head = :expected AND (attribute_not_exists(${WRITER_REGION}) OR ${WRITER_REGION} = :region)`,
          values: { ...taken, ":expected": { N: String(expectedHead) }, ":region": { S: region } },
        };
  const served = ticket === undefined ? "" : ", served = :ticket";
  const set = `SET head = :next, writtenAt = :at${served}`;
  return { update: HEAD_KEY, set, condition };
}

function logAction(entry: LogEntry): Action {
  const expiresAt = Math.floor(Date.parse(entry.at) / 1000) + LOG_KEPT_SECONDS;
  const item = {
    ...keyItem(logKey(entry.revision)),
    json: { S: JSON.stringify(entry) },
    [TABLE_DEFINITION.timeToLive]: { N: String(expiresAt) },
  };
  return { put: item, condition: ABSENT };
}

function useAction({ kind, id, delta }: UseChange): Action {
  const key = recordKey(kind, id);
  if (delta === 0) return { check: key, condition: { expression: "attribute_exists(pk)" } };
  const condition = {
    expression: "attribute_exists(pk) AND usedCount >= :least",
    values: { ":delta": { N: String(delta) }, ":least": { N: String(-delta) } },
  };
  return { update: key, set: "ADD usedCount :delta", condition };
}

const referenceAction = ({ key, becomes }: ReferenceChange): Action =>
  becomes === "present" ? { put: keyItem(key) } : { delete: key };
