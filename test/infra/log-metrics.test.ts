import { describe, expect, it } from "vitest";
import { createLambdaLog } from "../../functions/lambda-log.ts";
import { readScheduleEvent } from "../../functions/schedule/schedule-event.ts";
import { runTask } from "../../functions/schedule/sweeps.ts";
import { EDGE_LOG_METRICS, patternOf, SCHEDULE_LOG_METRICS } from "../../infra/log-metrics.ts";
import { createLog, LOG_EVENTS, type LogEvent } from "../../worker/log.ts";
import { createPollLog } from "../../worker/settings/poll-log.ts";
import { certificateId, certificateRecord, name } from "../support/records.ts";
import { contents, ScriptedStore } from "../support/settings-feed.ts";

/** What CloudWatch does with a line and a pattern `{ $.event = "…" }`. */
function valueOf(line: string, pattern: string, value: string | number): number | null {
  const wanted = /^\{ \$\.event = "(?<event>[^"]+)" \}$/u.exec(pattern)?.groups?.["event"];
  const fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  if (wanted === undefined || fields["event"] !== wanted) return null;
  if (typeof value === "number") return value;
  const found = fields[value.replace("$.", "")];
  return typeof found === "number" ? found : null;
}

/** Values of a metric, from lines that the edge's own code wrote. */
function valuesFrom(
  lines: readonly string[],
  metric: { readonly values: Readonly<Record<string, string | number>> },
) {
  return lines.flatMap((line) =>
    Object.entries(metric.values).flatMap(([event, value]) => valueOf(line, patternOf(event), value) ?? []),
  );
}

function linesOf(write: (log: ReturnType<typeof createLog>) => void): readonly string[] {
  const lines: string[] = [];
  write(createLog({ level: "info", write: (line) => void lines.push(line) }));
  return lines;
}

describe("the metric of stale settings", () => {
  it("is the edge's own staleness while the store is away, and 0 when it is back", () => {
    let staleForMs = 0;
    const lines = linesOf((log) => {
      const logPoll = createPollLog({ log, snapshot: () => null, staleForMs: () => staleForMs });
      for (const [index, ms] of [1_000, 61_000, 62_000, 120_000].entries()) {
        staleForMs = ms;
        logPoll({ kind: "failed", failures: index + 1, error: new Error("no answer") });
      }
      logPoll({ kind: "unchanged", revision: 1 });
    });
    // Told at failures 1, 2, 4, 8, …: the alarm keeps its state between them.
    expect(valuesFrom(lines, EDGE_LOG_METRICS.settingsStale)).toEqual([1, 61, 120, 0]);
  });

  it("is 0 after a full load, as of a task that took over", () => {
    const lines = linesOf((log) => log("settings-loaded", { revision: 1, domains: 3 }));
    expect(valuesFrom(lines, EDGE_LOG_METRICS.settingsStale)).toEqual([0]);
  });
});

describe("the metric of errors", () => {
  it("counts what no code expected, and nothing else", () => {
    const lines = linesOf((log) => {
      log("internal-error", { where: "test", error: new Error("a") });
      log("delivery-failed", {});
    });
    expect(valuesFrom(lines, EDGE_LOG_METRICS.internalErrors)).toEqual([1]);
  });
});

describe("the metric of days left", () => {
  const NOW = Date.parse("2026-11-24T12:00:00Z");
  const used = certificateRecord({ id: certificateId(1) });
  const host = { host: name("mx1.example"), account: "default", certificateId: used.id, domainCount: 1 };

  async function linesOfSweep(mxHosts: readonly (typeof host)[]): Promise<readonly string[]> {
    const store = new ScriptedStore();
    store.contents = { ...contents(4, []), certificates: [used], mxHosts };
    store.head = 4;
    const lines: string[] = [];
    await runTask(readScheduleEvent({ sweep: "expiry" }), {
      store,
      backups: { read: async () => null, write: async () => undefined },
      vault: { writtenBefore: async function* none() {}, delete: async () => undefined },
      acm: { advance: async () => "unchanged" },
      now: () => NOW,
      log: createLambdaLog({ level: "info", now: () => NOW, write: (line) => void lines.push(line) }),
    });
    return lines;
  }

  it("is that of the first certificate in use to end", async () => {
    const ends = Math.min(...used.keys.map(({ notAfter }) => Date.parse(notAfter)));
    const days = Math.floor((ends - NOW) / (24 * 3600 * 1000));
    expect(valuesFrom(await linesOfSweep([host]), SCHEDULE_LOG_METRICS.expiry)).toEqual([days]);
  });

  it("is not there where none is in use", async () => {
    expect(valuesFrom(await linesOfSweep([]), SCHEDULE_LOG_METRICS.expiry)).toEqual([]);
  });
});

describe("every event that a metric is made of", () => {
  const events = Object.values(EDGE_LOG_METRICS).flatMap(({ values }) => Object.keys(values));

  it.each(events)("%s is logged at the level of production", (event) => {
    const level = LOG_EVENTS[event as LogEvent];
    expect(["info", "warn", "error", "fatal"]).toContain(level);
  });
});
