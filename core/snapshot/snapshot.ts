import { FeedGap } from "../store/apply-entries.ts";
import type { TrustStoreContent } from "../x509/trust-anchors.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { DomainGroup } from "./domain-group.ts";
import { createInterner, type Interner } from "./interner.ts";
import type { MxHost } from "../record/mx-host.ts";
import { PersistentMap, PersistentMapBuilder } from "./persistent-map.ts";
import type { HostView, Snapshot } from "./snapshot-view.ts";
import type { FeedEntry, LogEntry, StoreContents, UnreadableItem } from "../store/store.ts";

/** The domains of one MX host. Most hosts have one domain, and a group for each would be as large as the record. */
type HostDomains = DomainRecord | DomainGroup;

type TrustContents = ReadonlyMap<string, TrustStoreContent>;

interface Parts {
  readonly revision: number;
  readonly domains: DomainGroup;
  /** Domains whose newest version cannot be read; only those without an earlier one are row 2. */
  readonly unusable: PersistentMap<DomainName, UnreadableItem>;
  /** Domains by MX host, whoever owns the host. */
  readonly groups: PersistentMap<DomainName, HostDomains>;
  /** Hosts with a certificate of the settings. Owner and count of a host are for writers only. */
  readonly hostCertificates: PersistentMap<DomainName, CertificateId>;
  readonly certificates: PersistentMap<CertificateId, CertificateRecord>;
  readonly trustStores: PersistentMap<TrustStoreId, TrustStoreRecord>;
  readonly trustContents: TrustContents;
  /** By kind and id; a readable version of the same record takes its item out. */
  readonly unreadable: PersistentMap<string, UnreadableItem>;
  readonly interner: Interner;
}

const PARTS = new WeakMap<Snapshot, Parts>();

/** Builds the snapshot of a full load. Unreadable domains are row 2 until a readable version comes. */
export function buildSnapshot(contents: StoreContents, trustContents: TrustContents): Snapshot {
  const interner = createInterner();
  const domains = contents.domains.map((domain) => withSharedTls(domain, interner));
  const unusable = contents.unreadable.filter((item) => item.kind === "domain");
  return view({
    revision: contents.revision,
    domains: DomainGroup.of(domains),
    unusable: PersistentMap.from(unusable.map((item) => [item.id as DomainName, item] as const)),
    groups: domainsByHost(domains),
    hostCertificates: PersistentMap.from(certificatesOf(contents.mxHosts)),
    certificates: PersistentMap.fromValues(contents.certificates, ({ id }) => id),
    trustStores: PersistentMap.fromValues(contents.trustStores, ({ id }) => id),
    trustContents,
    unreadable: PersistentMap.fromValues(contents.unreadable, ({ kind, id }) => itemKey(kind, id)),
    interner,
  });
}

/** A record that a store has shared already (`Interner.domain`) stays the object it is. */
function withSharedTls(domain: DomainRecord, interner: Interner): DomainRecord {
  const tls = interner.tls(domain.tls);
  return tls === domain.tls ? domain : { ...domain, tls };
}

function domainsByHost(domains: readonly DomainRecord[]): PersistentMap<DomainName, HostDomains> {
  const byHost = new PersistentMapBuilder<DomainName, HostDomains>();
  const several = new Map<DomainName, DomainRecord[]>();
  for (const domain of domains) {
    for (const host of domain.mxHosts) {
      const list = several.get(host);
      const known = byHost.get(host);
      if (list !== undefined) list.push(domain);
      else if (known !== undefined) several.set(host, [...groupOf(known).records(), domain]);
      else byHost.set(host, domain);
    }
  }
  for (const [host, list] of several) byHost.set(host, DomainGroup.of(list));
  return byHost.build();
}

function* certificatesOf(hosts: readonly MxHost[]): Generator<readonly [DomainName, CertificateId]> {
  for (const { host, certificateId } of hosts) if (certificateId !== null) yield [host, certificateId];
}

const groupOf = (domains: HostDomains): DomainGroup =>
  domains instanceof DomainGroup ? domains : DomainGroup.ofOne(domains);

/**
 * The snapshot after more log entries. An unreadable entry leaves the previous version of its record in force and is
 * listed in `unreadable`.
 *
 * @throws FeedGap when the entries do not continue `snapshot.revision` without a gap; entries not newer are skipped.
 */
