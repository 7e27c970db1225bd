import { PerformanceObserver } from "node:perf_hooks";
import { startMeasuredWorker } from "./measured-worker.ts";

/*
 * The edge of rotation.ts, on the settings in the directory that the first argument names. It reports its
 * ports, and answers the one message of its parent with what it measured. All times are epoch milliseconds
 * with fractions, which the processes of one machine share.
 */

/** Something that took time: from `at` minus `ms` to `at`. */
export interface Span {
  readonly at: number;
  readonly ms: number;
}

export interface EdgeMeasurements {
  /** Handshakes as the edge times them: from its 220 to STARTTLS until the handshake is over. */
  readonly handshakes: readonly Span[];
  /** Times in which no callback ran, of 2 ms and more. */
  readonly stalls: readonly Span[];
  readonly collections: readonly Span[];
}

const STALL_MS = 2;
const now = (): number => performance.timeOrigin + performance.now();

const handshakes: Span[] = [];
const stalls: Span[] = [];
const collections: Span[] = [];

const ports = await startMeasuredWorker(process.argv[2] ?? ".", {
  observe: (event) => {
    if (event.kind === "handshake") handshakes.push({ at: now(), ms: event.milliseconds });
  },
  // An edge on AWS sends its reports to DynamoDB. SQLite would write them within the loop (1 to 20 ms).
  edgeReports: { report: async () => undefined, remove: async () => undefined },
});
let last = now();
setInterval(() => {
  const at = now();
  // A timer of 1 ms comes after 1 to 2.
  if (at - last - 1 >= STALL_MS) stalls.push({ at, ms: at - last - 1 });
  last = at;
}, 1);
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries())
    collections.push({ at: performance.timeOrigin + startTime + duration, ms: duration });
}).observe({ entryTypes: ["gc"] });

process.on("disconnect", () => process.exit(0));
process.on("message", () => {
  const measured: EdgeMeasurements = { handshakes, stalls, collections };
  process.send?.(measured);
});
process.send?.(ports);
