/**
 * The one applier of the change log: what an entry changes, which entries follow, and what stays in force of
 * an item that cannot be read. A snapshot, a backup and a full load each fold these changes over their own
 * structures.
 */
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { FeedEntry, LogEntry, StoreContents, UnreadableItem } from "./store.ts";

/** A stored item as an entry leaves it: readable from then on; null = deleted. */
export type ItemChange =
  | { readonly kind: "domain"; readonly id: DomainName; readonly after: DomainRecord | null }
  | { readonly kind: "certificate"; readonly id: CertificateId; readonly after: CertificateRecord | null }
  | { readonly kind: "trust-store"; readonly id: TrustStoreId; readonly after: TrustStoreRecord | null }
  | { readonly kind: "mx-host"; readonly id: DomainName; readonly after: MxHost | null };

/**
 * An item whose newest version cannot be read: the version before it stays in force, and the item is listed.
 */
export interface UnreadableChange {
  readonly kind: "unreadable";
  readonly item: UnreadableItem;
}

/** The items that a readable entry puts or deletes, each once. */
export const changesOf = ({ record, hosts }: Pick<LogEntry, "record" | "hosts">): readonly ItemChange[] => [
  record,
  ...hosts.map(({ host, after }): ItemChange => ({ kind: "mx-host", id: host, after })),
];

/** The same for an entry of the feed, readable or not. */
export const feedChangesOf = (entry: FeedEntry): readonly (ItemChange | UnreadableChange)[] =>
  entry.kind === "entry" ? changesOf(entry.entry) : [{ kind: "unreadable", item: entry.item }];

const revisionOf = (entry: FeedEntry): number =>
  entry.kind === "entry" ? entry.entry.revision : entry.revision;

/** The entries are not revision+1, +2, …: poll again, and after a few times load everything. */
export class FeedGap extends Error {
  override readonly name = "FeedGap";
}

/** The entries that follow a revision without a gap. Entries that are not newer are skipped. */
export interface Following {
  readonly entries: readonly FeedEntry[];
  /** The revision of the last of them. */
  readonly revision: number;
  /** The revision that comes instead of the next; null = no gap. */
  readonly gapAt: number | null;
}

export function following(revision: number, feed: readonly FeedEntry[]): Following {
  const entries: FeedEntry[] = [];
  for (const entry of feed) {
    const next = revisionOf(entry);
    const expected = revision + entries.length + 1;
    if (next < expected) continue;
    if (next > expected) return { entries, revision: expected - 1, gapAt: next };
    entries.push(entry);
  }
  return { entries, revision: revision + entries.length, gapAt: null };
}

/**
 * All entries of the feed that are newer. @throws FeedGap when they do not follow the revision without a gap
 */
export function allFollowing(revision: number, feed: readonly FeedEntry[]): Following {
  const found = following(revision, feed);
  if (found.gapAt !== null) throw new FeedGap(`expected revision ${found.revision + 1}, got ${found.gapAt}`);
  return found;
}

/** Key of an item among those of all kinds. */
export const itemKey = (kind: UnreadableItem["kind"], id: string): string => `${kind} ${id}`;

/**
 * Contents after more log entries: what a full load at the last of them would find. An entry that cannot be
 * read leaves the previous version of its record in place and is listed in `unreadable`.
 *
 * @throws FeedGap when the entries do not continue `contents.revision` without a gap.
 */
export function contentsAfter(contents: StoreContents, feed: readonly FeedEntry[]): StoreContents {
  const { entries, revision } = allFollowing(contents.revision, feed);
  const items = {
    domain: byKey(contents.domains, ({ name }) => name),
    "mx-host": byKey(contents.mxHosts, ({ host }) => host),
    certificate: byKey(contents.certificates, ({ id }) => id),
    "trust-store": byKey(contents.trustStores, ({ id }) => id),
  };
  const unreadable = byKey(contents.unreadable, ({ kind, id }) => itemKey(kind, id));
  for (const change of entries.flatMap(feedChangesOf)) {
    if (change.kind === "unreadable") {
      unreadable.set(itemKey(change.item.kind, change.item.id), change.item);
      continue;
    }
    unreadable.delete(itemKey(change.kind, change.id));
    const map: Map<string, NonNullable<ItemChange["after"]>> = items[change.kind];
    if (change.after === null) map.delete(change.id);
    else map.set(change.id, change.after);
  }
  return {
    revision,
    domains: [...items.domain.values()],
    mxHosts: [...items["mx-host"].values()],
    certificates: [...items.certificate.values()],
    trustStores: [...items["trust-store"].values()],
    unreadable: [...unreadable.values()],
  };
}

const byKey = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T> =>
  new Map(items.map((item) => [keyOf(item), item]));

/** Contents of which hosts are known as far as a reader needs them. */
export type ContentsWith<Host> = Omit<StoreContents, "mxHosts"> & { readonly mxHosts: readonly Host[] };

/** Versions that were in force before, by key. */
export interface PreviousVersions<Host> {
  readonly domain: (name: DomainName) => DomainRecord | undefined;
  readonly mxHost: (name: DomainName) => Host | undefined;
  readonly certificate: (id: CertificateId) => CertificateRecord | undefined;
  readonly trustStore: (id: TrustStoreId) => TrustStoreRecord | undefined;
}

/** The versions that contents hold. */
export function versionsIn(contents: StoreContents): PreviousVersions<MxHost> {
  const domains = byKey(contents.domains, ({ name }) => name);
  const mxHosts = byKey(contents.mxHosts, ({ host }) => host);
  const certificates = byKey(contents.certificates, ({ id }) => id);
  const trustStores = byKey(contents.trustStores, ({ id }) => id);
  return {
    domain: (name) => domains.get(name),
    mxHost: (name) => mxHosts.get(name),
    certificate: (id) => certificates.get(id),
    trustStore: (id) => trustStores.get(id),
  };
}

/**
 * A full load as entries would leave it: each item that cannot be read has the version that was in force
 * before it (semantics.md section 5), and stays listed in `unreadable`. An item without an earlier version
 * stays left out.
 */
export function withPreviousVersions<Host>(
  contents: ContentsWith<Host>,
  previous: PreviousVersions<Host>,
): ContentsWith<Host> {
  if (contents.unreadable.length === 0) return contents;
  const kept = <T>(kind: UnreadableItem["kind"], find: (id: string) => T | undefined): T[] =>
    contents.unreadable.flatMap((item) => (item.kind === kind ? (find(item.id) ?? []) : []));
  return {
    ...contents,
    domains: [...contents.domains, ...kept("domain", (id) => previous.domain(id as DomainName))],
    mxHosts: [...contents.mxHosts, ...kept("mx-host", (id) => previous.mxHost(id as DomainName))],
    certificates: [
      ...contents.certificates,
      ...kept("certificate", (id) => previous.certificate(id as CertificateId)),
    ],
    trustStores: [
      ...contents.trustStores,
      ...kept("trust-store", (id) => previous.trustStore(id as TrustStoreId)),
    ],
  };
}
