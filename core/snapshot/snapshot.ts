/** A snapshot: built from all records, and made anew from the entries of the change log. */
import {
  allFollowing,
  type ContentsWith,
  feedChangesOf,
  type ItemChange,
  itemKey,
  type PreviousVersions,
  type UnreadableChange,
  withPreviousVersions,
} from "../store/log-applier.ts";
import type { TrustStoreContent } from "../x509/trust-anchors.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { servedPart } from "../record/ownership.ts";
import { DomainGroup } from "./domain-group.ts";
import { createInterner, type Interner } from "./interner.ts";
import { type Labels, NO_LABELS } from "../record/labels.ts";
import type { MxHost } from "../record/mx-host.ts";
import { PersistentMap, PersistentMapBuilder } from "./persistent-map.ts";
import type { HostView, Snapshot } from "./snapshot-view.ts";
import type { FeedEntry, StoreContents, UnreadableItem } from "../store/store.ts";

/**
 * The domains of one MX host. Most hosts have one domain, and a group for each would be as large as the
 * record.
 */
type HostDomains = DomainRecord | DomainGroup;

type TrustContents = ReadonlyMap<string, TrustStoreContent>;

interface Parts {
  readonly revision: number;
  readonly domains: DomainGroup;
  /** Domains by MX host, of any account. */
  readonly groups: PersistentMap<DomainName, HostDomains>;
  /** Hosts with a certificate of the settings. Owner and count of a host are for writers only. */
  readonly hostCertificates: PersistentMap<DomainName, CertificateId>;
  readonly certificates: PersistentMap<CertificateId, CertificateRecord>;
  readonly trustStores: PersistentMap<TrustStoreId, TrustStoreRecord>;
  readonly trustContents: TrustContents;
  /** By kind and id (`itemKey`); a readable version of the same item takes it out. */
  readonly unreadable: PersistentMap<string, UnreadableItem>;
  readonly interner: Interner;
}

const PARTS = new WeakMap<Snapshot, Parts>();

/** What a snapshot keeps of a host: owner and count are for writers only. */
type HostCertificate = Pick<MxHost, "host" | "certificateId">;

/**
 * Builds the snapshot of a full load.
 *
 * @param previous the snapshot in force before; an item that cannot be read keeps its version of it. Without
 *   one, an unreadable domain is row 2 until a readable version comes.
 */
export function buildSnapshot(
  loaded: StoreContents,
  trustContents: TrustContents,
  previous: Snapshot | null = null,
): Snapshot {
  const interner = createInterner();
  const contents: ContentsWith<HostCertificate> =
    previous === null ? loaded : withPreviousVersions(loaded, versionsOf(partsOf(previous)));
  const domains = contents.domains.flatMap((domain) => asHeld(domain, interner) ?? []);
  return view({
    revision: contents.revision,
    domains: DomainGroup.of(domains),
    groups: domainsByHost(domains),
    hostCertificates: PersistentMap.from(certificatesOf(contents.mxHosts)),
    certificates: PersistentMap.fromValues(contents.certificates.map(withoutLabels), ({ id }) => id),
    trustStores: PersistentMap.fromValues(contents.trustStores.map(withoutLabels), ({ id }) => id),
    trustContents,
    unreadable: PersistentMap.fromValues(contents.unreadable, ({ kind, id }) => itemKey(kind, id)),
    interner,
  });
}

const versionsOf = (parts: Parts): PreviousVersions<HostCertificate> => ({
  domain: (name) => parts.domains.get(name),
  mxHost: (host) => ({ host, certificateId: parts.hostCertificates.get(host) ?? null }),
  certificate: (id) => parts.certificates.get(id),
  trustStore: (id) => parts.trustStores.get(id),
});

/**
 * What an edge sees of a record; undefined = nothing, while the domain's name is pending. A record that a
 * store has shared already (`Interner.domain`) stays the object it is.
 */
function asHeld(record: DomainRecord, interner: Interner): DomainRecord | undefined {
  const served = servedPart(record);
  if (served === undefined) return undefined;
  const domain = withoutLabels(served);
  const tls = interner.tls(domain.tls);
  return tls === domain.tls ? domain : { ...domain, tls };
}

/** Labels are for the tools of the owner: an edge needs none, and keeps none in memory. */
const withoutLabels = <T extends { readonly labels: Labels }>(record: T): T =>
  record.labels === NO_LABELS ? record : { ...record, labels: NO_LABELS };

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

function* certificatesOf(hosts: readonly HostCertificate[]): Generator<readonly [DomainName, CertificateId]> {
  for (const { host, certificateId } of hosts) if (certificateId !== null) yield [host, certificateId];
}

const groupOf = (domains: HostDomains): DomainGroup =>
  domains instanceof DomainGroup ? domains : DomainGroup.ofOne(domains);

/**
 * The snapshot after more log entries. An unreadable entry leaves the previous version of its record in force
 * and is listed in `unreadable`.
 *
 * @throws FeedGap when the entries do not continue `snapshot.revision` without a gap; entries not newer are
 *   skipped.
 */
export function applyEntries(
  snapshot: Snapshot,
  feed: readonly FeedEntry[],
  trustContents: TrustContents,
): Snapshot {
  const before = partsOf(snapshot);
  const { entries, revision } = allFollowing(before.revision, feed);
  return view(
    entries.flatMap(feedChangesOf).reduce<Parts>(withChange, { ...before, revision, trustContents }),
  );
}

/** The same settings with trust-store contents that have become readable. */
export function withTrustContents(snapshot: Snapshot, trustContents: TrustContents): Snapshot {
  return view({ ...partsOf(snapshot), trustContents });
}

function withChange(before: Parts, change: ItemChange | UnreadableChange): Parts {
  if (change.kind === "unreadable") {
    const { item } = change;
    return { ...before, unreadable: before.unreadable.with(itemKey(item.kind, item.id), item) };
  }
  const parts = {
    ...before,
    unreadable: before.unreadable.with(itemKey(change.kind, change.id), undefined),
  };
  switch (change.kind) {
    case "domain":
      return withDomain(parts, change.id, change.after);
    case "certificate":
      return { ...parts, certificates: parts.certificates.with(change.id, held(change.after)) };
    case "trust-store":
      return { ...parts, trustStores: parts.trustStores.with(change.id, held(change.after)) };
    case "mx-host": {
      const certificateId = change.after?.certificateId ?? undefined;
      return { ...parts, hostCertificates: parts.hostCertificates.with(change.id, certificateId) };
    }
    default:
      return change satisfies never;
  }
}

const held = <T extends { readonly labels: Labels }>(after: T | null): T | undefined =>
  after === null ? undefined : withoutLabels(after);

function withDomain(parts: Parts, name: DomainName, stored: DomainRecord | null): Parts {
  const after = stored === null ? undefined : asHeld(stored, parts.interner);
  const hosts = new Set([...(parts.domains.get(name)?.mxHosts ?? []), ...(after?.mxHosts ?? [])]);
  let groups = parts.groups;
  for (const host of hosts) {
    const group = groupOf(groups.get(host) ?? DomainGroup.EMPTY).with(
      name,
      after?.mxHosts.includes(host) ? after : undefined,
    );
    groups = groups.with(host, group.size === 0 ? undefined : group);
  }
  return { ...parts, groups, domains: parts.domains.with(name, after) };
}

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
      parts.domains.get(name) ??
      (parts.unreadable.get(itemKey("domain", name)) === undefined ? undefined : ("unusable" as const)),
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
