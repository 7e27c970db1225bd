/** Who renews a certificate, when, and what is announced of its keys. Pure: the clock comes in. */

import { type Timestamp, timestamp } from "../clock.ts";
import type {
  CertificatePlan,
  CertificateRecord,
  CertificateSource,
  FailedAttempt,
  RenewalKey,
  RenewalSuggestion,
} from "../record/certificate.ts";
import type { CertificateKey } from "../x509/key-type.ts";

export const RENEWED_BY = ["postern", "operator", "acm"] as const;
export type RenewedBy = (typeof RENEWED_BY)[number];

const RENEWERS: Readonly<Record<CertificateSource, RenewedBy>> = {
  "self-signed": "postern",
  pem: "operator",
  pkcs12: "operator",
  request: "operator",
  acme: "postern",
  acm: "acm",
};

export const renewedBy = ({ source }: Pick<CertificateRecord, "source">): RenewedBy => RENEWERS[source];

/** Rdata of the TLSA record that names a key: DANE-EE, SPKI, SHA-256 (RFC 7672 section 3.1.1). */
export const tlsaOf = (spkiPin: string): string => `3 1 1 ${spkiSha256Of(spkiPin)}`;

/** @param spkiPin `sha256//` and base64. @returns the same digest as lower-case hex */
export const spkiSha256Of = (spkiPin: string): string =>
  Buffer.from(spkiPin.slice("sha256//".length), "base64").toString("hex");

const DAY_MS = 24 * 3600 * 1000;

/**
 * How Postern makes or orders the certificate; null = it does not. A self-signed certificate of a release
 * before 0.2 has no plan: its own names, key and life are it.
 */
export function planOf({
  plan,
  source,
  keys,
}: Pick<CertificateRecord, "plan" | "source" | "keys">): CertificatePlan | null {
  if (plan !== undefined) return plan;
  const [key] = keys;
  if (source !== "self-signed" || key === undefined) return null;
  const days = Math.max(1, Math.round(lifeMs(key) / DAY_MS));
  return { keyTypes: keys.map(({ keyType }) => keyType), days, renewalKey: "keep" };
}

const lifeMs = ({ notBefore, notAfter }: Pick<CertificateKey, "notBefore" | "notAfter">): number =>
  Date.parse(notAfter) - Date.parse(notBefore);

/** A CA whose certificates are due when they are issued must not be asked at each sweep. */
const SERVED_AT_LEAST_MS = 3600 * 1000;

/** Two thirds of the life: late enough to use it, early enough for a month of failures in 90 days. */
function twoThirdsMs({ material }: Pick<CertificateRecord, "material">, key: CertificateKey): number {
  const atMs = Date.parse(key.notBefore) + Math.floor((lifeMs(key) * 2) / 3);
  const addedMs = material?.addedAt === undefined ? 0 : Date.parse(material.addedAt);
  return Math.max(atMs, addedMs + SERVED_AT_LEAST_MS);
}

/** When Postern renews the first key; null = Postern does not renew it, or there is nothing to renew. */
export function renewsAt(record: CertificateRecord): Timestamp | null {
  if (renewedBy(record) !== "postern" || record.keys.length === 0) return null;
  return timestamp(Math.min(...record.keys.map((key) => dueMs(record, key))));
}

/** Keys in service whose certificate is due for renewal by Postern. */
export function dueKeys(record: CertificateRecord, nowMs: number): readonly CertificateKey[] {
  if (renewedBy(record) !== "postern") return [];
  return record.keys.filter((key) => dueMs(record, key) <= nowMs);
}

function dueMs(record: CertificateRecord, key: CertificateKey): number {
  const isOfKey = (each: RenewalSuggestion): boolean => each.fingerprintSha256 === key.fingerprintSha256;
  const suggestion = record.acme?.suggestions.find(isOfKey);
  return suggestion === undefined ? twoThirdsMs(record, key) : Date.parse(suggestion.at);
}

const FIRST_RETRY_MS = 5 * 60_000;
const MAX_RETRY_MS = 12 * 3600 * 1000;

/**
 * The attempt after a failure: 5 minutes later, then twice as long each time, 12 hours at most. The CA's
 * Retry-After is honoured where it is later, up to a week.
 */
export function failedAttempt(
  before: FailedAttempt | undefined,
  { nowMs, problem, retryAfterMs }: { nowMs: number; problem: string; retryAfterMs: number | null },
): FailedAttempt {
  const failures = (before?.failures ?? 0) + 1;
  const backoffMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, failures - 1));
  const waitMs = Math.max(backoffMs, Math.min(retryAfterMs ?? 0, 7 * DAY_MS));
  return { failures, at: timestamp(nowMs), nextAt: timestamp(nowMs + waitMs), problem };
}

/** Whether an attempt may be made now. */
export const mayTry = ({ attempt }: Pick<CertificateRecord, "attempt">, nowMs: number): boolean =>
  attempt === undefined || Date.parse(attempt.nextAt) <= nowMs;

/** Whether a renewal keeps the key; null = who renews it decides. */
export const renewalKeyOf = (record: CertificateRecord): RenewalKey | null =>
  planOf(record)?.renewalKey ?? null;
