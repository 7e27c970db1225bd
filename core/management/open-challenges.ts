/** TXT values that open orders need, by name: orders of the same name share one record set. */

import { z } from "zod";
import { Unavailable } from "../errors.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import { challengeName, type ChallengeRecords } from "./challenge-records.ts";

export interface OpenChallengeDependencies {
  readonly state: IssuanceState;
  readonly records: ChallengeRecords;
  readonly clock: { now(): number };
}

/** CAs forget an authorization that is pending after 7 days at most: what a killed process left goes then. */
const OPEN_MS = 7 * 24 * 3600 * 1000;
/** Within MAX_STATE_BYTES; the newest stay. */
const MAX_OPEN = 100;
const TRIES = 20;

const OPEN = z.array(z.object({ value: z.string(), untilMs: z.number() }));
type Open = z.output<typeof OPEN>;

/** Publishes values beside those of other orders. @throws as ChallengeRecords.put */
export async function publishChallenge(
  deps: OpenChallengeDependencies,
  name: string,
  values: readonly string[],
): Promise<void> {
  const untilMs = deps.clock.now() + OPEN_MS;
  await changeOpen(deps, name, (open) => {
    const isOpen = new Set(open.map(({ value }) => value));
    const added = values.filter((value) => !isOpen.has(value));
    return [...open, ...added.map((value) => ({ value, untilMs }))].slice(-MAX_OPEN);
  });
  await publishOpen(deps, name);
}

/** Removes values, and the record set with the last. Values that were not published change nothing. */
export async function withdrawChallenge(
  deps: OpenChallengeDependencies,
  name: string,
  values: readonly string[],
): Promise<void> {
  const isChanged = await changeOpen(deps, name, (open) =>
    open.filter(({ value }) => !values.includes(value)),
  );
  if (isChanged) await publishOpen(deps, name);
}

async function readOpen({ state, clock }: OpenChallengeDependencies, name: string) {
  const item = await state.get(`dns/${name}`);
  const parsed = OPEN.safeParse(item?.value);
  const all = parsed.success ? parsed.data : [];
  return { open: all.filter(({ untilMs }) => untilMs > clock.now()), version: item?.version ?? null };
}

/** By optimistic lock. @returns whether the values differ now. */
async function changeOpen(
  deps: OpenChallengeDependencies,
  name: string,
  change: (open: Open) => Open,
): Promise<boolean> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const { open, version } = await readOpen(deps, name);
    const next = change(open);
    if (sameValues(open, next)) return false;
    // Emptied, it is absent at once: a delete would not see a value that came in between.
    const expiresAtMs = Math.max(deps.clock.now(), ...next.map(({ untilMs }) => untilMs));
    if ((await deps.state.put(`dns/${name}`, next, { expected: version, expiresAtMs })) !== null) return true;
  }
  throw keepsChanging(name);
}

/** Again while another order changes the values: its record set may have been overwritten by this one. */
async function publishOpen(deps: OpenChallengeDependencies, name: string): Promise<void> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const { open } = await readOpen(deps, name);
    if (open.length === 0) await deps.records.delete(name);
    else
      await deps.records.put(
        name,
        open.map(({ value }) => value),
      );
    if (sameValues(open, (await readOpen(deps, name)).open)) return;
  }
  throw keepsChanging(name);
}

const keepsChanging = (name: string): Unavailable =>
  new Unavailable(`the TXT record ${challengeName(name)} keeps changing`);

const sameValues = (some: Open, others: Open): boolean =>
  some.length === others.length && some.every(({ value }, index) => value === others[index]?.value);
