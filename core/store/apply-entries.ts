import type { FeedEntry, LogEntry, StoreContents, UnreadableItem } from "./store.ts";

/** The entries are not revision+1, +2, …: poll again, and after a few times load everything. */
export class FeedGap extends Error {
  override readonly name = "FeedGap";
}

interface Items {
  readonly domains: Map<string, StoreContents["domains"][number]>;
  readonly mxHosts: Map<string, StoreContents["mxHosts"][number]>;
  readonly certificates: Map<string, StoreContents["certificates"][number]>;
  readonly trustStores: Map<string, StoreContents["trustStores"][number]>;
  readonly unreadable: Map<string, UnreadableItem>;
}

/**
 * Contents after more log entries: what a full load at the last of them would find. An entry that cannot be read leaves the
 * previous version of its record there, and stands in `unreadable`. Entries not newer are skipped.
 *
 * @throws FeedGap when the entries do not continue `contents.revision` without a gap.
 */
export function contentsAfter(contents: StoreContents, entries: readonly FeedEntry[]): StoreContents {
  const items: Items = {
    domains: new Map(contents.domains.map((domain) => [domain.name, domain])),
    mxHosts: new Map(contents.mxHosts.map((host) => [host.host, host])),
    certificates: new Map(contents.certificates.map((certificate) => [certificate.id, certificate])),
    trustStores: new Map(contents.trustStores.map((store) => [store.id, store])),
    unreadable: new Map(contents.unreadable.map((item) => [itemKey(item), item])),
  };
  let { revision } = contents;
  for (const entry of entries) {
    const next = entry.kind === "entry" ? entry.entry.revision : entry.revision;
    if (next <= revision) continue;
    if (next !== revision + 1) throw new FeedGap(`expected revision ${revision + 1}, got ${next}`);
    revision = next;
    if (entry.kind === "entry") applyEntry(items, entry.entry);
    else items.unreadable.set(itemKey(entry.item), entry.item);
  }
  return {
    revision,
    domains: [...items.domains.values()],
    mxHosts: [...items.mxHosts.values()],
    certificates: [...items.certificates.values()],
    trustStores: [...items.trustStores.values()],
    unreadable: [...items.unreadable.values()],
  };
}

function applyEntry(items: Items, { record, hosts }: LogEntry): void {
  // A readable version takes the place of the one that was not.
  for (const { host, after } of hosts) {
    put(items.mxHosts, host, after);
    items.unreadable.delete(itemKey({ kind: "mx-host", id: host }));
  }
  items.unreadable.delete(itemKey(record));
  switch (record.kind) {
    case "domain":
      return put(items.domains, record.id, record.after);
    case "certificate":
      return put(items.certificates, record.id, record.after);
    case "trust-store":
      return put(items.trustStores, record.id, record.after);
    default:
      return record satisfies never;
  }
}

function put<T>(map: Map<string, T>, key: string, value: T | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

const itemKey = ({ kind, id }: Pick<UnreadableItem, "kind" | "id">): string => `${kind} ${id}`;
