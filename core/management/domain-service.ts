import { takeContested } from "./contested-name.ts";
import { confirmNames, verifyNames } from "./ownership-service.ts";
import { shownRecord } from "../store/shown-domain.ts";
import type { Actor } from "../actor.ts";
import { StateConflict } from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import {
  absentDomain,
  buildDomainDelete,
  buildDomainWrite,
  type DomainChange,
  type DomainTarget,
  patchOfDomain,
  putOfDomain,
  storedDomain,
} from "./domain-build.ts";
import type { WriteOptions } from "./domain-write.ts";
import { type DomainInput, type TlsInput, tlsInput, tlsSettings } from "./domain-schema.ts";
import type { DomainRecord, TlsSettings } from "../record/domain.ts";
import type { Build } from "../store/queued-write.ts";
import { type LastCheck, lastCheckOf } from "./ownership-checks.ts";
import { type DomainView, domainView } from "./domain-view.ts";
import { parseDocument } from "./input-fields.ts";
import { mergePatch } from "./merge-patch.ts";
import { pointingInto } from "./issue-pointers.ts";
import { domainPage } from "./domain-page.ts";
import { cannotBeRead } from "./record-write.ts";
import type { WantedLabel } from "./filtered-page.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { DomainWithHosts, LogEntry, Page, PageRequest } from "../store/store.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { readHostsOf, readReferences } from "./surroundings.ts";
import type { WriteCondition } from "../store/write-condition.ts";

export interface DomainListing {
  readonly prefix?: string | undefined;
  readonly certificateId?: CertificateId | undefined;
  readonly labels?: readonly WantedLabel[] | undefined;
}

export interface WrittenDomain {
  readonly domain: DomainView;
  /** null = the write would have changed nothing, and was not made. */
  readonly entry: LogEntry | null;
}

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
    const checks = await Promise.all(shown.map(({ domain }) => this.#checkOf(domain)));
    const views = shown.map(({ domain, hosts }, index) =>
      domainView(domain, {
        ...context,
        surroundings: { ...references, hosts },
        check: checks[index] ?? null,
      }),
    );
    return { items: views, unreadable, next };
  }

  /**
   * Creates or replaces.
   * @throws StateConflict (`name-taken`, `shared-host`, `host-taken`), RuleViolation, and what the condition
   *   throws.
   */
  async put(target: DomainTarget, input: DomainInput, options: WriteOptions): Promise<WrittenDomain> {
    const change = putOfDomain(target.name, input, options);
    try {
      return await this.#write(target, change);
    } catch (error) {
      if (!(error instanceof StateConflict && error.code === "name-taken")) throw error;
      return takeContested(this.#deps, target, { change, write: (build) => this.#store(build) });
    }
  }

  /** Looks for the TXT records of its pending names now. @throws NotFound; TooSoon; Unreadable */
  async verify(target: DomainTarget): Promise<DomainView> {
    await verifyNames(this.#deps, target);
    return this.get(target.actor, target.name);
  }

  /** Its names are the account's, on the operator's word. @throws NotFound; Unreadable */
  async confirm(target: DomainTarget): Promise<DomainView> {
    await confirmNames(this.#deps, target);
    return this.get(target.actor, target.name);
  }

  /** Merges into the stored document and validates the result. @throws NotFound; InvalidInput; as `put` */
  patch(target: DomainTarget, patch: unknown, options: WriteOptions): Promise<WrittenDomain> {
    return this.#write(target, patchOfDomain(target.name, patch, options));
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
  async delete(target: DomainTarget, condition: WriteCondition): Promise<LogEntry | null> {
    const { store, retry } = this.#deps;
    return (await commitWithRetry(store, buildDomainDelete(this.#deps, target, condition), retry)).entry;
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
          if (current === null) throw absentDomain(target.name);
          return { ...current, tls: produce(current.tls) };
        },
      }),
    );
  }

  #write(target: DomainTarget, change: DomainChange): Promise<WrittenDomain> {
    return this.#store(buildDomainWrite(this.#deps, target, change));
  }

  async #store(build: Build<DomainWithHosts>): Promise<WrittenDomain> {
    const { store, retry } = this.#deps;
    const { entry: first, following = [], result } = await commitWithRetry(store, build, retry);
    const entry = following.at(-1) ?? first;
    const { revision } = entry ?? result.domain;
    const domain = await this.#view({ ...result, domain: { ...result.domain, revision } });
    return { domain, entry };
  }

  async #checkOf(domain: DomainRecord): Promise<LastCheck | null> {
    return domain.pendingNames === undefined ? null : lastCheckOf(this.#deps, domain);
  }

  async #own(actor: Actor, name: DomainName): Promise<DomainWithHosts> {
    const found = await storedDomain(this.#deps.store, actor, name);
    if (found === null || found === "foreign") throw absentDomain(name);
    if ("unreadable" in found) throw cannotBeRead(found.unreadable);
    return found.record;
  }

  async #view({ domain, hosts }: DomainWithHosts): Promise<DomainView> {
    const surroundings = await readReferences(this.#deps.store, [domain], hosts);
    const { operatorHosts, clock } = this.#deps;
    const check = await this.#checkOf(domain);
    return domainView(domain, { surroundings, operatorHosts, check, nowMs: clock.now() });
  }
}
