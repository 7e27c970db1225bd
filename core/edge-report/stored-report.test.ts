import { describe, expect, it } from "vitest";
import { certificateId } from "../../test/support/records.ts";
import type { EdgeId } from "../name/ids.ts";
import { readEdgeReport } from "./stored-report.ts";

const ID = `edge_${"0".repeat(26)}` as EdgeId;
const stored = {
  release: "0.1.0",
  listeners: [],
  revision: 17,
  certificates: [],
  unreadable: [],
  stale: false,
  chainVerifier: true,
};

describe("a stored report", () => {
  it("of a release that did not tell of certificates that never loaded has none", () =>
    expect(readEdgeReport(ID, JSON.stringify(stored))).toEqual({
      ...stored,
      id: ID,
      certificateProblems: [],
      omitted: 0,
    }));
  it("of a release with further reasons shows the most general one", () => {
    const problem = { certificateId: certificateId(1), version: 2, reason: "of tomorrow", problem: "x" };
    expect(readEdgeReport(ID, { ...stored, certificateProblems: [problem] }).certificateProblems).toEqual([
      { ...problem, reason: "context", serves: null },
    ]);
  });
});
