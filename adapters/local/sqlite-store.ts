import type { CertificateRecord } from "../../core/record/certificate.ts";
import { type CertificateId, isTrustStoreId, type TrustStoreId } from "../../core/name/ids.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import { timestamp } from "../../core/clock.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import type {
  ChangeFeed,
  Commit,
  CommitSeries,
  DomainFilter,
  DomainWithHosts,
  LogEntry,
  NamesByHost,
  Page,
  PageRequest,
  RawRecord,
  RecordKind,
  SeriesExtent,
  RecordOf,
  Records,
  Store,
  StoreContents,
  UnreadableRecord,
  UseChange,
} from "../../core/store/store.ts";
import {
  readCertificate,
  readDomain,
  readFeedEntry,
  readOrReport,
  readTrustStore,
  pendingNamesOfDomain,
} from "../../core/store/stored-record.ts";
import { type Database, integer, type Row, text } from "./database.ts";
import { commitAllTo, commitTo, TABLE_OF, useCountOf } from "./sqlite-commit.ts";
import { domainOf, domainsByHost, firstDomainsOnHosts, hostsOfRows, hostsServing } from "./sqlite-hosts.ts";
import { headOf, loadContents } from "./sqlite-load.ts";

/** How long the change log is kept. */
export const LOG_KEPT_MS = 90 * 24 * 3600 * 1000;
/** About 5 ms of reading at 100,000 domains (bench/store-load.ts). */
const ROWS_AT_ONCE = 250;
/** SQLite's LIMIT for no limit. */
const ALL = -1;
/**
 * Comes after every character of a name, so that `prefix` to `prefix` and this are the names with the prefix.
 */
const AFTER_ALL = "\u{10ffff}";

/** A list statement with named values; `kind` says how its rows are read. */
interface ListQuery<T> {
  readonly kind: RecordKind;
  readonly sql: string;
  readonly values: Readonly<Record<string, string>>;
  readonly read: (key: string, stored: unknown) => T;
}

/** A domain that is served, beside some. One that is not JSON has been in force, or may be. */
const SERVED_BESIDE = `SELECT 1 FROM domain WHERE id NOT IN (SELECT value FROM json_each(?))
  AND CASE WHEN json_valid(record) THEN NOT EXISTS (
    SELECT 1 FROM json_each(record, '$.pendingNames') AS pending
    WHERE pending.type = 'object' AND json_extract(pending.value, '$.name') = domain.id
  ) ELSE 1 END LIMIT 1`;

/** The store on one machine: SQLite, embedded. */
export class SqliteStore implements Store {
  readonly #database: Database;
  readonly #rowsAtOnce: number;
  /** Half a megabyte of log entry, which every edge reads. */
  readonly hostsPerCommit = 1_000;

  constructor(database: Database, options: { readonly rowsAtOnce?: number } = {}) {
    this.#database = database;
    this.#rowsAtOnce = options.rowsAtOnce ?? ROWS_AT_ONCE;
  }

  async head(): Promise<number> {
    return headOf(this.#database);
  }

  async getDomain(name: DomainName): Promise<DomainRecord | null> {
    return this.#record("domain", name, readDomain);
  }

  async getRecords<K extends RecordKind>(kind: K, ids: readonly string[]): Promise<Records<K>> {
    const rows = this.#database.all(
      `SELECT id, record FROM ${TABLE_OF[kind]} WHERE id IN (SELECT value FROM json_each(?))`,
      JSON.stringify(ids),
    );
    return partsOf(rows.map((row) => readRow<RecordOf[K]>(kind, row, READ[kind])));
  }

