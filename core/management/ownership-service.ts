/** Pending names of a domain: verified by TXT records, or confirmed by the operator. */

import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, PendingName } from "../record/domain.ts";
import { isOver, pendingEntry, PENDING_MS } from "../record/ownership.ts";
import type { Build, Planned, Unchanged } from "../store/queued-write.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { certificateView } from "../store/shown-domain.ts";
import type { DomainWithHosts, Store } from "../store/store.ts";
import { absentDomain, type DomainTarget, storedDomain } from "./domain-build.ts";
import type { DomainReads } from "./domain-write.ts";
import { beginCheck, endCheck } from "./ownership-checks.ts";
import { type CheckResult, lookForProofs, type Proof } from "./ownership-proof.ts";
import { planWrite, readHosts, type WritePlan } from "./plan-write.ts";
import { cannotBeRead } from "./record-write.ts";
import { servingIssues } from "./reference-rules.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** What a check of ownership works with. */
export interface OwnershipDependencies
  extends Pick<ServiceDependencies, "clock" | "retry" | "issuanceState" | "readTxt"> {
  readonly store: DomainReads & Pick<Store, "head" | "commit" | "commitAll" | "changesAfter" | "queue">;
}

/** Actor recorded for names that the scheduler has found to be verified. */
const SCHEDULE = "schedule";

/**
 * Looks for the TXT records of a domain's pending names now. Names that are not found stay pending, for
 * another 7 days where these are over. A domain without pending names stays as it is.
 *
 * @throws NotFound; Unreadable; TooSoon when it was checked a moment ago; Unavailable
 */
export async function verifyNames(deps: OwnershipDependencies, target: DomainTarget): Promise<void> {
  const { domain } = await readOwn(deps.store, target);
  if (domain.pendingNames === undefined) return;
  await check(deps, target, { domain, names: domain.pendingNames, renews: true });
}

/**
 * Takes all pending names of a domain as the account's own, on the operator's word.
 * @throws NotFound; Unreadable; Unavailable
 */
export async function confirmNames(deps: OwnershipDependencies, target: DomainTarget): Promise<void> {
  const { domain } = await readOwn(deps.store, target);
  const { pendingNames } = domain;
  if (pendingNames !== undefined) await settle(deps, target, { proven: pendingNames, renews: false });
}

/** What a check of the schedule came to. */
export type Checked = "verified" | "pending" | "gone";

/** The same without a request, of the names whose time is not over. @throws TooSoon; Unavailable */
export async function checkNames(deps: OwnershipDependencies, domain: DomainRecord): Promise<Checked> {
  const { name, account, pendingNames = [] } = domain;
  const names = pendingNames.filter(({ expiresAt }) => !isOver(expiresAt, deps.clock.now()));
  const target = { actor: { account, name: SCHEDULE }, name };
  try {
    return await check(deps, target, { domain, names, renews: false });
  } catch (error) {
    const isGone = (await deps.store.getDomainWithHosts(name))?.domain.account !== account;
    if (isGone) return "gone";
    throw error;
  }
}

async function check(
  deps: OwnershipDependencies,
  target: DomainTarget,
  {
    domain,
    names,
    renews,
  }: Pick<Settling, "renews"> & {
    readonly domain: DomainRecord;
    readonly names: readonly PendingName[];
  },
): Promise<Checked> {
  const begun = await beginCheck(deps, domain);
  const found = await lookForProofs(deps.readTxt, names);
  const proven = names.filter(({ name }) => found.get(name) === "proven");
  const { pendingNames } = await settle(deps, target, { proven, renews });
  const results = new Map((pendingNames ?? []).flatMap(({ name }) => resultOf(name, found.get(name))));
  await endCheck(deps, domain, { ...begun, results });
  return pendingNames === undefined ? "verified" : "pending";
}

/** A name whose record is right and that is pending still. */
const resultOf = (name: DomainName, proof: Proof | undefined): [DomainName, CheckResult][] =>
  proof === undefined ? [] : [[name, proof === "proven" ? "certificate-misses-host" : proof]];

async function readOwn(store: DomainReads, { actor, name }: DomainTarget): Promise<DomainWithHosts> {
  const found = await storedDomain(store, actor, name);
  if (found === null || found === "foreign") throw absentDomain(name);
  if ("unreadable" in found) throw cannotBeRead(found.unreadable);
  return found.record;
}

