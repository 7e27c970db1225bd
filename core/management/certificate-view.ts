/** Certificates as callers see them: state, validity, and the domains that use one. */
import { certificateState, type CertificateState, validity } from "./expiry.ts";
import type { Every } from "../same-fields.ts";
import { type CertificateKey } from "../x509/key-type.ts";
import type { DomainName } from "../name/domain-name.ts";
import { StateConflict } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { type CertificateRecord, type ValidationRecord } from "../record/certificate.ts";
import type { LeftOutCertificate } from "../x509/certificate-chain.ts";

/** Domains that refer to a record: how many, and the first of them by name. */
export interface UsedBy {
  readonly count: number;
  /** There are at least `count`: so many hosts or domains are not counted for one answer. */
  readonly isAtLeast?: true;
  readonly domains: readonly DomainName[];
}

export const USED_BY_SHOWN = 20;

/**
 * Runs a deletion whose refusal (`in-use`) names the domains that stand against it.
 * @throws StateConflict as `work`, with the first domains by name; as `work` and `usedBy`
 */
export async function namingUsers(
  work: () => Promise<unknown>,
  usedBy: () => Promise<UsedBy>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StateConflict) || error.code !== "in-use") throw error;
    const { count, isAtLeast, domains } = await usedBy();
    // Gone by now, or in use by something else than a domain.
    if (domains.length === 0) throw error;
    const least = isAtLeast === true ? "at least " : "";
    const more = count > domains.length ? ` and ${count - domains.length} more` : "";
    const message = `it is used by ${least}${count} ${count === 1 ? "domain" : "domains"}: ${domains.join(", ")}${more}`;
    throw new StateConflict("in-use", message);
  }
}

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
  /** In the answer to an upload alone: its certificates that are not served; absent = none. */
  readonly leftOut?: readonly LeftOutCertificate[];
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
    keys: keys.map(({ notBefore: _notBefore, ...key }) => key),
    version: material?.version ?? null,
    revision,
    createdAt,
    updatedAt,
    updatedBy,
  } satisfies Every<LoggedCertificate>;
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

/**
 * Hosts that are looked at, and domains on them that are counted, for one answer: what a reader waits for has
 * a bound.
 */
const HOSTS_LOOKED_AT = 50;
const DOMAINS_COUNTED = 200;

/** Domains of the account on whose hosts the certificate is served. */
export async function certificateUsedBy(
  store: Pick<Store, "useCount" | "hostsOfCertificate" | "firstDomainsOnHosts">,
  { id, account }: Pick<CertificateRecord, "id" | "account">,
): Promise<UsedBy> {
  const hostCount = await store.useCount("certificate", id);
  if (hostCount === 0) return { count: 0, domains: [] };
  const hosts = await store.hostsOfCertificate(id, HOSTS_LOOKED_AT);
  const hostNames = hosts.map(({ host }) => host);
  const { names, isAll } = await store.firstDomainsOnHosts(account, hostNames, DOMAINS_COUNTED);
  const domains = names.slice(0, USED_BY_SHOWN);
  if (isAll && hosts.length >= hostCount) return { count: names.length, domains };
  // A host counts its domains itself; those of several may be the same.
  const count = Math.max(names.length, ...hosts.map(({ domainCount }) => domainCount));
  return hostCount === 1 ? { count, domains } : { count, isAtLeast: true, domains };
}
