import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { EdgeId } from "../core/name/ids.ts";
import { createSelfSigned } from "../core/x509/self-signed.ts";
import { createDeliveryRouter } from "../core/delivery/delivery-router.ts";
import type { EdgeReport } from "../core/edge-report/edge-reports.ts";
import { NotFound, Unavailable } from "../core/errors.ts";
import { proxyV2 } from "../test/support/proxy-headers.ts";
import { certificateRecord } from "../test/support/records.ts";
import { contents, domainAtLevel, levelEntry, ScriptedStore } from "../test/support/settings-feed.ts";
import { waitUntil } from "../test/support/peers/wait-until.ts";
import { embeddedMetrics } from "../test/support/cloudwatch.ts";
import { SmtpClient } from "../test/support/smtp-client.ts";
import { parseConfig } from "./config/config.ts";
import { startEdge } from "./edge/edge.ts";
import type { LogEvent } from "../core/log-event.ts";
import { StartFailure } from "./process/start-failure.ts";
import { startWorker, type Worker } from "./worker.ts";

const EDGE_ID = `edge_${"0".repeat(26)}` as EdgeId;

let worker: Worker | null = null;
afterEach(async () => {
  await worker?.drain();
  await worker?.stop();
  worker = null;
});

async function start(store: ScriptedStore, env: Readonly<Record<string, string>> = {}) {
  const reports: (EdgeReport | EdgeId)[] = [];
  const logged: LogEvent[] = [];
  const metrics: string[] = [];
  const drainedFor: (number | undefined)[] = [];
  const certificate = await createSelfSigned({ names: ["gate.example"] }, { nowMs: Date.now() });
  const ports = { SMTP_PORT: "0", HEALTH_PORT: "0", SETTINGS_POLL_INTERVAL_MS: "50" };
  const started = await startWorker({
    config: parseConfig({ ...ports, ...env }, { cwd: "/", hostName: "gate.example" }),
    store,
    vault: { get: () => Promise.reject(new NotFound("nothing here")) },
    edgeReports: {
      report: async (report) => void reports.push(report),
      remove: async (id) => void reports.push(id),
    },
    edgeId: EDGE_ID,
    release: "1.2.3",
    delivery: createDeliveryRouter({}),
    chainVerifier: null,
    defaultCertificate: certificate.material,
    publicRoots: [],
    clock: { now: () => Date.now() },
    log: (event) => void logged.push(event),
    writeMetrics: (line) => void metrics.push(line),
    startEdge: async (options) => {
      const edge = await startEdge(options);
      const drain = edge.drain.bind(edge);
      return Object.assign(edge, {
        drain: (graceMs?: number) => {
          drainedFor.push(graceMs);
          return drain(graceMs);
        },
      });
    },
  });
  worker = started;
  const smtpPort = started.edge.listeners[0]?.port ?? 0;
  const health = `http://127.0.0.1:${started.healthPort}`;
  return { worker: started, smtpPort, health, reports, logged, metrics, drainedFor };
}

const storeAt = (revision: number): ScriptedStore => {
  const store = new ScriptedStore();
  store.contents = contents(revision, [domainAtLevel("example.com", "require", revision)]);
  store.head = revision;
  return store;
};

const until = <T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> =>
  waitUntil(ask, { what });

async function answerToPlaintext(port: number): Promise<string> {
  const client = await SmtpClient.connect(port);
  const greeting = await client.reply();
  if (!greeting.startsWith("220")) return greeting;
  await client.say("EHLO client.example");
  const answer = await client.say("MAIL FROM:<a@sender.example>");
  client.close();
  return answer;
}

describe("a worker without settings", () => {
  it("answers 421, is alive and not ready, and serves as soon as the store answers", async () => {
    const store = storeAt(3);
    const good = store.contents;
    store.contents = new Unavailable("no answer");
    const { smtpPort, health, reports } = await start(store);
    expect(await answerToPlaintext(smtpPort)).toMatch(/^421 4\.3\.2/);
    expect((await fetch(`${health}/live`)).status).toBe(200);
    expect((await fetch(`${health}/ready`)).status).toBe(503);
    await until("a report without a revision", () => (reports.length > 0 ? true : undefined));
    expect(reports[0]).toMatchObject({ id: EDGE_ID, release: "1.2.3", revision: null, stale: true });
    store.contents = good;
    await worker?.firstSnapshot;
    expect(await answerToPlaintext(smtpPort)).toMatch(/^530 5\.7\.0/);
    expect((await fetch(`${health}/ready`)).status).toBe(200);
  });
});

