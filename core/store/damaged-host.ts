/** What is known of an MX host item that cannot be read. */

import type { Every } from "../same-fields.ts";
import { type CertificateId, isCertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import { type MxHost, type StoredHostField, UNKNOWN_ACCOUNT } from "../record/mx-host.ts";

/** The attributes of a host item, whatever they hold; null or undefined = absent. */
export type HostAttributes = Readonly<Record<Exclude<StoredHostField, "host">, unknown>>;

/** What other items tell of a host; asked only for an attribute that cannot be read. */
export interface HostEvidence {
  /** The one account whose domains name the host; null = none, or several. */
  readonly soleAccount: () => Promise<string | null>;
  /** The certificate of the account among whose uses the host is counted; null = none. */
  readonly servedCertificate: (account: string) => Promise<CertificateId | null>;
  /** How many domains of the account name the host. */
  readonly domainCount: (account: string) => Promise<number>;
}

/**
 * What is known of a host item that cannot be read: its readable attributes, and what other items tell of the
 * others. The use counts stay true when a write takes its place, since `certificateId` is the one that counts
 * it.
 */
export async function damagedHost(
  host: DomainName,
  stored: HostAttributes,
  evidence: HostEvidence,
): Promise<MxHost> {
  const account = isText(stored.account)
    ? stored.account
    : ((await evidence.soleAccount()) ?? UNKNOWN_ACCOUNT);
  const isKnown = account !== UNKNOWN_ACCOUNT;
  const { certificateId: named, domainCount: counted, certificateRevision } = stored;
  const served = async () => (isKnown ? evidence.servedCertificate(account) : null);
  const count = async () => (isKnown ? evidence.domainCount(account) : 0);
  return {
    host,
    account,
    certificateId: isAbsent(named) ? null : isCertificate(named) ? named : await served(),
    domainCount: isCount(counted) ? counted : await count(),
    certificateRevision: isCount(certificateRevision) ? certificateRevision : undefined,
    isDamaged: true,
  } satisfies Every<MxHost>;
}

const isAbsent = (value: unknown): boolean => value === null || value === undefined;
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isCertificate = (value: unknown): value is CertificateId =>
  typeof value === "string" && isCertificateId(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1;
