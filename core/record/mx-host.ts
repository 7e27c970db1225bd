/** The stored MX host, and how a write reads and changes one. */

import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";

/**
 * One name that clients ask for by SNI. A certificate belongs to the host, because SNI knows nothing else;
 * the account that named it first owns it (semantics.md section 1). Absent when no domain of an owner names
 * it.
 */
export interface MxHost {
  readonly host: DomainName;
  readonly account: string;
  /** null = the edge's default certificate. */
  readonly certificateId: CertificateId | null;
  /** How many domains of `account` name this host. At 0 the item is deleted. */
  readonly domainCount: number;
  /**
   * Revision of the write that set `certificateId`; set by the store. Absent = no write has since items have
   * it, so the certificate is as old as any record that names the host.
   */
  readonly certificateRevision?: number | undefined;
  /**
   * The stored item cannot be read, and this is what is known of it (damaged-host.ts): a write of a domain of
   * its account takes its place. Never stored. `account` may be UNKNOWN_ACCOUNT, and `domainCount` 0.
   */
  readonly isDamaged?: true;
}

/** What a stored item has of an MX host. */
export type StoredHostField = Exclude<keyof MxHost, "isDamaged">;

/**
 * Account of a damaged host whose owner is not known: no account has this name, so the host is foreign to
 * all.
 */
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
