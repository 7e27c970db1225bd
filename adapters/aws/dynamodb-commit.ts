import type { AttributeValue, CancellationReason } from "@aws-sdk/client-dynamodb";
import { Contention, StaleRevision, StateConflict, Unavailable } from "../../core/errors.ts";
import type { MxHost, MxHostChange, MxHostRead } from "../../core/settings/mx-host.ts";
import type { Commit, LogEntry, UseChange } from "../../core/settings/store.ts";
import { logEntryOf, replacedRevision } from "../../core/settings/write.ts";
import {
  type Action,
  type Condition,
  type DynamoDbTable,
  type Item,
  keyItem,
  numberOf,
  textOf,
} from "./dynamodb-table.ts";
import { type ReferenceChange, referenceChanges } from "./references.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { HEAD_KEY, listKeyOf, logKey, recordKey, WRITER_REGION } from "./table-keys.ts";

/** How long the change log is kept. */
const LOG_KEPT_SECONDS = 90 * 24 * 3600;
/** DynamoDB's cap on one transaction. */
const MAX_ACTIONS = 100;

/**
 * One transaction for record, head, log entry, host claims, use counts and references: `Store.commit`.
 *
 * At the caps of core/limits.ts all but the references are 84 actions at most. References that find no room are written
 * before, as loose ones: what is named there is believed only after a look (references.ts).
 */
export async function commitTo(
  table: DynamoDbTable,
  commit: Commit,
  maxActions = MAX_ACTIONS,
): Promise<LogEntry> {
  const entry = logEntryOf(commit);
  for (const change of commit.hosts) checkOwner(change);
  const actions = [
    // The record first: a caller whose record has changed must hear that, and not that something else has.
    recordAction(entry, replacedRevision(commit)),
    headAction(commit, await table.region()),
    logAction(entry),
    ...entry.hosts.map((change) => hostAction(change, entry.revision)),
    ...commit.uses.map(useAction),
    ...(commit.hostsRead ?? []).map(hostCheck),
  ];
  const references = referenceChanges(commit);
  const room = Math.max(0, maxActions - actions.length);
  await table.putAll(references.slice(room).map(({ key }) => ({ ...keyItem(key), loose: { BOOL: true } })));
  const cancelled = await table.transact([...actions, ...references.slice(0, room).map(referenceAction)]);
  if (cancelled === null) return entry;
  if (!cancelled.isCertain && (await isLogged(table, entry))) return entry;
  throw failure(commit, cancelled.reasons);
}

/** Whether the revision holds this very entry: tried again as if it did not, the write would be stored twice. */
async function isLogged(table: DynamoDbTable, entry: LogEntry): Promise<boolean> {
  return textOf(await table.get(logKey(entry.revision)), "json") === JSON.stringify(entry);
}

function checkOwner({ host, before, after }: MxHostChange): void {
  if (before === null || after === null || before.account === after.account) return;
  throw new StateConflict("host-taken", `MX host ${host} belongs to another account`);
}

function recordAction({ revision, record }: LogEntry, before: number | undefined): Action {
  const { kind, id, after } = record;
  const key = recordKey(kind, id);
  if (after === null) return { delete: key, condition: unchanged(before, kind !== "domain") };
  if (before === undefined) {
    const item = {
      ...keyItem(key),
      revision: { N: String(revision) },
      json: { S: JSON.stringify(after) },
      [TABLE_DEFINITION.index.partitionKey]: { S: kind },
      [TABLE_DEFINITION.index.sortKey]: { S: listKeyOf(after.account, id) },
      ...(kind === "domain" ? {} : { usedCount: { N: "0" } }),
    };
    return { put: item, condition: ABSENT };
  }
  // Not a put: the use count is not part of the record.
  const values = { ":after": { S: JSON.stringify(after) }, ":taken": { N: String(revision) } };
  const condition = unchanged(before, false);
  return {
    update: key,
    set: "SET revision = :taken, json = :after",
    condition: { ...condition, values: { ...condition.values, ...values } },
  };
}

const ABSENT: Condition = { expression: "attribute_not_exists(pk)" };

function unchanged(before: number | undefined, unused: boolean): Condition {
  const values = { ":before": { N: String(before ?? 0) } };
  if (!unused) return { expression: "revision = :before", values };
  return {
    expression: "revision = :before AND usedCount = :zero",
    values: { ...values, ":zero": { N: "0" } },
  };
}

