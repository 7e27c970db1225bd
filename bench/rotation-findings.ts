/**
 * What the measurements of rotation.ts say.
 *
 * The goal: no handshake around a rotation takes more than three times the median of its kind. Where windows
 * without a rotation have such handshakes too, the machine makes some of them, and the goal is that rotation
 * adds none. Two counts are compared by Fisher's exact test, each of windows with a rotation and of those
 * without one: handshakes over three times the median, and windows in which the edge was once blocked for
 * more than twice the median handshake, which shows also what fell between two handshakes. The goal is met
 * when the chance of so many around a rotation is 5 % or more.
 */
import { type Finding, median } from "./report.ts";
import type { EdgeMeasurements, Span } from "./rotation-edge.ts";
import type { PacedSession } from "./rotation-load.ts";

/** Times in epoch milliseconds. */
export interface Window {
  readonly since: number;
  readonly until: number;
  /** When the write of a version was answered; null = a window without a rotation. */
  readonly writtenAt: number | null;
}

export interface Measured {
  readonly sessions: readonly PacedSession[];
  /** null = the load went to an edge that is not measured. */
  readonly edge: EdgeMeasurements | null;
  readonly windows: readonly Window[];
  /** Which write a leaf came with, from 0, by its fingerprint. */
  readonly versionOf: ReadonlyMap<string, number>;
  /** Time in which the edge could have run and had no processor. */
  readonly waitedMs: number;
  /** Whether edge and load generator came before all other processes. */
  readonly isPreferred: boolean;
}

const SLOW = 3;
const BLOCKED = 2;
const LATE_MS = 2_000;
const PLAINTEXT_MS = 5;
const WHERE = ["around a rotation", "without one"] as const;
const CHANCE = 0.05;

const atMost = (value: number): Finding["goal"] => ({ kind: "at-most", value });
const info = (what: string, value: number, unit: string): Finding => ({ what, value, unit, goal: null });

export function findingsOf(measured: Measured): readonly Finding[] {
  const { sessions, windows } = measured;
  const whole = sessions.filter(({ failure }) => failure === null);
  const writtenAt = windows.flatMap((window) => window.writtenAt ?? []);
  return [
    info("sessions", sessions.length, ""),
    info(
      `the edge waited for a processor (${measured.isPreferred ? "before" : "among"} all other processes)`,
      measured.waitedMs,
      "ms",
    ),
    { what: "failed", value: sessions.length - whole.length, unit: "", goal: atMost(0) },
    {
      what: "until the last session with the version before",
      value: latestOld(measured, writtenAt),
      unit: "ms",
      goal: atMost(LATE_MS),
    },
    ...slowFindings(measured, whole),
    ...edgeFindings(measured, median(whole.map(({ handshakeMs }) => handshakeMs))),
  ];
}

/** How long after the answer to a write the last session began that was shown the version before. */
function latestOld({ sessions, versionOf }: Measured, writtenAt: readonly number[]): number {
  const late = sessions.map(({ since, fingerprint }) => {
    const next = writtenAt[versionOf.get(fingerprint ?? "") ?? 0];
    return next === undefined ? 0 : since - next;
  });
  return Math.max(0, ...late);
}

/** Handshakes as clients see them, over the median of their kind. */
function slowFindings({ windows, edge }: Measured, whole: readonly PacedSession[]): readonly Finding[] {
  const medians = new Map(
    (["ecdsa", "rsa"] as const).map((kind) => [
      kind,
      median(whole.filter((each) => each.kind === kind).map(({ handshakeMs }) => handshakeMs)),
    ]),
  );
  const ratio = ({ kind, handshakeMs }: PacedSession): number =>
    handshakeMs / (medians.get(kind) ?? Number.NaN);
  const [around, otherwise] = [true, false].map((hasWrite) =>
    windows
      .filter(({ writtenAt }) => (writtenAt !== null) === hasWrite)
      .flatMap((window) => whole.filter(({ since }) => isIn(window, since)).map(ratio)),
  ) as [number[], number[]];
  const slow = [around, otherwise].map((ratios) => ratios.filter((each) => each > SLOW).length) as [
    number,
    number,
  ];
  return [
    ...[...medians].map(([kind, value]) => info(`${kind}: median handshake`, value, "ms")),
    ...[around, otherwise].flatMap((ratios, at) => [
      info(`${WHERE[at]}: handshakes`, ratios.length, ""),
      info(`${WHERE[at]}: slowest`, Math.max(0, ...ratios), "x the median"),
      info(`${WHERE[at]}: 99th percentile`, percentile(ratios, 0.99), "x the median"),
      info(`${WHERE[at]}: over ${SLOW} x the median`, slow[at] ?? 0, ""),
      info(`${WHERE[at]}: share of them`, (100 * (slow[at] ?? 0)) / Math.max(1, ratios.length), "%"),
    ]),
    verdict("handshakes", { of: [around.length, otherwise.length], hits: slow }),
    ...(edge === null
      ? []
      : causes(
          edge,
          whole.filter((each) => ratio(each) > SLOW),
        )),
  ];
}

