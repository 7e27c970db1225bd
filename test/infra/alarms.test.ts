import { beforeAll, describe, expect, inject, it } from "vitest";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import { materialName } from "../../core/store/key-vault.ts";
import type { StoreContents } from "../../core/store/store.ts";
import { createLambdaLog } from "../../functions/lambda-log.ts";
import type { Sweep } from "../../core/schedule.ts";
import { runTask } from "../../functions/schedule/sweeps.ts";
import { createCloudWatchMetrics } from "../../worker/telemetry/cloudwatch-metrics.ts";
import { createDeliveryHealth } from "../../worker/telemetry/delivery-health.ts";
import { readinessOf } from "../../worker/telemetry/readiness.ts";
import { METRICS } from "../../worker/telemetry/metric-table.ts";
import {
  countEdgeEvent,
  createMetrics,
  type GaugeSources,
  setGauges,
} from "../../worker/telemetry/metrics.ts";
import type { EdgeEvent } from "../../worker/event/edge-event.ts";
import type { ReportEvent } from "../../worker/settings/edge-reporter.ts";
import {
  type Alarm,
  type Datum,
  embeddedMetrics,
  filteredMetrics,
  type LogFilter,
  rings,
} from "../support/cloudwatch.ts";
import { certificateId, certificateRecord, name } from "../support/records.ts";
import { contents, ScriptedStore } from "../support/settings-feed.ts";
import { UNUSED_OWNERSHIP } from "../support/unused-ownership.ts";
import { allOf, at, edgeEnvironment, named, onlyOne, textAt } from "./checks/stack-reader.ts";
import type { Stack } from "./harness/stack.ts";
import { synthesise } from "./harness/synthesise.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse("2026-11-28T12:00:00Z");
const OWN = "s3://mail/inbox";

let stack: Stack;

/** An edge whose own code counts, measures and writes; a test says what happens to it in each minute. */
class SimulatedEdge {
  readonly #metrics = createMetrics();
  readonly #lines: ReturnType<typeof createCloudWatchMetrics<typeof METRICS>>;
  readonly #health = createDeliveryHealth({ own: OWN, now: () => this.nowMs });
  nowMs = START;
  staleForMs = 0;
  connections = 0;
  hasChainVerifier = true;
  unreadable: GaugeSources["settings"] extends { unreadable(): infer Items } ? Items : never = [];
  certificatesNotLoaded = 0;

  constructor(namespace: string) {
    this.#lines = createCloudWatchMetrics({
      table: METRICS,
      namespace,
      edgeId: "edge_1",
    });
  }

  count(event: EdgeEvent): void {
    countEdgeEvent(this.#metrics, event);
    this.#health.note(event);
  }

  reported(result: ReportEvent["kind"]): void {
    this.#metrics.add("edgeReports", { result });
  }

  publish(): readonly Datum[] {
    setGauges(this.#metrics, {
      release: "1.0.0",
      settings: {
        snapshot: () => null,
        staleForMs: () => this.staleForMs,
        unreadable: () => this.unreadable,
      },
      readiness: readinessOf({
        listeners: 1,
        revision: 1,
        staleForMs: this.staleForMs,
        draining: false,
        chainVerifier: this.hasChainVerifier,
      }),
      edge: {
        connections: this.connections,
        bytesInFlight: 0,
        contexts: 0,
        draining: false,
        certificatesNotLoaded: this.certificatesNotLoaded,
        defaultCertificateNotAfterMs: null,
      },
      delivery: this.#health.state(),
    });
    return this.#lines(this.#metrics, this.nowMs).flatMap((line) => embeddedMetrics(line, this.nowMs));
  }
}

type Minute = (edge: SimulatedEdge, minute: number) => void;

/** The minutes at whose end an alarm rings, of edges that live through the same minutes. */
function ringing(alarm: Alarm, minutes: number, edges: readonly Minute[]): readonly number[] {
  const namespace = edgeEnvironment(stack)["METRICS_EMF"] ?? "";
  const simulated = edges.map((happens) => ({ happens, edge: new SimulatedEdge(namespace) }));
  const data: Datum[] = [];
  const rung: number[] = [];
  for (let minute = 0; minute < minutes; minute += 1) {
    for (const { edge, happens } of simulated) {
      edge.nowMs = START + minute * MINUTE_MS + 30_000;
      happens(edge, minute);
      data.push(...edge.publish());
    }
    if (rings(alarm, data, START + (minute + 1) * MINUTE_MS)) rung.push(minute);
  }
  return rung;
}

