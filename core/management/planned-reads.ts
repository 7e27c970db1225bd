/** Reads of a batch of domain writes: each record once, and as the writes planned before leave it. */

import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import { logEntryOf } from "../store/log-entry.ts";
import { isOneMoment } from "../store/shown-domain.ts";
import type { Commit, DomainWithHosts, RecordOf, Store, UnreadableRecord } from "../store/store.ts";
import type { DomainReads } from "./domain-write.ts";

type BatchReads = DomainReads & Pick<Store, "head" | "getRecords" | "domainsByHost">;

/** What the writes of a batch name, as far as their requests show it. */
export interface NamedByBatch {
  readonly account: string;
  readonly domains: readonly DomainName[];
  readonly hosts: readonly DomainName[];
  readonly certificates: readonly CertificateId[];
  readonly trustStores: readonly TrustStoreId[];
}

/**
 * A view of the store at one head. What the batch names is read at once by `readPlanned`; what is needed
 * besides is read when it is asked for. A write of another writer after that head fails the commit, so
 * nothing is stored on what was read before it.
 */
class PlannedReads implements DomainReads {
  readonly #store: BatchReads;
  /** As they are after the planned writes; null = absent. What is not here is asked of the store. */
  readonly #domains = new Map<DomainName, DomainRecord | null>();
  readonly #hosts = new Map<DomainName, MxHost | null>();
  readonly #certificates = new Map<CertificateId, CertificateRecord | null>();
  readonly #trustStores = new Map<TrustStoreId, TrustStoreRecord | null>();
  /** Names of the stored domains on a host, by account and host. */
  readonly #naming = new Map<string, readonly DomainName[]>();
  /** Domains that a planned write has changed. */
  readonly #written = new Set<DomainName>();

  constructor(store: BatchReads) {
    this.#store = store;
  }

  async read(named: NamedByBatch, head: number): Promise<void> {
    const [domains] = await Promise.all([
      this.#store.getRecords("domain", named.domains),
      this.#know("certificate", named.certificates, this.#certificates),
      this.#know("trust-store", named.trustStores, this.#trustStores),
    ]);
    // One that cannot be read is asked of the store, which says what is known of it.
    const unreadable = new Set<string>(domains.unreadable.map(({ id }) => id));
    for (const name of named.domains) if (!unreadable.has(name)) this.#domains.set(name, null);
    for (const domain of domains.items) this.#domains.set(domain.name, domain);
    await this.#readHosts([...named.hosts, ...domains.items.flatMap(({ mxHosts }) => mxHosts)]);
    await this.#checkMoment(domains.items, head);
    await this.#readUnclaimed(named);
  }

