import type { ChangeFeed, Commit, LogEntry, RecordChange, Store } from "./store.ts";

/** A commit that is further behind the head is built again: that reads less than the log. */
const MAX_ENTRIES = 16;

/**
 * The same commit at the present head, when nothing that was written since its own can have changed how it was built. What a
 * write reads is only ever changed by a write, and each write is in the log: see `isTouchedBy`.
 *
 * @returns null when it has to be built again.
 */
export async function carriedToHead(
  store: Pick<Store, "changesAfter">,
  commit: Commit,
): Promise<Commit | null> {
  return carriedOver(commit, await store.changesAfter(commit.expectedHead, MAX_ENTRIES));
}

/** The same with what was written since, as far as it was read. */
export function carriedOver(commit: Commit, { entries, head }: ChangeFeed): Commit | null {
  for (const [index, item] of entries.entries()) {
    if (item.kind === "unreadable" || item.entry.revision !== commit.expectedHead + index + 1) return null;
    if (isTouchedBy(commit, item.entry)) return null;
  }
  // A feed may end before its head: too many entries, or one that is shown late.
  return commit.expectedHead + entries.length === head ? { ...commit, expectedHead: head } : null;
}

/**
 * Whether a write may have changed what `commit` was built from: its record, the MX hosts that it names before or after
 * and the domains that name them too, the records that it uses, and what is judged together with the record.
 */
export function isTouchedBy(
  commit: Commit,
  { action, record, hosts }: Pick<LogEntry, "action" | "record" | "hosts">,
): boolean {
  const own = commit.record;
  // A record that could not be read, here or there: what it named is known in part at most.
  if (commit.replaced !== undefined || (record.before === null && action !== "create")) return true;
  if (record.kind === own.kind && record.id === own.id) return true;
  switch (own.kind) {
    case "domain": {
      const named = hostsNamedBy(own);
      if (hosts.some(({ host }) => named.has(host))) return true;
      // Without a claim too: a host that no account holds is claimed for all who name it (host-reads.ts).
      if (record.kind === "domain") return [...hostsNamedBy(record)].some((host) => named.has(host));
      return commit.uses.some(({ id }) => id === record.id);
    }
    case "certificate":
      // New material is judged by the hosts that serve it.
      return hosts.some(({ before, after }) =>
        [before?.certificateId, after?.certificateId].includes(own.id),
      );
    case "trust-store":
      // New content is judged by the domains that name it, together with their other trust stores.
      return record.kind === "trust-store" || (record.kind === "domain" && namesTrustStore(record, own.id));
    default:
      return own satisfies never;
  }
}

type DomainChange = Extract<RecordChange, { readonly kind: "domain" }>;

const hostsNamedBy = ({ before, after }: DomainChange): Set<string> =>
  new Set([...(before?.mxHosts ?? []), ...(after?.mxHosts ?? [])]);

const namesTrustStore = (
  { before, after }: DomainChange,
  id: Extract<RecordChange, { kind: "trust-store" }>["id"],
): boolean =>
  [before, after].some((domain) => domain?.tls.clientCertificate.trust.trustStoreIds.includes(id));
