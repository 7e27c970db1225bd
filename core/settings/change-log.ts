import type { DomainRecord } from "./domain.ts";
import type { LogEntry, RecordKind, UnreadableItem } from "./store.ts";

/** What a reader of the change log asks for. */
export interface ChangeListing {
  /** Only later revisions; undefined = from the oldest entry that is kept. */
  readonly after?: number | undefined;
  /** 1 to 200: entries of the log that are looked at for one page. */
  readonly limit: number;
  /** Only entries that changed this record, or what it shows. */
  readonly resource?: ChangedResource | undefined;
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
 * Whether an entry changed a resource: its own record, or for a domain also the certificate of a host that it shares with
 * the written one. Beyond the domains that the entry names (`MovedDomains`) the hosts that the domain has now decide.
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
