import { shownRecord } from "../store/shown-domain.ts";
import type { Actor } from "../actor.ts";
import type { CertificateId, EdgeId } from "../name/ids.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import type { ReportedEdge } from "../edge-report/edge-reports.ts";
import { NotFound, Unreadable } from "../errors.ts";
import { type ChangeListing, type ChangePage, isAbout, readChanges } from "./change-log.ts";
import type { DomainRecord } from "../record/domain.ts";
import { type DomainStatus, domainStatus, unreadableDomainStatus } from "./domain-status.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { DomainWithHosts } from "../store/store.ts";
import { readReferences } from "./surroundings.ts";
import { certificatesIn } from "./certificate-records.ts";
import { type CertificateStatus, certificateStatus } from "./certificate-status.ts";
import { OwnRecords, readStored } from "./record-write.ts";
import { domainWarnings } from "./warnings.ts";

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
    const found = await this.#readDomain(name);
    if (found instanceof Unreadable) {
      const known = await store.getUnreadable("domain", name, actor.account);
      if (known?.isOwn === false) throw new NotFound(`domain ${name} not found`);
      return unreadableDomainStatus(name, found.message, edges);
    }
    if (found?.domain.account !== actor.account) throw new NotFound(`domain ${name} not found`);
    const { hosts } = found;
    // A certificate that another domain has moved here is a change too: edges are asked whether they have it.
    const domain = shownRecord(found.domain, hosts);
    const surroundings = await readReferences(store, [domain], hosts);
    const nowMs = clock.now();
    const literalNone = domain.tls.server.level === "none";
    const { certificates } = surroundings;
    return domainStatus({
      domain,
      hosts,
      certificates,
      edges,
      sharedWithOthers: literalNone ? await this.#sharedWithOthers(name, edges) : new Set(),
      warnings: domainWarnings(domain, { surroundings, operatorHosts, nowMs }),
      nowMs,
    });
  }

  /** @throws NotFound; Unreadable */
  async certificate(actor: Actor, id: string): Promise<CertificateStatus> {
    const { store, edgeReports, clock } = this.#deps;
    const record = await new OwnRecords(this.#deps, certificatesIn(store)).get({ actor, id });
    return certificateStatus(record, await edgeReports.list(), clock.now());
  }

  /**
   * Live and lost edges. Certificates, dedicated listeners and unreadable items of other accounts are left
   * out.
   */
  async edges(actor: Actor): Promise<ReportedEdge[]> {
    const edges = await this.#deps.edgeReports.list();
    const reported = edges.flatMap(({ certificates: served, certificateProblems }) =>
      [...served, ...certificateProblems].flatMap(({ certificateId }) => certificateId ?? []),
    );
    const certificates = await this.#ownCertificates(actor, new Set(reported));
    const dedicated = new Set(
      edges.flatMap(({ listeners }) => listeners.flatMap(({ domain }) => domain ?? [])),
    );
    const domains = await this.#ownDomains(actor, dedicated);
    return edges.map((edge) => ({
      ...edge,
      listeners: edge.listeners.filter(({ domain }) => domain === null || domains.has(domain)),
      certificates: edge.certificates.filter(({ certificateId: id }) => id === null || certificates.has(id)),
      certificateProblems: edge.certificateProblems.filter(({ certificateId: id }) => certificates.has(id)),
    }));
  }

  /**
   * The account's entries of the log. An entry that cannot be read is shown as such, unless it is another
   * account's.
   * @throws Gone as `readChanges`
   */
  async changes(actor: Actor, listing: ChangeListing): Promise<ChangePage> {
    const { entries, next } = await readChanges(this.#deps.store, listing);
    const { resource } = listing;
    const present = resource?.kind === "domain" ? await this.#presentDomain(resource.id) : null;
    return {
      next,
      items: entries.flatMap((each) => {
        if (each.kind === "unreadable" || each.entry.account !== actor.account) return [];
        return resource === undefined || isAbout(each.entry, resource, present) ? each.entry : [];
      }),
      unreadable: entries.flatMap((each) => {
        if (each.kind === "entry" || (each.account ?? actor.account) !== actor.account) return [];
        const { item } = each;
        const isOther =
          item.kind !== "log-entry" && (item.kind !== resource?.kind || item.id !== resource.id);
        return resource !== undefined && isOther ? [] : { revision: each.revision, ...item };
      }),
    };
  }

  async #presentDomain(id: string): Promise<DomainRecord | null> {
    const name = toDomainName(id);
    const found = name === null ? null : await this.#readDomain(name);
    return found instanceof Unreadable ? null : (found?.domain ?? null);
  }

  async #readDomain(name: DomainName): Promise<DomainWithHosts | Unreadable | null> {
    try {
      return await this.#deps.store.getDomainWithHosts(name);
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

  /** Of these. A report has at most 200, and edges report much the same; an account may have thousands. */
  async #ownCertificates(
    { account }: Actor,
    ids: ReadonlySet<CertificateId>,
  ): Promise<ReadonlySet<CertificateId>> {
    const { store } = this.#deps;
    const own = new Set<CertificateId>();
    for (const id of ids) {
      const about = { kind: "certificate", id, account } as const;
      const found = await readStored(store, about, () => store.getCertificate(id));
      if (found === null) continue;
      const isOwn = "record" in found ? found.record.account === account : found.unreadable.isOwn;
      if (isOwn) own.add(id);
    }
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
