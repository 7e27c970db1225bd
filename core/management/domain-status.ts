/**
 * Status of a domain: which settings each edge has in force, and why mail may be treated otherwise than set.
 */

import type { Warning } from "./warning.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, EdgeId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type {
  CertificateProblem,
  ReportedEdge,
  ReportedListener,
  ServedCertificate,
} from "../edge-report/edge-reports.ts";
import type {
  ClientCertificateMode,
  DomainRecord,
  Enforcement,
  MinVersion,
  TlsLevel,
} from "../record/domain.ts";
import { concerns, edgeWarnings } from "./edge-warnings.ts";
import type { MxHost } from "../record/mx-host.ts";
import { isPending, pendingEntry, verifyHint } from "../record/ownership.ts";
import type { UnreadableItem } from "../store/store.ts";
import type { LastCheck } from "./ownership-checks.ts";
import { type DomainOwnership, ownershipView } from "./ownership-view.ts";

/** What is known of one domain, from the settings and from what the edges report. */
export interface StatusFacts {
  readonly domain: DomainRecord;
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
  readonly certificates: ReadonlyMap<CertificateId, CertificateRecord>;
  readonly edges: readonly ReportedEdge[];
  /** Live edges whose shared listeners serve another domain beside this one. */
  readonly sharedWithOthers: ReadonlySet<EdgeId>;
  /** What the domain itself gives reason for. */
  readonly warnings: readonly Warning[];
  /** The last check of its pending names. */
  readonly check: LastCheck | null;
  readonly nowMs: number;
}

export interface EffectiveSettings {
  readonly level: TlsLevel;
  readonly minVersion: MinVersion;
  readonly clientCertificateMode: ClientCertificateMode;
  readonly enforcement: Enforcement;
}

/** Why the effective settings are not those that were set, or why there are none. */
export type EffectReason =
  /** `none` cannot be literal where others are served too: TLS is not demanded, mail over TLS is taken. */
  | "level-none-on-shared-listener"
  /** The domain has its own listener at this edge, so it is row 1 on every other. */
  | "served-by-dedicated-listener"
  /** The domain's name is pending, so no edge serves it. */
  | "name-pending";

/** One listener of the live edges; edges that show the same of it are put together. */
export interface ListenerStatus {
  readonly listener: string;
  readonly kind: "shared" | "dedicated";
  readonly edges: readonly EdgeId[];
  /** null = the domain is not served here. */
  readonly effective: EffectiveSettings | null;
  readonly reasons: readonly { readonly code: EffectReason; readonly message: string }[];
}

export interface EdgeStatus {
  readonly id: EdgeId;
  readonly release: string;
  readonly revision: number | null;
  /** Enforces the domain's present settings. */
  readonly atRevision: boolean;
  readonly stale: boolean;
  readonly lastReportAt: string;
}

/** A certificate that one live edge has ready for an MX host. */
export interface HostAtEdge extends Omit<ServedCertificate, "certificateId"> {
  readonly edge: EdgeId;
}

/** A version of a certificate that one live edge should serve for an MX host and cannot load. */
export interface ProblemAtEdge extends Omit<CertificateProblem, "certificateId"> {
  readonly edge: EdgeId;
}

export interface HostStatus {
  readonly host: DomainName;
  /** False = pending or another account's: what it serves is not shown. */
  readonly own: boolean;
  /** The account has not shown yet that the host is its own. */
  readonly pending: boolean;
  /** null = the edge's default certificate. */
  readonly certificateId: CertificateId | null;
  /** The version of the certificate that edges should serve; null = the default, or not shown. */
  readonly version: number | null;
  readonly served: readonly HostAtEdge[];
  readonly problems: readonly ProblemAtEdge[];
}

export interface DomainStatus {
  readonly name: DomainName;
  /** null = the stored record cannot be read. */
  readonly revision: number | null;
  /** "3 of 3 edges at revision 17", or "0 edges"; a pending domain is named as such. */
  readonly summary: string;
  readonly edges: {
    readonly live: readonly EdgeStatus[];
    readonly lost: readonly EdgeStatus[];
    readonly atRevision: number;
  };
  /** null = the stored record cannot be read. */
  readonly ownership: DomainOwnership | null;
  readonly listeners: readonly ListenerStatus[];
  readonly mxHosts: readonly HostStatus[];
  /**
   * Items that concern this domain and cannot be read, by an edge or (null) here: their previous version
   * stays in force.
   */
  readonly unreadable: readonly (UnreadableItem & { readonly edge: EdgeId | null })[];
  readonly warnings: readonly Warning[];
  /** Set where a request waits for a revision (`waitFor`). */
  readonly applied?: boolean | undefined;
  readonly lagging?: readonly EdgeId[] | undefined;
}

/** Whether a setting is in force is only what live edges say of themselves; without one, nothing is. */
export function domainStatus(facts: StatusFacts): DomainStatus {
  const { domain, edges } = facts;
  const live = edges.filter(({ state }) => state === "live");
  const shown = live.map((edge) => edgeStatus(facts, edge));
  const atRevision = shown.filter((edge) => edge.atRevision).length;
  const listeners = listenerStatuses(facts, live);
  const reached =
    live.length === 0 ? "0 edges" : `${atRevision} of ${live.length} edges at revision ${domain.revision}`;
  return {
    name: domain.name,
    revision: domain.revision,
    summary: isPending(domain) ? `${reached}; pending, so no edge serves it` : reached,
    edges: {
      live: shown,
      lost: edges.filter(({ state }) => state === "lost").map((edge) => edgeStatus(facts, edge)),
      atRevision,
    },
    ownership: ownershipView(domain, facts.check, facts.nowMs),
    listeners,
    mxHosts: domain.mxHosts.map((host) => hostStatus(facts, host, live)),
    unreadable: live.flatMap((edge) =>
      edge.unreadable.filter((item) => concerns(facts, item)).map((item) => ({ ...item, edge: edge.id })),
    ),
    warnings: [...facts.warnings, ...edgeWarnings(facts, live, listeners)],
  };
}

