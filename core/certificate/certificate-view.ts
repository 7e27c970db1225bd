import type { DomainName } from "../domain-name/domain-name.ts";
import type { Store } from "../settings/store.ts";
import {
  type CertificateKey,
  type CertificateRecord,
  type CertificateState,
  certificateState,
  validity,
} from "./certificate.ts";

/** Domains that refer to a record: how many, and the first of them by name. */
export interface UsedBy {
  readonly count: number;
  readonly domains: readonly DomainName[];
}

export const USED_BY_SHOWN = 20;

/** What the change log shows of a certificate: the record, without where its key lies. */
export interface LoggedCertificate extends Omit<CertificateRecord, "keys" | "material"> {
  readonly keys: readonly Omit<CertificateKey, "notBefore">[];
  readonly notBefore: string;
  readonly notAfter: string;
  readonly version: number;
}

/** A certificate as it is shown. Never key material. */
export interface CertificateView extends LoggedCertificate {
  readonly state: CertificateState;
  /** Why it is `pending` or `failed`. */
  readonly reason?: string;
  readonly usedBy: UsedBy;
}

export function loggedCertificate(record: CertificateRecord): LoggedCertificate {
  const { id, account, label, source, names, keys, material, revision, createdAt, updatedAt, updatedBy } =
    record;
  return {
    id,
    account,
    label,
    source,
    names,
    ...validity(record),
    keys: keys.map(({ keyType, fingerprintSha256, spkiPin, notAfter }) => ({
      keyType,
      fingerprintSha256,
      spkiPin,
      notAfter,
    })),
    version: material.version,
    revision,
    createdAt,
    updatedAt,
    updatedBy,
  };
}

export function certificateView(record: CertificateRecord, usedBy: UsedBy, nowMs: number): CertificateView {
  const state = certificateState(record, nowMs);
  const logged = loggedCertificate(record);
  const reason = state === "pending" ? { reason: `not valid before ${logged.notBefore}` } : {};
  return { ...logged, state, ...reason, usedBy };
}

/** Domains of the account on whose hosts the certificate is served. */
export async function certificateUsedBy(
  store: Pick<Store, "hostsOfCertificate" | "domainsOnHosts">,
  record: Pick<CertificateRecord, "id" | "account">,
): Promise<UsedBy> {
  const hosts = await store.hostsOfCertificate(record.id);
  if (hosts.length === 0) return { count: 0, domains: [] };
  const names = hosts.map(({ host }) => host);
  const { count, names: domains } = await store.domainsOnHosts(record.account, names, USED_BY_SHOWN);
  return { count, domains };
}
