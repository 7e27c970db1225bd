/** Commits carried to a later head without building them again, one's own and those of waiting writers. */

import type {
  ChangeFeed,
  Commit,
  LogEntry,
  OfferedWrite,
  RecordChange,
  Store,
  WriterLine,
  WriterQueue,
} from "./store.ts";
import type { MxHostChange } from "../record/mx-host.ts";
import { logEntryOf } from "./log-entry.ts";

/** A commit that is further behind the head is built again: that reads less than the log. */
const MAX_ENTRIES = 64;
/** How many entries behind the head an offered write may be. */
const MAX_OFFER_BEHIND = 500;
/**
 * An offer of a writer that ended without taking it back is not stored after the time in which its caller was
 * answered.
 */
const OFFER_LASTS_MS = 10_000;

/**
 * The same commit at the present head, when nothing that was written since its own can have changed how it
 * was built. What a write reads is only ever changed by a write, and each write is in the log: see
 * `isTouchedBy`.
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
  let carried = commit;
  for (const [index, item] of entries.entries()) {
    if (item.kind === "unreadable" || item.entry.revision !== commit.expectedHead + index + 1) return null;
    const next = past(carried, item.entry);
    if (next === null) return null;
    carried = next;
  }
  // A feed may end before its head: too many entries, or one that is shown late.
  return commit.expectedHead + entries.length === head ? { ...carried, expectedHead: head } : null;
}

/** The commit after this entry; null when it has to be built again. */
const past = (commit: Commit, entry: Pick<LogEntry, "action" | "record" | "hosts">): Commit | null =>
  isTouchedBy(commit, entry) ? recounted(commit, entry) : commit;

/**
 * The commit where the other write changed no more of the MX hosts that both name than how many domains name
 * them. A plan is the same at another count, as long as neither write changes a certificate or an owner, and
 * no count ends.
 */
function recounted(
  commit: Commit,
  { action, record, hosts: changes }: Pick<LogEntry, "action" | "record" | "hosts">,
): Commit | null {
  const own = commit.record;
  if (own.kind !== "domain" || record.kind !== "domain" || own.id === record.id) return null;
  if (commit.replaced !== undefined || (record.before === null && action !== "create")) return null;
  const changed = new Map<string, MxHostChange>(changes.map((change) => [change.host, change]));
  const named = new Set<string>([...hostsNamedBy(record), ...changed.keys()]);
  const hosts = commit.hosts.map((change) =>
    named.has(change.host) ? countedAfter(change, changed.get(change.host)) : change,
  );
  const hostsRead = commit.hostsRead?.map(({ host, item }) => {
    const counted = named.has(host)
      ? countedAfter({ host, before: item, after: item }, changed.get(host))
      : null;
    return named.has(host) ? counted && { host, item: counted.before } : { host, item };
  });
  const known = new Set<string>([...commit.hosts, ...(commit.hostsRead ?? [])].map(({ host }) => host));
  const areAllKnown = [...hostsNamedBy(own)].every((host) => !named.has(host) || known.has(host));
  if (!areAllKnown || hosts.includes(null) || hostsRead?.includes(null) === true) return null;
  return {
    ...commit,
    hosts: hosts.filter((change) => change !== null),
    ...(hostsRead === undefined ? {} : { hostsRead: hostsRead.filter((read) => read !== null) }),
  };
}

/**
 * A planned change of a host after `stored`, another write's change of it; undefined = that write names the
 * host and changes nothing. null = it has to be planned again.
 */
function countedAfter(planned: MxHostChange, stored: MxHostChange | undefined): MxHostChange | null {
  const { before, after } = planned;
  if (stored === undefined) return before === null ? null : planned;
  if (isFirstClaim(planned) && isFirstClaim(stored) && after?.account === stored.after?.account) {
    return { ...planned, before: stored.after, after: stored.after && { ...stored.after, domainCount: 2 } };
  }
  if (!isCount(planned) || !isCount(stored)) return null;
  const domainCount =
    (after?.domainCount ?? 0) - (before?.domainCount ?? 0) + (stored.after?.domainCount ?? 0);
  // The last domain but one has gone: now this one is the last.
  return domainCount === 0
    ? null
    : { ...planned, before: stored.after, after: after && { ...after, domainCount } };
}

