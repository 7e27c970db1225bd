import type { Timestamp } from "../clock.ts";
import type { CertificateId } from "./ids.ts";

export const CERTIFICATE_SOURCES = ["self-signed", "pem"] as const;
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

/** A server certificate as stored. States that depend on the date are computed when it is shown: `certificateState`. */
export interface CertificateRecord {
  readonly id: CertificateId;
  readonly account: string;
  readonly label: string | null;
  readonly source: CertificateSource;
  /** dNSNames of the leaf (of both leaves: only what each of them carries), canonical, wildcards as `*.x`. */
  readonly names: readonly string[];
  /** At most one ECDSA and one RSA. */
  readonly keys: readonly CertificateKey[];
  readonly material: MaterialReference;
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}

export const CERTIFICATE_STATES = ["pending", "active", "expiring", "expired", "failed"] as const;
export type CertificateState = (typeof CERTIFICATE_STATES)[number];

/** A certificate within this time of its notAfter is `expiring`. */
export const EXPIRING_WITHIN_MS = 30 * 24 * 3600 * 1000;

/** Validity of all keys together: the latest notBefore and the earliest notAfter. */
export function validity(certificate: Pick<CertificateRecord, "keys">): {
  notBefore: Timestamp;
  notAfter: Timestamp;
} {
  const notBefore = certificate.keys.map((key) => key.notBefore).toSorted();
  const notAfter = certificate.keys.map((key) => key.notAfter).toSorted();
  return { notBefore: notBefore.at(-1) ?? "", notAfter: notAfter.at(0) ?? "" };
}

/** The state at a moment; a certificate that is not valid yet is `pending`. */
export function certificateState(
  certificate: Pick<CertificateRecord, "keys">,
  nowMs: number,
): CertificateState {
  const { notBefore, notAfter } = validity(certificate);
  if (Date.parse(notAfter) <= nowMs) return "expired";
  if (Date.parse(notBefore) > nowMs) return "pending";
  return Date.parse(notAfter) - nowMs <= EXPIRING_WITHIN_MS ? "expiring" : "active";
}