/**
 * What is known of a domain whose stored record cannot be read: no edge enforces it, and nothing of it is
 * shown.
 */
export function unreadableDomainStatus(
  name: DomainName,
  problem: string,
  edges: readonly ReportedEdge[],
): DomainStatus {
  const shown = (state: ReportedEdge["state"]): EdgeStatus[] =>
    edges.filter((edge) => edge.state === state).map((edge) => ({ ...edgeLine(edge), atRevision: false }));
  const live = shown("live");
  return {
    name,
    revision: null,
    summary: live.length === 0 ? "0 edges" : `0 of ${live.length} edges: the stored settings cannot be read`,
    edges: { live, lost: shown("lost"), atRevision: 0 },
    ownership: null,
    listeners: [],
    mxHosts: [],
    unreadable: [{ kind: "domain", id: name, problem, edge: null }],
    warnings: [
      {
        code: "settings-unreadable",
        message: "the stored settings cannot be read; edges that had a version before keep it in force",
      },
    ],
  };
}

const edgeLine = ({ id, release, revision, stale, lastReportAt }: ReportedEdge) => ({
  id,
  release,
  revision,
  stale,
  lastReportAt,
});

function edgeStatus(facts: StatusFacts, edge: ReportedEdge): EdgeStatus {
  const { revision } = edge;
  const reached = revision !== null && revision >= facts.domain.revision;
  // An edge that cannot read the record holds a later revision, and still the domain's previous version.
  const readable = !edge.unreadable.some(
    ({ kind, id: item }) => kind === "domain" && item === facts.domain.name,
  );
  return { ...edgeLine(edge), atRevision: reached && readable };
}

function listenerStatuses(facts: StatusFacts, live: readonly ReportedEdge[]): ListenerStatus[] {
  const found = new Map<string, ListenerStatus>();
  for (const edge of live) {
    for (const listener of edge.listeners) {
      const status = listenerStatus(facts, edge, listener);
      if (status === null) continue;
      const key = JSON.stringify({ ...status, edges: [] });
      const same = found.get(key);
      found.set(key, same === undefined ? status : { ...same, edges: [...same.edges, edge.id] });
    }
  }
  return [...found.values()];
}

/** null = dedicated to another domain, which is not this one's to know. */
function listenerStatus(
  { domain, sharedWithOthers }: StatusFacts,
  edge: ReportedEdge,
  listener: ReportedListener,
): ListenerStatus | null {
  if (listener.domain !== null && listener.domain !== domain.name) return null;
  const kind = listener.domain === null ? ("shared" as const) : ("dedicated" as const);
  const status = { listener: listener.name, kind, edges: [edge.id] };
  if (isPending(domain)) {
    const message = verifyHint(domain);
    return { ...status, effective: null, reasons: [{ code: "name-pending", message }] };
  }
  if (kind === "shared" && edge.listeners.some((each) => each.domain === domain.name)) {
    const message = `${domain.name} has its own listener at this edge; its mail is rejected here as relaying`;
    return { ...status, effective: null, reasons: [{ code: "served-by-dedicated-listener", message }] };
  }
  const { server, clientCertificate, enforcement } = domain.tls;
  const { level, minVersion } = server;
  const effective = { level, minVersion, clientCertificateMode: clientCertificate.mode, enforcement };
  if (level !== "none" || kind === "dedicated" || !sharedWithOthers.has(edge.id))
    return { ...status, effective, reasons: [] };
  const message =
    "this listener serves other domains too, so STARTTLS may be offered: TLS is never demanded, and mail over TLS is taken";
  return {
    ...status,
    effective: { ...effective, level: "accept" },
    reasons: [{ code: "level-none-on-shared-listener", message }],
  };
}

function hostStatus(
  { domain, hosts, certificates }: StatusFacts,
  host: DomainName,
  live: readonly ReportedEdge[],
): HostStatus {
  const item = hosts.get(host);
  const pending = pendingEntry(domain, host) !== undefined;
  if (item?.account !== domain.account)
    return { host, own: false, pending, certificateId: null, version: null, served: [], problems: [] };
  const { certificateId } = item;
  const version =
    certificateId === null ? null : (certificates.get(certificateId)?.material?.version ?? null);
  const served = live.flatMap((edge) =>
    edge.certificates
      .filter((certificate) => certificate.certificateId === certificateId)
      .map(({ version: present, fingerprintsSha256, notAfter, problem }) => ({
        edge: edge.id,
        version: present,
        fingerprintsSha256,
        notAfter,
        problem,
      })),
  );
  const problems = live.flatMap((edge) =>
    edge.certificateProblems
      .filter((each) => each.certificateId === certificateId)
      .map(({ certificateId: _id, ...rest }) => ({ edge: edge.id, ...rest })),
  );
  return { host, own: true, pending, certificateId, version, served, problems };
}
