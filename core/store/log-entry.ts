/** The log entry of a commit. */

import type { Every } from "../same-fields.ts";
import { shownRecord } from "./shown-domain.ts";
import type { MxHost, MxHostChange } from "../record/mx-host.ts";
import type { ChangeAction, Commit, LogEntry, RecordChange, UseChange } from "./store.ts";
import { readFeedEntry } from "./stored-record.ts";

/**
 * What a commit is written as: the log entry at the revision it takes, and the record with that revision in
 * it.
 *
 * @throws TypeError for what could not be read back: stored, it would be a record that no write can change
 *   any more, so a writer that is laxer than stored-record.ts must not get that far.
 */
export function logEntryOf(commit: Commit): LogEntry {
  const entry = entryAt(commit.expectedHead + 1, commit);
  const back = readFeedEntry(entry.revision, entry);
  if (back.kind === "unreadable") throw new TypeError(`a write could not be read back: ${back.item.problem}`);
  return entry;
}

function entryAt(revision: number, commit: Commit): LogEntry {
  return {
    revision,
    at: commit.at,
    account: commit.account,
    actor: commit.actor,
    action: actionOf(commit),
    record: withRevision(asRead(commit), revision),
    hosts: commit.hosts.map((change) => withCertificateRevision(change, revision)),
    movedDomains: commit.movedDomains,
  } satisfies Every<LogEntry>;
}

/** The change with `before` as a reader saw it. */
function asRead({ record, hosts, hostsRead }: Commit): RecordChange {
  if (record.kind !== "domain" || record.before === null || hostsRead === undefined) return record;
  const read = [
    ...hosts.map(({ host, before }): [string, MxHost | null] => [host, before]),
    ...hostsRead.map(({ host, item }): [string, MxHost | null] => [host, item]),
  ];
  const items = new Map(read.flatMap(([, item]) => (item === null ? [] : [[item.host, item] as const])));
  return { ...record, before: shownRecord(record.before, items) };
}

/** @throws TypeError for a change of nothing to nothing, which is a bug. */
export function actionOf({ record, replaced }: Pick<Commit, "record" | "replaced">): ChangeAction {
  const { before, after, id } = record;
  if (before === null && after === null && replaced === undefined)
    throw new TypeError(`a write of ${id} neither starts nor ends with a record`);
  if (before === null && replaced === undefined) return "create";
  return after === null ? "delete" : "update";
}

/** The revision of the stored record that a commit takes the place of; undefined = there must be none. */
export const replacedRevision = ({ record, replaced }: Pick<Commit, "record" | "replaced">) =>
  record.before?.revision ?? replaced?.revision;

/** Change of the uses of the very record that a commit writes: what it moves to the record, or from it. */
export const ownUses = ({ record: { kind, id }, uses }: Pick<Commit, "record" | "uses">): number =>
  uses.reduce((sum, use) => (use.kind === kind && use.id === id ? sum + use.delta : sum), 0);

/** Uses of other records than the written one, whose action counts them. */
export const otherUses = ({ record, uses }: Pick<Commit, "record" | "uses">): readonly UseChange[] =>
  uses.filter(({ kind, id }) => kind !== record.kind || id !== record.id);

function withRevision(change: RecordChange, revision: number): RecordChange {
  switch (change.kind) {
    case "domain":
      return { ...change, after: change.after && { ...change.after, revision } };
    case "certificate":
      return { ...change, after: change.after && { ...change.after, revision } };
    case "trust-store":
      return { ...change, after: change.after && { ...change.after, revision } };
    default:
      return change satisfies never;
  }
}

/**
 * A host item as the write at `revision` stores it. In the place of a damaged one it is a new item: what it
 * was is not logged, and its certificate counts as set now, since when it was set before is not known.
 */
function withCertificateRevision(change: MxHostChange, revision: number): MxHostChange {
  const { before, after } = change;
  if (before?.isDamaged === true)
    return { ...change, before: null, after: after && { ...after, certificateRevision: revision } };
  if (after === null) return change;
  const isSame = before?.account === after.account && before.certificateId === after.certificateId;
  // A host that comes without a certificate changes nothing that any domain shows.
  const isBare = before === null && after.certificateId === null;
  const { certificateRevision: _, ...item } = after;
  const taken = isSame ? before.certificateRevision : isBare ? undefined : revision;
  return { ...change, after: taken === undefined ? item : { ...item, certificateRevision: taken } };
}