interface Settling {
  /** Shown or confirmed, with the values that they had then. */
  readonly proven: readonly PendingName[];
  /** Gives the others 7 days where theirs are over. */
  readonly renews: boolean;
}

/** @returns the record as it is then */
async function settle(
  deps: OwnershipDependencies,
  target: DomainTarget,
  settling: Settling,
): Promise<DomainRecord> {
  const build = buildSettled(deps, target, settling);
  return (await commitWithRetry(deps.store, build, deps.retry)).result;
}

/**
 * Build of a write that ends what is pending of the proven names. The account claims those of them that are
 * MX hosts and that no account has; one that would serve a certificate which does not cover it stays pending.
 */
const buildSettled =
  ({ store, clock }: OwnershipDependencies, target: DomainTarget, settling: Settling): Build<DomainRecord> =>
  async (expectedHead): Promise<Planned<DomainRecord> | Unchanged<DomainRecord>> => {
    const stored = await readOwn(store, target);
    const { domain } = stored;
    const { pendingNames = [] } = domain;
    const nowMs = clock.now();
    const at = timestamp(nowMs);
    const found = await readHosts(store, stored, domain);
    const certificateId = certificateView(domain, found.hosts);
    // A record that was made anew since has other values.
    const isProven = (entry: PendingName): boolean =>
      settling.proven.some(({ name, value }) => name === entry.name && value === entry.value);
    const free = pendingNames.filter((entry) => isProven(entry) && isFreeHost(stored, found, entry.name));
    const missed = await missedBy(store, certificateId, { hosts: free.map(({ name }) => name), nowMs });
    const left = pendingNames
      .filter((entry) => !isProven(entry) || missed.has(entry.name))
      .filter(({ name }) => found.hosts.get(name)?.account !== domain.account || name === domain.name)
      .map((entry) => (settling.renews && isOver(entry.expiresAt, nowMs) ? renewed(entry, nowMs) : entry));
    if (JSON.stringify(left) === JSON.stringify(pendingNames)) return { unchanged: domain };
    const after: DomainRecord = {
      ...domain,
      pendingNames: left.length === 0 ? undefined : left,
      updatedAt: at,
      updatedBy: target.actor.name,
    };
    const claimed = free.filter(({ name }) => pendingEntry(after, name) === undefined);
    const plan = planWrite({
      before: domain,
      after,
      certificateId,
      ...found,
      reservedHosts: unclaimed(domain, found).filter((host) => !claimed.some(({ name }) => name === host)),
      claimsHosts: claimed.length > 0,
    });
    return {
      commit: commitOf({ domain, after, plan, actor: target.actor, expectedHead, at }),
      result: after,
    };
  };

type Found = Awaited<ReturnType<typeof readHosts>>;

const unclaimed = ({ mxHosts }: Pick<DomainRecord, "mxHosts">, { hosts }: Found): DomainName[] =>
  mxHosts.filter((host) => !hosts.has(host));

const isFreeHost = ({ domain }: DomainWithHosts, found: Found, name: DomainName): boolean =>
  unclaimed(domain, found).includes(name);

const renewed = (entry: PendingName, nowMs: number): PendingName => ({
  ...entry,
  expiresAt: timestamp(nowMs + PENDING_MS),
});

/** Hosts that cannot serve the certificate of the domain's other hosts. */
async function missedBy(
  store: Pick<Store, "getCertificate">,
  certificateId: DomainRecord["tls"]["server"]["certificateId"],
  { hosts, nowMs }: { readonly hosts: readonly DomainName[]; readonly nowMs: number },
): Promise<ReadonlySet<DomainName>> {
  if (certificateId === null || hosts.length === 0) return new Set();
  const certificate = await store.getCertificate(certificateId);
  const misses = (host: DomainName): boolean =>
    certificate === null || servingIssues("", certificate, { hosts: [host], nowMs }).length > 0;
  return new Set(hosts.filter(misses));
}

function commitOf({
  domain,
  after,
  plan,
  actor,
  expectedHead,
  at,
}: {
  readonly domain: DomainRecord;
  readonly after: DomainRecord;
  readonly plan: WritePlan;
  readonly actor: Actor;
  readonly expectedHead: number;
  readonly at: string;
}): Planned<DomainRecord>["commit"] {
  const { hosts, hostsRead, uses } = plan;
  return {
    record: { kind: "domain", id: domain.name, before: domain, after: { ...after, revision: 0 } },
    hosts,
    hostsRead,
    uses,
    account: domain.account,
    actor: actor.name,
    at,
    expectedHead,
  };
}
