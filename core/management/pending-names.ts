/** Which names of a domain are pending after a write: those that it adds and the account has not shown. */

import { type Actor, addsOwnNames, OPERATOR_ACCOUNT } from "../actor.ts";
import { timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, DomainSettings, PendingName } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import { PENDING_MS, pendingEntry } from "../record/ownership.ts";
import type { UnreadableRecord } from "../store/store.ts";
import { isOperatorHost } from "./reference-rules.ts";

/** A write of a domain, as far as it decides whose its names are. */
export interface NamedByWrite {
  readonly actor: Actor;
  readonly before: DomainRecord | null;
  /**
   * A record of the account that cannot be read: what is known to be pending of it stays so, and what is
   * known not to be stays the account's. Where that is not known, the names are as those of a new
   * record.
   */
  readonly replaced?: UnreadableRecord | undefined;
  readonly after: Pick<DomainSettings, "name" | "mxHosts">;
  /** Those of the names in `after` that have an item. */
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
  /** The caller has shown by a TXT record that the domain's name is its own. */
  readonly isProven: boolean;
}

interface PendingContext {
  readonly newProof: () => string;
  readonly nowMs: number;
  readonly operatorHosts: ReadonlySet<string>;
}

/**
 * The pending names of the record after the write; undefined = none. A name that is pending stays so: only a
 * proof or the operator ends that. An MX host that the account owns by its item, and one of the operator's,
 * is not pending; one without an item belongs to no account, so it is pending, also where it was not before.
 */
export function pendingAfter(
  context: PendingContext,
  write: NamedByWrite,
): readonly PendingName[] | undefined {
  const { before, replaced, after, isProven } = write;
  const isTrusted = addsOwnNames(write.actor);
  const expiresAt = timestamp(context.nowMs + PENDING_MS);
  const known = knownBefore(before, replaced);
  const entryOf = (name: DomainName): PendingName =>
    (known && pendingEntry(known, name)) ?? { name, value: context.newProof(), expiresAt };
  const isNamePending =
    known === null ? !isTrusted && !isProven : pendingEntry(known, after.name) !== undefined;
  const hosts = [...new Set(after.mxHosts)].filter(
    (host) => host !== after.name && isHostPending(host, { ...write, ...context, isTrusted }),
  );
  const names = [...(isNamePending ? [after.name] : []), ...hosts];
  return names.length === 0 ? undefined : names.map(entryOf);
}

/** null = there was no record, or what was pending of it is not known. */
const knownBefore = (
  before: DomainRecord | null,
  replaced: UnreadableRecord | undefined,
): Pick<DomainRecord, "mxHosts" | "pendingNames"> | null =>
  before ?? (replaced?.pendingNames === undefined ? null : replaced);

function isHostPending(
  host: DomainName,
  {
    actor,
    before,
    replaced,
    hosts,
    operatorHosts,
    isTrusted,
  }: NamedByWrite & Pick<PendingContext, "operatorHosts"> & { readonly isTrusted: boolean },
): boolean {
  const item = hosts.get(host);
  if (item?.account === actor.account || item?.account === OPERATOR_ACCOUNT) return false;
  if (isOperatorHost(operatorHosts, host)) return false;
  const known = knownBefore(before, replaced);
  if (known !== null && pendingEntry(known, host) !== undefined) return true;
  if (isTrusted) return false;
  return item === undefined || known?.mxHosts.includes(host) !== true;
}
