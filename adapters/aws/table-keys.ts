/** Keys of the table's items. The one place that builds or reads a key. */

import { createHash } from "node:crypto";
import type { CertificateId, EdgeId, TrustStoreId } from "../../core/name/ids.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import type { IssuanceStateName } from "../../core/store/issuance-state.ts";
import type { RecordKind } from "../../core/store/store.ts";

/*
 * Every key of the table, and nothing else writes one:
 *
 *   partition                    sort key                        what it is
 *   RECORDS#00 … RECORDS#63      domain#<name>                   the record, by hash of the sort key
 *                                certificate#<id>
 *                                trust-store#<id>
 *                                mx-host#<host>                  the claim of a host
 *   HEAD                         HEAD                            the newest revision, when it was written, the ticket
 *                                                                served with it; after a take-over who writes
 *   QUEUE                        QUEUE                           the tickets taken by writers
 *                                offer#0000000000000017          the write that waits under ticket 17, or where it was stored
 *   LOG                          0000000000000017                the log entry of revision 17
 *   USES#mx-host#<host>          domain#<account>#<name>         a domain names the host
 *   USES#certificate#<id>        mx-host#<host>                  a host serves the certificate
 *   USES#trust-store#<id>        domain#<name>                   a domain names the trust store
 *   EDGE                         <edge id>                       an edge's heartbeat; an edge writes only into this partition
 *                                <edge id>#list                  the certificates and unreadable items of its report
 *   ACME#<name>                  STATE                           an item of the issuance state
 *   ACCESS#<kind>#<id>           RECORD                          an account, a token or a principal
 *   ANSWER#<name>                ANSWER                          the answer kept under an Idempotency-Key
 *
 *   index by-name: list = domain | certificate | trust-store, listKey = <account>#<name or id>
 *                  list = account | token | principal, the same of a record of access
 *
 * `<account>` is a hash: an account's name has neither a length nor an alphabet that a key could hold.
 */

/** The primary key of an item. */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** Sort keys of one partition, both ends included. */
export interface KeyRange {
  readonly pk: string;
  readonly from: string;
  readonly to: string;
}

export type StoredKind = RecordKind | "mx-host";

const PARTITIONS = 64;
/** Come before and after every character of a name and of an id. A key is never empty. */
const BEFORE_ALL = "\0";
const AFTER_ALL = "\u{10ffff}";
/** A name has at most 253 octets; what is compared with names needs no more of a longer text than this. */
const COMPARED_CHARACTERS = 254;

/** The partitions that hold every record and host: what a full load reads. */
export const RECORD_PARTITIONS: readonly string[] = Array.from({ length: PARTITIONS }, (_, index) =>
  partitionName(index),
);

export const wholePartition = (pk: string): KeyRange => ({ pk, from: BEFORE_ALL, to: AFTER_ALL });

export function recordKey(kind: StoredKind, id: string): ItemKey {
  const sk = `${kind}#${id}`;
  return { pk: partitionName(digest(sk).readUInt8(0) % PARTITIONS), sk };
}

function partitionName(index: number): string {
  return `RECORDS#${String(index).padStart(2, "0")}`;
}

/** What a sort key of a record partition is about; null = nothing that this release knows. */
export function storedItemOf(sk: string): { readonly kind: StoredKind; readonly id: string } | null {
  const end = sk.indexOf("#");
  const kind = KINDS.find((each) => each === sk.slice(0, end));
  return kind === undefined ? null : { kind, id: sk.slice(end + 1) };
}

const KINDS: readonly StoredKind[] = ["domain", "certificate", "trust-store", "mx-host"];

/** The items of one kind in a record partition. */
export const recordsOfKindRange = (pk: string, kind: StoredKind): KeyRange => ({
  pk,
  from: `${kind}#`,
  to: `${kind}#${AFTER_ALL}`,
});

export const HEAD_KEY: ItemKey = { pk: "HEAD", sk: "HEAD" };
/** Attribute of the head's item: the one region that may write; absent = no take-over has happened. */
export const WRITER_REGION = "writerRegion";

export const QUEUE_KEY: ItemKey = { pk: "QUEUE", sk: "QUEUE" };

export const offerKey = (ticket: number): ItemKey => ({ pk: QUEUE_KEY.pk, sk: offerSortKey(ticket) });

const offerSortKey = (ticket: number): string => `offer#${paddedNumber(ticket)}`;

export const offersRange = (first: number, last: number): KeyRange => ({
  pk: QUEUE_KEY.pk,
  from: offerSortKey(first),
  to: offerSortKey(last),
});

/** NaN when the sort key is not one of an offer. */
export const ticketOf = (sk: string): number =>
  /^offer#\d{16}$/.test(sk) ? Number(sk.slice("offer#".length)) : Number.NaN;

export const logKey = (revision: number): ItemKey => ({ pk: "LOG", sk: paddedNumber(revision) });

/** Padded to the digits of the largest safe integer, so that text order is number order. */
const paddedNumber = (number: number): string => String(number).padStart(16, "0");

