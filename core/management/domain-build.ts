/** Builds of domain writes: what a request stores, judged by what is stored at a head. */

import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { NotFound, StateConflict } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, DomainSettings } from "../record/domain.ts";
import type { Build, Planned, Unchanged } from "../store/queued-write.ts";
import { shownRecord, shownSettings } from "../store/shown-domain.ts";
import type { Commit, DomainWithHosts } from "../store/store.ts";
import { checkCondition, type WriteCondition } from "../store/write-condition.ts";
import { type DomainInput, domainInput, domainSettings } from "./domain-schema.ts";
import { type DomainWriteDependencies, prepareDomainWrite, type WriteOptions } from "./domain-write.ts";
import { parseDocument } from "./input-fields.ts";
import { mergePatch } from "./merge-patch.ts";
import { plannedOf, planWrite, readHosts } from "./plan-write.ts";
import { quotaOf } from "./quota-of.ts";
import { cannotBeRead, readStored, saysTheSame, type Stored } from "./record-write.ts";

/** Who writes which domain. */
export interface DomainTarget {
  readonly actor: Actor;
  readonly name: DomainName;
}

/** The settings that a write makes of the present ones (null = the domain is absent). @throws InvalidInput */
type Produce = (current: DomainSettings | null) => DomainSettings;

export interface DomainChange extends WriteOptions {
  /** Whether an absent domain is created; otherwise it is NotFound. */
  readonly creates: boolean;
  readonly produce: Produce;
  /** The account has shown that the domain's name is its own. Absent = it has not. */
  readonly isProven?: boolean;
}

/** Creates or replaces. @throws InvalidInput for another name */
export function putOfDomain(name: DomainName, input: DomainInput, options: WriteOptions): DomainChange {
  const settings = domainSettings(name, input);
  return { ...options, creates: true, produce: () => settings };
}

/** Merges into the stored document; what comes of it is validated when it is produced. */
export const patchOfDomain = (name: DomainName, patch: unknown, options: WriteOptions): DomainChange => ({
  ...options,
  creates: false,
  produce: (current) => domainSettings(name, parseDocument(domainInput, mergePatch(current, patch))),
});

/** Build of a write that creates, replaces or changes. @throws as DomainService.put */
export const buildDomainWrite =
  (
    deps: DomainWriteDependencies,
    { actor, name }: DomainTarget,
    change: DomainChange,
  ): Build<DomainWithHosts> =>
  async (expectedHead): Promise<Planned<DomainWithHosts> | Unchanged<DomainWithHosts>> => {
    const found = await storedDomain(deps.store, actor, name);
    if (found === "foreign") throw foreign(name, change.creates);
    if (found === null && !change.creates) throw absentDomain(name);
    const replaced = found !== null && "unreadable" in found ? found.unreadable : undefined;
    const stored = found !== null && "record" in found ? found.record : null;
    checkCondition(change.condition, replaced ?? (stored && shown(stored)));
    if (replaced !== undefined && !change.creates) throw cannotBeRead(replaced);
    const current = stored && shownSettings(stored.domain, stored.hosts);
    const settings = change.produce(current);
    const isNoChange = stored !== null && current !== null && saysTheSame(current, settings);
    if (isNoChange && !hasDamagedHost(stored)) return { unchanged: stored };
    const request = { ...change, actor, stored, replaced, current, settings, expectedHead };
    const planned = await prepareDomainWrite(deps, request);
    if (found !== null) return planned;
    const quota = await quotaOf(deps.access, actor.account, "domain");
    return { ...planned, commit: { ...planned.commit, quota } };
  };

/** @throws NotFound; what the condition throws */
export const buildDomainDelete =
  (
    { store, clock }: Pick<DomainWriteDependencies, "store" | "clock">,
    { actor, name }: DomainTarget,
    condition: WriteCondition,
  ) =>
  async (expectedHead: number): Promise<Planned<null>> => {
    const found = await storedDomain(store, actor, name);
    if (found === null || found === "foreign") throw absentDomain(name);
    const isRead = "record" in found;
    checkCondition(condition, isRead ? shown(found.record) : found.unreadable);
    const planned = isRead ? found.record : await plannedOf(store, actor.account, found.unreadable);
    const before = isRead ? found.record.domain : null;
    const read = await readHosts(store, planned, null);
    const plan = planWrite({ before: planned.domain, after: null, certificateId: null, ...read });
    const { hosts, hostsRead, uses } = plan;
    const commit: Commit = {
      record: { kind: "domain", id: name, before, after: null },
      replaced: isRead ? undefined : found.unreadable,
      hosts,
      hostsRead,
      uses,
      account: actor.account,
      actor: actor.name,
      at: timestamp(clock.now()),
      expectedHead,
    };
    return { commit, result: null };
  };

/** The caller's domain; another account's is `foreign`. */
export async function storedDomain(
  store: Pick<DomainWriteDependencies["store"], "getDomainWithHosts" | "getUnreadable">,
  actor: Actor,
  name: DomainName,
): Promise<Stored<DomainWithHosts> | "foreign" | null> {
  const about = { kind: "domain", id: name, account: actor.account } as const;
  const found = await readStored(store, about, () => store.getDomainWithHosts(name));
  if (found === null) return null;
  const isOwn = "record" in found ? found.record.domain.account === actor.account : found.unreadable.isOwn;
  return isOwn ? found : "foreign";
}

/** Of a host that the write takes the place of: any other account's is left as it is. */
const hasDamagedHost = ({ domain, hosts }: DomainWithHosts): boolean =>
  [...hosts.values()].some(({ account, isDamaged }) => isDamaged === true && account === domain.account);

const shown = ({ domain, hosts }: DomainWithHosts): DomainRecord => shownRecord(domain, hosts);

export const absentDomain = (name: DomainName): NotFound => new NotFound(`domain ${name} not found`);

const foreign = (name: DomainName, creates: boolean): NotFound | StateConflict =>
  creates ? nameTaken(name) : absentDomain(name);

/** @param hint what the caller can do. */
export function nameTaken(name: DomainName, hint = ""): StateConflict {
  const message = `the name ${name} is taken`;
  const issue = { pointer: "/name", code: "name-taken", message: `${message}${hint}` } as const;
  return new StateConflict("name-taken", message, [issue]);
}
