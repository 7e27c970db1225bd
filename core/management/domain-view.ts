import type { Warning } from "./warning.ts";
import { shownRecord } from "../store/shown-domain.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { LastCheck } from "./ownership-checks.ts";
import { type DomainOwnership, ownershipView } from "./ownership-view.ts";
import { domainWarnings, type WarningContext } from "./warnings.ts";

/** A domain as it is shown. */
export interface DomainView extends Omit<DomainRecord, "pendingNames"> {
  readonly ownership: DomainOwnership;
  readonly warnings: readonly Warning[];
}

/** `check`: of its pending names, if it has any. */
interface ViewContext extends WarningContext {
  readonly check: LastCheck | null;
}

/** In the order of the API's page, whichever way the record came here. */
export function domainView(domain: DomainRecord, context: ViewContext): DomainView {
  const { name, account, pendingNames, ...others } = shownRecord(domain, context.surroundings.hosts);
  const ownership = ownershipView({ ...domain, pendingNames }, context.check, context.nowMs);
  return { name, account, ...others, ownership, warnings: domainWarnings(domain, context) };
}
