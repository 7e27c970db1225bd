/** When certificates expire: the state of one, and those that the metric and alarm of the schedule report. */

import type { Timestamp } from "../clock.ts";
import type { StoreContents } from "../store/store.ts";
import { type CertificateRecord } from "../record/certificate.ts";
import type { CertificateId } from "../name/ids.ts";
import { renewedBy } from "./renewal.ts";

export const CERTIFICATE_STATES = ["pending", "active", "expiring", "expired", "failed"] as const;
export type CertificateState = (typeof CERTIFICATE_STATES)[number];

/** A certificate within this time of its notAfter is `expiring`; see `certificateState`. */
export const EXPIRING_WITHIN_MS = 30 * 24 * 3600 * 1000;

/**
 * Validity of all keys together: the latest notBefore and the earliest notAfter; null where there is no key.
 */
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
  certificate: Pick<CertificateRecord, "keys" | "acm" | "source">,
  nowMs: number,
): CertificateState {
  const { notBefore, notAfter } = validity(certificate);
  const failed = certificate.acm?.status === "failed";
  if (notBefore === null || notAfter === null) return failed ? "failed" : "pending";
  if (Date.parse(notAfter) <= nowMs) return "expired";
  if (failed) return "failed";
  if (Date.parse(notBefore) > nowMs) return "pending";
  const lifeMs = Date.parse(notAfter) - Date.parse(notBefore);
  // What Postern renews is due after two thirds: a certificate of six days would else never be `active`.
  const withinMs =
    renewedBy(certificate) === "postern" ? Math.min(EXPIRING_WITHIN_MS, lifeMs / 3) : EXPIRING_WITHIN_MS;
  return Date.parse(notAfter) - nowMs <= withinMs ? "expiring" : "active";
}

const DAY_MS = 24 * 3600 * 1000;

/** One failure of a CA is ordinary: the next attempt comes before it matters. */
const FAILURES_REPORTED = 2;

/** Whether an order at a CA waits for DNS records that only the operator can publish. */
export const waitsForOperator = ({ acme }: Pick<CertificateRecord, "acme">): boolean =>
  acme?.orders.some(({ validation }) => validation.length > 0) === true;

/**
 * Whether a certificate that comes to its end is reported: no one but the operator renews it, its renewal
 * waits for the operator, or fails.
 */
export function isEndReported(
  record: Pick<CertificateRecord, "source" | "acm" | "acme" | "attempt">,
): boolean {
  const { acm, attempt } = record;
  const isFailing = (attempt?.failures ?? 0) >= FAILURES_REPORTED;
  const renewer = renewedBy(record);
  switch (renewer) {
    case "operator":
      return true;
    case "postern":
      return isFailing || waitsForOperator(record);
    case "acm":
      return isFailing || acm === undefined || acm.status === "failed" || acm.problem !== null;
    default:
      return renewer satisfies never;
  }
}

/** A certificate on MX hosts that needs attention. */
export interface ExpiringCertificate {
  readonly id: CertificateId;
  readonly account: string;
  readonly state: CertificateState;
  /** Below 0 = it is over. */
  readonly daysLeft: number;
  readonly hosts: number;
}

export interface Expiry {
  /** Of all certificates, in use or not. */
  readonly states: Readonly<Record<CertificateState, number>>;
  /** Days until the first certificate in use expires; null = none is in use. */
  readonly soonestDays: number | null;
  /** In use, and expired, failed, or expiring and reported; the first to expire comes first. */
  readonly expiring: readonly ExpiringCertificate[];
  /** In use and over. */
  readonly expired: number;
  /**
   * In use, reported, and come to one of `WARNING_DAYS` within the last `WARNING_WINDOW_MS`. An alarm on the
   * days themselves rings as long as one certificate is forgotten, and says nothing of the next.
   */
  readonly reached: number;
}

/** An operator who renews by hand has a month, and is reminded. 0 = it is over. */
const WARNING_DAYS = [30, 14, 7, 1, 0] as const;
/** The schedule looks every hour, within a minute: none is missed, and few are counted twice. */
const WARNING_WINDOW_MS = 65 * 60_000;

/** How long the certificates of a deployment will do. */
export function expiryOf(
  { certificates, mxHosts }: Pick<StoreContents, "certificates" | "mxHosts">,
  nowMs: number,
): Expiry {
  const hosts = new Map<CertificateId, number>();
  for (const { certificateId } of mxHosts)
    if (certificateId !== null) hosts.set(certificateId, (hosts.get(certificateId) ?? 0) + 1);
  const states = { pending: 0, active: 0, expiring: 0, expired: 0, failed: 0 };
  for (const certificate of certificates) states[certificateState(certificate, nowMs)] += 1;
  const used = certificates
    .flatMap((certificate) => inUse(certificate, hosts.get(certificate.id), nowMs))
    .toSorted((a, b) => a.msLeft - b.msLeft);
  return {
    states,
    soonestDays: used[0]?.certificate.daysLeft ?? null,
    expiring: used.filter(needsAttention).map(({ certificate }) => certificate),
    expired: used.filter(({ msLeft }) => msLeft <= 0).length,
    reached: used.filter(({ isReported, msLeft }) => isReported && hasReachedWarning(msLeft)).length,
  };
}

const hasReachedWarning = (msLeft: number): boolean =>
  WARNING_DAYS.some((days) => msLeft <= days * DAY_MS && msLeft + WARNING_WINDOW_MS > days * DAY_MS);

const needsAttention = ({ isReported, certificate: { state } }: UsedCertificate): boolean =>
  state === "expiring" ? isReported : state !== "active";

interface UsedCertificate {
  readonly msLeft: number;
  readonly isReported: boolean;
  readonly certificate: ExpiringCertificate;
}

function inUse(
  certificate: CertificateRecord,
  hosts: number | undefined,
  nowMs: number,
): readonly UsedCertificate[] {
  const { notAfter } = validity(certificate);
  if (hosts === undefined || notAfter === null) return [];
  const { id, account } = certificate;
  const msLeft = Date.parse(notAfter) - nowMs;
  const daysLeft = Math.floor(msLeft / DAY_MS);
  const state = certificateState(certificate, nowMs);
  const isReported = isEndReported(certificate);
  return [{ msLeft, isReported, certificate: { id, account, state, daysLeft, hosts } }];
}

/** What `timeline` of a certificate shows. */
export const TIMELINE_EVENTS = [
  "created",
  "version-added",
  "version-retired",
  "next-key-made",
  "switch-requested",
  "order-placed",
  "attempt-failed",
  "next-attempt",
  "renews",
  "expires",
] as const;
export type TimelineEvent = (typeof TIMELINE_EVENTS)[number];
