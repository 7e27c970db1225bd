import { shownRecord } from "../store/shown-domain.ts";
import type { Actor } from "../actor.ts";
import type { CertificateId, EdgeId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { ReportedEdge } from "../edge-report/edge-reports.ts";
import { NotFound, RuleViolation, Unreadable } from "../errors.ts";
import { concerns } from "./edge-warnings.ts";
import { type DomainStatus, domainStatus, unreadableDomainStatus } from "./domain-status.ts";
import type { WaitingDependencies } from "./service-dependencies.ts";
import type { DomainWithHosts } from "../store/store.ts";
import { readReferences } from "./surroundings.ts";
import { certificatesIn } from "./certificate-records.ts";
import { type CertificateStatus, certificateStatus, isBehind } from "./certificate-status.ts";
import { lastCheckOf } from "./ownership-checks.ts";
import { OwnRecords, readStored } from "./record-write.ts";
import type { Waiter } from "./waiting-room.ts";
import { domainWarnings } from "./warnings.ts";

/** A wait until edges enforce a revision. */
export interface RevisionWait extends Waiter {
  readonly revision: number;
  readonly timeoutMs: number;
}

/** An edge reports a change within 0.2 s of a poll: a wait ends within a poll interval and a second. */
const LOOK_EVERY_MS = 500;

/** What is in force, for one caller at a time. */
export class StatusService {
  readonly #deps: WaitingDependencies;

  constructor(deps: WaitingDependencies) {
    this.#deps = deps;
  }

  /** @throws NotFound; as `#edgesAt` */
  async domain(actor: Actor, name: DomainName, wait: RevisionWait | null = null): Promise<DomainStatus> {
    const { store, operatorHosts, clock } = this.#deps;
    const before = wait === null ? null : await this.#own(actor, name);
    const lags = (edge: ReportedEdge): boolean =>
      before instanceof Unreadable ||
      (before !== null && edge.unreadable.some((item) => concerns(before, item)));
    // An unreadable record is enforced by no edge, however long the request waits.
    const { edges, ...waited } = await this.#edgesAt(
      before instanceof Unreadable && wait !== null ? { ...wait, timeoutMs: 0 } : wait,
      lags,
    );
    const found = await this.#own(actor, name);
    if (found instanceof Unreadable)
      return { ...unreadableDomainStatus(name, found.message, edges), ...waited };
    const { hosts } = found;
    // A certificate that another domain has moved here is a change too: edges are asked whether they have it.
    const domain = shownRecord(found.domain, hosts);
    const surroundings = await readReferences(store, [domain], hosts);
    const nowMs = clock.now();
    const literalNone = domain.tls.server.level === "none";
    const { certificates } = surroundings;
    const status = domainStatus({
      domain,
      hosts,
      certificates,
      edges,
      sharedWithOthers: literalNone ? await this.#sharedWithOthers(name, edges) : new Set(),
      warnings: domainWarnings(domain, { surroundings, operatorHosts, nowMs }),
      check: domain.pendingNames === undefined ? null : await lastCheckOf(this.#deps, domain),
      nowMs,
    });
    return { ...status, ...waited };
  }

  /** @throws NotFound; Unreadable; as `#edgesAt` */
  async certificate(actor: Actor, id: string, wait: RevisionWait | null = null): Promise<CertificateStatus> {
    const records = new OwnRecords(this.#deps, certificatesIn(this.#deps.store));
    const before = await records.get({ actor, id });
    const { edges, ...waited } = await this.#edgesAt(wait, (edge) => isBehind(before, edge));
    const record = wait === null ? before : await records.get({ actor, id });
    return { ...certificateStatus(record, edges, this.#deps.clock.now()), ...waited };
  }

  /**
   * The edges, as soon as every live one enforces the revision, or the time is up.
   * @param lags whether an edge at the revision still does not enforce it.
   * @throws RuleViolation for a revision that has not been reached; as `WaitingRoom.until`
   */
  async #edgesAt(
    wait: RevisionWait | null,
    lags: (edge: ReportedEdge) => boolean,
  ): Promise<{ edges: readonly ReportedEdge[]; applied?: boolean; lagging?: readonly EdgeId[] }> {
    const { store, edgeReports, waitingRoom } = this.#deps;
    if (wait === null) return { edges: await edgeReports.list() };
    const head = await store.head();
    if (wait.revision > head) throw notReached(wait.revision, head);
    return waitingRoom.until(
      async () => {
        const edges = await edgeReports.list();
        const live = edges.filter(({ state }) => state === "live");
        const behind = live.filter((edge) => (edge.revision ?? 0) < wait.revision || lags(edge));
        const isOver = live.length > 0 && behind.length === 0;
        return { isOver, value: { edges, applied: isOver, lagging: behind.map(({ id }) => id) } };
      },
      { ...wait, everyMs: LOOK_EVERY_MS },
    );
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

  /** @throws NotFound */
  async #own(actor: Actor, name: DomainName): Promise<DomainWithHosts | Unreadable> {
    const found = await this.#readDomain(name);
    const isOwn =
      found instanceof Unreadable
        ? (await this.#deps.store.getUnreadable("domain", name, actor.account))?.isOwn !== false
        : found?.domain.account === actor.account;
    if (found === null || !isOwn) throw new NotFound(`domain ${name} not found`);
    return found;
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

function notReached(revision: number, head: number): RuleViolation {
  const message = `no edge can enforce revision ${revision}: the newest is ${head}`;
  return new RuleViolation([{ in: "query", pointer: "/waitFor", code: "unknown-revision", message }]);
}
