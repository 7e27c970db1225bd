/** Names that an account has still to show to be its own, and the part of a record that edges see. */

import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, PendingName } from "./domain.ts";

/** How long the schedule looks for the TXT record of a pending name. */
export const PENDING_MS = 7 * 24 * 3600 * 1000;

/** Name of the TXT record that shows whose a name is. */
export const ownershipName = (name: DomainName): string => `_postern.${name}`;

type Names = Pick<DomainRecord, "name" | "pendingNames">;

/** The entry of a name that is pending; undefined = it is the account's. */
export const pendingEntry = (
  { pendingNames }: Pick<DomainRecord, "pendingNames">,
  name: DomainName,
): PendingName | undefined => pendingNames?.find((entry) => entry.name === name);

/** Whether the domain's own name is pending. */
export const isPending = (domain: Names): boolean => pendingEntry(domain, domain.name) !== undefined;

/** How the account of a pending domain has it served. */
export function verifyHint(domain: Names): string {
  const value = pendingEntry(domain, domain.name)?.value ?? "";
  return `${domain.name} is pending: publish the TXT record ${ownershipName(domain.name)} with the value ${value}, then POST /v1/domains/${domain.name}/verify, or ask the operator to confirm it; edges reject its mail until then`;
}

/** A domain whose own name was pending for too long: it holds the name against no other account. */
export function isLapsed(domain: Names, nowMs: number): boolean {
  const entry = pendingEntry(domain, domain.name);
  return entry !== undefined && isOver(entry.expiresAt, nowMs);
}

export const isOver = (until: Timestamp, nowMs: number): boolean => Date.parse(until) <= nowMs;

/**
 * The record as edges have it: without the MX hosts that are pending; undefined while its own name is.
 * Records without pending names are returned as they are.
 */
export function servedPart(domain: DomainRecord): DomainRecord | undefined {
  const { pendingNames, ...rest } = domain;
  if (pendingNames === undefined) return domain;
  if (isPending(domain)) return undefined;
  return { ...rest, mxHosts: rest.mxHosts.filter((host) => pendingEntry(domain, host) === undefined) };
}