  /** Synchronous from the first read to the last; other processes are kept out by the transaction. */
  async getDomainWithHosts(name: DomainName): Promise<DomainWithHosts | null> {
    const found = this.#database.read(() => {
      const domain = this.#record("domain", name, readDomain);
      return domain && { domain, rows: this.#hostRows(domain.mxHosts) };
    });
    return found && { domain: found.domain, hosts: await hostsOfRows(this.#database, found.rows) };
  }

  async getCertificate(id: CertificateId): Promise<CertificateRecord | null> {
    return this.#record("certificate", id, readCertificate);
  }

  async getTrustStore(id: TrustStoreId): Promise<TrustStoreRecord | null> {
    return this.#record("trust-store", id, readTrustStore);
  }

  async getUnreadable(kind: RecordKind, id: string, account: string): Promise<UnreadableRecord | null> {
    return unreadableRecord(this.#database, { kind, id, account });
  }

  async getRaw(kind: RecordKind, id: string, account: string): Promise<RawRecord | null> {
    return rawRecord(this.#database, { kind, id, account });
  }

  async getMxHosts(hosts: readonly DomainName[]): Promise<ReadonlyMap<DomainName, MxHost>> {
    return hostsOfRows(this.#database, this.#hostRows(hosts));
  }

  async useCount(kind: UseChange["kind"], id: CertificateId | TrustStoreId): Promise<number> {
    return useCountOf(this.#database, kind, id);
  }

  async listDomains(filter: DomainFilter, page: PageRequest): Promise<Page<DomainRecord>> {
    const prefix = filter.prefix ?? "";
    const values = { account: filter.account, prefix, end: prefix + AFTER_ALL };
    const sql = "SELECT id, record FROM domain WHERE account = :account AND id >= :prefix AND id < :end";
    const { certificateId } = filter;
    if (certificateId === undefined)
      return this.#page({ kind: "domain", sql, values, read: readDomain }, page);
    const serving = `${sql} AND id IN (
      SELECT named.domain FROM mx_host JOIN domain_host AS named USING (host)
      WHERE mx_host.certificate_id = :certificate AND mx_host.account = :account)`;
    return this.#page(
      { kind: "domain", sql: serving, values: { ...values, certificate: certificateId }, read: readDomain },
      page,
    );
  }

  async listCertificates(account: string, page: PageRequest): Promise<Page<CertificateRecord>> {
    const sql = "SELECT id, record FROM certificate WHERE account = :account";
    return this.#page({ kind: "certificate", sql, values: { account }, read: readCertificate }, page);
  }

  async listTrustStores(account: string, page: PageRequest): Promise<Page<TrustStoreRecord>> {
    const sql = "SELECT id, record FROM trust_store WHERE account = :account";
    return this.#page({ kind: "trust-store", sql, values: { account }, read: readTrustStore }, page);
  }

  async hostsOfCertificate(id: CertificateId, limit = ALL): Promise<readonly MxHost[]> {
    return hostsServing(this.#database, id, limit);
  }

  async domainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly count: number; readonly names: readonly DomainName[] }> {
    const from = "FROM domain_host WHERE account = ? AND host IN (SELECT value FROM json_each(?))";
    const values = [account, JSON.stringify(hosts)] as const;
    const counted = this.#database.get(`SELECT count(DISTINCT domain) AS domains ${from}`, ...values);
    const sql = `SELECT DISTINCT domain ${from} ORDER BY domain LIMIT ?`;
    const names = this.#database.all(sql, ...values, limit).flatMap(domainOf);
    return { count: counted === undefined ? 0 : integer(counted, "domains"), names };
  }

  async domainsByHost(account: string, hosts: readonly DomainName[]): Promise<NamesByHost> {
    return domainsByHost(this.#database, account, hosts);
  }

  async firstDomainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly names: readonly DomainName[]; readonly isAll: boolean }> {
    return firstDomainsOnHosts(this.#database, { account, hosts, limit });
  }

  async firstDomainsOfTrustStore(id: TrustStoreId, limit: number): Promise<readonly DomainName[]> {
    const sql = "SELECT domain FROM domain_trust_store WHERE trust_store = ? ORDER BY domain LIMIT ?";
    return this.#database.all(sql, id, limit).flatMap(domainOf);
  }

  async hasDomainBeside(names: readonly DomainName[]): Promise<boolean> {
    return this.#database.get(SERVED_BESIDE, JSON.stringify(names)) !== undefined;
  }

  async domainsOfTrustStore(id: TrustStoreId): Promise<readonly DomainRecord[]> {
    const rows = this.#database.all(
      `SELECT domain.id, domain.record FROM domain_trust_store JOIN domain ON domain.id = domain_trust_store.domain
       WHERE trust_store = ? ORDER BY domain.id`,
      id,
    );
    return readable(rows, (row) => readRow("domain", row, readDomain));
  }

  async commit(commit: Commit): Promise<LogEntry> {
    return commitTo(this.#database, commit);
  }

  async commitAll(commits: CommitSeries, extent: SeriesExtent): Promise<readonly LogEntry[]> {
    return commitAllTo(this.#database, commits, extent);
  }

  async changesAfter(revision: number, limit: number): Promise<ChangeFeed> {
    const head = headOf(this.#database);
    if (head <= revision) return { entries: [], head };
    // Up to the head just read: another process may have written since.
    const rows = this.#database.all(
      "SELECT revision, entry FROM log WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?",
      revision,
      head,
      limit,
    );
    return { entries: rows.map((row) => readFeedEntry(integer(row, "revision"), row["entry"])), head };
  }

  async changesBefore(revision: number, limit: number): Promise<ChangeFeed> {
    const head = headOf(this.#database);
    const rows = this.#database.all(
      "SELECT revision, entry FROM log WHERE revision < ? AND revision <= ? ORDER BY revision DESC LIMIT ?",
      revision,
      head,
      limit,
    );
    return { entries: rows.map((row) => readFeedEntry(integer(row, "revision"), row["entry"])), head };
  }

  async oldestRevision(): Promise<number> {
    const row = this.#database.get(
      "SELECT coalesce((SELECT min(revision) FROM log), (SELECT head + 1 FROM deployment)) AS oldest",
    );
    return row === undefined ? 1 : integer(row, "oldest");
  }

  loadAll(): Promise<StoreContents> {
    return loadContents(this.#database, this.#rowsAtOnce);
  }

  /** Processes wait for the file's lock, and a commit holds it for a millisecond. */
  async queue(): Promise<null> {
    return null;
  }

  async ping(): Promise<void> {
    this.#database.probe();
  }

  /** Prunes entries older than `LOG_KEPT_MS`, from the beginning of the log, so that no gap arises. */
  removeOldEntries(nowMs: number): void {
    this.#database.run(
      `DELETE FROM log WHERE revision < coalesce(
         (SELECT revision FROM log WHERE at >= ? ORDER BY revision LIMIT 1),
         (SELECT head + 1 FROM deployment))`,
      timestamp(nowMs - LOG_KEPT_MS),
    );
  }

  #hostRows(hosts: readonly DomainName[]): Row[] {
    return this.#database.all(
      "SELECT * FROM mx_host WHERE host IN (SELECT value FROM json_each(?))",
      JSON.stringify(hosts),
    );
  }

  #record<T>(kind: RecordKind, id: string, read: (key: string, stored: unknown) => T): T | null {
    const row = this.#database.get(`SELECT record FROM ${TABLE_OF[kind]} WHERE id = ?`, id);
    return row === undefined ? null : read(id, row["record"]);
  }

  #page<T>({ kind, sql, values, read }: ListQuery<T>, { limit, after }: PageRequest): Page<T> {
    // One more than requested shows whether there is a next page.
    const rows = this.#database.allNamed(`${sql} AND id > :after ORDER BY id LIMIT :limit`, {
      ...values,
      after: after ?? "",
      limit: limit + 1,
    });
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      ...partsOf(shown.map((row) => readRow(kind, row, read))),
      next: rows.length > limit && last !== undefined ? text(last, "id") : null,
    };
  }
}