describe("a worker with settings", () => {
  it("follows the store, and reports the revision with what it listens on and serves", async () => {
    const store = storeAt(3);
    const { smtpPort, reports, worker: started } = await start(store);
    await started.firstSnapshot;
    expect(await answerToPlaintext(smtpPort)).toMatch(/^530/);
    store.log = [levelEntry(4, "example.com", "accept")];
    store.head = 4;
    const report = await until("a report of revision 4", () =>
      reports.find((each): each is EdgeReport => typeof each === "object" && each.revision === 4),
    );
    expect(report).toMatchObject({ stale: false, chainVerifier: false, unreadable: [] });
    expect(report.listeners).toMatchObject([{ name: "smtp", port: smtpPort, domain: null }]);
    expect(report.certificates).toMatchObject([{ certificateId: null, problem: null }]);
    expect(await answerToPlaintext(smtpPort)).toMatch(/^250/);
  });

  it("reports a certificate that never loaded, with the reason, in its reports, the log and /metrics", async () => {
    const store = storeAt(3);
    const lost = certificateRecord();
    store.contents = { ...contents(3, []), certificates: [lost] };
    const { reports, logged, health } = await start(store);
    const problem = {
      certificateId: lost.id,
      version: lost.material?.version,
      reason: "key-missing",
      serves: null,
    };
    const report = await until("a report of the problem", () =>
      reports.find(
        (each): each is EdgeReport => typeof each === "object" && each.certificateProblems.length > 0,
      ),
    );
    expect(report.certificateProblems).toMatchObject([problem]);
    expect(report.certificates).toMatchObject([{ certificateId: null }]);
    expect(logged).toContain("certificate-problem");
    const page = await (await fetch(`${health}/metrics`)).text();
    expect(page).toContain("postern_certificates_not_loaded 1");
    expect(page).toContain('postern_certificate_problems_total{reason="key-missing"} 1');
  });

  it("keeps enforcing while the store is away, and says so on /ready, /metrics, in the log and its reports", async () => {
    const store = storeAt(3);
    const { smtpPort, health, reports, logged, worker: started } = await start(store);
    await started.firstSnapshot;
    store.log = new Unavailable("no answer");
    await until("a stale report", () =>
      reports.find((each) => typeof each === "object" && each.stale && each.revision === 3),
    );
    expect(await answerToPlaintext(smtpPort)).toMatch(/^530/);
    expect(await (await fetch(`${health}/ready`)).json()).toMatchObject({ ready: true, revision: 3 });
    expect(await (await fetch(`${health}/metrics`)).text()).toMatch(
      /^postern_settings_stale_seconds 0*[1-9.]/m,
    );
    expect(logged.filter((event) => event === "settings-stale").length).toBeGreaterThan(0);
  });

  it("drains: not ready, no new connections, 421 to idle sessions; then removes its report", async () => {
    const { smtpPort, health, reports, worker: started } = await start(storeAt(3));
    await started.firstSnapshot;
    const idle = await SmtpClient.connect(smtpPort);
    await idle.reply();
    const drained = started.drain();
    expect((await fetch(`${health}/ready`)).status).toBe(503);
    expect(await idle.reply()).toMatch(/^421 4\.3\.2/);
    await drained;
    await expect(SmtpClient.connect(smtpPort)).rejects.toThrow(/ECONNREFUSED/);
    await started.stop();
    worker = null;
    expect(reports.at(-1)).toBe(EDGE_ID);
    await expect(fetch(`${health}/live`)).rejects.toThrow(TypeError);
  });

  it("accepts and serves on after SIGTERM, not ready, and says 421 only when that time is over", async () => {
    const limits = { LIMITS: '{"acceptAfterTermMs":600000,"drainMs":700000}' };
    const { smtpPort, health, worker: started } = await start(storeAt(3), limits);
    await started.firstSnapshot;
    const idle = await SmtpClient.connect(smtpPort);
    await idle.reply();
    const over = new AbortController();
    const drained = started.drain(over.signal);
    expect((await fetch(`${health}/ready`)).status).toBe(503);
    expect(await answerToPlaintext(smtpPort)).toMatch(/^530 5\.7\.0/);
    expect(await idle.say("NOOP")).toMatch(/^250 /);
    over.abort();
    expect(await idle.reply()).toMatch(/^421 4\.3\.2/);
    await drained;
    await expect(SmtpClient.connect(smtpPort)).rejects.toThrow(/ECONNREFUSED/);
  });

  it("stops accepting by itself when the time after SIGTERM is over", async () => {
    const limits = { LIMITS: '{"acceptAfterTermMs":20,"drainMs":700000}' };
    const { smtpPort, drainedFor, worker: started } = await start(storeAt(3), limits);
    await started.firstSnapshot;
    const idle = await SmtpClient.connect(smtpPort);
    await idle.reply();
    const drained = started.drain(new AbortController().signal);
    expect(await idle.reply()).toMatch(/^421 4\.3\.2/);
    await drained;
    // It counts towards drainMs: both together must fit into what the platform gives. A timer may be 1 ms
    // early.
    expect(drainedFor).toHaveLength(1);
    expect(drainedFor[0]).toBeLessThan(700_000 - 15);
  });

  it("counts and logs a connection to its health port that a malformed PROXY header ends, at the limit's time too", async () => {
    const { health, logged } = await start(storeAt(3), { LIMITS: '{"proxyHeaderMs":20}' });
    const endedAfter = async (bytes: Buffer): Promise<void> => {
      const socket = connect(Number(new URL(health).port), "127.0.0.1", () => void socket.write(bytes));
      await once(socket.resume(), "close");
    };
    await endedAfter(proxyV2({ version: 3 }));
    await endedAfter(proxyV2({}).subarray(0, 3));
    const page = await (await fetch(`${health}/metrics`)).text();
    expect(page).toContain('postern_health_connections_refused_total{reason="proxy-malformed"} 1\n');
    expect(page).toContain('postern_health_connections_refused_total{reason="proxy-timeout"} 1\n');
    expect(logged.filter((event) => event === "health-connection-refused")).toHaveLength(2);
  });

  it("writes what it counted to METRICS_EMF's namespace, the last minute when it stops, and nothing without one", async () => {
    const store = storeAt(3);
    const good = store.contents;
    store.contents = new Unavailable("no answer");
    const env = { METRICS_EMF: "Postern/test", LOG_LEVEL: "silent" };
    const { smtpPort, metrics, worker: started } = await start(store, env);
    expect(await answerToPlaintext(smtpPort)).toMatch(/^421/);
    store.contents = good;
    await started.firstSnapshot;
    await answerToPlaintext(smtpPort);
    await started.drain();
    await started.stop();
    const data = metrics.flatMap((line) => embeddedMetrics(line, Date.now()));
    const values = Object.fromEntries(data.map(({ name, value }) => [name, value]));
    expect(values).toMatchObject({
      ConnectionsRefused: 1,
      "ConnectionsRefused_no-snapshot": 1,
      Sessions: 1,
      ChainVerifierMissing: 1,
      ConnectionsOpen: 0,
      DeliveryFailingSeconds: 0,
    });
    expect(new Set(data.map(({ namespace }) => namespace))).toEqual(new Set(["Postern/test"]));
    expect(JSON.parse(metrics[0] ?? "")).toMatchObject({ edge: EDGE_ID });
    const silent = await start(storeAt(3));
    await silent.worker.drain();
    await silent.worker.stop();
    worker = null;
    expect(silent.metrics).toEqual([]);
  });

  it("counts sessions and verdicts on /metrics", async () => {
    const { smtpPort, health, worker: started } = await start(storeAt(3));
    await started.firstSnapshot;
    await answerToPlaintext(smtpPort);
    const page = await until("the session is counted", async () => {
      const text = await (await fetch(`${health}/metrics`)).text();
      return text.includes("postern_sessions_total{") ? text : undefined;
    });
    expect(page).toContain('postern_connections_total{listener="smtp"} 1');
    expect(page).toContain("postern_settings_revision 3\n");
    expect(page).toContain("postern_settings_domains 1\n");
    expect(page).toContain("postern_ready 1\n");
    expect(page).toContain(`postern_build_info{release="1.2.3",node="${process.version}"} 1`);
  });
});

