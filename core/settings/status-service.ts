import type { Actor } from "../actor.ts";
import type { CertificateId, EdgeId } from "../certificate/ids.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
import type { ReportedEdge } from "../edge-report/edge-reports.ts";
import { NotFound, Unreadable } from "../errors.ts";
import type { DomainRecord } from "./domain.ts";
import { type DomainStatus, domainStatus, unreadableDomainStatus } from "./domain-status.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { LogEntry, Page } from "./store.ts";
import { readSurroundings } from "./surroundings.ts";
import { domainWarnings } from "./warnings.ts";

const CERTIFICATES_AT_ONCE = 200;

/** What is in force, and what was changed, for one caller at a time. */
export class StatusService {
  readonly #deps: ServiceDependencies;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
  }

  /** @throws NotFound */
  async domain(actor: Actor, name: DomainName): Promise<DomainStatus> {
    const { store, edgeReports, operatorHosts, clock } = this.#deps;
    const edges = await edgeReports.list();
    const domain = await this.#readDomain(name);
    if (domain instanceof Unreadable) return unreadableDomainStatus(name, domain.message, edges);
    if (domain?.account !== actor.account) throw new NotFound(`there is no domain ${name}`);
    const surroundings = await readSurroundings(store, [domain]);
    const literalNone = domain.tls.server.level === "none";
    const { hosts, certificates } = surroundings;
    return domainStatus({
      domain,
      hosts,
      certificates,
      edges,
      sharedWithOthers: literalNone ? await this.#sharedWithOthers(name, edges) : new Set(),
      warnings: domainWarnings(domain, { surroundings, operatorHosts, nowMs: clock.now() }),
    });
  }

  /** Live and lost edges. Certificates, dedicated listeners and unreadable items of other accounts are left out. */
  async edges(actor: Actor): Promise<ReportedEdge[]> {
    const edges = await this.#deps.edgeReports.list();
    const certificates = await this.#ownCertificates(actor);
    const dedicated = new Set(
      edges.flatMap(({ listeners }) => listeners.flatMap(({ domain }) => domain ?? [])),
    );
    const domains = await this.#ownDomains(actor, dedicated);
    return edges.map((edge) => ({
      ...edge,
      listeners: edge.listeners.filter(({ domain }) => domain === null || domains.has(domain)),
      certificates: edge.certificates.filter(({ certificateId: id }) => id === null || certificates.has(id)),
    }));
  }

  /**
   * The account's entries after a revision, out of at most `limit` of the log. `next` = where to go on; null = that was
   * all there is now.
   */
  async changes(actor: Actor, after: number, limit: number): Promise<Page<LogEntry>> {
    const { entries, head } = await this.#deps.store.changesAfter(after, limit);
    const last = entries.at(-1);
    const revision = last?.kind === "entry" ? last.entry.revision : last?.revision;
    const own = entries.flatMap((each) =>
      each.kind === "entry" && each.entry.account === actor.account ? each.entry : [],
    );
    return { items: own, next: revision === undefined || revision >= head ? null : String(revision) };
  }

  /** Whose an unreadable record is cannot be known; that the name is taken is no secret (409 `name-taken`). */
  async #readDomain(name: DomainName): Promise<DomainRecord | Unreadable | null> {
    try {
      return await this.#deps.store.getDomain(name);
    } catch (error) {
      if (error instanceof Unreadable) return error;
      throw error;
    }
  }

  /** Edges whose shared listeners serve any domain beside this one and those with a listener of their own. */
  async #sharedWithOthers(name: DomainName, edges: readonly ReportedEdge[]): Promise<ReadonlySet<EdgeId>> {
    const answers = new Map<string, boolean>();
    const shared = new Set<EdgeId>();
    for (const { id, listeners } of edges) {
      const names = [...new Set([name, ...listeners.flatMap(({ domain }) => domain ?? [])])].toSorted();
      const key = names.join(" ");
      const others = answers.get(key) ?? (await this.#deps.store.hasDomainBeside(names));
      answers.set(key, others);
      if (others) shared.add(id);
    }
    return shared;
  }

  async #ownCertificates({ account }: Actor): Promise<ReadonlySet<CertificateId>> {
    const own = new Set<CertificateId>();
    let after: string | undefined;
    do {
      const page = await this.#deps.store.listCertificates(account, { limit: CERTIFICATES_AT_ONCE, after });
      for (const { id } of page.items) own.add(id);
      after = page.next ?? undefined;
    } while (after !== undefined);
    return own;
  }

  async #ownDomains({ account }: Actor, names: ReadonlySet<DomainName>): Promise<ReadonlySet<DomainName>> {
    const own = new Set<DomainName>();
    for (const name of names) {
      const domain = await this.#deps.store.getDomain(name);
      if (domain?.account === account) own.add(name);
    }
    return own;
  }
}
