/** Checks of pending names without a request. */

import { TooSoon } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { isOver } from "../record/ownership.ts";
import { lastCheckOf } from "./ownership-checks.ts";
import { type Checked, checkNames, type OwnershipDependencies } from "./ownership-service.ts";

export interface OwnershipSweepOptions extends OwnershipDependencies {
  /** Whether there is time for more checks; asked before each group. */
  readonly mayGoOn: () => boolean;
  /** Called for each domain whose check came to an end, and for each that failed. */
  readonly onChecked: (name: DomainName, outcome: Checked | { readonly error: unknown }) => void;
}

/** Lookups may wait for servers of any account's choice: no sweep holds up those after it for longer. */
const SWEPT_MS = 60_000;
const AT_ONCE = 8;

/**
 * Checks the pending names that are due, the longest due first: names whose servers do not answer take turns
 * with the others.
 *
 * @returns how many domains are due and left to the next sweep
 */
export async function sweepOwnership(
  options: OwnershipSweepOptions,
  domains: readonly DomainRecord[],
): Promise<number> {
  const { clock, mayGoOn, onChecked } = options;
  const endsMs = clock.now() + SWEPT_MS;
  const due = await dueOf(options, domains);
  let checked = 0;
  while (checked < due.length && mayGoOn() && clock.now() < endsMs) {
    const group = due.slice(checked, checked + AT_ONCE);
    await Promise.all(
      group.map(async (domain) => {
        try {
          onChecked(domain.name, await checkNames(options, domain));
        } catch (error) {
          // A request was first.
          if (error instanceof TooSoon) onChecked(domain.name, "pending");
          else onChecked(domain.name, { error });
        }
      }),
    );
    checked += group.length;
  }
  return due.length - checked;
}

async function dueOf(
  deps: OwnershipDependencies,
  domains: readonly DomainRecord[],
): Promise<readonly DomainRecord[]> {
  const nowMs = deps.clock.now();
  const waiting = domains.filter(({ pendingNames = [] }) =>
    pendingNames.some(({ expiresAt }) => !isOver(expiresAt, nowMs)),
  );
  const due: { readonly domain: DomainRecord; readonly sinceMs: number }[] = [];
  for (let from = 0; from < waiting.length; from += AT_ONCE) {
    const group = waiting.slice(from, from + AT_ONCE);
    const checks = await Promise.all(group.map((domain) => lastCheckOf(deps, domain)));
    for (const [index, domain] of group.entries()) {
      const sinceMs = Date.parse(checks[index]?.nextAt ?? domain.createdAt);
      if (sinceMs <= nowMs) due.push({ domain, sinceMs });
    }
  }
  return due.toSorted((a, b) => a.sinceMs - b.sinceMs).map(({ domain }) => domain);
}
