/** The last check of a domain's pending names: beside the settings, so that a check is no change of them. */

import * as z from "zod";
import type { Timestamp } from "../clock.ts";
import { timestamp } from "../clock.ts";
import { TooSoon } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { PENDING_MS } from "../record/ownership.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import { CHECK_RESULTS, type CheckResult } from "./ownership-proof.ts";

export interface CheckDependencies {
  readonly issuanceState: IssuanceState;
  readonly clock: { now(): number };
}

/** What the last check of a domain found, by name. */
export interface LastCheck {
  readonly at: Timestamp;
  /** When the schedule looks again, at the earliest. */
  readonly nextAt: Timestamp;
  readonly results: ReadonlyMap<string, CheckResult>;
}

/** A check that has begun: no other begins for a while. */
interface BegunCheck {
  readonly atMs: number;
  readonly version: number;
}

/** Requests cause lookups at the name's own servers: at most one for each domain in this time. */
const LEAST_MS = 10_000;
/** Pauses between checks of the schedule: a tenth of the time since the name became pending, within these. */
const PAUSE_MS = { least: 5 * 60_000, most: 6 * 3_600_000 } as const;

const CODES = Object.keys(CHECK_RESULTS) as CheckResult[];
const STORED = z.object({
  atMs: z.int(),
  nextMs: z.int(),
  results: z.array(z.tuple([z.string(), z.enum(CODES)])),
});

type Checked = Pick<DomainRecord, "account" | "name" | "createdAt" | "pendingNames">;

/** Of this very record: one of the same name that is created later was not checked. */
const nameOf = ({ account, name, createdAt }: Checked) =>
  `ownership/${account}/${name}/${createdAt}` as const;

async function readStored({ issuanceState }: Pick<CheckDependencies, "issuanceState">, domain: Checked) {
  const item = await issuanceState.get(nameOf(domain));
  return { stored: STORED.safeParse(item?.value).data ?? null, version: item?.version ?? null };
}

/** null = it was not checked yet. @throws Unavailable */
export async function lastCheckOf(
  deps: Pick<CheckDependencies, "issuanceState">,
  domain: Checked,
): Promise<LastCheck | null> {
  const { stored } = await readStored(deps, domain);
  if (stored === null) return null;
  const { atMs, nextMs, results } = stored;
  return { at: timestamp(atMs), nextAt: timestamp(nextMs), results: new Map(results) };
}

/**
 * Reserves the next check. Of several at once, in whatever process, one begins.
 * @throws TooSoon; Unavailable
 */
export async function beginCheck(deps: CheckDependencies, domain: Checked): Promise<BegunCheck> {
  const { stored, version } = await readStored(deps, domain);
  const atMs = deps.clock.now();
  const waitMs = stored === null ? 0 : stored.atMs + LEAST_MS - atMs;
  // A time in the future is that of another clock.
  if (waitMs > 0 && waitMs <= LEAST_MS) throw checkedAlready(waitMs);
  const begun = await deps.issuanceState.put(
    nameOf(domain),
    { atMs, nextMs: atMs + pauseMs(domain, atMs), results: stored?.results ?? [] },
    { expected: version, expiresAtMs: atMs + PENDING_MS },
  );
  if (begun === null) throw checkedAlready(LEAST_MS);
  return { atMs, version: begun };
}

/** Notes what the check found; what another has begun since then stays. @throws Unavailable */
export async function endCheck(
  { issuanceState }: CheckDependencies,
  domain: Checked,
  { atMs, version, results }: BegunCheck & { readonly results: ReadonlyMap<DomainName, CheckResult> },
): Promise<void> {
  const value = { atMs, nextMs: atMs + pauseMs(domain, atMs), results: [...results] };
  await issuanceState.put(nameOf(domain), value, { expected: version, expiresAtMs: atMs + PENDING_MS });
}

function pauseMs({ pendingNames = [] }: Checked, nowMs: number): number {
  const since = Math.max(0, ...pendingNames.map(({ expiresAt }) => Date.parse(expiresAt))) - PENDING_MS;
  return Math.round(Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, (nowMs - since) / 10)));
}

const checkedAlready = (waitMs: number): TooSoon =>
  new TooSoon("the names of this domain were looked up a moment ago", Math.ceil(waitMs / 1000));