const isIn = ({ since, until }: Window, at: number): boolean => since <= at && at < until;

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Where the edge's time went, in windows with a rotation and in those without one. */
function edgeFindings({ edge, windows }: Measured, medianMs: number): readonly Finding[] {
  if (edge === null) return [];
  const longest = (spans: readonly Span[], hasWrite: boolean): number[] =>
    windows
      .filter(({ writtenAt }) => (writtenAt !== null) === hasWrite)
      .map((window) => Math.max(0, ...spans.filter(({ at }) => isIn(window, at)).map(({ ms }) => ms)));
  const limitMs = BLOCKED * medianMs;
  const blocked = [true, false].map((hasWrite) => longest(edge.stalls, hasWrite)) as [number[], number[]];
  const hits = blocked.map((each) => each.filter((ms) => ms > limitMs).length) as [number, number];
  const rows = [true, false].flatMap((hasWrite, at): Finding[] => {
    const where = WHERE[at];
    const spans = blocked[at] ?? [];
    return [
      info(
        `${where}: windows in which the edge was blocked for over ${limitMs.toFixed(1)} ms`,
        hits[at] ?? 0,
        "",
      ),
      info(`${where}: longest time the edge was blocked, median of the windows`, median(spans), "ms"),
      info(`${where}: longest time the edge was blocked, of all windows`, Math.max(0, ...spans), "ms"),
      info(`${where}: longest garbage collection`, Math.max(0, ...longest(edge.collections, hasWrite)), "ms"),
      info(
        `${where}: slowest handshake as the edge times it`,
        Math.max(0, ...longest(edge.handshakes, hasWrite)),
        "ms",
      ),
    ];
  });
  return [
    info("median handshake as the edge times it", median(edge.handshakes.map(({ ms }) => ms)), "ms"),
    ...rows,
    verdict("windows", { of: [blocked[0].length, blocked[1].length], hits }),
  ];
}

/** What the edge did while a slow handshake ran. `since` is the begin of its session, in plaintext. */
function causes(edge: EdgeMeasurements, slow: readonly PacedSession[]): readonly Finding[] {
  const isDuring = (spans: readonly Span[], { since, handshakeMs }: PacedSession): boolean =>
    spans.some(({ at, ms }) => at > since && at - ms < since + PLAINTEXT_MS + handshakeMs);
  const collected = slow.filter((each) => isDuring(edge.collections, each));
  const stalled = slow.filter((each) => !collected.includes(each) && isDuring(edge.stalls, each));
  return [
    info("slow ones during a garbage collection of the edge", collected.length, ""),
    info("slow ones while the edge was blocked otherwise", stalled.length, ""),
    info("slow ones at the client, or between both", slow.length - collected.length - stalled.length, ""),
  ];
}

const verdict = (what: string, groups: Parameters<typeof fisher>[0]): Finding => ({
  what: `chance of so many ${what} around a rotation if it had no effect`,
  value: fisher(groups),
  unit: "",
  goal: { kind: "at-least", value: CHANCE },
});

/**
 * Fisher's exact test, one-sided: the chance that the first group has as many hits as it has, or more, when
 * all hits fall on both groups by their sizes.
 */
export function fisher({
  of,
  hits,
}: {
  readonly of: readonly [number, number];
  readonly hits: readonly [number, number];
}): number {
  const total = hits[0] + hits[1];
  const all = logChoose(of[0] + of[1], total);
  let chance = 0;
  for (let first = hits[0]; first <= Math.min(total, of[0]); first += 1)
    chance += Math.exp(logChoose(of[0], first) + logChoose(of[1], total - first) - all);
  return Math.min(1, chance);
}

function logChoose(from: number, count: number): number {
  if (count < 0 || count > from) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let at = 1; at <= count; at += 1) sum += Math.log((from - count + at) / at);
  return sum;
}
