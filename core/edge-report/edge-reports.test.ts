import { describe, expect, it } from "vitest";
import { certificateId } from "../../test/support/records.ts";
import type { EdgeId } from "../name/ids.ts";
import { type ServedCertificate, boundedReport } from "./edge-reports.ts";

const certificate = (n: number, problem: string | null = null): ServedCertificate => ({
  certificateId: certificateId(n),
  version: 1,
  fingerprintsSha256: ["ab".repeat(32)],
  notAfter: "2027-11-24T00:00:00.000Z",
  problem,
});
const report = (certificates: readonly ServedCertificate[], unreadable = 0) => ({
  id: `edge_${"0".repeat(26)}` as EdgeId,
  release: "0.1.0",
  listeners: [],
  revision: 1,
  certificates,
  certificateProblems: [],
  unreadable: Array.from({ length: unreadable }, (_, n) => ({
    kind: "domain" as const,
    id: `d${n}.example`,
    problem: "-",
  })),
  stale: false,
  chainVerifier: true,
});
const many = Array.from({ length: 5_000 }, (_, n) => certificate(n));

describe("a bounded report", () => {
  it("is all of a report that is small", () => {
    const small = report([certificate(1), certificate(2)], 3);
    expect(boundedReport(small)).toEqual({ ...small, omitted: 0 });
  });

  it("leaves out what does not load beyond 200 certificates, and counts it", () => {
    const certificateProblems = Array.from({ length: 250 }, (_, n) => ({
      certificateId: certificateId(n),
      version: 1,
      reason: "key-missing" as const,
      problem: "the key vault does not hold the key material",
      serves: null,
    }));
    const bounded = boundedReport({ ...report([]), certificateProblems });
    expect(bounded.certificateProblems).toHaveLength(200);
    expect(bounded.omitted).toBe(50);
  });

  it("fits an item of DynamoDB with 5,000 certificates, and says how much it left out", () => {
    const bounded = boundedReport(report(many, 300));
    expect(Buffer.byteLength(JSON.stringify(bounded))).toBeLessThan(400_000);
    expect(bounded.omitted).toBe(4_100);
  });

  it("keeps the certificate that has a problem, wherever it stands", () => {
    const bounded = boundedReport(report([...many, certificate(9_999, "the key material is gone")]));
    expect(bounded.certificates[0]?.certificateId).toBe(certificateId(9_999));
  });
});
