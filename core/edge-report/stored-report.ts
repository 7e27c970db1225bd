/** Stored form of an edge report: its lists are split into items, and what a later release wrote is read. */

import * as z from "zod";
import { type Every, schemaOf } from "../same-fields.ts";
import { type CertificateId, type EdgeId, isCertificateId } from "../name/ids.ts";
import { timestamp } from "../clock.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import { ITEM_KINDS } from "../store/store.ts";
import { parseStoredJson } from "../stored-json.ts";
import {
  CERTIFICATE_PROBLEM_REASONS,
  type EdgeReport,
  LIVE_WITHIN_MS,
  LOST_SHOWN_MS,
  type ReportedEdge,
} from "./edge-reports.ts";

const domainName = z.custom<DomainName>(
  (value) => typeof value === "string" && toDomainName(value) === value,
);
const certificateId = z.custom<CertificateId>((value) => typeof value === "string" && isCertificateId(value));
const orNull = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? null);

/** Edges of other releases report too: what they leave out is unknown, what they add is dropped. */
const reportBody = z.object({
  release: z.string(),
  listeners: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      port: z.int(),
      domain: orNull(domainName),
      proxyProtocol: z.boolean(),
    }),
  ),
  revision: orNull(z.int().min(0)),
  certificates: z.array(
    z.object({
      certificateId: orNull(certificateId),
      version: orNull(z.int()),
      fingerprintsSha256: z.array(z.string()),
      notAfter: z.iso.datetime(),
      problem: orNull(z.string()),
    }),
  ),
  // Absent in reports of releases that did not tell of certificates that never loaded.
  certificateProblems: z
    .array(
      z.object({
        certificateId,
        version: z.int(),
        // A reason that a later release has is shown as the most general one.
        reason: z.enum(CERTIFICATE_PROBLEM_REASONS).catch("context"),
        problem: z.string(),
        serves: orNull(z.int()),
      }),
    )
    .default([]),
  unreadable: z.array(
    z.object({
      kind: z.enum(ITEM_KINDS),
      id: z.string(),
      problem: z.string(),
    }),
  ),
  stale: z.boolean(),
  chainVerifier: z.boolean(),
  // Absent in reports of releases without evaluations.
  postmaster: z.string().nullable().optional(),
  passesOn: z.boolean().optional(),
  omitted: z.int().min(0).default(0),
});

const STORED_BODY = schemaOf<Omit<EdgeReport, "id">>()(reportBody);

const LIST_FIELDS = {
  certificates: true,
  certificateProblems: true,
  unreadable: true,
  omitted: true,
} as const;
const listBody = reportBody.pick(LIST_FIELDS);

/** The part of a report that grows with the settings, and changes with them alone. */
export type ReportList = Pick<EdgeReport, keyof typeof LIST_FIELDS>;

export interface SplitReport {
  /** A whole report too, for a reader that knows of no list: it says how many items it does not show. */
  readonly heartbeat: EdgeReport;
  readonly list: ReportList;
}

/** A report as a small part for every interval, and one to be stored when it has changed. */
export function splitReport(report: EdgeReport): SplitReport {
  const { certificates, certificateProblems, unreadable, omitted } = report;
  const hidden = certificates.length + certificateProblems.length + unreadable.length + omitted;
  return {
    heartbeat: { ...report, certificates: [], certificateProblems: [], unreadable: [], omitted: hidden },
    list: { certificates, certificateProblems, unreadable, omitted } satisfies Every<ReportList>,
  };
}

/**
 * A stored report (JSON text, or parsed). One that this release cannot read is an edge that exists and is not
 * known to enforce anything: left out, it would make "3 of 3 edges" of what is 3 of 4. `storedList`: that of
 * a split report.
 */
export function readEdgeReport(id: EdgeId, stored: unknown, storedList?: unknown): EdgeReport {
  const result = STORED_BODY.safeParse(parsed(stored));
  if (result.success) {
    const list = storedList === undefined ? null : listBody.safeParse(parsed(storedList));
    return { ...result.data, ...(list?.success === true ? list.data : {}), id };
  }
  return {
    id,
    release: "unreadable",
    listeners: [],
    revision: null,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: true,
    chainVerifier: false,
    omitted: 0,
  };
}

const parsed = (stored: unknown): unknown => (typeof stored === "string" ? parseStoredJson(stored) : stored);

/** A report by its age; null = lost for so long that it is forgotten. Both times are of the store's clock. */
export function edgeAt(report: EdgeReport, reportedAtMs: number, nowMs: number): ReportedEdge | null {
  // A clock that was set back makes the age negative: such a report is new.
  const ageMs = nowMs - reportedAtMs;
  if (ageMs > LIVE_WITHIN_MS + LOST_SHOWN_MS) return null;
  const state = ageMs <= LIVE_WITHIN_MS ? "live" : "lost";
  return { ...report, lastReportAt: timestamp(reportedAtMs), state };
}
