/** The stored trust store, without its content. */

import type { CrlSummary, TrustAnchor } from "../x509/trust-anchors.ts";
import type { Timestamp } from "../clock.ts";
import type { TrustStoreId } from "../name/ids.ts";
import type { Labels } from "./labels.ts";

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
 * A named set of CAs that may vouch for clients, and their CRLs. The PEM itself is an object named by its
 * hash (key-vault.ts, `trust/<sha256>`); the record and the change log hold only the hash.
 */
export interface TrustStoreRecord {
  readonly id: TrustStoreId;
  readonly account: string;
  readonly label: string | null;
  readonly labels: Labels;
  /** SHA-256 of the stored content, lower-case hex. */
  readonly contentSha256: string;
  readonly anchors: readonly TrustAnchor[];
  readonly crls: readonly CrlSummary[];
  /**
   * Contents that it had before, the latest first: what `restore` brings back. The vault keeps their objects.
   */
  readonly previous: readonly PreviousContent[];
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}
