/** Port of the settings store: what is committed, logged, queued and read. */

import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, PendingName } from "../record/domain.ts";
import type { MxHost, MxHostChange, MxHostRead } from "../record/mx-host.ts";

/**
 * Settings, MX hosts, certificates, trust stores and the change log. Reads of one record and of the head are
 * strongly consistent; lists may lag. A record that cannot be read throws Unreadable from its `get`, and
 * stands in `unreadable` of lists. A host item that cannot be read is given with what is known of it
 * (`MxHost.isDamaged`).
 *
 * Every implementation passes test/contract/store.contract.ts. Every method throws Unavailable when the store
 * does not answer in time.
 */
export interface Store {
  /** Most MX hosts that one commit of a certificate may change: its transaction and log entry have room. */
  readonly hostsPerCommit: number;
  /** The newest revision; 0 before the first write. */
  head(): Promise<number>;
  getDomain(name: DomainName): Promise<DomainRecord | null>;
  /** The records of one kind that exist, by a bounded number of requests for each hundred; in no order. */
  getRecords<K extends RecordKind>(kind: K, ids: readonly string[]): Promise<Records<K>>;
  /** The record and the items of its hosts that exist, as they were at one moment. */
  getDomainWithHosts(name: DomainName): Promise<DomainWithHosts | null>;
  getCertificate(id: CertificateId): Promise<CertificateRecord | null>;
  getTrustStore(id: TrustStoreId): Promise<TrustStoreRecord | null>;
  /** The readable part of a record that cannot be read; null = absent, or readable. */
  getUnreadable(kind: RecordKind, id: string, account: string): Promise<UnreadableRecord | null>;
  /** A record of the account as it is stored, whether it can be read or not; null = absent. */
  getRaw(kind: RecordKind, id: string, account: string): Promise<RawRecord | null>;
  /** The host items that exist, by name; damaged ones are marked. */
  getMxHosts(hosts: readonly DomainName[]): Promise<ReadonlyMap<DomainName, MxHost>>;
  /** Uses of a certificate (hosts) or trust store (domains); 0 when it does not exist. */
  useCount(kind: UseChange["kind"], id: CertificateId | TrustStoreId): Promise<number>;
  listDomains(filter: DomainFilter, page: PageRequest): Promise<Page<DomainRecord>>;
  listCertificates(account: string, page: PageRequest): Promise<Page<CertificateRecord>>;
  listTrustStores(account: string, page: PageRequest): Promise<Page<TrustStoreRecord>>;
  /**
   * By name, the first `limit` or all; damaged ones are marked. Strongly consistent: validation of new
   * material reads it.
   */
  hostsOfCertificate(id: CertificateId, limit?: number): Promise<readonly MxHost[]>;
  /**
   * Names of the domains of `account` that name one of the hosts: the first `limit`, and whether those are
   * all. Reads no more than `limit` and one for each host, however many there are.
   */
  firstDomainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly names: readonly DomainName[]; readonly isAll: boolean }>;
  /**
   * Names of the domains of `account` that name one of the hosts, the first `limit`, and how many there are.
   * Strongly consistent for a host without an item: its claim counts them (plan-write.ts). Counting reads all
   * their names.
   */
  domainsOnHosts(
    account: string,
    hosts: readonly DomainName[],
    limit: number,
  ): Promise<{ readonly count: number; readonly names: readonly DomainName[] }>;
  /**
   * For each of the hosts, the names of the domains of `account` that name it: what `domainsOnHosts` counts.
   * A host that none names is absent. Strongly consistent for a host without an item.
   */
  domainsByHost(account: string, hosts: readonly DomainName[]): Promise<NamesByHost>;
  /** Whether any account has another domain whose name is not pending: what `none` means. May lag. */
  hasDomainBeside(names: readonly DomainName[]): Promise<boolean>;
  /** Names of the domains that name this trust store, the first `limit`; reads no more than these. */
  firstDomainsOfTrustStore(id: TrustStoreId, limit: number): Promise<readonly DomainName[]>;
  /** Domains of any account that name this trust store. Strongly consistent. Reads them all. */
  domainsOfTrustStore(id: TrustStoreId): Promise<readonly DomainRecord[]>;
  /**
   * @returns the entry as logged, with its revision: `expectedHead + 1`.
   * @throws StaleRevision when the stored record is not `record.before`, or `replaced` (another revision,
   *   absent, or present).
   * @throws StateConflict (`in-use`) when a record would be deleted that has uses after those of the commit;
   *   (`host-taken`) when a host would pass from one account to another in one write.
   * @throws Contention when the head is not `expectedHead`, a host is not as in `before` or `hostsRead`, or a
   *   used record is absent.
   * @throws QuotaExceeded when the account has `quota` records or more already. Of writers at the same time
   *   no more are stored than it has room for.
   */
  commit(commit: Commit): Promise<LogEntry>;
  /**
   * Writes of one writer in one transaction, each planned upon those before it: `expectedHead` rises by one
   * from write to write. Of the extent `first`, as many of the first are stored as one transaction and the
   * quota have room for, the first always; of the extent `all`, every one or none.
   * `along` and `offered` must be absent; `ticket` counts of the first.
   *
   * @returns their entries, in order. @throws as `commit`, of any of them; TooLarge without room for all
   */
  commitAll(commits: CommitSeries, extent: SeriesExtent): Promise<readonly LogEntry[]>;
  /**
   * Entries after a revision, at most `limit`. A call without news costs one read at any number of domains.
   */
  changesAfter(revision: number, limit: number): Promise<ChangeFeed>;
  /**
   * The newest entries before a revision, newest first, at most `limit`; as `changesAfter` it may hold gaps.
   */
  changesBefore(revision: number, limit: number): Promise<ChangeFeed>;
  /** The oldest revision of which the log may still have the entry: head + 1 where it has none. */
  oldestRevision(): Promise<number>;
  /** A consistent view of everything at one revision, while others write. */
  loadAll(): Promise<StoreContents>;
  /** null = writers need no queue: a commit takes too little time. */
  queue(): Promise<WriterQueue | null>;
  /** Resolves when the store can be read and, where that is local, written. @throws Unavailable */
  ping(): Promise<void>;
}

