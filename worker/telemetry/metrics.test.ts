import { describe, expect, it } from "vitest";
import { certificateId } from "../../test/support/records.ts";
import { createMetricRegistry, MAX_SERIES } from "./metric-registry.ts";
import { METRICS } from "./metric-table.ts";
import { countEdgeEvent, countPoll, createMetrics } from "./metrics.ts";
import type { EdgeEvent } from "../event/edge-event.ts";

const linesOf = (page: string): string[] =>
  page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

const deliveryFailure = (): Extract<EdgeEvent, { kind: "delivery-failed" }> => ({
  kind: "delivery-failed",
  listener: "smtp",
  session: "s1",
  domains: [],
  route: "smtp",
  nextHop: "smtp://hop.example:587?tls=require",
  stage: "message",
  outcome: "defer",
  cause: "timeout",
  phase: "dot",
  reply: "451 4.4.2",
  nextHopReply: null,
  detail: "no reply in time",
});

const TABLE = {
  hits: { name: "hits_total", kind: "counter", labels: ["who"], help: "Hits." },
  plain: { name: "plain_total", kind: "counter", labels: [], help: "Without labels." },
  level: { name: "level", kind: "gauge", labels: [], help: "A level." },
  took: { name: "took_seconds", kind: "histogram", labels: ["who"], help: "Time.", buckets: [0.1, 1] },
} as const;

describe("the metric registry", () => {
  it("shows a counter without labels from the start, and a gauge only while it is set", () => {
    const registry = createMetricRegistry(TABLE);
    expect(linesOf(registry.render())).toEqual(["plain_total 0"]);
    registry.set("level", {}, 7);
    expect(linesOf(registry.render())).toEqual(["plain_total 0", "level 7"]);
    registry.set("level", {}, null);
    expect(linesOf(registry.render())).toEqual(["plain_total 0"]);
  });

  it("writes HELP and TYPE once for each metric and ends with a newline", () => {
    const registry = createMetricRegistry(TABLE);
    registry.add("hits", { who: "a" });
    registry.add("hits", { who: "b" }, 3);
    const page = registry.render();
    expect(page).toContain(
      '# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total{who="a"} 1\nhits_total{who="b"} 3\n',
    );
    expect(page.endsWith("\n")).toBe(true);
  });

  it("writes histograms with cumulative buckets, sum and count", () => {
    const registry = createMetricRegistry(TABLE);
    for (const value of [0.05, 0.1, 0.5, 4]) registry.observe("took", { who: "a" }, value);
    expect(linesOf(registry.render()).slice(1)).toEqual([
      'took_seconds_bucket{who="a",le="0.1"} 2',
      'took_seconds_bucket{who="a",le="1"} 3',
      'took_seconds_bucket{who="a",le="+Inf"} 4',
      'took_seconds_sum{who="a"} 4.65',
      'took_seconds_count{who="a"} 4',
    ]);
  });

  it("escapes what would break out of a label", () => {
    const registry = createMetricRegistry(TABLE);
    registry.add("hits", { who: 'a"} 1\nevil\\' });
    expect(linesOf(registry.render())).toContain('hits_total{who="a\\"} 1\\nevil\\\\"} 1');
  });

  it("counts everything past the cap under one series, whatever a client invents", () => {
    const registry = createMetricRegistry(TABLE);
    for (let index = 0; index < MAX_SERIES + 100; index += 1) registry.add("hits", { who: `n${index}` });
    registry.add("hits", { who: "n0" });
    const hits = linesOf(registry.render()).filter((line) => line.startsWith("hits_total"));
    expect(hits).toHaveLength(MAX_SERIES + 1);
    expect(hits).toContain('hits_total{who="other"} 100');
    expect(hits).toContain('hits_total{who="n0"} 2');
  });
});

