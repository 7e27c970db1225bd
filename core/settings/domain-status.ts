import type { CertificateRecord } from "../certificate/certificate.ts";
import type { CertificateId, EdgeId } from "../certificate/ids.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
import type { ReportedEdge, ReportedListener, ServedCertificate } from "../edge-report/edge-reports.ts";
import type { ClientCertificateMode, DomainRecord, Enforcement, MinVersion, TlsLevel } from "./domain.ts";
import type { MxHost } from "./mx-host.ts";
import type { UnreadableItem } from "./store.ts";
import type { Warning } from "./warnings.ts";

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
  /** The domain has a listener of its own at this edge, so it is row 1 on every other. */
  | "served-by-dedicated-listener";

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

export interface HostStatus {
  readonly host: DomainName;
  /** False = another account's or the operator's: what it serves is not shown. */
  readonly own: boolean;
  /** null = the edge's default certificate. */
  readonly certificateId: CertificateId | null;
  /** The version of the certificate that edges should serve; null = the default, or not shown. */
  readonly version: number | null;
  readonly served: readonly HostAtEdge[];
}

export interface DomainStatus {
  readonly name: DomainName;
  readonly revision: number;
  /** "3 of 3 edges at revision 17", or "0 edges". */
  readonly summary: string;
  readonly edges: {
    readonly live: readonly EdgeStatus[];
    readonly lost: readonly EdgeStatus[];
    readonly atRevision: number;
  };
  readonly listeners: readonly ListenerStatus[];
  readonly mxHosts: readonly HostStatus[];
  /** Items that an edge cannot read and that concern this domain: their previous version is in force there. */
  readonly unreadable: readonly (UnreadableItem & { readonly edge: EdgeId })[];
  readonly warnings: readonly Warning[];
}

/** Whether a setting is in force is only what live edges say of themselves; without one, nothing is. */
export function domainStatus(facts: StatusFacts): DomainStatus {
  const { domain, edges } = facts;
  const live = edges.filter(({ state }) => state === "live");
  const shown = live.map((edge) => edgeStatus(facts, edge));
  const atRevision = shown.filter((edge) => edge.atRevision).length;
  const listeners = listenerStatuses(facts, live);
  return {
    name: domain.name,
    revision: domain.revision,
    summary:
      live.length === 0 ? "0 edges" : `${atRevision} of ${live.length} edges at revision ${domain.revision}`,
    edges: {
      live: shown,
      lost: edges.filter(({ state }) => state === "lost").map((edge) => edgeStatus(facts, edge)),
      atRevision,
    },
    listeners,
    mxHosts: domain.mxHosts.map((host) => hostStatus(facts, host, live)),
    unreadable: live.flatMap((edge) =>
      edge.unreadable.filter((item) => concerns(facts, item)).map((item) => ({ ...item, edge: edge.id })),
    ),
    warnings: [...facts.warnings, ...edgeWarnings(facts, live, listeners)],
  };
}

function edgeStatus(facts: StatusFacts, edge: ReportedEdge): EdgeStatus {
  const { id, release, revision, stale, lastReportAt } = edge;
  const reached = revision !== null && revision >= facts.domain.revision;
  // An edge that cannot read the record holds a later revision, and still the domain's previous version.
  const readable = !edge.unreadable.some(
    ({ kind, id: item }) => kind === "domain" && item === facts.domain.name,
  );
  return { id, release, revision, atRevision: reached && readable, stale, lastReportAt };
}

function concerns({ domain, hosts }: StatusFacts, { kind, id }: UnreadableItem): boolean {
  switch (kind) {
    case "domain":
      return id === domain.name;
    case "mx-host":
      return domain.mxHosts.some((host) => host === id);
    case "trust-store":
      return domain.tls.clientCertificate.trust.trustStoreIds.some((each) => each === id);
    case "certificate":
      return domain.mxHosts.some((host) => {
        const item = hosts.get(host);
        return item?.account === domain.account && item.certificateId === id;
      });
    case "log-entry":
      return false;
    default:
      return kind satisfies never;
  }
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
  if (kind === "shared" && edge.listeners.some((each) => each.domain === domain.name)) {
    const message = `${domain.name} has a listener of its own at this edge; here its mail is refused as relaying`;
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
  if (item?.account !== domain.account)
    return { host, own: false, certificateId: null, version: null, served: [] };
  const { certificateId } = item;
  const version = certificateId === null ? null : (certificates.get(certificateId)?.material.version ?? null);
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
  return { host, own: true, certificateId, version, served };
}

function edgeWarnings(
  facts: StatusFacts,
  live: readonly ReportedEdge[],
  listeners: readonly ListenerStatus[],
): Warning[] {
  if (live.length === 0)
    return [
      {
        code: "no-live-edge",
        message: "no edge has reported within 30 s: nothing says that this is in force",
      },
    ];
  const { domain } = facts;
  const of = (edges: readonly ReportedEdge[]): string => `${edges.length} of ${live.length} edges`;
  const stale = live.filter((edge) => edge.stale);
  const unreadable = live.filter((edge) => edge.unreadable.some((item) => concerns(facts, item)));
  const troubled = live.filter((edge) =>
    edge.certificates.some((each) => each.problem !== null && isOwn(facts, each)),
  );
  const judging =
    domain.tls.clientCertificate.mode !== "none" ? live.filter((edge) => !edge.chainVerifier) : [];
  const literal = listeners.some(({ reasons }) =>
    reasons.some(({ code }) => code === "level-none-on-shared-listener"),
  );
  const found: readonly (Warning | null)[] = [
    listeners.every(({ effective }) => effective === null)
      ? { code: "not-served", message: "no listener of a live edge serves this domain" }
      : null,
    literal
      ? {
          code: "level-none-on-shared-listener",
          message:
            "level none is in effect accept on shared listeners with other domains; a dedicated listener makes it literal",
        }
      : null,
    stale.length > 0
      ? { code: "edge-stale", message: `${of(stale)} cannot reach the store and enforce what they have` }
      : null,
    unreadable.length > 0
      ? {
          code: "settings-unreadable-at-edge",
          message: `${of(unreadable)} cannot read a stored item of this domain; its previous version is in force there`,
        }
      : null,
    troubled.length > 0
      ? {
          code: "certificate-problem-at-edge",
          message: `${of(troubled)} could not load the newest material of a certificate; the version before stays in service`,
        }
      : null,
    judging.length > 0
      ? {
          code: "chain-verifier-missing",
          message: `${of(judging)} have no chain verifier: what the handshake cannot judge is answered 451 4.7.5`,
        }
      : null,
  ];
  return found.filter((warning) => warning !== null);
}

const isOwn = ({ domain, hosts }: StatusFacts, { certificateId }: ServedCertificate): boolean =>
  domain.mxHosts.some((host) => {
    const item = hosts.get(host);
    return item?.account === domain.account && item.certificateId === certificateId;
  });