export interface DomainWithHosts {
  readonly domain: DomainRecord;
  /** Those of its hosts that have an item; damaged ones are marked. */
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
}

export interface DomainFilter {
  readonly account: string;
  readonly prefix?: string | undefined;
  /** Domains of the account one of whose own hosts serves this certificate. */
  readonly certificateId?: CertificateId | undefined;
}

export interface PageRequest {
  /** 1 to 200. */
  readonly limit: number;
  /** The last key of the page before; undefined = from the start. */
  readonly after?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Records of this page that cannot be read. */
  readonly unreadable: readonly UnreadableItem[];
  /** Key to go on after; null = the end. A page may be short or empty while this is set. */
  readonly next: string | null;
}

/** Everything at one revision. */
export interface StoreContents {
  readonly revision: number;
  readonly domains: readonly DomainRecord[];
  readonly mxHosts: readonly MxHost[];
  readonly certificates: readonly CertificateRecord[];
  readonly trustStores: readonly TrustStoreRecord[];
  readonly unreadable: readonly UnreadableItem[];
}

/**
 * One write: the record, the log entry, the host claims and the use counts are stored together or not at all.
 * `revision` inside `record.after` is ignored: the store sets it to the revision that the write takes.
 */
export interface Commit {
  readonly record: RecordChange;
  readonly hosts: readonly MxHostChange[];
  /**
   * The stored record cannot be read, and this write takes its place or deletes it; `record.before` is null.
   */
  readonly replaced?: UnreadableRecord | undefined;
  /**
   * The other host items of the domain, before and after, as they were read: the condition of the request and
   * the log's `before` rest on them. Absent = the write rests on none.
   */
  readonly hostsRead?: readonly MxHostRead[] | undefined;
  readonly movedDomains?: MovedDomains | undefined;
  readonly uses: readonly UseChange[];
  /**
   * Most records of its kind that the account may have after a creation; absent or null = no bound. The store
   * counts them at `expectedHead`.
   */
  readonly quota?: number | null | undefined;
  readonly account: string;
  readonly actor: string;
  readonly at: Timestamp;
  /** The head that everything above was read and validated at. */
  readonly expectedHead: number;
  /** Marks this ticket of the store's `WriterQueue` as served, together with the write; absent = none. */
  readonly ticket?: number;
  /**
   * The ticket under which the write was offered: the offer is settled with it, or nothing is stored; absent
   * = it was not.
   */
  readonly offered?: number;
  /**
   * Writes of other writers, which hold at the head that this one leaves and at those after it, in order. As
   * many of the first as have room are stored with it, each at its own revision; their tickets count as
   * served. Absent = none.
   */
  readonly along?: readonly OfferedWrite[];
}

