import type { CertificateId, EdgeId } from "../certificate/ids.ts";
import type { Timestamp } from "../clock.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
import type { UnreadableItem } from "../settings/store.ts";

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

/** What one edge says of itself: on every change of revision, release, listeners or certificates, and every 10 s. */
export interface EdgeReport {
  readonly id: EdgeId;
  readonly release: string;
  readonly listeners: readonly ReportedListener[];
  /** The revision in force for new connections; null = none was ever held. */
  readonly revision: number | null;
  readonly certificates: readonly ServedCertificate[];
  readonly unreadable: readonly UnreadableItem[];
  /** True while the store cannot be reached. */
  readonly stale: boolean;
  /** Whether client chains can be judged apart from the handshake (`openssl` is there). */
  readonly chainVerifier: boolean;
  /** Certificates and unreadable items that did not fit into the report. */
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
