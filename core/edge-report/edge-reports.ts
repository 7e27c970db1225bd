/** Reports of edges on their state, and the port that stores them. */

import type { CertificateId, EdgeId } from "../name/ids.ts";
import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { UnreadableItem } from "../store/store.ts";

export interface ReportedListener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Serves this domain alone; null = shared. */
  readonly domain: DomainName | null;
  readonly proxyProtocol: boolean;
}

/** A certificate of the settings as the edge has it ready; `default` has no id and is the edge's own. */
export interface ServedCertificate {
  readonly certificateId: CertificateId | null;
  readonly version: number | null;
  readonly fingerprintsSha256: readonly string[];
  readonly notAfter: Timestamp;
  /** Set when newer material did not load and this older version stays in service. */
  readonly problem: string | null;
}

/** Why key material does not load at an edge. Closed: a label of a metric. */
export const CERTIFICATE_PROBLEM_REASONS = [
  /** The vault does not hold it. */
  "key-missing",
  "vault-unavailable",
  /** What the vault holds is damaged. */
  "key-unreadable",
  /** The private key is not that of the certificate. */
  "key-mismatch",
  /** OpenSSL makes no context for a handshake of it, at the level that the edge serves with. */
  "context",
] as const;
export type CertificateProblemReason = (typeof CERTIFICATE_PROBLEM_REASONS)[number];

/** Why an edge does not present the version in force, or may not much longer. */
export const EDGE_FAULTS = [
  /** The version does not load there: see `problem`. */
  "not-loaded",
  /** It has not applied the last change of the certificate yet. */
  "behind",
  /** It cannot reach the store, and enforces what it has. */
  "stale",
  /** It cannot read the stored certificate; the version before stays in force. */
  "unreadable",
  /** Its report does not name the certificate: it was not loaded yet, or the report had no room for it. */
  "not-reported",
] as const;
export type EdgeFault = (typeof EDGE_FAULTS)[number];

/** A version of a certificate that an edge should serve and that does not load there. */
export interface CertificateProblem {
  readonly certificateId: CertificateId;
  readonly version: number;
  readonly reason: CertificateProblemReason;
  /** For people; never key material. */
  readonly problem: string;
  /**
   * The older version that stays in service; null = none: the edge's default certificate is served instead.
   */
  readonly serves: number | null;
}

/**
 * What one edge says of itself: on every change of revision, release, listeners or certificates, and every 10
 * s.
 */
export interface EdgeReport {
  readonly id: EdgeId;
  readonly release: string;
  readonly listeners: readonly ReportedListener[];
  /** The revision in force for new connections; null = none was ever held. */
  readonly revision: number | null;
  readonly certificates: readonly ServedCertificate[];
  /** What does not load, whether or not something older of the certificate serves. */
  readonly certificateProblems: readonly CertificateProblem[];
  readonly unreadable: readonly UnreadableItem[];
  /** True while the store cannot be reached. */
  readonly stale: boolean;
  /** Whether client chains can be judged apart from the handshake (`openssl` is there). */
  readonly chainVerifier: boolean;
  /**
   * Mailbox of bare `<postmaster>` on shared listeners; null = refused there. Absent = an edge of a release
   * before 0.2, of which it is not known.
   */
  readonly postmaster?: string | null | undefined;
  /** Whether mail of domains without `delivery` goes to a next hop; absent = as above. */
  readonly passesOn?: boolean | undefined;
  /** Certificates, their problems and unreadable items that did not fit into the report. */
  readonly omitted: number;
}

export type EdgeState = "live" | "lost";

export interface ReportedEdge extends EdgeReport {
  /** By the store's clock. */
  readonly lastReportAt: Timestamp;
  readonly state: EdgeState;
}

/** Live = reported within this time, by the store's clock. */
export const LIVE_WITHIN_MS = 30_000;
/** A lost edge is shown for this long, then forgotten. */
export const LOST_SHOWN_MS = 24 * 3600 * 1000;
export const REPORT_INTERVAL_MS = 10_000;

/** Where edges report. Every implementation passes test/contract/edge-reports.contract.ts. */
export interface EdgeReports {
  /** Replaces this edge's report. @throws Unavailable */
  report(report: EdgeReport): Promise<void>;
  /** All live and lost edges, by id. @throws Unavailable */
  list(): Promise<readonly ReportedEdge[]>;
  /** An edge that ended in good order is not `lost`: its report is removed. @throws Unavailable */
  remove(id: EdgeId): Promise<void>;
}

/** 207 octets each as stored: 1,000 keep a report at half of what one DynamoDB item holds (400 KB). */
const MAX_CERTIFICATES = 1_000;
const MAX_UNREADABLE = 200;
const MAX_PROBLEMS = 200;

/**
 * A report that a store can take, however many certificates an edge has loaded: one that is refused would
 * show a working edge as `lost`. Certificates with a problem come first; `omitted` counts what is left out.
 */
export function boundedReport(report: Omit<EdgeReport, "omitted">): EdgeReport {
  const [troubled, well] = [true, false].map((hasProblem) =>
    report.certificates.filter(({ problem }) => (problem !== null) === hasProblem),
  );
  const certificates = [...(troubled ?? []), ...(well ?? [])].slice(0, MAX_CERTIFICATES);
  const unreadable = report.unreadable.slice(0, MAX_UNREADABLE);
  const certificateProblems = report.certificateProblems.slice(0, MAX_PROBLEMS);
  const given = report.certificates.length + report.unreadable.length + report.certificateProblems.length;
  const omitted = given - certificates.length - unreadable.length - certificateProblems.length;
  return { ...report, certificates, certificateProblems, unreadable, omitted };
}
