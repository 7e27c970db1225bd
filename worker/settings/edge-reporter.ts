/** The report of an edge to the store, at an interval and on changes. */

import { backoffMs } from "../../core/retry.ts";
import type { EdgeReport, EdgeReports } from "../../core/edge-report/edge-reports.ts";

export interface EdgeReporterOptions {
  readonly reports: Pick<EdgeReports, "report" | "remove">;
  /** The report of this moment. */
  readonly current: () => EdgeReport;
  /** Milliseconds between two reports without a change: `REPORT_INTERVAL_MS`. */
  readonly intervalMs: number;
  readonly monotonicNow: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onEvent: (event: ReportEvent) => void;
}

export type ReportEvent =
  | { readonly kind: "reported" }
  | { readonly kind: "failed"; readonly failures: number; readonly error: unknown };

export interface EdgeReporter {
  /** Content of the report may have changed: it is sent at the next check. Cheap at any rate of calls. */
  changed(): void;
  /**
   * Reports at once, on every change and every interval until `signal` aborts, then takes the report away: an
   * edge that ended in good order is not `lost`. A failed report is an event, and is tried again. Never
   * rejects.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Between checks. A thousand changes in between (contexts built after a start) make one report. */
const CHECK_MS = 200;

export function createEdgeReporter(options: EdgeReporterOptions): EdgeReporter {
  const { reports, current, intervalMs, monotonicNow, sleep, onEvent } = options;
  let dirty = true;
  let dueAt = 0;
  let failures = 0;

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      failures = 0;
      onEvent({ kind: "reported" });
    } catch (error) {
      failures += 1;
      dirty = true;
      onEvent({ kind: "failed", failures, error });
    }
  };

  return {
    changed() {
      dirty = true;
    },
    async run(signal) {
      while (!signal.aborted) {
        if (dirty || monotonicNow() >= dueAt) {
          dirty = false;
          await attempt(() => reports.report(current()));
          dueAt = monotonicNow() + intervalMs;
        }
        const pauseMs = backoffMs({ firstMs: CHECK_MS, maxMs: intervalMs }, failures);
        await sleep(pauseMs, signal).catch(() => undefined);
      }
      await attempt(() => reports.remove(current().id));
    },
  };
}