/** Writes of one writer, each planned upon those before it. */
export type CommitSeries = readonly [Commit, ...Commit[]];

/** How much of a series is stored: the first writes that there is room for, or all. */
export type SeriesExtent = "first" | "all";

/** A change of one record: before (null = created) and after (null = deleted). */
export type RecordChange =
  | {
      readonly kind: "domain";
      readonly id: DomainName;
      readonly before: DomainRecord | null;
      readonly after: DomainRecord | null;
    }
  | {
      readonly kind: "certificate";
      readonly id: CertificateId;
      readonly before: CertificateRecord | null;
      readonly after: CertificateRecord | null;
    }
  | {
      readonly kind: "trust-store";
      readonly id: TrustStoreId;
      readonly before: TrustStoreRecord | null;
      readonly after: TrustStoreRecord | null;
    };

export type RecordKind = RecordChange["kind"];
/** The record of each kind. */
export type RecordOf = {
  readonly [K in RecordKind]: NonNullable<Extract<RecordChange, { readonly kind: K }>["after"]>;
};
/** Records of one kind that were read at once. */
export type Records<K extends RecordKind> = Pick<Page<RecordOf[K]>, "items" | "unreadable">;
/** Names of domains by a host that they name. */
export type NamesByHost = ReadonlyMap<DomainName, readonly DomainName[]>;
export const RECORD_KINDS = ["domain", "certificate", "trust-store"] as const satisfies readonly RecordKind[];

/** Change of the number of uses of a record: hosts of a certificate, domains of a trust store. */
export interface UseChange {
  readonly kind: "certificate" | "trust-store";
  readonly id: CertificateId | TrustStoreId;
  /** 0 = the record must exist, nothing changes. */
  readonly delta: number;
}

/**
 * Other domains of the account whose certificate a write changes, by the hosts that they share with the
 * written one.
 */
export interface MovedDomains {
  readonly count: number;
  /** There may be more: of several hosts, each counts its domains by itself. Absent = `count` is exact. */
  readonly isAtLeast?: true | undefined;
  /** The first by name, at most `MOVED_DOMAINS_NAMED`. */
  readonly names: readonly DomainName[];
}

/** A log entry has to fit into an item of 400 KB, beside two records of 64 KB. */
export const MOVED_DOMAINS_NAMED = 200;

/** The readable part of a record that cannot be read. */
export interface UnreadableRecord {
  readonly revision: number;
  /** False = another account's, or the account is not known. */
  readonly isOwn: boolean;
  /** Where it cannot be read; holds no stored content. */
  readonly problem: string;
  /** Of a domain: the hosts and trust stores that it names. */
  readonly mxHosts: readonly DomainName[];
  readonly trustStoreIds: readonly TrustStoreId[];
  /** Of a domain: the names that are pending, where the record shows whether any is; absent = not known. */
  readonly pendingNames?: readonly PendingName[] | undefined;
}

/** A record as it is stored. */
export interface RawRecord {
  readonly revision: number;
  /** JSON, unless it is damaged. */
  readonly text: string;
}

/**
 * One entry of the change log: the feed that edges poll and the audit trail in one. Never holds PEM.
 * Entries are numbered 1, 2, 3, … without a gap; `record.after` has the same `revision`.
 */