const quiet: Minute = () => undefined;
const from = (first: number, last = first): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

type Failed = Extract<EdgeEvent, { kind: "delivery-failed" }>;
const deferred = (nextHop: string): Failed => ({
  kind: "delivery-failed",
  listener: "mx",
  session: "s1",
  domains: [],
  route: "smtp",
  nextHop,
  stage: "message",
  outcome: "defer",
  cause: "connection-refused",
  phase: "connect",
  reply: "451 4.4.1",
  nextHopReply: null,
  detail: null,
});
const delivered = (nextHop: string): EdgeEvent => ({
  kind: "message-accepted",
  listener: "mx",
  route: "smtp",
  nextHop,
  bytes: 1,
  recipients: 1,
  milliseconds: 1,
});

interface Scenario {
  readonly minutes: number;
  readonly edges: readonly Minute[];
  /** Minutes at whose end the alarm rings. */
  readonly rings: readonly number[];
}

const item = (id: string) => ({ kind: "certificate", id, problem: "x" }) as never;

/**
 * What makes each alarm on the edges' own metrics ring, and what does not. The last edge is well throughout.
 */
const EDGE_SCENARIOS: Readonly<Record<string, readonly Scenario[]>> = {
  EdgeStale: [
    {
      // One edge recovers after 3 minutes, the other stays stale until minute 8.
      minutes: 12,
      edges: [
        (edge, minute) => void (edge.staleForMs = minute < 3 ? minute * MINUTE_MS : 0),
        (edge, minute) => void (edge.staleForMs = minute < 8 ? minute * MINUTE_MS : 0),
        quiet,
      ],
      rings: from(2, 7),
    },
    { minutes: 5, edges: [(edge) => void (edge.staleForMs = 59_000), quiet], rings: [] },
  ],
  EdgeErrors: [
    {
      minutes: 10,
      edges: [
        (edge, minute) => {
          if (minute === 6) edge.count({ kind: "internal-error", where: "rcpt", error: new Error("x") });
        },
        quiet,
      ],
      // Of five-minute periods: the second has it.
      rings: [9],
    },
  ],
  EdgesSilent: [
    { minutes: 8, edges: [], rings: from(0, 7) },
    { minutes: 8, edges: [quiet], rings: [] },
  ],
  EdgesFull: [
    {
      minutes: 5,
      edges: [
        (edge, minute) => {
          if (minute === 2) edge.count({ kind: "limit-hit", listener: "mx", limit: "maxConnections" });
          if (minute === 3) edge.count({ kind: "limit-hit", listener: "mx", limit: "maxErrors" });
        },
        quiet,
      ],
      rings: [2],
    },
  ],
  EdgesAtMaximum: [
    { minutes: 16, edges: Array.from({ length: 8 }, () => quiet), rings: from(11, 15) },
    { minutes: 16, edges: Array.from({ length: 7 }, () => quiet), rings: [] },
  ],
  EdgeReportsFail: [
    {
      minutes: 9,
      edges: [
        (edge, minute) => edge.reported(minute < 7 ? "failed" : "reported"),
        (edge) => edge.reported("reported"),
      ],
      rings: from(4, 6),
    },
    { minutes: 9, edges: [(edge, minute) => edge.reported(minute % 2 ? "failed" : "reported")], rings: [] },
  ],
  ChainVerifierMissing: [
    { minutes: 7, edges: [(edge) => void (edge.hasChainVerifier = false), quiet], rings: from(4, 6) },
    { minutes: 7, edges: [quiet, quiet], rings: [] },
  ],
  SettingsUnreadable: [
    {
      minutes: 9,
      edges: [
        (edge, minute) =>
          void (edge.unreadable = minute < 2 ? [] : minute < 6 ? [item("a")] : [item("a"), item("b")]),
        quiet,
      ],
      rings: [2, 6],
    },
  ],
  CertificateBroken: [
    {
      // The first is left as it is, and must not hide the second.
      minutes: 9,
      edges: [
        (edge, minute) => {
          edge.certificatesNotLoaded = minute < 2 ? 0 : minute < 6 ? 1 : 2;
        },
        quiet,
      ],
      rings: [2, 6],
    },
  ],
  MailNotDelivered: [
    {
      minutes: 16,
      edges: [
        (edge, minute) => edge.count(minute < 13 ? deferred(OWN) : delivered(OWN)),
        // A next hop of a domain, and another edge that has no mail, change nothing.
        (edge) => edge.count(delivered("smtp://hop.example:25?tls=require")),
      ],
      rings: from(10, 12),
    },
    {
      // Rare mail: one attempt every 12 minutes.
      minutes: 14,
      edges: [
        (edge, minute) => {
          if (minute % 12 === 0) edge.count(deferred(OWN));
        },
      ],
      rings: [12, 13],
    },
    {
      minutes: 30,
      edges: [(edge) => edge.count(deferred("smtp://hop.example:25?tls=require"))],
      rings: [],
    },
  ],
  NextHopFails: [
    {
      // The first goes on failing for good, and must not hide the second.
      minutes: 30,
      edges: [
        (edge, minute) => {
          edge.count(deferred("smtp://one.example:25?tls=require"));
          if (minute >= 15) edge.count(deferred("smtp://two.example:25?tls=require"));
          edge.count(delivered(OWN));
        },
        quiet,
      ],
      rings: [10, 25],
    },
  ],
};