  async #know<K extends "certificate" | "trust-store", Id extends string>(
    kind: K,
    ids: readonly Id[],
    known: Map<Id, RecordOf[K] | null>,
  ): Promise<void> {
    if (ids.length === 0) return;
    const { items, unreadable } = await this.#store.getRecords(kind, [...new Set(ids)]);
    const skipped = new Set<string>(unreadable.map(({ id }) => id));
    const found = new Map<string, RecordOf[K]>(items.map((record) => [record.id, record]));
    for (const id of ids) if (!skipped.has(id)) known.set(id, found.get(id) ?? null);
  }

  async #readHosts(names: readonly DomainName[]): Promise<void> {
    const distinct = [...new Set(names)].filter((host) => !this.#hosts.has(host));
    if (distinct.length === 0) return;
    const found = await this.#store.getMxHosts(distinct);
    for (const host of distinct) this.#hosts.set(host, found.get(host) ?? null);
  }

  /**
   * A host that is newer than its domain was moved by another domain, or the reads met a write. While the
   * head is the same there was none.
   */
  async #checkMoment(domains: readonly DomainRecord[], head: number): Promise<void> {
    const mixed = domains.filter((domain) => !isOneMoment(domain, this.#hostsOf(domain)));
    if (mixed.length === 0 || (await this.#store.head()) === head) return;
    for (const { name, mxHosts } of mixed) {
      this.#domains.delete(name);
      for (const host of mxHosts) this.#hosts.delete(host);
    }
  }

  /** Only a host without an item can be named by domains that its claim has to count. */
  async #readUnclaimed({ account, hosts }: NamedByBatch): Promise<void> {
    const unclaimed = [...new Set(hosts)].filter((host) => this.#hosts.get(host) === null);
    if (unclaimed.length === 0) return;
    const found = await this.#store.domainsByHost(account, unclaimed);
    for (const host of unclaimed) this.#naming.set(namingKey(account, host), found.get(host) ?? []);
  }

  /** What is read from then on is as after this write. */
  plan(commit: Commit): void {
    const { record, hosts } = logEntryOf(commit);
    if (record.kind !== "domain") throw new TypeError("a batch writes domains alone");
    this.#domains.set(record.id, record.after);
    this.#written.add(record.id);
    for (const { host, after } of hosts) this.#hosts.set(host, after);
  }

  async getDomainWithHosts(name: DomainName): Promise<DomainWithHosts | null> {
    const domain = this.#domains.get(name);
    if (domain === null) return null;
    if (domain !== undefined) {
      await this.#readHosts(domain.mxHosts);
      return { domain, hosts: this.#hostsOf(domain) };
    }
    const read = await this.#store.getDomainWithHosts(name);
    if (read === null) return null;
    // Those that a planned write has changed are as it leaves them.
    const hosts = new Map(read.domain.mxHosts.map((host) => [host, read.hosts.get(host) ?? null] as const));
    for (const [host, item] of hosts) if (!this.#hosts.has(host)) this.#hosts.set(host, item);
    return { domain: read.domain, hosts: this.#hostsOf(read.domain) };
  }

  #hostsOf({ mxHosts }: Pick<DomainRecord, "mxHosts">): ReadonlyMap<DomainName, MxHost> {
    return new Map(mxHosts.flatMap((host) => this.#hostEntry(host)));
  }

  #hostEntry(host: DomainName): [DomainName, MxHost][] {
    const item = this.#hosts.get(host);
    return item === undefined || item === null ? [] : [[host, item]];
  }

  getUnreadable(...about: Parameters<Store["getUnreadable"]>): Promise<UnreadableRecord | null> {
    return this.#store.getUnreadable(...about);
  }

  async getMxHosts(hosts: readonly DomainName[]): Promise<ReadonlyMap<DomainName, MxHost>> {
    await this.#readHosts(hosts);
    return new Map(hosts.flatMap((host) => this.#hostEntry(host)));
  }

  async domainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly count: number; readonly names: readonly DomainName[] }> {
    const unknown = hosts.filter((host) => !this.#naming.has(namingKey(account, host)));
    const found = unknown.length === 0 ? null : await this.#store.domainsByHost(account, unknown);
    for (const host of unknown) this.#naming.set(namingKey(account, host), found?.get(host) ?? []);
    const stored = hosts.flatMap((host) => this.#naming.get(namingKey(account, host)) ?? []);
    const names = this.#asPlanned(stored, { account, hosts });
    return { count: names.length, names: names.slice(0, limit) };
  }

  async firstDomainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly names: readonly DomainName[]; readonly isAll: boolean }> {
    // Each written one may be among the first, and may have left since.
    const stored = await this.#store.firstDomainsOnHosts(account, hosts, limit + this.#written.size);
    const names = this.#asPlanned(stored.names, { account, hosts });
    return { names: names.slice(0, limit), isAll: stored.isAll && names.length <= limit };
  }

  #asPlanned(
    stored: readonly DomainName[],
    { account, hosts }: { readonly account: string; readonly hosts: readonly DomainName[] },
  ): readonly DomainName[] {
    const names = new Set(stored.filter((name) => !this.#written.has(name)));
    for (const name of this.#written) {
      const domain = this.#domains.get(name);
      if (domain?.account === account && domain.mxHosts.some((host) => hosts.includes(host))) names.add(name);
    }
    return [...names].toSorted((a, b) => (a < b ? -1 : 1));
  }

  getCertificate(id: CertificateId): Promise<CertificateRecord | null> {
    return knownOrRead(this.#certificates, id, () => this.#store.getCertificate(id));
  }

  getTrustStore(id: TrustStoreId): Promise<TrustStoreRecord | null> {
    return knownOrRead(this.#trustStores, id, () => this.#store.getTrustStore(id));
  }
}

export type { PlannedReads };

/** @throws Unavailable */
export async function readPlanned(
  store: BatchReads,
  named: NamedByBatch,
  head: number,
): Promise<PlannedReads> {
  const reads = new PlannedReads(store);
  await reads.read(named, head);
  return reads;
}

/** An error is not kept: what cannot be read is asked of the store each time. */
async function knownOrRead<Id, T>(
  records: Map<Id, T | null>,
  id: Id,
  read: () => Promise<T | null>,
): Promise<T | null> {
  const record = records.get(id);
  if (record !== undefined) return record;
  const found = await read();
  records.set(id, found);
  return found;
}

const namingKey = (account: string, host: DomainName): string => `${host} ${account}`;
