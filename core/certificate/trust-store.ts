import type { Timestamp } from "../clock.ts";
import type { TrustStoreId } from "./ids.ts";

/** One trust anchor, for people: what a trust store shows of a certificate in it. */
export interface TrustAnchor {
  /** RFC 4514 text, control characters escaped. */
  readonly subject: string;
  readonly fingerprintSha256: string;
  readonly notBefore: Timestamp;
  readonly notAfter: Timestamp;
  /**
   * nextUpdate of the newest CRL in the store that this anchor's key signed; null = the store has CRLs and none is of this
   * anchor. Absent = the store has no CRLs, or was written by a release that did not look.
   */
  readonly crlUntil?: Timestamp | null;
}

/** One CRL, for people and for warnings. */
export interface CrlSummary {
  readonly issuer: string;
  readonly thisUpdate: Timestamp;
  /** A CRL without nextUpdate is refused when written. */
  readonly nextUpdate: Timestamp;
}

/**
 * A named set of CAs that may vouch for clients, and their CRLs. The PEM itself is an object named by its hash
 * (key-vault.ts, `trust/<sha256>`); the record and the change log hold only the hash.
 */
export interface TrustStoreRecord {
  readonly id: TrustStoreId;
  readonly account: string;
  readonly label: string | null;
  /** SHA-256 of the stored content, lower-case hex. */
  readonly contentSha256: string;
  readonly anchors: readonly TrustAnchor[];
  readonly crls: readonly CrlSummary[];
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}

/** What the object named by `contentSha256` holds, as JSON. */
export interface TrustStoreContent {
  readonly certificatesPem: string;
  readonly crlPem: string | null;
}