const HEAVY = 900 * 1024 ** 2;

/** Lines of the schedule's own code, hour after hour, as the stack's filters read them. */
async function scheduleData(
  sweep: Sweep,
  hours: number,
  { peakMemory = 200 * 1024 ** 2, ...stored }: Partial<StoreContents> & { readonly peakMemory?: number } = {},
): Promise<readonly Datum[]> {
  const store = new ScriptedStore();
  store.contents = { ...contents(4, []), ...stored };
  store.head = 4;
  const filters = allOf(stack, "cloudwatch/logMetricFilter:LogMetricFilter").map(
    ({ inputs }): LogFilter => ({
      pattern: textAt(inputs, "pattern"),
      ...(at(inputs, "metricTransformation") as Pick<LogFilter, "namespace" | "name" | "value">),
    }),
  );
  const data: Datum[] = [];
  for (let hour = 0; hour < hours; hour += 1) {
    const nowMs = START + hour * HOUR_MS + 1_000;
    await runTask(
      { kind: "sweep", sweep },
      {
        store,
        backups: { read: async () => null, write: async () => undefined },
        vault: {
          async *writtenBefore() {
            yield materialName(certificateId(77), 1);
          },
          delete: async () => true,
        },
        issuance: { advance: async () => "unchanged" },
        ownership: UNUSED_OWNERSHIP,
        mayGoOn: () => true,
        acm: { advance: async () => "unchanged" },
        takeOver: async () => 0,
        region: "eu-central-1",
        now: () => nowMs,
        peakMemory: () => peakMemory,
        log: createLambdaLog({
          level: "info",
          now: () => nowMs,
          write: (line) =>
            void data.push(...filters.flatMap((filter) => filteredMetrics(line, filter, nowMs))),
        }),
      },
    );
  }
  return data;
}

/** Hours in which an alarm rings at some time. */
function ringingHours(alarm: Alarm, data: readonly Datum[], hours: number): readonly number[] {
  return from(0, hours - 1).filter((hour) =>
    from(1, 12).some((part) => rings(alarm, data, START + hour * HOUR_MS + part * 5 * MINUTE_MS)),
  );
}

function certificate(n: number, daysLeft: number): CertificateRecord {
  const base = certificateRecord({ id: certificateId(n) });
  const notAfter = new Date(START + daysLeft * DAY_MS).toISOString();
  return { ...base, keys: base.keys.map((key) => ({ ...key, notAfter })) };
}

const served = (...certificates: readonly CertificateRecord[]) => ({
  certificates,
  mxHosts: certificates.map(({ id }, index) => ({
    host: name(`mx${index}.example`),
    account: "default",
    certificateId: id,
    domainCount: 1,
  })),
});

const SCHEDULE_SCENARIOS: Readonly<
  Record<string, () => Promise<readonly [readonly number[], readonly number[]]>>
