/** A domain name that another account holds: who may take it, and how a caller shows that it is its own. */

import * as z from "zod";
import { type Actor, addsOwnNames } from "../actor.ts";
import { StateConflict, Unreadable } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import { isLapsed, isPending, ownershipName, PENDING_MS } from "../record/ownership.ts";
import type { Build, Planned, Unchanged } from "../store/queued-write.ts";
import type { DomainWithHosts, Store } from "../store/store.ts";
import {
  buildDomainDelete,
  buildDomainWrite,
  type DomainChange,
  type DomainTarget,
  nameTaken,
} from "./domain-build.ts";
import type { DomainWriteDependencies } from "./domain-write.ts";
import type { CheckDependencies } from "./ownership-checks.ts";
import { lookForProof } from "./ownership-proof.ts";
import { readPlanned } from "./planned-reads.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** Actor recorded where a pending record makes room for the account that may have the name. */
const OWNERSHIP = "ownership";
/** Most lookups of one claim: one in this time. */
const LEAST_MS = 10_000;

const STORED = z.object({ value: z.string(), checkedAtMs: z.int().nullable(), expiresAtMs: z.int() });

type ClaimDependencies = CheckDependencies & Pick<ServiceDependencies, "ids" | "readTxt">;

interface Claim {
  readonly value: string;
  readonly isProven: boolean;
}

const claimItem = ({ actor, name }: DomainTarget) => `claim/${actor.account}/${name}` as const;

/**
 * The account's claim to a name, with its own value; the first call makes it and later ones look for the TXT
 * record. It does not depend on who holds the name, or how.
 *
 * @throws Unavailable
 */
async function checkedClaim(deps: ClaimDependencies, target: DomainTarget): Promise<Claim> {
  const { issuanceState, ids, clock, readTxt } = deps;
  const item = await issuanceState.get(claimItem(target));
  const stored = STORED.safeParse(item?.value).data;
  const nowMs = clock.now();
  const expected = item?.version ?? null;
  if (stored === undefined) {
    const claim = { value: ids.proof(), checkedAtMs: null, expiresAtMs: nowMs + PENDING_MS };
    const version = await issuanceState.put(claimItem(target), claim, { expected, ...claim });
    // Another request of the account was first: its value counts.
    return version === null ? checkedClaim(deps, target) : { value: claim.value, isProven: false };
  }
  const { value, checkedAtMs, expiresAtMs } = stored;
  const isTooSoon = checkedAtMs !== null && Math.abs(nowMs - checkedAtMs) < LEAST_MS;
  const begun = { value, checkedAtMs: nowMs, expiresAtMs };
  if (isTooSoon || (await issuanceState.put(claimItem(target), begun, { expected, expiresAtMs })) === null)
    return { value, isProven: false };
  return { value, isProven: (await lookForProof(readTxt, { name: target.name, value })) === "proven" };
}

/**
 * How a write goes on whose name another account holds.
 *
 * @param write commits a build, and resolves to what it stored
 * @throws StateConflict (`name-taken`), the same whether the other account has shown that the name is its own
 *   or not
 */
export async function takeContested<R>(
  deps: ClaimDependencies & DomainWriteDependencies & { readonly store: ContestReads },
  target: DomainTarget,
  { change, write }: { change: DomainChange; write: (build: Build<DomainWithHosts>) => Promise<R> },
): Promise<R> {
  const claim = addsOwnNames(target.actor) ? null : await checkedClaim(deps, target);
  const isProven = claim?.isProven ?? false;
  try {
    const written = await write(buildDisplacing(deps, target, { ...change, isProven }));
    if (isProven) await deps.issuanceState.delete(claimItem(target)).catch(() => undefined);
    return written;
  } catch (error) {
    if (claim === null || !isNameTaken(error)) throw error;
    throw nameTaken(target.name, howToClaim(target.name, claim.value));
  }
}

const isNameTaken = (error: unknown): boolean =>
  error instanceof StateConflict && error.code === "name-taken";

const howToClaim = (name: DomainName, value: string): string =>
  `; if it is yours, publish the TXT record ${ownershipName(name)} with the value ${value} and repeat the request, or ask the operator`;

type ContestReads = DomainWriteDependencies["store"] & Pick<Store, "head" | "getRecords" | "domainsByHost">;

/**
 * Build of a creation that deletes another account's pending record of the name in the same transaction, each
 * with its own log entry: the accounts see nothing of each other's settings. Where the creation is refused,
 * nothing is deleted.
 */
const buildDisplacing =
  (
    deps: DomainWriteDependencies & { readonly store: ContestReads },
    target: DomainTarget,
    change: DomainChange,
  ): Build<DomainWithHosts> =>
  async (head): Promise<Planned<DomainWithHosts> | Unchanged<DomainWithHosts>> => {
    const { store, clock } = deps;
    const { actor, name } = target;
    const held = await heldByOther(store, target);
    if (held === null) return buildDomainWrite(deps, target, change)(head);
    const isFree =
      isPending(held) && (addsOwnNames(actor) || change.isProven === true || isLapsed(held, clock.now()));
    if (!isFree) throw nameTaken(name);
    const holder: Actor = { account: held.account, name: OWNERSHIP };
    const deletion = await buildDomainDelete(deps, { actor: holder, name }, ANY)(head);
    const named = { account: actor.account, domains: [name], hosts: [], certificates: [], trustStores: [] };
    const reads = await readPlanned(store, named, head);
    reads.plan(deletion.commit);
    const creation = await buildDomainWrite({ ...deps, store: reads }, target, change)(head + 1);
    if ("unchanged" in creation) throw new TypeError("a creation always changes something");
    const { commit, result } = creation;
    return { commit: deletion.commit, following: [commit], extent: "all", result };
  };

const ANY = { matches: "any", matchesNot: null } as const;

/** One that cannot be read is held, whatever its state. */
async function heldByOther(store: ContestReads, { actor, name }: DomainTarget) {
  try {
    const domain = (await store.getDomainWithHosts(name))?.domain ?? null;
    return domain === null || domain.account === actor.account ? null : domain;
  } catch (error) {
    if (error instanceof Unreadable) throw nameTaken(name);
    throw error;
  }
}
