import type { Timestamp } from "../clock.ts";
import type { TrustStoreId } from "../name/ids.ts";

/** Use of a client certificate, by its extended key usages. */
export const CLIENT_USAGES = ["clientAuth", "serverAuth"] as const;

/** Limits of an anchor that is no CA, or a CA that may not issue for both usages. */
export interface AnchorLimits {
  /** False = it passes as the client's own certificate only, and vouches for no other. */
  readonly isCa: boolean;
  /** Usages that its extended key usages allow. */
  readonly usages: readonly (typeof CLIENT_USAGES)[number][];
  /** dNSNames of one that is no CA; null = a CA, or too many to keep. */
  readonly dnsNames: readonly string[] | null;
}

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
  /** Absent = a CA without limits, or written by a release that did not look. */
  readonly limits?: AnchorLimits;
}

/** One CRL, for people and for warnings. */
export interface CrlSummary {
  readonly issuer: string;
  readonly thisUpdate: Timestamp;
  /** A CRL without nextUpdate is refused when written. */
  readonly nextUpdate: Timestamp;
}

/** Content of a trust store that another has replaced. */
export interface PreviousContent {
  /** Of the record when the content was replaced. */
  readonly revision: number;
  readonly contentSha256: string;
  readonly replacedAt: Timestamp;
}

/** Of one trust store: an object is at most 1 MB. */
export const PREVIOUS_CONTENTS = 10;

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
  /** Contents that it had before, the latest first: what `restore` brings back. The vault keeps their objects. */
  readonly previous: readonly PreviousContent[];
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
