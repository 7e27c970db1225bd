import type { Timestamp } from "../clock.ts";
import type { CertificateRecord } from "../record/certificate.ts";

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
