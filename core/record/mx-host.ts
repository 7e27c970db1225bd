import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "./domain.ts";

/**
 * One name that clients ask for by SNI. A certificate belongs to the host, because SNI knows nothing else; the
 * account that named it first owns it (semantics.md section 1). Absent when no domain of an owner names it.
 */
export interface MxHost {
  readonly host: DomainName;
  readonly account: string;
  /** null = the edge's default certificate. */
  readonly certificateId: CertificateId | null;
  /** How many domains of `account` name this host. At 0 the item is deleted. */
  readonly domainCount: number;
  /**
   * Revision of the write that set `certificateId`; set by the store. Absent = no write has since items have it, so the
   * certificate is as old as any record that names the host.
   */
  readonly certificateRevision?: number | undefined;
  /**
   * The stored item cannot be read, and this is what is known of it (damaged-host.ts): a write of a domain of its account
   * takes its place. Never stored. `account` may be UNKNOWN_ACCOUNT, and `domainCount` 0.
   */
  readonly isDamaged?: true;
}

/** Of a damaged host whose owner cannot be told: no account has this name, so it is another one's for all. */
export const UNKNOWN_ACCOUNT = "";

/** A host item as it was read; null = absent. */
export interface MxHostRead {
  readonly host: DomainName;
  readonly item: MxHost | null;
}

/** A host item before and after one write; null = absent. */
export interface MxHostChange {
  readonly host: DomainName;
  readonly before: MxHost | null;
  readonly after: MxHost | null;
}

/**
 * A host item as the write at `revision` stores it. In the place of a damaged one it is a new item: what it was is not
 * logged, and its certificate counts as set now, since when it was set before is not known.
 */
export function withCertificateRevision(change: MxHostChange, revision: number): MxHostChange {
  const { host, before, after } = change;
  if (before?.isDamaged === true)
    return { host, before: null, after: after && { ...after, certificateRevision: revision } };
  if (after === null) return change;
  const isSame = before?.account === after.account && before.certificateId === after.certificateId;
  // A host that comes without a certificate changes nothing that any domain shows.
  const isBare = before === null && after.certificateId === null;
  const { certificateRevision: _, ...item } = after;
  const taken = isSame ? before.certificateRevision : isBare ? undefined : revision;
  return { ...change, after: taken === undefined ? item : { ...item, certificateRevision: taken } };
}

type OwnHosts = ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateRevision">>;

/**
 * The revision of a domain as its readers see it, and the only validator of it (docs/adr/0019): that of its record, or
 * of the certificate of one of its own hosts, whichever is the newest.
 */
export function shownRevision(
  { account, mxHosts, revision }: Pick<DomainRecord, "account" | "mxHosts" | "revision">,
  hosts: OwnHosts,
): number {
  const own = mxHosts.flatMap((name) => {
    const host = hosts.get(name);
    return host?.account === account ? (host.certificateRevision ?? 0) : [];
  });
  return Math.max(revision, ...own);
}

/**
 * Whether record and hosts, read one after the other, show one moment: no host is newer than the record, and the
 * domain reads as the certificate that it was given last. Otherwise another domain has moved a host, or the reads met
 * a write.
 */
export const isOneMoment = (domain: DomainRecord, hosts: ReadonlyMap<DomainName, MxHost>): boolean =>
  shownRevision(domain, hosts) === domain.revision &&
  certificateView(domain, hosts) === domain.tls.server.certificateId;

/**
 * What a domain's `certificateId` reads as: the certificate of its first host that its own account owns.
 * Hosts of another account never show here.
 */
export function certificateView(
  domain: Pick<DomainRecord, "account" | "mxHosts">,
  hosts: ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateId">>,
): CertificateId | null {
  for (const name of domain.mxHosts) {
    const host = hosts.get(name);
    if (host?.account === domain.account) return host.certificateId;
  }
  return null;
}
