import type { Timestamp } from "../clock.ts";
import type { CertificateId } from "../name/ids.ts";

export const CERTIFICATE_SOURCES = ["self-signed", "pem", "acm"] as const;
export type CertificateSource = (typeof CERTIFICATE_SOURCES)[number];

/** What a key pair is. Anything else is refused when it is uploaded. */
export const KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** The public side of one key pair of a certificate. Never key material. */
export interface CertificateKey {
  readonly keyType: KeyType;
  /** SHA-256 of the DER leaf, lower-case hex. */
  readonly fingerprintSha256: string;
  /** `sha256//` and base64 of the SHA-256 of the SPKI. */
  readonly spkiPin: string;
  readonly notBefore: Timestamp;
  readonly notAfter: Timestamp;
}

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

/** A server certificate as stored. States that depend on the date are computed when it is shown: `certificateState`. */
export interface CertificateRecord {
  readonly id: CertificateId;
  readonly account: string;
  readonly label: string | null;
  readonly source: CertificateSource;
  /** Before there is material, the names that were ordered. dNSNames of the leaf (of both leaves: only what each of them carries), canonical, wildcards as `*.x`. */
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

export const CERTIFICATE_STATES = ["pending", "active", "expiring", "expired", "failed"] as const;
export type CertificateState = (typeof CERTIFICATE_STATES)[number];

/** A certificate within this time of its notAfter is `expiring`. */
export const EXPIRING_WITHIN_MS = 30 * 24 * 3600 * 1000;

/** Validity of all keys together: the latest notBefore and the earliest notAfter; null where there is no key. */
export function validity({ keys }: Pick<CertificateRecord, "keys">): {
  notBefore: Timestamp | null;
  notAfter: Timestamp | null;
} {
  const notBefore = keys.map((key) => key.notBefore).toSorted();
  const notAfter = keys.map((key) => key.notAfter).toSorted();
  return { notBefore: notBefore.at(-1) ?? null, notAfter: notAfter.at(0) ?? null };
}

/** The state at a moment; a certificate that is not issued or not valid yet is `pending`. */
export function certificateState(
  certificate: Pick<CertificateRecord, "keys" | "acm">,
  nowMs: number,
): CertificateState {
  const { notBefore, notAfter } = validity(certificate);
  const failed = certificate.acm?.status === "failed";
  if (notBefore === null || notAfter === null) return failed ? "failed" : "pending";
  if (Date.parse(notAfter) <= nowMs) return "expired";
  if (failed) return "failed";
  if (Date.parse(notBefore) > nowMs) return "pending";
  return Date.parse(notAfter) - nowMs <= EXPIRING_WITHIN_MS ? "expiring" : "active";
}