export interface LogEntry {
  readonly revision: number;
  readonly at: Timestamp;
  readonly account: string;
  readonly actor: string;
  readonly action: ChangeAction;
  /** `before` of a domain is as its readers saw it: with the certificate and the revision of its hosts. */
  readonly record: RecordChange;
  readonly hosts: readonly MxHostChange[];
  /** Absent = no other domain, or written by a release before 0.2. */
  readonly movedDomains?: MovedDomains | undefined;
}

export const CHANGE_ACTIONS = ["create", "update", "delete"] as const;
export type ChangeAction = (typeof CHANGE_ACTIONS)[number];

/** By revision: `asc` oldest first, `desc` newest first. */
export const CHANGE_ORDERS = ["asc", "desc"] as const;
export type ChangeOrder = (typeof CHANGE_ORDERS)[number];

export interface ChangeFeed {
  /**
   * In order of revision, or against it (`changesBefore`). May start after a gap or hold one when entries are
   * gone: the reader checks.
   */
  readonly entries: readonly FeedEntry[];
  /** The newest revision, read not later than the entries. */
  readonly head: number;
}

/** An entry of the feed. One that cannot be read keeps its place, and names its item where that is known. */
export type FeedEntry =
  | { readonly kind: "entry"; readonly entry: LogEntry }
  | {
      readonly kind: "unreadable";
      readonly revision: number;
      readonly item: UnreadableItem;
      /** Account of the entry; null where that cannot be read either. */
      readonly account: string | null;
    };

/** A stored item that this release cannot read. It takes no part in a snapshot; the status shows it. */
export interface UnreadableItem {
  readonly kind: (typeof ITEM_KINDS)[number];
  readonly id: string;
  /** For people and logs; holds no stored content. */
  readonly problem: string;
}

/** Kinds of stored items, each of which may be unreadable. */
export const ITEM_KINDS = [...RECORD_KINDS, "mx-host", "log-entry"] as const;

/**
 * Order of the writers of all processes. It is advice, not a lock: `commit` decides by its conditions, so a
 * writer that crashes or ignores the queue costs time and nothing else.
 */
export interface WriterQueue {
  /** Takes the next ticket: 1, 2, 3, … A number may be skipped when an answer was lost. */
  enter(): Promise<number>;
  /** Strongly consistent. */
  line(look?: LookWith): Promise<WriterLine>;
  /** Gives the ticket up: the writers behind it need not wait for it. */
  leave(ticket: number): Promise<void>;
  /**
   * Lets writers before this one store the write. One that is too large for it is not offered. @returns
   * whether it was
   */
  offer(write: OfferedWrite): Promise<boolean>;
  /**
   * The next offers behind a ticket, in its order, that this release can read as they were written and that
   * were not stored yet.
   */
  offersAfter(ticket: number): Promise<readonly OfferedWrite[]>;
  /**
   * Withdraws an offer: no writer stores it from then on. @returns the revision at which it was stored
   * before; null = it was not.
   */
  withdraw(ticket: number): Promise<number | null>;
}

/**
 * State of a `WriterQueue`. `head` and `served` are of one moment: `served` changes only together with the
 * head.
 */
export interface WriterLine {
  readonly head: number;
  /** The latest ticket whose write was stored; 0 before the first. */
  readonly served: number;
  /** The latest ticket taken; 0 before the first. */
  readonly taken: number;
  /** Tickets after `served` whose writers have left; may hold older ones. */
  readonly left: ReadonlySet<number>;
  /**
   * The log entry of `LookWith.entry`; null = not requested, or absent (it may still be missing when `head`
   * counts it).
   */
  readonly entry: FeedEntry | null;
  /** The revision at which the offer of `LookWith.offer` was stored; null = not requested, or not stored. */
  readonly storedAt: number | null;
}

/** What a read of the queue reads with it. */
export interface LookWith {
  /** The revision of a log entry. */
  readonly entry?: number | undefined;
  /** The ticket of an offer. */
  readonly offer?: number | undefined;
}

/** A write that a waiting writer lets other writers store. */
export interface OfferedWrite {
  readonly ticket: number;
  /** Without `ticket`, `offered`, `along` and `replaced`. */
  readonly commit: Commit;
}
