import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, DomainSettings, TlsSettings } from "../record/domain.ts";
import { certificateView, type MxHost, shownRevision } from "../record/mx-host.ts";
import type { Warning } from "../record/warning.ts";
import { domainWarnings, type WarningContext } from "./warnings.ts";

/** A domain as it is shown. */
export interface DomainView extends DomainRecord {
  readonly warnings: readonly Warning[];
}

type Hosts = ReadonlyMap<DomainName, Pick<MxHost, "account" | "certificateId" | "certificateRevision">>;

/** The record as its readers see it: with the certificate of its hosts, and the revision that they make of it. */
export const shownRecord = (domain: DomainRecord, hosts: Hosts): DomainRecord => ({
  ...domain,
  tls: shownTls(domain, hosts),
  revision: shownRevision(domain, hosts),
});

/** The settings with the certificate that the domain's hosts serve, which is what a reader sees and a patch starts from. */
export function shownSettings(domain: DomainRecord, hosts: Hosts): DomainSettings {
  const { name, mxHosts, delivery, acknowledgedWarnings } = domain;
  return { name, mxHosts, tls: shownTls(domain, hosts), delivery, acknowledgedWarnings };
}

function shownTls(domain: DomainRecord, hosts: Hosts): TlsSettings {
  const { server, clientCertificate, enforcement, exceptions } = domain.tls;
  return {
    server: { ...server, certificateId: certificateView(domain, hosts) },
    clientCertificate,
    enforcement,
    exceptions,
  };
}

/** In the order of the API's page, whichever way the record came here. */
export function domainView(domain: DomainRecord, context: WarningContext): DomainView {
  const { account, createdAt, updatedAt, updatedBy } = domain;
  const revision = shownRevision(domain, context.surroundings.hosts);
  const { name, ...settings } = shownSettings(domain, context.surroundings.hosts);
  const warnings = domainWarnings(domain, context);
  return { name, account, ...settings, revision, createdAt, updatedAt, updatedBy, warnings };
}
