/** Certificates as callers see them: state, validity, and the domains that use one. */
import { certificateState, type CertificateState, validity, waitsForOperator } from "./expiry.ts";
import type { Every } from "../same-fields.ts";
import { type RenewedBy, renewalKeyOf, renewedBy, renewsAt, spkiSha256Of, tlsaOf } from "./renewal.ts";
import { type CertificateKey, type KeySlot, type KeyType, slotOf } from "../x509/key-type.ts";
import { isKept, type TimelineEntry, timelineOf } from "./versions.ts";
import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import { StateConflict } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type {
  AcmeChallengeType,
  CertificateRecord,
  FailedAttempt,
  RenewalKey,
  RetiredVersion,
  SigningRequest,
  ValidationRecord,
  VersionCause,
} from "../record/certificate.ts";
import type { LeftOutCertificate } from "../x509/serving-material.ts";
import { issuerWarnings, type Warning } from "./warning.ts";

/** Domains that refer to a record: how many, and the first of them by name. */
export interface UsedBy {
  readonly count: number;
  /** There are at least `count`: so many hosts or domains are not counted for one answer. */
  readonly isAtLeast?: true;
  readonly domains: readonly DomainName[];
}

export const USED_BY_SHOWN = 20;

/**
 * Runs a deletion whose refusal (`in-use`) names the domains that stand against it, and then `advice`.
 * @throws StateConflict as `work`, with the first domains by name; as `work` and `usedBy`
 */
export async function namingUsers<T>(
  work: () => Promise<T>,
  usedBy: () => Promise<UsedBy>,
  advice = "",
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StateConflict) || error.code !== "in-use") throw error;
    const { count, isAtLeast, domains } = await usedBy();
    // Gone by now, or in use by something else than a domain.
    if (domains.length === 0) throw error;
    const least = isAtLeast === true ? "at least " : "";
    const more = count > domains.length ? ` and ${count - domains.length} more` : "";
    const message = `it is used by ${least}${count} ${count === 1 ? "domain" : "domains"}: ${domains.join(", ")}${more}${advice}`;
    throw new StateConflict("in-use", message);
  }
}

/** A key in service as it is shown. */
export interface ShownKey extends Omit<CertificateKey, "notBefore"> {
  readonly slot: KeySlot;
  /** Rdata of its TLSA record (RFC 7672 section 3.1.1). */
  readonly tlsa: string;
}

/** What the change log shows of a certificate: the record, without where its key lies. */
export interface LoggedCertificate extends Omit<CertificateRecord, "keys" | HiddenField> {
  readonly keys: readonly ShownKey[];
  /** null = not issued yet. */
  readonly notBefore: string | null;
  readonly notAfter: string | null;
  readonly version: number | null;
  readonly renewal: RenewalView;
  readonly nextKeys: readonly NextKey[];
}

type HiddenField = "material" | "acm" | "acme" | "plan" | "retired" | "pendingKeys" | "requests" | "attempt";

/** Who renews a certificate, and whether its key stays. */
export interface RenewalView {
  readonly by: RenewedBy;
  /** null = not for Postern to decide. */
  readonly key: RenewalKey | null;
  /**
   * Whether TLSA records and pins of the present key hold after the next renewal; null = the operator
   * decides.
   */
  readonly keyKept: boolean | null;
}

/** A key made ahead of its certificate. */
export interface NextKey {
  readonly slot: KeySlot;
  readonly keyType: KeyType;
  readonly spkiPin: string;
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly spkiSha256: string;
  readonly tlsa: string;
  readonly madeAt: Timestamp;
  /** When the switch was requested; null = announced, not requested. */
  readonly switchAt: Timestamp | null;
}

/** How a certificate is ordered at an ACME CA. */
export interface AcmeView {
  readonly directory: string;
  readonly challenge: AcmeChallengeType;
  readonly profile: string | null;
  /** null = nothing was ordered yet. */
  readonly accountUrl: string | null;
  /** Recommended CAA records (RFC 8659, RFC 8657); empty until the account and the CA's name are known. */
  readonly caa: readonly CaaRecord[];
}

export interface CaaRecord {
  readonly name: string;
  readonly value: string;
}

/** A certificate as it is shown. Never key material. */
export interface CertificateView extends LoggedCertificate {
  readonly state: CertificateState;
  /** Why it is `pending` or `failed`, or will not be renewed. */
  readonly reason?: string;
  /** null = Postern does not renew it, or there is nothing to renew yet. */
  readonly renewsAt: Timestamp | null;
  /** The same as `notAfter`. */
  readonly expiresAt: Timestamp | null;
  /** The last failure to issue or renew it, and the next attempt; null = the last attempt succeeded. */
  readonly lastError: FailedAttempt | null;
  readonly timeline: readonly TimelineEntry[];
  /** For `request`: what a CA signs. */
  readonly requests?: readonly SigningRequest[];
  readonly acme?: AcmeView;
  /** DNS records that must be there for it to be issued or renewed; for `acm` and `acme`. */
  readonly validation?: readonly ValidationRecord[];
  readonly usedBy: UsedBy;
  /** In the answer to an upload alone: its certificates that are not served; absent = none. */
  readonly leftOut?: readonly LeftOutCertificate[];
  /** Absent = none. */
  readonly warnings?: readonly Warning[];
}

