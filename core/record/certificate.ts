/** The stored certificate, without keys. */

import type { CertificateKey, KeyType } from "../x509/key-type.ts";
import type { Timestamp } from "../clock.ts";
import type { CertificateId } from "../name/ids.ts";
import type { Labels } from "./labels.ts";

export const CERTIFICATE_SOURCES = ["self-signed", "pem", "pkcs12", "request", "acme", "acm"] as const;
export type CertificateSource = (typeof CERTIFICATE_SOURCES)[number];

/** Why a version was added. `exported` = from ACM; `rotated` = with another key that Postern made. */
export const VERSION_CAUSES = ["created", "uploaded", "issued", "renewed", "rotated", "exported"] as const;
export type VersionCause = (typeof VERSION_CAUSES)[number];

/** Where the material of one version lies and what it must hash to: see key-vault.ts. */
export interface MaterialReference {
  /** Counts from 1; each new material of a certificate takes the next. */
  readonly version: number;
  /** SHA-256 of the stored object, lower-case hex. */
  readonly sha256: string;
  /** Absent = added by a release before 0.2, which did not note it. */
  readonly addedAt?: Timestamp | undefined;
  readonly cause?: VersionCause | undefined;
}

/** A version that is not in service any more. Its material is kept for `RETIRED_KEPT_MS` (versions.ts). */
export interface RetiredVersion extends MaterialReference {
  readonly keys: readonly CertificateKey[];
  readonly retiredAt: Timestamp;
  readonly retiredBy: "replaced" | "rolled-back";
  /** Source of the certificate while it was in service; absent = that of the record. */
  readonly source?: CertificateSource | undefined;
  /**
   * Plan of then, for the sources `self-signed` and `request`; absent = there was none. Its names are the
   * version's.
   */
  readonly plan?: Omit<CertificatePlan, "names"> | undefined;
}

/** A private key in the vault that no version has yet: made for a CSR, an order or a rotation. */
export interface PendingKey {
  readonly keyType: KeyType;
  /** `sha256//` and base64 of the SHA-256 of the SPKI; names the vault object. */
  readonly spkiPin: string;
  /** SHA-256 of the vault object, lower-case hex. */
  readonly sha256: string;
  readonly madeAt: Timestamp;
  /** When the switch to this key was requested; null = announced, not requested. */
  readonly switchAt: Timestamp | null;
}

/** A certificate signing request (PKCS #10, RFC 2986): the same for as long as its key. */
export interface SigningRequest {
  readonly keyType: KeyType;
  readonly spkiPin: string;
  readonly csrPem: string;
}

/** Whether a renewal keeps the key: a new one breaks TLSA records `3 1 1` and pins. */
export const RENEWAL_KEYS = ["keep", "new"] as const;
export type RenewalKey = (typeof RENEWAL_KEYS)[number];

/** How Postern makes or orders a certificate. */
export interface CertificatePlan {
  /** Names to order; absent = the names of the record. */
  readonly names?: readonly string[] | undefined;
  /** At most one ECDSA and one RSA. */
  readonly keyTypes: readonly KeyType[];
  /** Life of a self-signed certificate. */
  readonly days?: number | undefined;
  readonly renewalKey: RenewalKey;
}

/** The last failure to renew or issue; deleted by the next success. */
export interface FailedAttempt {
  /** Failures in a row. */
  readonly failures: number;
  readonly at: Timestamp;
  readonly nextAt: Timestamp;
  /** For people; holds nothing of a key. */
  readonly problem: string;
}

/**
 * A DNS record that proves control of a name: to ACM a CNAME, for as long as the certificate is to be
 * renewed; to an ACME CA a TXT record, for one order (RFC 8555 section 8.4).
 */
export interface ValidationRecord {
  /** Absent = CNAME. */
  readonly type?: "CNAME" | "TXT" | undefined;
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

/** Challenge types of RFC 8555 section 8 that are answered. */
export const ACME_CHALLENGES = ["dns-01", "http-01"] as const;
export type AcmeChallengeType = (typeof ACME_CHALLENGES)[number];

/** An order at an ACME CA (RFC 8555 section 7.1.3) that has not ended. */
export interface AcmeOrder {
  readonly keyType: KeyType;
  /** The key that the certificate is ordered for: of the version in service, or pending. */
  readonly spkiPin: string;
  readonly url: string;
  readonly startedAt: Timestamp;
  /** TXT records that the operator publishes; empty = none are needed. */
  readonly validation: readonly ValidationRecord[];
  /** When the CA wants to be asked again, where that is longer than a sweep waits; absent = at once. */
  readonly lookAgainAt?: Timestamp | undefined;
}

/** When one certificate is to be renewed: within the CA's window (RFC 9773), or at once by request. */
export interface RenewalSuggestion {
  /** Of the leaf. */
  readonly fingerprintSha256: string;
  readonly at: Timestamp;
}

/** How a certificate is ordered at an ACME CA, and its orders that have not ended. */
export interface AcmeIssuance {
  /** Name in ACME_DIRECTORIES. */
  readonly directory: string;
  readonly challenge: AcmeChallengeType;
  readonly profile: string | null;
  /** Account of the last order (for CAA `accounturi`, RFC 8657); null = none yet. */
  readonly accountUrl: string | null;
  /** The CA's issuer domain name in CAA records (RFC 8659); null = it names none. */
  readonly caaIdentity: string | null;
  /** One for each key type at most. */
  readonly orders: readonly AcmeOrder[];
  /** Times of renewal other than two thirds of the life, for certificates in service; empty = none. */
  readonly suggestions: readonly RenewalSuggestion[];
}

/**
 * A server certificate as stored. States that depend on the date are computed when it is shown:
 * `certificateState`.
 */
export interface CertificateRecord {
  readonly id: CertificateId;
  readonly account: string;
  readonly label: string | null;
  readonly labels: Labels;
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
  /** Set for certificates of source `acme`. */
  readonly acme?: AcmeIssuance | undefined;
  /** Set where Postern makes the key; absent for `self-signed` = made by a release before 0.2. */
  readonly plan?: CertificatePlan | undefined;
  /** The latest first, at most `RETIRED_SHOWN`; absent = none. */
  readonly retired?: readonly RetiredVersion[] | undefined;
  /** At most one for each key type; absent = none. */
  readonly pendingKeys?: readonly PendingKey[] | undefined;
  /** Set for certificates of source `request`: of the keys in service and the pending ones. */
  readonly requests?: readonly SigningRequest[] | undefined;
  /** Absent = the last attempt succeeded. */
  readonly attempt?: FailedAttempt | undefined;
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}
