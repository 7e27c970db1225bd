import type { PollEvent } from "../../worker/event/poll-event.ts";
import { describe, expect, it } from "vitest";
import type { DeliveryRoute } from "../../core/delivery/delivery.ts";
import { name } from "../support/records.ts";
import type { Circumstance, ClientCertificateResult } from "../../core/policy/verdict.ts";
import type { HealthRefusal } from "../../worker/health/take-off-proxy-headers.ts";
import { createEdgeLog } from "../../worker/telemetry/edge-log.ts";
import type { MetricRow } from "../../worker/telemetry/metric-registry.ts";
import { METRICS } from "../../worker/telemetry/metric-table.ts";
import { ACCEPT_REFUSALS, HANDSHAKE_FAILURES } from "../../worker/event/edge-event.ts";
import { SessionLog } from "../../worker/session/session-log.ts";
import { SESSION_ENDS } from "../../worker/event/session-record.ts";
import type { ReportEvent } from "../../worker/settings/edge-reporter.ts";
import { LOG_EVENTS } from "../../core/log-event.ts";
import { readText, sourceFiles } from "./source-files.ts";

const PAGE = readText("docs/logs-and-metrics.md");

/** Cells of the table below a header row. */
function tableUnder(header: string): readonly (readonly string[])[] {
  const [, after = ""] = PAGE.split(`\n${header}\n`);
  const [table = ""] = after.split("\n\n");
  const [, ...rows] = table.trimEnd().split("\n");
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const FIELDS = tableUnder("| field | meaning |");
const LABELS = tableUnder("| label | values |");
const rowOf = (table: typeof FIELDS, first: string): string =>
  table.find(([cell]) => cell === `\`${first}\``)?.[1] ?? "";

/** Members of an object and of those in it; a list stands for its items. */
function pathsOf(value: object): string[] {
  return Object.entries(value as Readonly<Record<string, unknown>>).flatMap(([key, member]) => {
    const inner: unknown = Array.isArray(member) ? member[0] : member;
    if (typeof inner !== "object" || inner === null) return [key];
    return [key, ...pathsOf(inner).map((path) => `${key}.${path}`)];
  });
}

/** The line of a session in which there is everything that can be. */
function fullLine(): object {
  const session = new SessionLog({
    id: "1",
    listener: "smtp",
    client: "192.0.2.1",
    clientPort: 1,
    revision: 1,
    startedAtMs: 0,
  });
  session.tls = {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    sni: name("mx.example"),
    asked: true,
    peer: {
      chain: [],
      spkiPin: "",
      notBefore: 0,
      notAfter: 0,
      dnsNames: [],
      fingerprintSha256: "",
      subjectName: "",
      handshake: { trustHash: null, ok: false, code: null },
    },
  };
  session.recipient(
    "example.org",
    {
      outcome: "accept",
      reason: null,
      circumstance: null,
      exception: null,
      clientCertificate: "none",
      detail: null,
    },
    "250 2.1.5",
  );
  session.end("quit");
  let line: object = {};
  const log = createEdgeLog((_, fields = {}) => (line = fields), { oneIn: 2 });
  for (const _ of [1, 2]) log({ kind: "session-ended", record: session.record(1), silent: false });
  return line;
}

/** All values of a closed type: another one, or one less, does not compile. */
const all = <T extends string>(values: Readonly<Record<T, true>>): string[] => Object.keys(values);

const CIRCUMSTANCES = all<Circumstance>({
  stale: true,
  "tls-not-possible": true,
  "not-asked": true,
  "not-judged": true,
});
const RESULTS = all<ClientCertificateResult>({
  "not-requested": true,
  none: true,
  verified: true,
  untrusted: true,
  purpose: true,
  name: true,
  "not-judged": true,
});
const ROUTES = all<DeliveryRoute["kind"]>({ smtp: true, smtps: true, lmtp: true, maildir: true, s3: true });
const HEALTH_REFUSALS = all<HealthRefusal>({
  "proxy-malformed": true,
  "proxy-timeout": true,
  "proxy-closed": true,
});
const POLLS_AND_REPORTS = all<PollEvent["kind"] | ReportEvent["kind"]>({
  unchanged: true,
  applied: true,
  loaded: true,
  gap: true,
  "from-backup": true,
  refused: true,
  "trust-contents": true,
  failed: true,
  reported: true,
});

describe("docs/logs-and-metrics.md", () => {
  it("has a row for each field of a session's line, and no other", () => {
    expect(FIELDS.map(([field = ""]) => field.replaceAll("`", "")).toSorted()).toEqual(
      pathsOf(fullLine()).toSorted(),
    );
    expect(FIELDS.filter(([, meaning = ""]) => meaning.length < 5)).toEqual([]);
  });

  it("has the row of each metric, and no other", () => {
    const rows = Object.values<MetricRow>(METRICS).map(({ name: metric, kind, labels, help }) => [
      `\`${metric}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(" "),
      help,
    ]);
    expect(tableUnder("| metric | kind | labels | meaning |")).toEqual(rows);
  });

  it("has a row for each label, and no other", () => {
    const labels = new Set(Object.values<MetricRow>(METRICS).flatMap((metric) => metric.labels));
    expect(LABELS.map(([label]) => label)).toEqual([...labels].map((label) => `\`${label}\``));
  });

  it.each([
    ["field", "end", SESSION_ENDS],
    ["field", "recipients.circumstance", CIRCUMSTANCES],
    ["field", "recipients.clientCertificate", RESULTS],
    ["label", "reason", [...ACCEPT_REFUSALS, ...HANDSHAKE_FAILURES, ...HEALTH_REFUSALS]],
    ["label", "result", POLLS_AND_REPORTS],
    ["label", "route", ROUTES],
  ] as const)("names every value of the %s %s", (kind, first, values) => {
    const row = rowOf(kind === "field" ? FIELDS : LABELS, first);
    expect(values.filter((value) => !row.includes(`\`${value}\``))).toEqual([]);
  });
});

describe("log events", () => {
  const rows = tableUnder("| event | level | meaning |");

  it("are the rows of docs/logs-and-metrics.md, in order, with their levels and a meaning", () => {
    expect(rows.map(([event, level]) => [event, level])).toEqual(
      Object.entries(LOG_EVENTS).map(([event, level]) => [`\`${event}\``, level]),
    );
    expect(rows.filter(([, , meaning = ""]) => !/^[a-z].{10,}/u.test(meaning))).toEqual([]);
  });

  it("are each logged: remove an event that no program logs from core/log-event.ts", () => {
    const code = sourceFiles("{adapters,functions,worker,local}/**/*.ts")
      .filter(({ path }) => !path.endsWith(".test.ts"))
      .map(({ text }) => text)
      .join("\n");
    expect(Object.keys(LOG_EVENTS).filter((event) => !code.includes(`"${event}"`))).toEqual([]);
  });
});