export function applyEntries(
  snapshot: Snapshot,
  entries: readonly FeedEntry[],
  trustContents: TrustContents,
): Snapshot {
  let parts: Parts = { ...partsOf(snapshot), trustContents };
  for (const entry of entries) {
    const revision = entry.kind === "entry" ? entry.entry.revision : entry.revision;
    if (revision <= parts.revision) continue;
    if (revision !== parts.revision + 1)
      throw new FeedGap(`expected revision ${parts.revision + 1}, got ${revision}`);
    parts =
      entry.kind === "entry" ? applyEntry(parts, entry.entry) : applyUnreadable(parts, revision, entry.item);
  }
  return view(parts);
}

/** The same settings with trust-store contents that have become readable. */
export function withTrustContents(snapshot: Snapshot, trustContents: TrustContents): Snapshot {
  return view({ ...partsOf(snapshot), trustContents });
}

function applyEntry(before: Parts, entry: LogEntry): Parts {
  const parts = withRecord({ ...before, revision: entry.revision }, entry);
  const hostCertificates = entry.hosts.reduce(
    (hosts, { host, after }) => hosts.with(host, after?.certificateId ?? undefined),
    parts.hostCertificates,
  );
  const written = [
    itemKey(entry.record.kind, entry.record.id),
    ...entry.hosts.map(({ host }) => itemKey("mx-host", host)),
  ];
  const unreadable = written.reduce((items, key) => items.with(key, undefined), parts.unreadable);
  return { ...parts, hostCertificates, unreadable };
}

function withRecord(parts: Parts, { record }: LogEntry): Parts {
  switch (record.kind) {
    case "domain":
      return withDomain(parts, record.id, record.after);
    case "certificate":
      return { ...parts, certificates: parts.certificates.with(record.id, record.after ?? undefined) };
    case "trust-store":
      return { ...parts, trustStores: parts.trustStores.with(record.id, record.after ?? undefined) };
    default:
      return record satisfies never;
  }
}

function withDomain(parts: Parts, name: DomainName, stored: DomainRecord | null): Parts {
  const after = stored === null ? undefined : withSharedTls(stored, parts.interner);
  const hosts = new Set([...(parts.domains.get(name)?.mxHosts ?? []), ...(after?.mxHosts ?? [])]);
  let groups = parts.groups;
  for (const host of hosts) {
    const group = groupOf(groups.get(host) ?? DomainGroup.EMPTY).with(
      name,
      after?.mxHosts.includes(host) ? after : undefined,
    );
    groups = groups.with(host, group.size === 0 ? undefined : group);
  }
  return {
    ...parts,
    groups,
    domains: parts.domains.with(name, after),
    unusable: parts.unusable.with(name, undefined),
  };
}

function applyUnreadable(parts: Parts, revision: number, item: UnreadableItem): Parts {
  const unreadable = parts.unreadable.with(itemKey(item.kind, item.id), item);
  const unusable = item.kind === "domain" ? parts.unusable.with(item.id as DomainName, item) : parts.unusable;
  return { ...parts, revision, unreadable, unusable };
}

const itemKey = (kind: string, id: string): string => `${kind} ${id}`;

function view(parts: Parts): Snapshot {
  const host = (name: DomainName): HostView | undefined => {
    const domains = parts.groups.get(name);
    if (domains === undefined) return undefined;
    const certificateId = parts.hostCertificates.get(name) ?? null;
    return { host: name, certificateId, domains: groupOf(domains) };
  };
  const snapshot: Snapshot = Object.freeze({
    revision: parts.revision,
    domains: parts.domains,
    domain: (name: DomainName) =>
      parts.domains.get(name) ?? (parts.unusable.get(name) === undefined ? undefined : ("unusable" as const)),
    host,
    hosts: function* () {
      for (const name of parts.groups.keys()) {
        const known = host(name);
        if (known !== undefined) yield known;
      }
    },
    certificate: (id: CertificateId) => parts.certificates.get(id),
    certificates: () => parts.certificates.values(),
    trustStore: (id: TrustStoreId) => parts.trustStores.get(id),
    trustStores: () => parts.trustStores.values(),
    trustContent: (sha256: string) => parts.trustContents.get(sha256),
    unreadable: Object.freeze([...parts.unreadable.values()]),
  });
  PARTS.set(snapshot, parts);
  return snapshot;
}

function partsOf(snapshot: Snapshot): Parts {
  const parts = PARTS.get(snapshot);
  if (parts === undefined) throw new TypeError("not a snapshot made here");
  return parts;
}