/** Whether a host gets its first domain, and no certificate. */
const isFirstClaim = ({ before, after }: MxHostChange): boolean =>
  before === null && after?.certificateId === null && after.domainCount === 1;

/**
 * Whether nothing but the number of domains changes: as long as the certificate is the same, its revision is.
 */
const isCount = ({ before, after }: MxHostChange): boolean =>
  before !== null &&
  after !== null &&
  before.account === after.account &&
  before.certificateId === after.certificateId;

/**
 * The commit with those of the writers behind that hold after it, as each would be built at its turn: all
 * that come before the first that does not, so that none is overtaken.
 */
export async function withThoseBehind(
  own: Commit,
  { line, ticket }: { readonly line: WriterLine; readonly ticket: number },
  { store, queue }: { readonly store: Pick<Store, "changesAfter">; readonly queue: WriterQueue },
): Promise<Commit> {
  if (line.taken <= ticket) return own;
  const offers = (await queue.offersAfter(ticket)).filter(
    ({ commit }) => commit.expectedHead >= own.expectedHead - MAX_OFFER_BEHIND,
  );
  if (offers.length === 0) return own;
  const since = Math.min(own.expectedHead, ...offers.map(({ commit }) => commit.expectedHead));
  const feed: ChangeFeed =
    since === own.expectedHead
      ? { entries: [], head: since }
      : await store.changesAfter(since, MAX_OFFER_BEHIND);
  // Another has gone first: this one is to look again, and to send nothing.
  if (feed.head !== own.expectedHead) return own;
  const along = alongWith(own, { offers, left: line.left, ticket }, feed);
  return along.length === 0 ? own : { ...own, along };
}

/** Of the offers behind `ticket`, those that can be stored with the commit; `feed` ends at its head. */
export function alongWith(
  own: Commit,
  { offers, left, ticket }: { offers: readonly OfferedWrite[]; left: ReadonlySet<number>; ticket: number },
  feed: ChangeFeed,
): OfferedWrite[] {
  const along: OfferedWrite[] = [];
  const before = [logEntryOf(own)];
  let last = ticket;
  for (const offer of offers) {
    // A writer between the two waits without an offer.
    for (last += 1; last < offer.ticket && left.has(last); last += 1);
    if (last !== offer.ticket) break;
    if (isOver(offer.commit, own)) continue;
    const entries = feed.entries.filter(
      (item) => (item.kind === "entry" ? item.entry.revision : item.revision) > offer.commit.expectedHead,
    );
    const carried = before.reduce<Commit | null>(
      (plan, entry) => plan && past(plan, entry),
      carriedOver(offer.commit, { entries, head: feed.head }),
    );
    if (carried === null) break;
    const commit = { ...carried, expectedHead: own.expectedHead + before.length };
    along.push({ ...offer, commit });
    before.push(logEntryOf(commit));
  }
  return along;
}

const isOver = (offer: Commit, own: Commit): boolean =>
  Math.abs(Date.parse(own.at) - Date.parse(offer.at)) > OFFER_LASTS_MS;

/**
 * Whether a write may have changed what `commit` was built from: its record, the MX hosts that it names
 * before or after and the domains that name them too, the records that it uses, and what is judged together
 * with the record.
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
      // Without a claim too: a host that no account holds is claimed for all who name it (plan-write.ts).
      if (record.kind === "domain") return [...hostsNamedBy(record)].some((host) => named.has(host));
      return commit.uses.some(({ id }) => id === record.id);
    }
    case "certificate": {
      // New material is judged by the hosts that serve it, and a replacement by those of both certificates.
      const named = new Set<string | null | undefined>([own.id, ...commit.uses.map(({ id }) => id)]);
      return (
        named.has(record.id) ||
        hosts.some(({ before, after }) => named.has(before?.certificateId) || named.has(after?.certificateId))
      );
    }
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
