/** The stored certificate, without keys. */

import type { CertificateKey } from "../x509/key-type.ts";
import type { Timestamp } from "../clock.ts";
import type { CertificateId } from "../name/ids.ts";

export const CERTIFICATE_SOURCES = ["self-signed", "pem", "acm"] as const;
export type CertificateSource = (typeof CERTIFICATE_SOURCES)[number];

/** Where the material of one version lies and what it must hash to: see key-vault.ts. */
export interface MaterialReference {
  /** Counts from 1; each new material of a certificate takes the next. */
  readonly version: number;
  /** SHA-256 of the stored object, lower-case hex. */
  readonly sha256: string;
}

/** A CNAME that proves control of a name to ACM, for as long as the certificate is to be renewed. */
export interface ValidationRecord {
  /** The name that it proves. */
  readonly domain: string;
  readonly name: string;
  readonly value: string;
}

/** The order at ACM behind a certificate, as it was seen last. */
export interface AcmOrder {
  readonly arn: string;
  readonly status: "pending" | "issued" | "failed";
  /** Empty until ACM has made them, some seconds after the order. */
  readonly validation: readonly ValidationRecord[];
  /** Why it failed, or what keeps it from being issued or renewed; null = nothing. */
  readonly problem: string | null;
}

/**
 * A server certificate as stored. States that depend on the date are computed when it is shown:
 * `certificateState`.
 */
export interface CertificateRecord {
  readonly id: CertificateId;
  readonly account: string;
  readonly label: string | null;
  readonly source: CertificateSource;
  /**
   * Before there is material, the names that were ordered. dNSNames of the leaf (of both leaves: only what
   * each of them carries), canonical, wildcards as `*.x`.
   */
  readonly names: readonly string[];
  /** At most one ECDSA and one RSA; none while there is no material. */
  readonly keys: readonly CertificateKey[];
  /** null = there is none yet: an order that was not issued, or failed. */
  readonly material: MaterialReference | null;
  /** Set for certificates of source `acm`. */
  readonly acm?: AcmOrder | undefined;
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}