/**
 * Takes the next revision. After a take-over one region alone may (take-over.ts): replicas of a table accept writes anywhere,
 * and the later of two would replace the other.
 */
function headAction(
  { expectedHead, ticket, at }: Pick<Commit, "expectedHead" | "ticket" | "at">,
  region: string,
): Action {
  const taken = {
    ":next": { N: String(expectedHead + 1) },
    ":at": { N: String(Math.floor(Date.parse(at) / 1000)) },
    ...(ticket === undefined ? {} : { ":ticket": { N: String(ticket) } }),
  };
  const condition =
    expectedHead === 0
      ? { ...ABSENT, values: taken }
      : {
          expression: `head = :expected AND (attribute_not_exists(${WRITER_REGION}) OR ${WRITER_REGION} = :region)`,
          values: { ...taken, ":expected": { N: String(expectedHead) }, ":region": { S: region } },
        };
  const set = `SET head = :next, writtenAt = :at${ticket === undefined ? "" : ", served = :ticket"}`;
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

function hostAction({ host, before, after }: MxHostChange, revision: number): Action {
  const key = recordKey("mx-host", host);
  const condition = before === null ? ABSENT : isAs(before);
  if (after === null) return { delete: key, condition };
  const item = { ...keyItem(key), ...hostAttributes(after), revision: { N: String(revision) } };
  return { put: item, condition };
}

const hostCheck = ({ host, item }: MxHostRead): Action => ({
  check: recordKey("mx-host", host),
  condition: item === null ? ABSENT : isAs(item),
});

function hostAttributes(item: MxHost): Record<string, AttributeValue> {
  const { account, certificateId, domainCount, certificateRevision } = item;
  return {
    account: { S: account },
    domainCount: { N: String(domainCount) },
    ...(certificateId === null ? {} : { certificateId: { S: certificateId } }),
    ...(certificateRevision === undefined ? {} : { certificateRevision: { N: String(certificateRevision) } }),
  };
}

/** The attributes as `hostAttributes` writes them: the same values, and none where there is none. */
function isAs(item: MxHost): Condition {
  const attributes = hostAttributes(item);
  const terms = HOST_ATTRIBUTES.map((name) =>
    attributes[name] === undefined ? `attribute_not_exists(${name})` : `${name} = :${name}`,
  );
  const values = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`:${name}`, value]));
  return { expression: terms.join(" AND "), values };
}

const HOST_ATTRIBUTES = ["account", "domainCount", "certificateId", "certificateRevision"] as const;

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

/** What a cancelled transaction means: the record, then its uses, then everything that another write may have changed. */
function failure(commit: Commit, reasons: readonly CancellationReason[]): Error {
  const failed = (index: number): boolean => reasons[index]?.Code === "ConditionalCheckFailed";
  const { uses, hosts, expectedHead } = commit;
  if (failed(0)) return recordFailure(commit, reasons[0]?.Item);
  if (failed(1)) return headFailure(expectedHead, reasons[1]?.Item);
  for (const [index, { host }] of hosts.entries()) {
    if (failed(3 + index)) return new Contention(`MX host ${host} has changed`);
  }
  for (const [index, { id }] of uses.entries()) {
    const position = 3 + hosts.length + index;
    if (!failed(position)) continue;
    if (reasons[position]?.Item === undefined) return new Contention(`${id} does not exist any more`);
    return new TypeError(`the uses of ${id} would be fewer than none`);
  }
  return new Contention("another write is at the same items");
}

function headFailure(expectedHead: number, stored: Item | undefined): Error {
  const writer = textOf(stored, WRITER_REGION);
  // A head that is as expected was refused for its writer: another try would be refused too.
  if (writer !== undefined && numberOf(stored, "head") === expectedHead)
    return new Unavailable(`settings are written in the region ${writer} alone`);
  return new Contention(`revision ${expectedHead + 1} is taken`);
}

function recordFailure(commit: Commit, stored: Item | undefined): Error {
  const { kind, id } = commit.record;
  const before = replacedRevision(commit);
  if (stored === undefined) return new StaleRevision(`${id} has been deleted`);
  if (before === undefined) return new StaleRevision(`${id} exists already`);
  if (numberOf(stored, "revision") !== before) return new StaleRevision(`${id} was changed by someone else`);
  const count = numberOf(stored, "usedCount") ?? 0;
  const users = kind === "certificate" ? "MX hosts" : "domains";
  return new StateConflict("in-use", `${id} is used by ${count} ${users}`);
}
