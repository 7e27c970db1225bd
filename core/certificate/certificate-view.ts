import type { DomainName } from "../domain-name/domain-name.ts";
import type { Store } from "../settings/store.ts";
import {
  type CertificateKey,
  type CertificateRecord,
  type CertificateState,
  certificateState,
  type ValidationRecord,
  validity,
} from "./certificate.ts";

/** Domains that refer to a record: how many, and the first of them by name. */
export interface UsedBy {
  readonly count: number;
  readonly domains: readonly DomainName[];
}

export const USED_BY_SHOWN = 20;

/** What the change log shows of a certificate: the record, without where its key lies. */
export interface LoggedCertificate extends Omit<CertificateRecord, "keys" | "material" | "acm"> {
  readonly keys: readonly Omit<CertificateKey, "notBefore">[];
  /** null = not issued yet. */
  readonly notBefore: string | null;
  readonly notAfter: string | null;
  readonly version: number | null;
}

/** A certificate as it is shown. Never key material. */
export interface CertificateView extends LoggedCertificate {
  readonly state: CertificateState;
  /** Why it is `pending` or `failed`, or will not be renewed. */
  readonly reason?: string;
  /** For `acm`: CNAME records that must be in the DNS for it to be issued and renewed. */
  readonly validation?: readonly ValidationRecord[];
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
    version: material?.version ?? null,
    revision,
    createdAt,
    updatedAt,
    updatedBy,
  };
}

export function certificateView(record: CertificateRecord, usedBy: UsedBy, nowMs: number): CertificateView {
  const state = certificateState(record, nowMs);
  const logged = loggedCertificate(record);
  const reason = reasonOf(record, state);
  return {
    ...logged,
    state,
    ...(reason === null ? {} : { reason }),
    ...(record.acm === undefined ? {} : { validation: record.acm.validation }),
    usedBy,
  };
}

function reasonOf({ acm, ...record }: CertificateRecord, state: CertificateState): string | null {
  if (acm !== undefined && acm.problem !== null) return acm.problem;
  if (state !== "pending") return null;
  const { notBefore } = validity(record);
  if (notBefore !== null) return `not valid before ${notBefore}`;
  return acm?.validation.length === 0
    ? "ACM has not said yet which DNS records prove the names"
    : "ACM waits for the DNS records of validation, for 72 hours at most";
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
