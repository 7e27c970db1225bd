import type { CertificateId } from "../certificate/ids.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
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
}

/** A host item before and after one write; null = absent. */
export interface MxHostChange {
  readonly host: DomainName;
  readonly before: MxHost | null;
  readonly after: MxHost | null;
}

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