> = {
  CertificateExpiring: async () => {
    // One expired long ago and is forgotten; the others come to 14 days after 2.5 hours, and to 7 after 5.5.
    const stored = served(certificate(1, -30), certificate(2, 14 + 2.5 / 24), certificate(3, 7 + 5.5 / 24));
    const data = await scheduleData("expiry", 10, stored);
    return [ringingHours(alarmOf("CertificateExpiring"), data, 10), [3, 6]];
  },
  CertificateExpired: async () => {
    const data = await scheduleData("expiry", 6, served(certificate(1, 2.5 / 24)));
    return [ringingHours(alarmOf("CertificateExpired"), data, 6), [3, 4, 5]];
  },
  ScheduleMemory: async () => {
    const light = await scheduleData("backup", 2);
    expect(ringingHours(alarmOf("ScheduleMemory"), light, 2)).toEqual([]);
    return [
      ringingHours(alarmOf("ScheduleMemory"), await scheduleData("backup", 2, { peakMemory: HEAVY }), 2),
      [0, 1],
    ];
  },
  CleanUpHeldUp: async () => {
    const data = await scheduleData("clean-up", 1, { unreadable: [item("a")] });
    return [ringingHours(alarmOf("CleanUpHeldUp"), data, 1), [0]];
  },
};

/** Alarms on metrics of AWS, whose emitters are not here: a value that must ring, and one that must not. */
const AWS_SCENARIOS: Readonly<Record<string, { readonly bad: number; readonly good: number }>> = {
  NoEdge: { bad: 0, good: 1 },
  EdgeUnhealthy: { bad: 1, good: 0 },
  ScheduleFails: { bad: 1, good: 0 },
  ScheduleSilent: { bad: 0, good: 3 },
  // Of 300,000 ms.
  ScheduleSlow: { bad: 241_000, good: 30_000 },
  ApiErrors: { bad: 5, good: 4 },
  ApiThrottled: { bad: 1, good: 0 },
  TableReadsThrottled: { bad: 10, good: 9 },
  TableWritesThrottled: { bad: 10, good: 9 },
  TableConflicts: { bad: 300, good: 299 },
};

const alarmOf = (alarmName: string): Alarm =>
  onlyOne(stack, "cloudwatch/metricAlarm:MetricAlarm", named(alarmName)).inputs as unknown as Alarm;

describe.skipIf(!inject("isSstUnpacked"))("an alarm of a synthesised stage", () => {
  beforeAll(async () => {
    stack = await synthesise({ stage: "production", environment: { POSTERN_SMTP_NAME: "mx.example.net" } });
  });

  it.each(
    Object.entries(EDGE_SCENARIOS).flatMap(([alarm, all]) => all.map((scenario) => ({ alarm, ...scenario }))),
  )(
    "$alarm rings after minutes $rings of what edges write themselves",
    ({ alarm, minutes, edges, rings: expected }) => {
      expect(ringing(alarmOf(alarm), minutes, edges)).toEqual(expected);
    },
  );

  it.each(Object.entries(SCHEDULE_SCENARIOS))(
    "%s rings in the hours of what the schedule writes itself",
    async (_, scenario) => {
      const [rung, expected] = await scenario();
      expect(rung).toEqual(expected);
    },
  );

  it.each(Object.entries(AWS_SCENARIOS))("%s is raised at %j of its metric", (alarm, { bad, good }) => {
    const inputs = alarmOf(alarm);
    const { namespace, metricName, dimensions = {}, period, evaluationPeriods } = inputs;
    const everyPeriod = (value: number): readonly Datum[] =>
      from(0, evaluationPeriods - 1).map((index) => ({
        namespace,
        name: metricName,
        dimensions,
        atMs: START + index * period * 1000,
        value,
      }));
    const end = START + evaluationPeriods * period * 1000;
    expect(rings(inputs, everyPeriod(bad), end)).toBe(true);
    expect(rings(inputs, everyPeriod(good), end)).toBe(false);
  });

  it("is tried here, whichever it is", () => {
    const tried = [EDGE_SCENARIOS, SCHEDULE_SCENARIOS, AWS_SCENARIOS].flatMap((each) => Object.keys(each));
    const alarms = allOf(stack, "cloudwatch/metricAlarm:MetricAlarm").map(({ name: alarm }) => alarm);
    expect(tried.toSorted()).toEqual(alarms.toSorted());
  });
});
