import { isOneMoment } from "../../core/store/shown-domain.ts";
import { isPending } from "../../core/record/ownership.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../../core/name/ids.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import { Unavailable } from "../../core/errors.ts";
import { type MxHost } from "../../core/record/mx-host.ts";
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
  RecordOf,
  Records,
  SeriesExtent,
  Store,
  StoreContents,
  UnreadableRecord,
  UseChange,
  WriterQueue,
} from "../../core/store/store.ts";
import { readCertificate, readDomain, readOrReport, readTrustStore } from "../../core/store/stored-record.ts";
import { commitAllTo, commitTo, hostsIn, MAX_ACTIONS } from "./dynamodb-commit.ts";
import { DynamoDbCounts } from "./dynamodb-counts.ts";
import { hostsOfItems, hostsServing } from "./dynamodb-hosts.ts";
import { loadContents } from "./dynamodb-load.ts";
import { changesAfter, changesBefore, headOf, oldestRevision } from "./dynamodb-log.ts";
import { domainsByHost, domainsNaming, namedOn, namesUsing } from "./dynamodb-names.ts";
import { DynamoDbQueue } from "./dynamodb-queue.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import { rawRecord, unreadableRecord } from "./dynamodb-unreadable.ts";
import { listRange, nameAtEndOf, recordKey, storedItemOf, usesRange, wholeListRange } from "./table-keys.ts";

/** Core's reader of one kind of record. */
type Read<T> = (key: string, stored: unknown) => T;

/** The store on one DynamoDB table (docs/adr/0008). */
export class DynamoDbStore implements Store {
  readonly #table: DynamoDbTable;
  readonly #maxActions: number;
  readonly hostsPerCommit: number;
  readonly #now: () => number;
  readonly #beforeFirstWrite: () => Promise<void>;
  readonly #counts: DynamoDbCounts;

