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

/** A domain as the change log shows it: what GET answered, without what is computed for the moment. */
export type LoggedDomain = Omit<DomainView, "warnings">;

/** In the order of the API's page, whichever way the record came here. */
export const domainView = (domain: DomainRecord, context: ViewContext): DomainView => ({
  ...withOwnership(shownRecord(domain, context.surroundings.hosts), context),
  warnings: domainWarnings(domain, context),
});

/** A record of the log, which has its readers' certificate and revision already. Checks are not logged. */
export const loggedDomain = (domain: DomainRecord): LoggedDomain =>
  withOwnership(domain, { check: null, nowMs: 0 });

function withOwnership(
  { name, account, pendingNames, ...others }: DomainRecord,
  { check, nowMs }: Pick<ViewContext, "check" | "nowMs">,
): LoggedDomain {
  const ownership = ownershipView({ name, mxHosts: others.mxHosts, pendingNames }, check, nowMs);
  return { name, account, ...others, ownership };
}