export const logRange = (first: number, last: number): KeyRange => ({
  pk: "LOG",
  from: paddedNumber(first),
  to: paddedNumber(last),
});

/** NaN when the sort key is not one of a log entry. */
export const revisionOf = (sk: string): number => (/^\d{16}$/.test(sk) ? Number(sk) : Number.NaN);

export const EDGE_PARTITION = "EDGE";
export const edgeKey = (id: EdgeId): ItemKey => ({ pk: EDGE_PARTITION, sk: id });
export const edgeListKey = (id: EdgeId): ItemKey => ({ pk: EDGE_PARTITION, sk: `${id}#list` });

export const issuanceStateKey = (name: IssuanceStateName): ItemKey => ({ pk: `ACME#${name}`, sk: "STATE" });

/** The name is a hash. */
export const keptAnswerKey = (name: string): ItemKey => ({ pk: `ANSWER#${name}`, sk: "ANSWER" });

export type AccessKindName = "account" | "token" | "principal";

export const accessKey = (kind: AccessKindName, id: string): ItemKey => ({
  pk: `ACCESS#${kind}#${id}`,
  sk: "RECORD",
});

/** How many records of access of a kind the account of a list key has. */
export const accessCountKey = (kind: AccessKindName, listKey: string): ItemKey => ({
  pk: `ACCESS#count#${kind}#${listKey.slice(0, listKey.indexOf("#"))}`,
  sk: "COUNT",
});

export const domainOnHostKey = (host: DomainName, account: string, domain: DomainName): ItemKey => ({
  pk: `USES#mx-host#${host}`,
  sk: `domain#${accountPart(account)}#${domain}`,
});
export const hostOfCertificateKey = (id: CertificateId, host: DomainName): ItemKey => ({
  pk: `USES#certificate#${id}`,
  sk: `mx-host#${host}`,
});
export const domainOfTrustStoreKey = (id: TrustStoreId, domain: DomainName): ItemKey => ({
  pk: `USES#trust-store#${id}`,
  sk: `domain#${domain}`,
});

/** What names the record: hosts of a certificate, domains of a trust store. */
export const usesRange = (kind: "certificate" | "trust-store", id: CertificateId | TrustStoreId): KeyRange =>
  wholePartition(`USES#${kind}#${id}`);

/** The name at the end of a sort key of a USES partition or of the index. */
export function nameAtEndOf(sk: string): DomainName | null {
  return toDomainName(sk.slice(sk.lastIndexOf("#") + 1));
}

/** Which names of an account: those with a prefix, after another name. */
export interface NameFilter {
  readonly prefix?: string | undefined;
  readonly after?: string | undefined;
}

/** Domains of the account on a host. null = no name can match. */
export function domainsOnHostRange(host: DomainName, account: string, filter: NameFilter): KeyRange | null {
  return namesRange(`USES#mx-host#${host}`, `domain#${accountPart(account)}#`, filter);
}

/** Domains of every account on a host, by account; `after`: of those that come after this account's. */
export const domainsOfAllOnHost = (host: DomainName, after?: string): KeyRange => ({
  pk: `USES#mx-host#${host}`,
  from: after === undefined ? BEFORE_ALL : `domain#${accountPart(after)}#${AFTER_ALL}`,
  to: AFTER_ALL,
});

/** Records of the account in the index. null = no name can match. */
export function listRange(kind: RecordKind, account: string, filter: NameFilter): KeyRange | null {
  return namesRange(kind, `${accountPart(account)}#`, filter);
}

export const wholeListRange = (kind: RecordKind): KeyRange => wholePartition(kind);

export const listKeyOf = (account: string, id: string): string => `${accountPart(account)}#${id}`;

/** Records of access of the account in the index, after an id; as long as an ARN may be. */
export const accessListRange = (kind: AccessKindName, account: string, after?: string): KeyRange => ({
  pk: kind,
  from: `${accountPart(account)}#${after === undefined ? "" : `${after}\0`}`,
  to: `${accountPart(account)}#${AFTER_ALL}`,
});

/** The name or id of a list key: the account before it is hexadecimal. */
export const nameOfListKey = (listKey: string): string => listKey.slice(listKey.indexOf("#") + 1);

function namesRange(pk: string, before: string, { prefix = "", after }: NameFilter): KeyRange | null {
  if (prefix.length >= COMPARED_CHARACTERS) return null;
  // The least text that comes after another is the same with a NUL behind it.
  const next = after === undefined ? "" : `${after.slice(0, COMPARED_CHARACTERS)}\0`;
  const from = isLess(prefix, next) ? next : prefix;
  const to = prefix + AFTER_ALL;
  return isLess(from, to) ? { pk, from: before + from, to: before + to } : null;
}

/** As DynamoDB orders text: by the octets of UTF-8. */
const isLess = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

/** 128 bits are enough: callers do not choose accounts, and a collision could not be found. */
const accountPart = (account: string): string => digest(account).subarray(0, 16).toString("hex");

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