  /**
   * `maxActions`: what one transaction may hold, for tests of what finds no room there. `now`: milliseconds
   * since the epoch, to know which log entries cannot have expired; a day matters, and no less.
   * `beforeFirstWrite`: rejects where an empty table is no new one (core/store/lost-settings.ts).
   */
  constructor(
    table: DynamoDbTable,
    options: {
      readonly maxActions?: number;
      readonly now?: () => number;
      readonly beforeFirstWrite?: () => Promise<void>;
    } = {},
  ) {
    this.#table = table;
    this.#counts = new DynamoDbCounts(table);
    this.#now = options.now ?? Date.now;
    this.#maxActions = options.maxActions ?? MAX_ACTIONS;
    this.hostsPerCommit = hostsIn(this.#maxActions);
    this.#beforeFirstWrite = options.beforeFirstWrite ?? (async () => undefined);
  }

  head(): Promise<number> {
    return headOf(this.#table);
  }

  getDomain(name: DomainName): Promise<DomainRecord | null> {
    return this.#record("domain", name, readDomain);
  }

  getRecords<K extends RecordKind>(kind: K, ids: readonly string[]): Promise<Records<K>> {
    return recordsOf(this.#table, kind, ids);
  }

  async getDomainWithHosts(name: DomainName): Promise<DomainWithHosts | null> {
    const domain = await this.getDomain(name);
    if (domain === null) return null;
    const items = await this.#table.getAll(domain.mxHosts.map((host) => recordKey("mx-host", host)));
    const read = { domain, hosts: await hostsOfItems(this.#table, items) };
    return isOneMoment(domain, read.hosts) ? read : domainWithHostsSettled(this.#table, domain);
  }

  getCertificate(id: CertificateId): Promise<CertificateRecord | null> {
    return this.#record("certificate", id, readCertificate);
  }

  getTrustStore(id: TrustStoreId): Promise<TrustStoreRecord | null> {
    return this.#record("trust-store", id, readTrustStore);
  }

  getUnreadable(kind: RecordKind, id: string, account: string): Promise<UnreadableRecord | null> {
    return unreadableRecord(this.#table, { kind, id, account });
  }

  getRaw(kind: RecordKind, id: string, account: string): Promise<RawRecord | null> {
    return rawRecord(this.#table, { kind, id, account });
  }

  async getMxHosts(hosts: readonly DomainName[]): Promise<ReadonlyMap<DomainName, MxHost>> {
    const items = await this.#table.getAll(hosts.map((host) => recordKey("mx-host", host)));
    return hostsOfItems(this.#table, items);
  }

  async useCount(kind: UseChange["kind"], id: CertificateId | TrustStoreId): Promise<number> {
    return numberOf(await this.#table.get(recordKey(kind, id)), "usedCount") ?? 0;
  }

  async listDomains(filter: DomainFilter, page: PageRequest): Promise<Page<DomainRecord>> {
    const { account, prefix, certificateId } = filter;
    if (certificateId === undefined) {
      return this.#list({ kind: "domain", account }, { ...page, prefix });
    }
    const serving = (await this.hostsOfCertificate(certificateId)).filter((host) => host.account === account);
    const hosts = serving.map(({ host }) => host);
    const { after, limit } = page;
    const named = await namedOn(this.#table, { account, hosts, prefix, after, atMost: limit + 1 });
    const found = await this.#pageOf("domain", { ids: [...named.keys()], limit });
    // Here the records themselves tell which of the references hold.
    const items = found.items.filter((domain) => domain.mxHosts.some((host) => hosts.includes(host)));
    return { ...found, items };
  }

  listCertificates(account: string, page: PageRequest): Promise<Page<CertificateRecord>> {
    return this.#list({ kind: "certificate", account }, page);
  }

  listTrustStores(account: string, page: PageRequest): Promise<Page<TrustStoreRecord>> {
    return this.#list({ kind: "trust-store", account }, page);
  }

  async hostsOfCertificate(id: CertificateId, limit?: number): Promise<readonly MxHost[]> {
    const names = await namesUsing(this.#table, { kind: "certificate", id }, limit);
    return hostsServing(this.#table, id, names);
  }

  async domainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly count: number; readonly names: readonly DomainName[] }> {
    const { names } = await domainsNaming(this.#table, { account, hosts });
    return { count: names.length, names: names.slice(0, limit) };
  }

  domainsByHost(account: string, hosts: readonly DomainName[]): Promise<NamesByHost> {
    return domainsByHost(this.#table, account, hosts);
  }

  async firstDomainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly names: readonly DomainName[]; readonly isAll: boolean }> {
    const named = await domainsNaming(this.#table, { account, hosts, atMost: limit + 1 });
    return { names: named.names.slice(0, limit), isAll: named.isAll };
  }

  async firstDomainsOfTrustStore(id: TrustStoreId, limit: number): Promise<readonly DomainName[]> {
    const items = await this.#table.first(usesRange("trust-store", id), limit);
    const named = items.flatMap((item) => {
      const name = nameAtEndOf(sortKeyOf(item));
      return name === null ? [] : [{ name, isLoose: "loose" in item }];
    });
    const loose = named.filter(({ isLoose }) => isLoose).map(({ name }) => name);
    const { items: looked } = await recordsOf(this.#table, "domain", loose);
    const real = new Set(
      looked
        .filter(({ tls }) => tls.clientCertificate.trust.trustStoreIds.includes(id))
        .map(({ name }) => name),
    );
    return named.filter(({ name, isLoose }) => !isLoose || real.has(name)).map(({ name }) => name);
  }

  hasDomainBeside(names: readonly DomainName[]): Promise<boolean> {
    return hasServedBeside(this.#table, names);
  }

  async domainsOfTrustStore(id: TrustStoreId): Promise<readonly DomainRecord[]> {
    const names = await namesUsing(this.#table, { kind: "trust-store", id });
    const { items } = await recordsOf(this.#table, "domain", names);
    return items.filter(({ tls }) => tls.clientCertificate.trust.trustStoreIds.includes(id));
  }

  async commit(commit: Commit): Promise<LogEntry> {
    if (commit.expectedHead === 0) await this.#beforeFirstWrite();
    await this.#counts.fitting([commit], "all");
    return commitTo(this.#table, commit, this.#maxActions);
  }

  async commitAll(commits: CommitSeries, extent: SeriesExtent): Promise<readonly LogEntry[]> {
    if (commits[0].expectedHead === 0) await this.#beforeFirstWrite();
    const fitting = await this.#counts.fitting(commits, extent);
    return commitAllTo(this.#table, fitting, { maxActions: this.#maxActions, extent });
  }

  changesAfter(revision: number, limit: number): Promise<ChangeFeed> {
    return changesAfter(this.#table, revision, limit);
  }

  changesBefore(revision: number, limit: number): Promise<ChangeFeed> {
    return changesBefore(this.#table, revision, limit);
  }

  oldestRevision(): Promise<number> {
    return oldestRevision(this.#table);
  }

  loadAll(): Promise<StoreContents> {
    return loadContents(this.#table, this.#now());
  }

  async queue(): Promise<WriterQueue> {
    return new DynamoDbQueue(this.#table);
  }

  async ping(): Promise<void> {
    await headOf(this.#table);
  }

  async #record<T>(kind: RecordKind, id: string, read: Read<T>): Promise<T | null> {
    const item = await this.#table.get(recordKey(kind, id));
    return item === undefined ? null : read(id, textOf(item, "json"));
  }

  /** One page of the index; the records are read from the table, so that they are never older than it. */
  async #list<K extends RecordKind>(
    { kind, account }: { readonly kind: K; readonly account: string },
    { limit, after, prefix }: PageRequest & { readonly prefix?: string | undefined },
  ): Promise<Page<RecordOf[K]>> {
    const range = listRange(kind, account, { prefix, after });
    if (range === null) return { items: [], unreadable: [], next: null };
    // One more than requested shows whether there is a next page.
    const items = await this.#table.first(range, limit + 1, "index");
    return this.#pageOf(kind, { ids: items.map(idOf), limit });
  }

  async #pageOf<K extends RecordKind>(
    kind: K,
    { ids, limit }: { readonly ids: readonly string[]; readonly limit: number },
  ): Promise<Page<RecordOf[K]>> {
    const shown = ids.slice(0, limit);
    return {
      ...(await recordsOf(this.#table, kind, shown)),
      next: ids.length > limit ? (shown.at(-1) ?? null) : null,
    };
  }
}

const READ: { readonly [K in RecordKind]: Read<RecordOf[K]> } = {
  domain: readDomain,
  certificate: readCertificate,
  "trust-store": readTrustStore,
};

/** Those that exist, by name. */
async function recordsOf<K extends RecordKind>(
  table: DynamoDbTable,
  kind: K,
  ids: readonly string[],
): Promise<Records<K>> {
  const read: Read<RecordOf[K]> = READ[kind];
  const items = await table.getAll(ids.map((id) => recordKey(kind, id)));
  const inOrder = items.toSorted((a, b) => (sortKeyOf(a) < sortKeyOf(b) ? -1 : 1));
  const results = inOrder.map((item) =>
    readOrReport(kind, idOf(item), () => read(idOf(item), textOf(item, "json"))),
  );
  return {
    items: results.flatMap((each) => ("value" in each ? [each.value] : [])),
    unreadable: results.flatMap((each) => ("unreadable" in each ? each.unreadable : [])),
  };
}

/** Domains that are read to find one that is served: nearly always the first is. */
const READ_AT_ONCE = 20;

async function hasServedBeside(table: DynamoDbTable, names: readonly DomainName[]): Promise<boolean> {
  const known = new Set<string>(names);
  for await (const items of table.pages(wholeListRange("domain"), "index")) {
    const others = items.map(idOf).filter((id) => !known.has(id));
    for (let from = 0; from < others.length; from += READ_AT_ONCE) {
      const ids = others.slice(from, from + READ_AT_ONCE);
      const { items: domains, unreadable } = await recordsOf(table, "domain", ids);
      // One that cannot be read has been in force, or may be.
      if (unreadable.length > 0 || domains.some((domain) => !isPending(domain))) return true;
    }
  }
  return false;
}

/** A domain is changed while it is read only so often. */
const SETTLED_READS = 5;

async function domainWithHostsSettled(
  table: DynamoDbTable,
  known: DomainRecord,
): Promise<DomainWithHosts | null> {
  let { name, mxHosts } = known;
  for (let read = 0; read < SETTLED_READS; read += 1) {
    const names = [...new Set(mxHosts)];
    const keys = [recordKey("domain", name), ...names.map((host) => recordKey("mx-host", host))];
    const [item, ...hosts] = await table.getAllSettled(keys);
    if (item === undefined) return null;
    const domain = readDomain(name, textOf(item, "json"));
    const items = hosts.filter((host) => host !== undefined);
    if (domain.mxHosts.every((host) => names.includes(host)))
      return { domain, hosts: await hostsOfItems(table, items) };
    ({ name, mxHosts } = domain);
  }
  throw new Unavailable(`${name} is changed again and again while it is read`);
}

const idOf = (item: Item): string => storedItemOf(sortKeyOf(item))?.id ?? "";
