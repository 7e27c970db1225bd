/** Status of a certificate: which version each edge presents, and why it is not the one in force. */

import type { Timestamp } from "../clock.ts";
import type { CertificateProblem, EdgeFault, ReportedEdge } from "../edge-report/edge-reports.ts";
import type { CertificateId, EdgeId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { type CertificateState, certificateState, validity } from "./expiry.ts";
import { type Warning, warning } from "./warning.ts";
import { certificateWarnings } from "./warnings.ts";

export interface CertificateAtEdge {
  readonly id: EdgeId;
  readonly release: string;
  /** Of the settings that it enforces; null = it never had any. */
  readonly revision: number | null;
  readonly lastReportAt: Timestamp;
  /** What it presents for MX hosts of the certificate; null = not reported, or its default certificate. */
  readonly version: number | null;
  readonly fingerprintsSha256: readonly string[];
  /** null where `version` is. */
  readonly notAfter: Timestamp | null;
  /** Whether it presents the version in force. */
  readonly atVersion: boolean;
  readonly faults: readonly EdgeFault[];
  /** The version that does not load; null = none. */
  readonly problem: Omit<CertificateProblem, "certificateId"> | null;
}

export interface CertificateStatus {
  readonly id: CertificateId;
  readonly revision: number;
  readonly state: CertificateState;
  /** The version in force; null = none is issued yet. */
  readonly version: number | null;
  readonly fingerprintsSha256: readonly string[];
  readonly notAfter: Timestamp | null;
  /** "3 of 3 edges serve version 4", or "0 edges". */
  readonly summary: string;
  readonly edges: {
    readonly live: readonly CertificateAtEdge[];
    readonly lost: readonly CertificateAtEdge[];
    readonly atVersion: number;
  };
  readonly warnings: readonly Warning[];
  /** Set where a request waits for a revision (`waitFor`). */
  readonly applied?: boolean | undefined;
  readonly lagging?: readonly EdgeId[] | undefined;
}

/** What a live edge presents is only what it says of itself; without one, nothing is known. */
export function certificateStatus(
  record: CertificateRecord,
  edges: readonly ReportedEdge[],
  nowMs: number,
): CertificateStatus {
  const [live, lost] = (["live", "lost"] as const).map((wanted) =>
    edges.filter(({ state }) => state === wanted).map((edge) => atEdge(record, edge)),
  );
  const shown = live ?? [];
  const atVersion = shown.filter((edge) => edge.atVersion).length;
  return {
    id: record.id,
    revision: record.revision,
    state: certificateState(record, nowMs),
    version: record.material?.version ?? null,
    fingerprintsSha256: fingerprintsOf(record),
    notAfter: validity(record).notAfter,
    summary: summaryOf(record, { live: shown.length, atVersion }),
    edges: { live: shown, lost: lost ?? [], atVersion },
    warnings: [...certificateWarnings(record, nowMs), ...faultWarnings(shown)],
  };
}

/** Whether an edge presents an older version than the record has, or cannot read or load that. */
export function isBehind(record: CertificateRecord, edge: ReportedEdge): boolean {
  const { version, atVersion, faults } = atEdge(record, edge);
  const isOlder = version !== null && !atVersion;
  return isOlder || faults.some((fault) => fault === "not-loaded" || fault === "unreadable");
}

function faultWarnings(live: readonly CertificateAtEdge[]): Warning[] {
  if (live.length === 0)
    return warning("no-live-edge", "no edge has reported within 30 s: what is presented is not known");
  const problems = live.flatMap(({ problem }) => problem ?? []);
  const without = problems.filter(({ serves }) => serves === null);
  const count = (some: readonly unknown[]): string => `${some.length} of ${live.length} edges`;
  return [
    ...(problems.length > without.length
      ? warning(
          "certificate-problem-at-edge",
          `${count(problems.filter(({ serves }) => serves !== null))} could not load the version in force; another version stays in service`,
        )
      : []),
    ...(without.length > 0
      ? warning(
          "certificate-not-loaded-at-edge",
          `${count(without)} present their default certificate: ${without[0]?.problem ?? "it does not load"}`,
        )
      : []),
  ];
}

function summaryOf(
  { material }: Pick<CertificateRecord, "material">,
  { live, atVersion }: { readonly live: number; readonly atVersion: number },
): string {
  if (live === 0) return "0 edges";
  if (material === null) return `0 of ${live} edges: no version is issued yet`;
  return `${atVersion} of ${live} edges serve version ${material.version}`;
}

const fingerprintsOf = ({ keys }: Pick<CertificateRecord, "keys">): readonly string[] =>
  keys.map(({ fingerprintSha256 }) => fingerprintSha256).toSorted();

function atEdge(record: CertificateRecord, edge: ReportedEdge): CertificateAtEdge {
  const { id, release, revision, lastReportAt, stale } = edge;
  const served = edge.certificates.find(({ certificateId }) => certificateId === record.id);
  const failed = edge.certificateProblems.find(({ certificateId }) => certificateId === record.id);
  const { certificateId: _, ...problem } = failed ?? { certificateId: null };
  const isUnreadable = edge.unreadable.some((item) => item.kind === "certificate" && item.id === record.id);
  const possible: readonly (readonly [holds: boolean, fault: EdgeFault])[] = [
    [failed !== undefined, "not-loaded"],
    [!isUnreadable && (revision ?? 0) < record.revision, "behind"],
    [stale, "stale"],
    [isUnreadable, "unreadable"],
    [record.material !== null && served === undefined && failed === undefined, "not-reported"],
  ];
  return {
    id,
    release,
    revision,
    lastReportAt,
    version: served?.version ?? null,
    fingerprintsSha256: served?.fingerprintsSha256 ?? [],
    notAfter: served?.notAfter ?? null,
    atVersion: served !== undefined && presents(served, record),
    faults: possible.flatMap(([holds, fault]) => (holds ? fault : [])),
    problem: "version" in problem ? problem : null,
  };
}

/** By what was loaded, not by its number alone: after a restore a number may name other material. */
function presents(
  { version, fingerprintsSha256 }: ReportedEdge["certificates"][number],
  record: CertificateRecord,
): boolean {
  const wanted = fingerprintsOf(record);
  const held = fingerprintsSha256.toSorted();
  return version === record.material?.version && wanted.join(" ") === held.join(" ");
}
