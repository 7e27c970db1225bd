import { describe, expect, it } from "vitest";
import type { EdgeId } from "../../core/name/ids.ts";
import type { EdgeReport } from "../../core/edge-report/edge-reports.ts";
import { Unavailable } from "../../core/errors.ts";
import { createEdgeReporter, type ReportEvent } from "./edge-reporter.ts";

const report = (revision: number): EdgeReport => ({
  id: `edge_${"0".repeat(26)}` as EdgeId,
  release: "1.0.0",
  listeners: [],
  revision,
  certificates: [],
  certificateProblems: [],
  unreadable: [],
  stale: false,
  chainVerifier: false,
  omitted: 0,
});

/** A reporter whose checks run one by one on a clock that moves by its pauses. */
function start() {
  const stop = new AbortController();
  const sent: (number | null | string)[] = [];
  const events: ReportEvent["kind"][] = [];
  const pauses: number[] = [];
  const state = { revision: 1, fails: false };
  let nowMs = 0;
  let wake = (): void => {};
  let checked = (): void => {};
  const call = (what: number | null | string): Promise<void> => {
    if (state.fails) return Promise.reject(new Unavailable("no answer"));
    sent.push(what);
    return Promise.resolve();
  };
  const reporter = createEdgeReporter({
    reports: { report: ({ revision }) => call(revision), remove: (id) => call(`remove ${id}`) },
    current: () => report(state.revision),
    intervalMs: 10_000,
    monotonicNow: () => nowMs,
    sleep: (ms) => {
      pauses.push(ms);
      nowMs += ms;
      checked();
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
    onEvent: ({ kind }) => events.push(kind),
  });
  const done = reporter.run(stop.signal);
  const check = (): Promise<void> =>
    new Promise((resolve) => {
      checked = resolve;
      wake();
    });
  const end = async (): Promise<void> => {
    stop.abort();
    wake();
    await done;
  };
  return { state, reporter, sent, events, pauses, check, end };
}

describe("the edge reporter", () => {
  it("reports at once, then only on a change or after the interval", async () => {
    const { state, reporter, sent, check, pauses, end } = start();
    await check();
    expect(sent).toEqual([1]);
    state.revision = 2;
    reporter.changed();
    reporter.changed();
    await check();
    expect(sent).toEqual([1, 2]);
    const before = pauses.length;
    while (sent.length < 3) await check();
    const waitedMs = pauses.slice(before).reduce((sum, ms) => sum + ms, 0);
    expect(waitedMs).toBeGreaterThan(9_500);
    expect(waitedMs).toBeLessThanOrEqual(10_400);
    await end();
  });

  it("takes its report away at an orderly end", async () => {
    const { sent, check, end } = start();
    await check();
    await end();
    expect(sent.at(-1)).toBe(`remove edge_${"0".repeat(26)}`);
  });

  it("survives a store that fails, tries again ever less often, and reports what is true then", async () => {
    const { state, sent, events, pauses, check, end } = start();
    await check();
    state.fails = true;
    state.revision = 5;
    while (events.length < 4) await check();
    expect(events).toEqual(["reported", "failed", "failed", "failed"]);
    expect(pauses.slice(-3)).toEqual([400, 800, 1_600]);
    state.fails = false;
    await check();
    expect(sent.at(-1)).toBe(5);
    await end();
  });

  it("does not reject when the store is down at the end", async () => {
    const { state, events, check, end } = start();
    await check();
    state.fails = true;
    await end();
    expect(events.at(-1)).toBe("failed");
  });
});
