import { describe, expect, it } from "vitest";
import { edgeId, edgeReportsContract } from "../../test/contract/edge-reports.contract.ts";
import { openDatabase } from "./database.ts";
import { SqliteEdgeReports } from "./sqlite-edge-reports.ts";

edgeReportsContract({
  name: "SQLite in memory",
  create: async () => {
    let now = 0;
    const database = openDatabase(":memory:");
    const reports = new SqliteEdgeReports(database, { now: () => now });
    return {
      reports,
      other: reports,
      setClock: (epochMs) => {
        now = epochMs;
      },
      spoil: async (id) => {
        database.run("UPDATE edge_report SET report = '{' WHERE id = ?", id);
      },
      close: async () => database.close(),
    };
  },
});

describe("edge reports in SQLite", () => {
  it("do not pile up: a report takes those that are forgotten away", async () => {
    const database = openDatabase(":memory:");
    let now = 0;
    const reports = new SqliteEdgeReports(database, { now: () => now });
    const report = {
      release: "0.1.0",
      listeners: [],
      revision: 1,
      certificates: [],
      certificateProblems: [],
      unreadable: [],
      stale: false,
      chainVerifier: true,
      omitted: 0,
    };
    for (let n = 0; n < 10; n += 1) {
      now += 12 * 3600 * 1000;
      await reports.report({ ...report, id: edgeId(n) });
    }
    expect(database.get("SELECT count(*) AS rows FROM edge_report")).toEqual({ rows: 3 });
  });
});
