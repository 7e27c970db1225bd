import type { Warning } from "./warning.ts";
import { shownRecord } from "../store/shown-domain.ts";
import type { DomainRecord } from "../record/domain.ts";
import { domainWarnings, type WarningContext } from "./warnings.ts";

/** A domain as it is shown. */
export interface DomainView extends DomainRecord {
  readonly warnings: readonly Warning[];
}

/** In the order of the API's page, whichever way the record came here. */
export function domainView(domain: DomainRecord, context: WarningContext): DomainView {
  const { name, account, ...others } = shownRecord(domain, context.surroundings.hosts);
  return { name, account, ...others, warnings: domainWarnings(domain, context) };
}
