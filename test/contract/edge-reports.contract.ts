import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdSource, type EdgeId } from "../../core/name/ids.ts";
import {
  type EdgeReport,
  type EdgeReports,
  LIVE_WITHIN_MS,
  LOST_SHOWN_MS,
} from "../../core/edge-report/edge-reports.ts";
import { certificateId, name } from "../support/records.ts";

/** Empty edge reports, a clock that a test sets, and operations that the port does not have. */
export interface EdgeReportsUnderTest {
  readonly reports: EdgeReports;
  /** Another client of the same reports. */
  readonly other: EdgeReports;
  /** Sets the store's clock. */
  setClock(epochMs: number): void;
  /** Overwrites a stored report with one that no release can read. */
  spoil(id: EdgeId): Promise<void>;
  close(): Promise<void>;
}

export interface EdgeReportsContract {
  readonly name: string;
  readonly create: () => Promise<EdgeReportsUnderTest>;
}

const START = Date.parse("2026-11-24T12:00:00.000Z");
export const edgeId = (n: number): EdgeId =>
  createIdSource(
    () => n,
    () => new Uint8Array(10),
  ).edge();

const reportOf = (n: number, parts: Partial<EdgeReport> = {}): EdgeReport => ({
  id: edgeId(n),
  release: "0.1.0",
  listeners: [{ name: "smtp", address: "127.0.0.1", port: 2525, domain: null, proxyProtocol: false }],
  revision: 17,
  certificates: [],
  certificateProblems: [],
  unreadable: [],
  stale: false,
  chainVerifier: true,
  postmaster: "hostmaster@example.com",
  passesOn: true,
  omitted: 0,
  ...parts,
});

/** The contract of the port EdgeReports (core/edge-report/edge-reports.ts). */
export function edgeReportsContract(contract: EdgeReportsContract): void {
  describe(`edge reports on ${contract.name}`, () => {
    let subject: EdgeReportsUnderTest;
    beforeEach(async () => {
      subject = await contract.create();
      subject.setClock(START);
    });
    afterEach(() => subject.close());
    const states = async () => (await subject.other.list()).map((edge) => [edge.id, edge.state]);

    it("are none at first", async () => {
      expect(await subject.reports.list()).toEqual([]);
    });

    it("are listed by id, whole, with the time of the store's clock", async () => {
      const full = reportOf(2, {
        listeners: [{ name: "mx", address: "::1", port: 25, domain: name("a.example"), proxyProtocol: true }],
        certificates: [
          {
            certificateId: certificateId(1),
            version: 3,
            fingerprintsSha256: ["ab", "cd"],
            notAfter: "2027-01-01T00:00:00.000Z",
            problem: "version 4 does not load",
          },
          {
            certificateId: null,
            version: null,
            fingerprintsSha256: [],
            notAfter: "2027-01-01T00:00:00.000Z",
            problem: null,
          },
        ],
        certificateProblems: [
          {
            certificateId: certificateId(2),
            version: 1,
            reason: "key-missing",
            problem: "gone",
            serves: null,
          },
          { certificateId: certificateId(1), version: 4, reason: "context", problem: "no", serves: 3 },
        ],
        unreadable: [{ kind: "mx-host", id: "mx.example", problem: "item (custom)" }],
        stale: true,
        chainVerifier: false,
        omitted: 0,
      });
      const bare = reportOf(1, { revision: null });
      await subject.reports.report(full);
      subject.setClock(START + 1500);
      await subject.reports.report(bare);
      expect(await subject.other.list()).toEqual([
        { ...bare, lastReportAt: "2026-11-24T12:00:01.500Z", state: "live" },
        { ...full, lastReportAt: "2026-11-24T12:00:00.000Z", state: "live" },
      ]);
    });

    it("replace the report that the same edge made before", async () => {
      await subject.reports.report(reportOf(1, { revision: 17 }));
      subject.setClock(START + LIVE_WITHIN_MS);
      await subject.reports.report(reportOf(1, { revision: 18 }));
      subject.setClock(START + LIVE_WITHIN_MS + 1);
      expect(await subject.other.list()).toMatchObject([{ revision: 18, state: "live" }]);
    });

    it("show the certificates of the last report, after any number of changes", async () => {
      const served = (n: number) => ({
        certificateId: certificateId(n),
        version: 1,
        fingerprintsSha256: ["ab"],
        notAfter: "2027-01-01T00:00:00.000Z",
        problem: null,
      });
      const shown = async () =>
        (await subject.other.list()).map(({ certificates, omitted }) => [
          certificates.map((each) => each.certificateId),
          omitted,
        ]);
      for (const round of [[1], [1], [1, 2], [2], [], [2]]) {
        await subject.reports.report(reportOf(1, { certificates: round.map(served), omitted: 3 }));
        expect(await shown()).toEqual([[round.map(certificateId), 3]]);
      }
      await subject.reports.remove(edgeId(1));
      await subject.reports.report(reportOf(1, { certificates: [served(2)] }));
      expect(await shown()).toEqual([[[certificateId(2)], 0]]);
    });

    it.each([
      ["live", 0],
      ["live", LIVE_WITHIN_MS],
      ["lost", LIVE_WITHIN_MS + 1],
      ["lost", LOST_SHOWN_MS],
      // A clock that was set back.
      ["live", -60_000],
    ])("are %s after %i ms", async (state, ageMs) => {
      await subject.reports.report(reportOf(1));
      subject.setClock(START + ageMs);
      expect(await states()).toEqual([[edgeId(1), state]]);
    });

    it("are deleted when an edge was lost for a day", async () => {
      await subject.reports.report(reportOf(1));
      subject.setClock(START + LIVE_WITHIN_MS + LOST_SHOWN_MS + 1);
      expect(await states()).toEqual([]);
      await subject.reports.report(reportOf(2));
      expect(await states()).toEqual([[edgeId(2), "live"]]);
      await subject.reports.report(reportOf(1));
      expect(await states()).toEqual([
        [edgeId(1), "live"],
        [edgeId(2), "live"],
      ]);
    });

    it("are deleted with an edge that shuts down, and with no other", async () => {
      await subject.reports.report(reportOf(1));
      await subject.reports.report(reportOf(2));
      await subject.other.remove(edgeId(1));
      await subject.other.remove(edgeId(3));
      expect(await states()).toEqual([[edgeId(2), "live"]]);
    });

    it("count an edge with an unreadable report as an edge at an unknown revision", async () => {
      await subject.reports.report(reportOf(1));
      await subject.reports.report(reportOf(2));
      await subject.spoil(edgeId(1));
      expect(await subject.other.list()).toMatchObject([
        { id: edgeId(1), revision: null, stale: true, state: "live" },
        { id: edgeId(2), revision: 17, stale: false, state: "live" },
      ]);
    });
  });
}