const READ: { readonly [K in RecordKind]: (key: string, stored: unknown) => RecordOf[K] } = {
  domain: readDomain,
  certificate: readCertificate,
  "trust-store": readTrustStore,
};

const partsOf = <T>(read: readonly ReadRow<T>[]): Pick<Page<T>, "items" | "unreadable"> => ({
  items: read.flatMap((each) => ("value" in each ? [each.value] : [])),
  unreadable: read.flatMap((each) => ("unreadable" in each ? each.unreadable : [])),
});

type ReadRow<T> = ReturnType<typeof readOrReport<T>>;

const readRow = <T>(kind: RecordKind, row: Row, read: (key: string, stored: unknown) => T): ReadRow<T> =>
  readOrReport(kind, text(row, "id"), () => read(text(row, "id"), row["record"]));

interface OfAccount {
  readonly kind: RecordKind;
  readonly id: string;
  readonly account: string;
}

/** `Store.getRaw`. */
function rawRecord(database: Database, { kind, id, account }: OfAccount): RawRecord | null {
  const sql = `SELECT revision, record FROM ${TABLE_OF[kind]} WHERE id = ? AND account = ?`;
  const row = database.get(sql, id, account);
  return row === undefined ? null : { revision: integer(row, "revision"), text: text(row, "record") };
}

/** `Store.getUnreadable`. */
function unreadableRecord(database: Database, { kind, id, account }: OfAccount): UnreadableRecord | null {
  const row = database.get(`SELECT id, account, revision, record FROM ${TABLE_OF[kind]} WHERE id = ?`, id);
  const read = row === undefined ? null : readRow<object>(kind, row, READ[kind]);
  if (row === undefined || read === null || "value" in read) return null;
  const named = (table: string, column: string): string[] =>
    database
      .all(`SELECT ${column} AS named FROM ${table} WHERE domain = ?`, id)
      .map((each) => text(each, "named"));
  const isDomain = kind === "domain";
  return {
    revision: integer(row, "revision"),
    isOwn: row["account"] === account,
    problem: read.unreadable.problem,
    mxHosts: isDomain ? named("domain_host", "host").flatMap((host) => toDomainName(host) ?? []) : [],
    trustStoreIds: isDomain ? named("domain_trust_store", "trust_store").filter(isTrustStoreId) : [],
    pendingNames: isDomain ? pendingNamesOfDomain(row["record"]) : undefined,
  };
}

/** What names a record leaves out what cannot be read. */
const readable = <T>(rows: readonly Row[], read: (row: Row) => ReadRow<T>): T[] =>
  rows.map(read).flatMap((item) => ("value" in item ? [item.value] : []));
