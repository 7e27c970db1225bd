/** The change log as callers page through it: their own entries, filtered and in either order. */

import { Gone } from "../errors.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { ChangeOrder, FeedEntry, LogEntry, RecordKind, Store, UnreadableItem } from "../store/store.ts";

/** What a reader of the change log asks for. */
export interface ChangeListing {
  /** Only later revisions; undefined = from the oldest entry that is kept. */
  readonly after?: number | undefined;
  /** Only earlier revisions; undefined = up to the newest. */
  readonly before?: number | undefined;
  readonly order: ChangeOrder;
  /** 1 to 200: entries of the log that are looked at for one page. */
  readonly limit: number;
  /** Only entries that changed this record, or what it shows. */
  readonly resource?: ChangedResource | undefined;
  /** Only entries of this caller. */
  readonly actor?: string | undefined;
  /** Only entries at or after this time, RFC 3339. */
  readonly from?: string | undefined;
  /** Only entries before this time, RFC 3339. */
  readonly to?: string | undefined;
}

export interface ChangedResource {
  readonly kind: RecordKind;
  readonly id: string;
}

/** An entry of the log that cannot be read. */
export interface UnreadableChange extends UnreadableItem {
  readonly revision: number;
}

/** `next` = where to go on; null = that was all there is now. */
export interface ChangePage {
  readonly items: readonly LogEntry[];
  readonly unreadable: readonly UnreadableChange[];
  readonly next: string | null;
}

/**
 * Whether an entry changed a resource: its own record, or for a domain also the certificate of a host that it
 * shares with the written one. Beyond the domains that the entry names (`MovedDomains`) the hosts that the
 * domain has now decide.
 */
export function isAbout(
  { record, hosts, movedDomains }: LogEntry,
  { kind, id }: ChangedResource,
  present: Pick<DomainRecord, "mxHosts"> | null,
): boolean {
  if (record.kind === kind && record.id === id) return true;
  if (kind !== "domain" || movedDomains === undefined) return false;
  if (movedDomains.names.some((name) => name === id)) return true;
  return (
    movedDomains.count > movedDomains.names.length &&
    hosts.some(
      ({ host, before, after }) =>
        before?.certificateId !== after?.certificateId && present?.mxHosts.includes(host) === true,
    )
  );
}

/** Whether an entry has the actor and the time that are asked for. */
export function isOfTime({ at, actor }: LogEntry, { from, to, actor: wanted }: ChangeListing): boolean {
  const time = Date.parse(at);
  return (
    (wanted === undefined || actor === wanted) &&
    (from === undefined || time >= Date.parse(from)) &&
    (to === undefined || time < Date.parse(to))
  );
}

/** A page of the log, before its entries are judged: in order, and where to go on. */
export interface RawPage {
  readonly entries: readonly FeedEntry[];
  /** `after` of the next page, or `before` against the order of revision; null = that was all. */
  readonly next: string | null;
  /** Revision up to which entries were looked at, in the order asc. */
  readonly seen: number;
}

type Log = Pick<Store, "changesAfter" | "changesBefore" | "oldestRevision">;

/** @throws Gone where entries that are asked for have been removed with their age. */
export async function readChanges(log: Log, listing: ChangeListing): Promise<RawPage> {
  const { after, before, order, limit } = listing;
  const oldest = await log.oldestRevision();
  checkKept(listing, oldest);
  const from = after ?? oldest - 1;
  const isWanted = (each: FeedEntry): boolean =>
    revisionOf(each) > from && (before === undefined || revisionOf(each) < before);
  if (order === "desc") {
    const { entries } = await log.changesBefore(before ?? Number.MAX_SAFE_INTEGER, limit);
    const last = lastRevision(entries);
    const isEnd = last === undefined || last <= from + 1;
    return { entries: entries.filter(isWanted), next: isEnd ? null : String(last), seen: from };
  }
  const { entries, head } = await log.changesAfter(from, limit);
  const last = lastRevision(entries);
  const isEnd = last === undefined || last >= Math.min(head, (before ?? head + 1) - 1);
  return { entries: entries.filter(isWanted), next: isEnd ? null : String(last), seen: last ?? from };
}

function checkKept({ after, before }: ChangeListing, oldest: number): void {
  const gone = (name: "after" | "before", atLeast: number): Gone =>
    new Gone(`the log begins at revision ${oldest}: entries are kept for 90 days`, {
      in: "query",
      pointer: `/${name}`,
      code: "gone",
      message: `must be at least ${atLeast}`,
    });
  if (after !== undefined && after + 1 < oldest) throw gone("after", oldest - 1);
  // Before the first revision there never was an entry.
  if (after === undefined && before !== undefined && before > 1 && before <= oldest)
    throw gone("before", oldest + 1);
}

const revisionOf = (each: FeedEntry): number => (each.kind === "entry" ? each.entry.revision : each.revision);

function lastRevision(entries: readonly FeedEntry[]): number | undefined {
  const last = entries.at(-1);
  return last && revisionOf(last);
}
