/** One write as a transaction of SQLite. */

import { Contention, StaleRevision, StateConflict } from "../../core/errors.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { MxHost, MxHostChange, StoredHostField } from "../../core/record/mx-host.ts";
import type {
  Commit,
  CommitSeries,
  LogEntry,
  RecordChange,
  RecordKind,
  SeriesExtent,
  UseChange,
} from "../../core/store/store.ts";
import { logEntryOf, ownUses, replacedRevision } from "../../core/store/log-entry.ts";
import { checkQuota, isBounded } from "../../core/store/quota.ts";
import type { Database, Row } from "./database.ts";
import { hostOfRow } from "./sqlite-load.ts";

export const TABLE_OF: Readonly<Record<RecordKind, string>> = {
  domain: "domain",
  certificate: "certificate",
  "trust-store": "trust_store",
};

/** One transaction for record, log entry, head, host claims and use counts: `Store.commit`. */
export function commitTo(database: Database, commit: Commit): LogEntry {
  const entry = logEntryOf(commit);
  return database.write(() => store(database, commit, entry));
}

/** Several in one transaction, which waits for the disk once: `Store.commitAll`. Only quotas bound them. */
export function commitAllTo(
  database: Database,
  commits: CommitSeries,
  extent: SeriesExtent,
): readonly LogEntry[] {
  const entries = commits.map((commit) => [commit, logEntryOf(commit)] as const);
  return database.write(() => {
    const stored: LogEntry[] = [];
    for (const [commit, entry] of entries) {
      // The first always: its error is that of the series.
      if (extent === "first" && stored.length > 0 && !hasRoom(database, commit)) break;
      stored.push(store(database, commit, entry));
    }
    return stored;
  });
}

const hasRoom = (database: Database, commit: Commit): boolean =>
  !isBounded(commit) || countOf(database, commit) < (commit.quota ?? Number.POSITIVE_INFINITY);

/** Records of the account and kind, in the transaction that adds one. */
function countOf(database: Database, { record, account }: Pick<Commit, "record" | "account">): number {
  const sql = `SELECT count(*) AS records FROM ${TABLE_OF[record.kind]} WHERE account = ?`;
  return Number(database.get(sql, account)?.["records"] ?? 0);
}

function store(database: Database, commit: Commit, entry: LogEntry): LogEntry {
  // The record first: a caller whose record has changed must receive that error, not one about another
  // record.
  checkRecord(database, commit.record, replacedRevision(commit));
  if (isBounded(commit)) checkQuota(commit, countOf(database, commit));
  // A deletion that moves its uses away was planned at a head, which shows first whether others came since.
  const isMoving = ownUses(commit) !== 0;
  if (!isMoving) checkUnused(database, commit);
  takeRevision(database, entry);
  if (isMoving) checkUnused(database, commit);
  for (const { host, item } of commit.hostsRead ?? []) checkHost(database, host, item);
  for (const [index, change] of entry.hosts.entries())
    writeHost(database, change, commit.hosts[index]?.before ?? null);
  for (const use of commit.uses) countUse(database, use);
  writeRecord(database, entry);
  return entry;
}

function checkRecord(database: Database, { kind, id }: RecordChange, expected: number | undefined): void {
  const stored = database.get(`SELECT revision FROM ${TABLE_OF[kind]} WHERE id = ?`, id);
  if (stored?.["revision"] === expected) return;
  if (stored === undefined) throw new StaleRevision(`${id} has been deleted`);
  throw new StaleRevision(
    expected === undefined ? `${id} exists already` : `${id} was changed by someone else`,
  );
}

function checkUnused(database: Database, commit: Commit): void {
  const { kind, id, after } = commit.record;
  if (after !== null || kind === "domain") return;
  const count = useCountOf(database, kind, id) + ownUses(commit);
  if (count > 0)
    throw new StateConflict(
      "in-use",
      `${id} is used by ${count} ${kind === "certificate" ? "MX hosts" : "domains"}`,
    );
}

