/** A domain as its readers see it: with the certificate and the revision of its MX hosts. */

import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { MxHost } from "../record/mx-host.ts";
import type { DomainRecord, DomainSettings, TlsSettings } from "../record/domain.ts";
import { sameFields } from "../same-fields.ts";

/**
 * The revision of a domain as its readers see it, and the only validator of it (docs/adr/0019): the newest of
 * its record's and of the certificate revisions of the hosts that its account owns.
 */
function shownRevision(
  { account, mxHosts, revision }: Pick<DomainRecord, "account" | "mxHosts" | "revision">,
  hosts: OwnHosts,
): number {
  const own = mxHosts.flatMap((name) => {
    const host = hosts.get(name);
    return host?.account === account ? (host.certificateRevision ?? 0) : [];
  });
  return Math.max(revision, ...own);
}

type OwnHosts = ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateRevision">>;

/**
 * Whether record and hosts, read one after the other, show one moment: no host is newer than the record, and
 * the domain reads as the certificate that it was given last. Otherwise another domain has moved a host, or
 * the reads met a write.
 */
export const isOneMoment = (domain: DomainRecord, hosts: ReadonlyMap<DomainName, MxHost>): boolean =>
  shownRevision(domain, hosts) === domain.revision &&
  certificateView(domain, hosts) === domain.tls.server.certificateId;

/**
 * What a domain's `certificateId` reads as: the certificate of its first host that its own account owns.
 * Hosts of another account never show here.
 */
export function certificateView(
  domain: Pick<DomainRecord, "account" | "mxHosts">,
  hosts: ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateId">>,
): CertificateId | null {
  for (const name of domain.mxHosts) {
    const host = hosts.get(name);
    if (host?.account === domain.account) return host.certificateId;
  }
  return null;
}

type Hosts = ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateId" | "certificateRevision">>;

/**
 * The record as its readers see it: with the certificate of its hosts, and the revision that they make of it.
 */
export const shownRecord = (domain: DomainRecord, hosts: Hosts): DomainRecord => ({
  ...domain,
  tls: shownTls(domain, hosts),
  revision: shownRevision(domain, hosts),
});

/**
 * The settings with the certificate that the domain's hosts serve, which is what a reader sees and a patch
 * starts from.
 */
export function shownSettings(domain: DomainRecord, hosts: Hosts): DomainSettings {
  const { account: _account, revision: _revision, ...others } = shownRecord(domain, hosts);
  const { pendingNames: _pendingNames, ...rest } = others;
  const { createdAt: _createdAt, updatedAt: _updatedAt, updatedBy: _updatedBy, ...settings } = rest;
  return sameFields<DomainSettings>()(settings);
}

function shownTls(domain: DomainRecord, hosts: Hosts): TlsSettings {
  const { server, ...others } = domain.tls;
  return { server: { ...server, certificateId: certificateView(domain, hosts) }, ...others };
}