describe("another default certificate", () => {
  const served = async (port: number): Promise<string> => {
    const client = await SmtpClient.connect(port);
    await client.reply();
    await client.say("EHLO client.example");
    const secure = await client.startTls({ servername: "gate.example" });
    const { fingerprint256 } = secure.getPeerCertificate();
    client.close();
    return fingerprint256;
  };

  it("is served from the next handshake on; one that does not load changes nothing", async () => {
    const { smtpPort, health, worker: started } = await start(storeAt(3));
    await started.firstSnapshot;
    const before = await served(smtpPort);
    const soon = { names: ["gate.example"], days: 7 };
    const { material } = await createSelfSigned(soon, { nowMs: Date.now() });
    started.edge.replaceDefaultCertificate(material);
    const after = await served(smtpPort);
    expect(after).not.toBe(before);
    const end = new X509Certificate(material.keys[0]?.certificateChainPem ?? "").validToDate.getTime() / 1000;
    const page = await (await fetch(`${health}/metrics`)).text();
    expect(page).toContain(`\npostern_default_certificate_not_after_seconds ${String(end)}\n`);
    const broken = material.keys.map((key) => ({ ...key, privateKeyPem: "none" }));
    expect(() => started.edge.replaceDefaultCertificate({ keys: broken })).toThrow(Error);
    expect(await served(smtpPort)).toBe(after);
  });
});

describe("a worker whose health port is taken", () => {
  it("does not start, and names the variable", async () => {
    const { worker: first } = await start(storeAt(3));
    const again = start(storeAt(3), { HEALTH_PORT: String(first.healthPort) });
    const error = await again.catch((thrown: unknown) => thrown);
    worker = first;
    expect(error).toBeInstanceOf(StartFailure);
    expect(String(error)).toContain(`HEALTH_PORT: 127.0.0.1:${first.healthPort} is in use`);
  });
});