export function useCountOf(database: Database, kind: UseChange["kind"], id: string): number {
  return Number(
    database.get(`SELECT used_count FROM ${TABLE_OF[kind]} WHERE id = ?`, id)?.["used_count"] ?? 0,
  );
}

function takeRevision(database: Database, entry: LogEntry): void {
  const taken = database.run(
    "UPDATE deployment SET head = ? WHERE one = 1 AND head = ?",
    entry.revision,
    entry.revision - 1,
  );
  if (taken !== 1) throw new Contention(`revision ${entry.revision} is taken`);
  const text = JSON.stringify(entry);
  database.run("INSERT INTO log (revision, at, entry) VALUES (?, ?, ?)", entry.revision, entry.at, text);
}

/** `read`: the item that the change was planned with, which the log does not have of a damaged one. */
function writeHost(database: Database, { host, before, after }: MxHostChange, read: MxHost | null): void {
  checkHost(database, host, read);
  if (before !== null && after !== null && before.account !== after.account) {
    throw new StateConflict("host-taken", `MX host ${host} belongs to another account`);
  }
  if (after === null) {
    database.run("DELETE FROM mx_host WHERE host = ?", host);
    return;
  }
  const columns = HOST_FIELDS.map((field) => HOST_COLUMNS[field]);
  database.run(
    `INSERT OR REPLACE INTO mx_host (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    ...HOST_FIELDS.map((field) => after[field] ?? null),
  );
}

const HOST_COLUMNS = {
  host: "host",
  account: "account",
  certificateId: "certificate_id",
  domainCount: "domain_count",
  certificateRevision: "certificate_revision",
} as const satisfies Record<StoredHostField, string>;
const HOST_FIELDS = Object.keys(HOST_COLUMNS) as StoredHostField[];

function checkHost(database: Database, host: DomainName, item: MxHost | null): void {
  const stored = database.get("SELECT * FROM mx_host WHERE host = ?", host);
  const isExpected =
    item?.isDamaged === true ? stored !== undefined && "unreadable" in hostOfRow(stored) : isAs(stored, item);
  if (!isExpected) throw new Contention(`MX host ${host} has changed`);
}

function isAs(stored: Row | undefined, item: MxHost | null): boolean {
  if (stored === undefined || item === null) return stored === undefined && item === null;
  return HOST_FIELDS.every((field) => stored[HOST_COLUMNS[field]] === (item[field] ?? null));
}

function countUse(database: Database, { kind, id, delta }: UseChange): void {
  const counted = database.run(
    `UPDATE ${TABLE_OF[kind]} SET used_count = used_count + ? WHERE id = ?`,
    delta,
    id,
  );
  if (counted !== 1) throw new Contention(`${id} does not exist any more`);
}

function writeRecord(database: Database, { record }: LogEntry): void {
  const { kind, id, after } = record;
  if (after === null) database.run(`DELETE FROM ${TABLE_OF[kind]} WHERE id = ?`, id);
  else {
    database.run(
      `INSERT INTO ${TABLE_OF[kind]} (id, account, revision, record) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, record = excluded.record`,
      id,
      after.account,
      after.revision,
      JSON.stringify(after),
    );
  }
  if (kind === "domain") writeNames(database, record);
}

/** Which hosts and trust stores the domain names: for lists alone, no condition reads it. */
function writeNames(database: Database, { id, after }: RecordChange & { readonly kind: "domain" }): void {
  database.run("DELETE FROM domain_host WHERE domain = ?", id);
  database.run("DELETE FROM domain_trust_store WHERE domain = ?", id);
  if (after === null) return;
  for (const host of new Set(after.mxHosts)) {
    database.run("INSERT INTO domain_host (host, domain, account) VALUES (?, ?, ?)", host, id, after.account);
  }
  for (const trustStore of new Set(after.tls.clientCertificate.trust.trustStoreIds)) {
    database.run("INSERT INTO domain_trust_store (trust_store, domain) VALUES (?, ?)", trustStore, id);
  }
}
