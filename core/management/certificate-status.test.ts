import { describe, expect, it } from "vitest";
import { certificateId, certificateRecord } from "../../test/support/records.ts";
import type { ReportedEdge, ServedCertificate } from "../edge-report/edge-reports.ts";
import type { EdgeId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { certificateStatus } from "./certificate-status.ts";

const X = certificateId(1);
const NOW = Date.parse("2026-11-29T00:00:00.000Z");
const [KEY] = certificateRecord().keys;
if (KEY === undefined) throw new TypeError("a built record has a key");

/** Version n of the certificate, each with another leaf. */
const fingerprint = (version: number): string => String(version).repeat(64).slice(0, 64);
const atVersion = (version: number, revision = version): CertificateRecord =>
  certificateRecord({
    id: X,
    revision,
    keys: [{ ...KEY, fingerprintSha256: fingerprint(version) }],
    material: { version, sha256: fingerprint(version) },
  });

const serves = (version: number, parts: Partial<ServedCertificate> = {}): ServedCertificate => ({
  certificateId: X,
  version,
  fingerprintsSha256: [fingerprint(version)],
  notAfter: KEY.notAfter,
  problem: null,
  ...parts,
});

const edge = (n: number, parts: Partial<ReportedEdge> = {}): ReportedEdge => ({
  id: `edge_${n}` as EdgeId,
  release: "0.1.0",
  listeners: [],
  revision: 9,
  certificates: [],
  certificateProblems: [],
  unreadable: [],
  stale: false,
  chainVerifier: true,
  omitted: 0,
  lastReportAt: "2026-11-29T00:00:00.000Z",
  state: "live",
  ...parts,
});

const statusOf = (record: CertificateRecord, ...edges: ReportedEdge[]) =>
  certificateStatus(record, edges, NOW);

describe("the status of a certificate", () => {
  it("counts live edges that present the version in force", () => {
    const other = serves(7, { certificateId: certificateId(2) });
    const status = statusOf(
      atVersion(4),
      edge(1, { certificates: [other, serves(4)] }),
      edge(2, { certificates: [serves(3)], revision: 3 }),
      edge(3, { certificates: [serves(4)], state: "lost" }),
    );
    expect(status).toMatchObject({
      version: 4,
      fingerprintsSha256: [fingerprint(4)],
      summary: "1 of 2 edges serve version 4",
      edges: {
        atVersion: 1,
        live: [
          { id: "edge_1", version: 4, atVersion: true, faults: [] },
          { id: "edge_2", version: 3, atVersion: false, faults: ["behind"] },
        ],
        lost: [{ id: "edge_3", version: 4 }],
      },
    });
  });

  it.each([
    ["later", 5],
    ["earlier", 2],
  ])("counts no edge that presents a %s version than the one in force", (_, presented) => {
    const status = statusOf(atVersion(4), edge(1, { certificates: [serves(presented)] }));
    expect(status.summary).toBe("0 of 1 edges serve version 4");
  });

  it("counts after a rollback those that present the earlier version again", () => {
    const back = atVersion(1, 9);
    const status = statusOf(
      back,
      edge(1, { certificates: [serves(1)] }),
      edge(2, { certificates: [serves(2)], revision: 8 }),
    );
    expect(status.summary).toBe("1 of 2 edges serve version 1");
    expect(status.edges.live.map(({ faults }) => faults)).toEqual([[], ["behind"]]);
  });

  it("goes by what was loaded: a number alone may name other material", () => {
    const restored = serves(4, { fingerprintsSha256: [fingerprint(8)] });
    expect(statusOf(atVersion(4), edge(1, { certificates: [restored] })).edges.atVersion).toBe(0);
  });

  it("names what does not load, and what is served instead", () => {
    const failed = { certificateId: X, version: 4, reason: "key-missing", problem: "it is gone" } as const;
    const status = statusOf(
      atVersion(4),
      edge(1, { certificates: [serves(3)], certificateProblems: [{ ...failed, serves: 3 }] }),
      edge(2, { certificateProblems: [{ ...failed, serves: null }] }),
      edge(3, { certificates: [serves(4)] }),
    );
    expect(status.edges.live).toMatchObject([
      { version: 3, faults: ["not-loaded"], problem: { version: 4, reason: "key-missing", serves: 3 } },
      { version: null, faults: ["not-loaded"], problem: { serves: null } },
      { version: 4, faults: [], problem: null },
    ]);
    expect(status.warnings.map(({ code, message }) => `${code}: ${message.slice(0, 12)}`)).toEqual([
      "certificate-problem-at-edge: 1 of 3 edges",
      "certificate-not-loaded-at-edge: 1 of 3 edges",
    ]);
  });

  it.each([
    ["cannot reach the store", { certificates: [serves(4)], stale: true }, ["stale"]],
    [
      "cannot read the record",
      { certificates: [serves(3)], unreadable: [{ kind: "certificate", id: X, problem: "" }] },
      ["unreadable"],
    ],
    ["has not loaded it yet", {}, ["not-reported"]],
    ["never had settings", { revision: null }, ["behind", "not-reported"]],
  ] as const)("shows that an edge %s", (_, parts, faults) => {
    const [shown] = statusOf(atVersion(4), edge(1, parts)).edges.live;
    expect(shown?.faults).toEqual(faults);
  });

  it("is 0 edges without one, with a warning, and shows that a certificate in force has ended", () => {
    const ended = { ...atVersion(4), keys: [{ ...KEY, notAfter: "2026-11-28T00:00:00.000Z" }] };
    const status = statusOf(ended);
    expect(status).toMatchObject({ summary: "0 edges", state: "expired" });
    expect(status.warnings.map(({ code }) => code)).toEqual(["certificate-expired", "no-live-edge"]);
  });

  it("has no version before the first is issued", () => {
    const acm = { arn: "arn", status: "pending", validation: [], problem: null } as const;
    const record = certificateRecord({ id: X, keys: [], material: null, source: "acm", acm });
    const status = statusOf(record, edge(1));
    expect(status).toMatchObject({ version: null, summary: "0 of 1 edges: no version is issued yet" });
    expect(status.edges.live[0]?.faults).toEqual([]);
  });
});