/** A version of a certificate as it is listed. */
export interface VersionView {
  readonly version: number;
  readonly keys: readonly (ShownKey & Pick<CertificateKey, "notBefore">)[];
  /** null = added by a release that did not note it. */
  readonly addedAt: Timestamp | null;
  readonly cause: VersionCause | null;
  /** null = in service. */
  readonly retiredAt: Timestamp | null;
  readonly retiredBy: RetiredVersion["retiredBy"] | null;
  /** Whether its keys are still in the vault: 30 days after it was retired they are deleted. */
  readonly isKept: boolean;
}

const shownKey = ({ notBefore: _notBefore, ...key }: CertificateKey): ShownKey => ({
  ...key,
  slot: slotOf(key.keyType),
  tlsa: tlsaOf(key.spkiPin),
});

export function loggedCertificate(record: CertificateRecord): LoggedCertificate {
  const {
    id,
    account,
    label,
    labels,
    source,
    names,
    keys,
    material,
    revision,
    createdAt,
    updatedAt,
    updatedBy,
  } = record;
  return {
    id,
    account,
    label,
    labels,
    source,
    names,
    ...validity(record),
    keys: keys.map(shownKey),
    version: material?.version ?? null,
    renewal: renewalView(record),
    nextKeys: (record.pendingKeys ?? []).map(({ sha256: _sha256, ...key }) => ({
      ...key,
      slot: slotOf(key.keyType),
      spkiSha256: spkiSha256Of(key.spkiPin),
      tlsa: tlsaOf(key.spkiPin),
    })),
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
  const validation = validationOf(record);
  const warnings = issuerWarnings(record);
  return {
    ...logged,
    state,
    ...(reason === null ? {} : { reason }),
    renewsAt: renewsAt(record),
    expiresAt: logged.notAfter,
    lastError: record.attempt ?? null,
    timeline: timelineOf(record, logged.notAfter),
    ...(record.requests === undefined ? {} : { requests: record.requests }),
    ...(record.acme === undefined ? {} : { acme: acmeView(record, record.acme) }),
    ...(validation === null ? {} : { validation }),
    usedBy,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** The versions of a certificate, the one in service first. */
export function versionViews(record: CertificateRecord, nowMs: number): readonly VersionView[] {
  const { material, keys, retired = [] } = record;
  const present = material === null ? [] : [{ ...material, keys, retiredAt: null, retiredBy: null }];
  return [...present, ...retired].map((each) => ({
    version: each.version,
    keys: each.keys.map((key) => ({ ...shownKey(key), notBefore: key.notBefore })),
    addedAt: each.addedAt ?? null,
    cause: each.cause ?? null,
    retiredAt: each.retiredAt,
    retiredBy: each.retiredBy,
    isKept: each.retiredAt === null || isKept(each, nowMs),
  }));
}

function renewalView(record: CertificateRecord): RenewalView {
  const by = renewedBy(record);
  const key = renewalKeyOf(record);
  // ACM makes a new key at every renewal.
  const isSwitching = record.pendingKeys?.some(({ switchAt }) => switchAt !== null) === true;
  const keyKept = by === "acm" ? false : by === "operator" ? null : key !== "new" && !isSwitching;
  return { by, key: by === "postern" ? key : null, keyKept };
}

function validationOf({ acm, acme }: CertificateRecord): readonly ValidationRecord[] | null {
  if (acm !== undefined) return acm.validation;
  return acme === undefined ? null : acme.orders.flatMap(({ validation }) => validation);
}

function acmeView(
  { names, plan }: CertificateRecord,
  { directory, challenge, profile, accountUrl, caaIdentity }: NonNullable<CertificateRecord["acme"]>,
): AcmeView {
  const hasCaa = accountUrl !== null && caaIdentity !== null;
  const zones = [...new Set((plan?.names ?? names).map((name) => name.replace(/^\*\./, "")))];
  const caa = zones.map((name) => ({
    name,
    value: `0 issue "${caaIdentity ?? ""}; accounturi=${accountUrl ?? ""}"`,
  }));
  return { directory, challenge, profile, accountUrl, caa: hasCaa ? caa : [] };
}

function reasonOf(record: CertificateRecord, state: CertificateState): string | null {
  const { acm, attempt, source } = record;
  if (acm !== undefined && acm.problem !== null) return acm.problem;
  if (waitsForOperator(record)) return "publish the records of `validation`: the CA waits for them";
  if (state !== "pending" && state !== "failed") return null;
  const { notBefore } = validity(record);
  if (notBefore !== null) return `not valid before ${notBefore}`;
  if (attempt !== undefined) return attempt.problem;
  if (source === "request")
    return "waits for the certificate of its signing request: PUT it to /material, without a key";
  if (source === "acme") return "ordered at the CA within minutes, then issued once its names are validated";
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
