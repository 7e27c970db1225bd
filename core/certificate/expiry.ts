import type { StoreContents } from "../settings/store.ts";
import { type CertificateRecord, certificateState, type CertificateState, validity } from "./certificate.ts";
import type { CertificateId } from "./ids.ts";

const DAY_MS = 24 * 3600 * 1000;

/** A certificate on MX hosts that somebody must see to. */
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
}

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
    .toSorted((a, b) => a.daysLeft - b.daysLeft);
  return {
    states,
    soonestDays: used[0]?.daysLeft ?? null,
    expiring: used.filter(({ state }) => state !== "active"),
  };
}

function inUse(
  certificate: CertificateRecord,
  hosts: number | undefined,
  nowMs: number,
): readonly ExpiringCertificate[] {
  const { notAfter } = validity(certificate);
  if (hosts === undefined || notAfter === null) return [];
  const { id, account } = certificate;
  const daysLeft = Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);
  return [{ id, account, state: certificateState(certificate, nowMs), daysLeft, hosts }];
}
