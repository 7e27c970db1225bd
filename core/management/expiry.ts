/** Certificates that expire or have failed, for the metric and alarm of the schedule. */

import { certificateState, type CertificateState, validity } from "./certificate-view.ts";
import type { StoreContents } from "../store/store.ts";
import { type CertificateRecord } from "../record/certificate.ts";
import type { CertificateId } from "../name/ids.ts";

const DAY_MS = 24 * 3600 * 1000;

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
  /** In use, and expiring, expired or failed; the first to expire comes first. */
  readonly expiring: readonly ExpiringCertificate[];
  /** In use and over. */
  readonly expired: number;
  /**
   * In use, and come to one of `WARNING_DAYS` within the last `WARNING_WINDOW_MS`. An alarm on the days themselves rings as
   * long as one certificate is forgotten, and says nothing of the next.
   */
  readonly reached: number;
}

/** Public CAs renew 30 days before; an operator who does it by hand has two weeks, and is reminded. 0 = it is over. */
const WARNING_DAYS = [14, 7, 3, 1, 0] as const;
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
    expiring: used.map(({ certificate }) => certificate).filter(({ state }) => state !== "active"),
    expired: used.filter(({ msLeft }) => msLeft <= 0).length,
    reached: used.filter(({ msLeft }) => hasReachedWarning(msLeft)).length,
  };
}

const hasReachedWarning = (msLeft: number): boolean =>
  WARNING_DAYS.some((days) => msLeft <= days * DAY_MS && msLeft + WARNING_WINDOW_MS > days * DAY_MS);

interface UsedCertificate {
  readonly msLeft: number;
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
  return [{ msLeft, certificate: { id, account, state, daysLeft, hosts } }];
}