describe("the worker's metrics", () => {
  it("have names and labels that Prometheus takes, each name once", () => {
    const rows = Object.values(METRICS);
    expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
    for (const row of rows) {
      expect(row.name).toMatch(/^(postern|process)_[a-z_]+$/);
      expect(row.name.endsWith("_total")).toBe(row.kind === "counter");
      for (const label of row.labels) expect(label).toMatch(/^[a-z_]+$/);
    }
  });

  const listener = "smtp";
  it.each<{ event: EdgeEvent; lines: string[] }>([
    {
      event: { kind: "connection-accepted", listener },
      lines: ['postern_connections_total{listener="smtp"} 1'],
    },
    { event: { kind: "health-check", listener }, lines: ['postern_health_checks_total{listener="smtp"} 1'] },
    {
      event: { kind: "connection-refused", listener, why: "no-snapshot" },
      lines: ['postern_connections_refused_total{listener="smtp",reason="no-snapshot"} 1'],
    },
    {
      event: { kind: "limit-hit", listener, limit: "maxErrors" },
      lines: ['postern_limit_hits_total{listener="smtp",limit="maxErrors"} 1'],
    },
    {
      event: {
        kind: "handshake",
        listener,
        protocol: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        milliseconds: 20,
        asked: true,
        presented: false,
      },
      lines: [
        'postern_tls_handshakes_total{listener="smtp",protocol="TLSv1.3",cipher="TLS_AES_128_GCM_SHA256",client_certificate="asked"} 1',
        'postern_tls_handshake_seconds_sum{listener="smtp"} 0.02',
      ],
    },
    {
      event: {
        kind: "handshake-failed",
        listener,
        session: "s1",
        why: "no-shared-cipher",
        sni: "mx.example.com",
        offered: null,
        code: "X",
      },
      lines: [
        'postern_tls_handshake_failures_total{listener="smtp",reason="no-shared-cipher",sni="mx.example.com",offered=""} 1',
      ],
    },
    {
      event: {
        kind: "verdict",
        listener,
        outcome: "reject",
        reason: "tls-required",
        circumstance: null,
        clientCertificate: "not-requested",
      },
      lines: [
        'postern_recipients_total{listener="smtp",outcome="reject",reason="tls-required",circumstance="",client_certificate="not-requested"} 1',
      ],
    },
    {
      event: {
        kind: "message-accepted",
        listener,
        route: "maildir",
        nextHop: "maildir:/mail",
        bytes: 10,
        recipients: 2,
        milliseconds: 5,
      },
      lines: [
        'postern_messages_accepted_total{listener="smtp",route="maildir"} 1',
        'postern_message_bytes_total{listener="smtp",route="maildir"} 10',
        'postern_message_recipients_total{listener="smtp",route="maildir"} 2',
        'postern_message_seconds_count{route="maildir"} 1',
      ],
    },
    {
      event: { kind: "message-refused", listener, reply: "552 5.3.4" },
      lines: ['postern_messages_refused_total{listener="smtp",reply="552 5.3.4"} 1'],
    },
    {
      event: { kind: "message-aborted", listener, session: "s1" },
      lines: ['postern_messages_aborted_total{listener="smtp"} 1'],
    },
    {
      event: deliveryFailure(),
      lines: [
        'postern_delivery_failures_total{listener="smtp",route="smtp",stage="message",outcome="defer",cause="timeout",phase="dot"} 1',
      ],
    },
    {
      event: { kind: "context", outcome: "built", cached: 3 },
      lines: ['postern_tls_contexts_total{outcome="built"} 1'],
    },
    {
      event: {
        kind: "certificate-problem",
        certificateId: certificateId(1),
        version: 1,
        reason: "key-missing",
        problem: "x",
        serves: null,
      },
      lines: [`postern_certificate_problems_total{reason="key-missing"} 1`],
    },
    {
      event: { kind: "internal-error", where: "rcpt", error: new Error("x") },
      lines: ["postern_internal_errors_total 1"],
    },
  ])("count $event.kind", ({ event, lines }) => {
    const metrics = createMetrics();
    countEdgeEvent(metrics, event);
    const page = linesOf(metrics.render());
    for (const line of lines) expect(page).toContain(line);
  });

  it("count polls by what they found", () => {
    const metrics = createMetrics();
    countPoll(metrics, { kind: "unchanged", revision: 3 });
    countPoll(metrics, { kind: "failed", failures: 1, error: new Error("x") });
    expect(linesOf(metrics.render())).toEqual(
      expect.arrayContaining([
        'postern_settings_polls_total{result="unchanged"} 1',
        'postern_settings_polls_total{result="failed"} 1',
      ]),
    );
  });
});
