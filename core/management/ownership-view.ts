/** Ownership of a domain's names as answers show it. */

import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { isOver, ownershipName, pendingEntry } from "../record/ownership.ts";
import type { LastCheck } from "./ownership-checks.ts";
import type { CheckResult } from "./ownership-proof.ts";

export interface NameOwnership {
  readonly state: "pending" | "verified";
  /** Name of the TXT record. */
  readonly record: string;
  /** What it must hold; null = nothing, the name is verified. */
  readonly value: string | null;
  /** When the schedule ends to look for it, and another account may take a domain's name. */
  readonly expiresAt: Timestamp | null;
  /** null = verified, or not looked for yet. */
  readonly lastCheck: {
    readonly at: Timestamp;
    readonly result: CheckResult;
    /** When the schedule looks again, at the earliest; null = it does not. */
    readonly nextAt: Timestamp | null;
  } | null;
}

/** Ownership of the domain's name, and of those MX hosts that are pending. */
export interface DomainOwnership extends NameOwnership {
  readonly hosts: readonly (NameOwnership & { readonly host: DomainName })[];
}

type Shown = Pick<DomainRecord, "name" | "mxHosts" | "pendingNames">;

export function ownershipView(domain: Shown, check: LastCheck | null, nowMs: number): DomainOwnership {
  const hosts = domain.mxHosts.filter((host) => pendingEntry(domain, host) !== undefined);
  return {
    ...nameView(domain, domain.name, { check, nowMs }),
    hosts: hosts.map((host) => ({ host, ...nameView(domain, host, { check, nowMs }) })),
  };
}

function nameView(
  domain: Shown,
  name: DomainName,
  { check, nowMs }: { readonly check: LastCheck | null; readonly nowMs: number },
): NameOwnership {
  const record = ownershipName(name);
  const entry = pendingEntry(domain, name);
  if (entry === undefined)
    return { state: "verified", record, value: null, expiresAt: null, lastCheck: null };
  const { value, expiresAt } = entry;
  const result = check?.results.get(name);
  const lastCheck =
    check === null || result === undefined
      ? null
      : { at: check.at, result, nextAt: isOver(expiresAt, nowMs) ? null : check.nextAt };
  return { state: "pending", record, value, expiresAt, lastCheck };
}
