import type { Warning } from "./warning.ts";
import { shownRevision, shownSettings } from "../store/shown-domain.ts";
import type { DomainRecord } from "../record/domain.ts";
import { domainWarnings, type WarningContext } from "./warnings.ts";

/** A domain as it is shown. */
export interface DomainView extends DomainRecord {
  readonly warnings: readonly Warning[];
}

/** In the order of the API's page, whichever way the record came here. */
export function domainView(domain: DomainRecord, context: WarningContext): DomainView {
  const { account, createdAt, updatedAt, updatedBy } = domain;
  const revision = shownRevision(domain, context.surroundings.hosts);
  const { name, ...settings } = shownSettings(domain, context.surroundings.hosts);
  const warnings = domainWarnings(domain, context);
  return { name, account, ...settings, revision, createdAt, updatedAt, updatedBy, warnings };
}
