import { shownRecord, shownSettings } from "../store/shown-domain.ts";
import type { Actor } from "../actor.ts";
import type { CertificateId } from "../name/ids.ts";
import { timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import { NotFound, StateConflict } from "../errors.ts";
import { prepareDomainWrite, type WriteOptions } from "./domain-write.ts";
import {
  type DomainInput,
  domainInput,
  domainSettings,
  type TlsInput,
  tlsInput,
  tlsSettings,
} from "./domain-schema.ts";
import type { DomainRecord, DomainSettings, TlsSettings } from "../record/domain.ts";
import { type DomainView, domainView } from "./domain-view.ts";
import { parseDocument } from "./input-fields.ts";
import { mergePatch } from "./merge-patch.ts";
import { plannedOf, planWrite, readHosts } from "./plan-write.ts";
import { pointingInto } from "./issue-pointers.ts";
import { domainPage } from "./domain-page.ts";
import { cannotBeRead, readStored, saysTheSame, type Stored } from "./record-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Planned, Unchanged } from "../store/queued-write.ts";
import type { Commit, DomainWithHosts, Page, PageRequest } from "../store/store.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { readHostsOf, readReferences } from "./surroundings.ts";
import { checkCondition, type WriteCondition } from "../store/write-condition.ts";

export interface DomainListing {
  readonly prefix?: string | undefined;
  readonly certificateId?: CertificateId | undefined;
}

/** Who writes which domain. */
interface DomainTarget {
  readonly actor: Actor;
  readonly name: DomainName;
}

export interface WrittenDomain {
  readonly domain: DomainView;
  readonly created: boolean;
}

/** The settings that a write makes of the present ones (null = the domain is absent). @throws InvalidInput */
type Produce = (current: DomainSettings | null) => DomainSettings;

/**
 * Reads and writes of domains for one caller at a time. A domain of another account is absent, except that
 * its name is taken.
 */
export class DomainService {
  readonly #deps: ServiceDependencies;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
  }

  /** @throws NotFound */
  async get(actor: Actor, name: DomainName): Promise<DomainView> {
    return this.#view(await this.#own(actor, name));
  }

  /** @throws NotFound */
  async getTls(actor: Actor, name: DomainName): Promise<{ tls: TlsSettings; revision: number }> {
    const { domain, hosts } = await this.#own(actor, name);
    const { tls, revision } = shownRecord(domain, hosts);
    return { tls, revision };
  }

  async list(actor: Actor, listing: DomainListing, page: PageRequest): Promise<Page<DomainView>> {
    const { store } = this.#deps;
    const { items, unreadable, next } = await domainPage(store, { account: actor.account, ...listing }, page);
    const shown = await readHostsOf(store, items);
    const allHosts = new Map(shown.flatMap(({ hosts }) => [...hosts]));
    const references = await readReferences(
      store,
      shown.map(({ domain }) => domain),
      allHosts,
    );
    const context = { operatorHosts: this.#deps.operatorHosts, nowMs: this.#deps.clock.now() };
    const views = shown.map(({ domain, hosts }) =>
      domainView(domain, { ...context, surroundings: { ...references, hosts } }),
    );
    return { items: views, unreadable, next };
  }

  /**
   * Creates or replaces.
   * @throws StateConflict (`name-taken`, `shared-host`, `host-taken`), RuleViolation, and what the condition
   *   throws.
   */
  async put(target: DomainTarget, input: DomainInput, options: WriteOptions): Promise<WrittenDomain> {
    const settings = domainSettings(target.name, input);
    return this.#write(target, { ...options, creates: true, produce: () => settings });
  }

  /** Merges into the stored document and validates the result. @throws NotFound; InvalidInput; as `put` */
  patch(target: DomainTarget, patch: unknown, options: WriteOptions): Promise<WrittenDomain> {
    const produce: Produce = (current) =>
      domainSettings(target.name, parseDocument(domainInput, mergePatch(current, patch)));
    return this.#write(target, { ...options, creates: false, produce });
  }

  /** Replaces the `tls` part; pointers are into that part. @throws NotFound; as `put` */
  putTls(target: DomainTarget, input: TlsInput, options: WriteOptions): Promise<WrittenDomain> {
    return this.#writeTls(target, options, () => tlsSettings(input));
  }

  /** @throws NotFound; InvalidInput; as `put` */
  patchTls(target: DomainTarget, patch: unknown, options: WriteOptions): Promise<WrittenDomain> {
    return this.#writeTls(target, options, (current) =>
      tlsSettings(parseDocument(tlsInput, mergePatch(current, patch))),
    );
  }

  /** @throws NotFound; what the condition throws */
  async delete({ actor, name }: DomainTarget, condition: WriteCondition): Promise<void> {
    const { store, clock, retry } = this.#deps;
    const build = async (expectedHead: number): Promise<Planned<null>> => {
      const found = await this.#stored(actor, name);
      if (found === null || found === "foreign") throw absent(name);
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
    await commitWithRetry(store, build, retry);
  }

  #writeTls(
    target: DomainTarget,
    options: WriteOptions,
    produce: (current: TlsSettings) => TlsSettings,
  ): Promise<WrittenDomain> {
    return pointingInto("/tls", () =>
      this.#write(target, {
        ...options,
        creates: false,
        produce: (current) => {
          if (current === null) throw absent(target.name);
          return { ...current, tls: produce(current.tls) };
        },
      }),
    );
  }

  async #write(
    { actor, name }: DomainTarget,
    options: WriteOptions & { readonly creates: boolean; readonly produce: Produce },
  ): Promise<WrittenDomain> {
    const { store, retry } = this.#deps;
    const build = async (
      expectedHead: number,
    ): Promise<Planned<DomainWithHosts> | Unchanged<DomainWithHosts>> => {
      const found = await this.#stored(actor, name);
      if (found === "foreign") throw foreign(name, options.creates);
      if (found === null && !options.creates) throw absent(name);
      const replaced = found !== null && "unreadable" in found ? found.unreadable : undefined;
      const stored = found !== null && "record" in found ? found.record : null;
      checkCondition(options.condition, replaced ?? (stored && shown(stored)));
      if (replaced !== undefined && !options.creates) throw cannotBeRead(replaced);
      const current = stored && shownSettings(stored.domain, stored.hosts);
      const settings = options.produce(current);
      const isNoChange = stored !== null && current !== null && saysTheSame(current, settings);
      if (isNoChange && !hasDamagedHost(stored)) return { unchanged: stored };
      const request = { ...options, actor, stored, replaced, current, settings, expectedHead };
      return prepareDomainWrite(this.#deps, request);
    };
    const { entry, result } = await commitWithRetry(store, build, retry);
    const { revision } = entry ?? result.domain;
    const domain = await this.#view({ ...result, domain: { ...result.domain, revision } });
    return { domain, created: entry?.action === "create" };
  }

  async #stored(actor: Actor, name: DomainName): Promise<Stored<DomainWithHosts> | "foreign" | null> {
    const { store } = this.#deps;
    const about = { kind: "domain", id: name, account: actor.account } as const;
    const found = await readStored(store, about, () => store.getDomainWithHosts(name));
    if (found === null) return null;
    const isOwn = "record" in found ? found.record.domain.account === actor.account : found.unreadable.isOwn;
    return isOwn ? found : "foreign";
  }

  async #own(actor: Actor, name: DomainName): Promise<DomainWithHosts> {
    const found = await this.#stored(actor, name);
    if (found === null || found === "foreign") throw absent(name);
    if ("unreadable" in found) throw cannotBeRead(found.unreadable);
    return found.record;
  }

  async #view({ domain, hosts }: DomainWithHosts): Promise<DomainView> {
    const surroundings = await readReferences(this.#deps.store, [domain], hosts);
    const { operatorHosts, clock } = this.#deps;
    return domainView(domain, { surroundings, operatorHosts, nowMs: clock.now() });
  }
}

/** Of a host that the write takes the place of: any other account's is left as it is. */
const hasDamagedHost = ({ domain, hosts }: DomainWithHosts): boolean =>
  [...hosts.values()].some(({ account, isDamaged }) => isDamaged === true && account === domain.account);

const shown = ({ domain, hosts }: DomainWithHosts): DomainRecord => shownRecord(domain, hosts);

const absent = (name: DomainName): NotFound => new NotFound(`domain ${name} not found`);

function foreign(name: DomainName, creates: boolean): NotFound | StateConflict {
  if (!creates) return absent(name);
  const message = `the name ${name} is taken`;
  return new StateConflict("name-taken", message, [{ pointer: "/name", code: "name-taken", message }]);
}
