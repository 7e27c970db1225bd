import type { EdgeListener } from "./config/listener-config.ts";
import type { CertificateMaterial } from "../core/x509/serving-material.ts";
import { setTimeout as sleepFor } from "node:timers/promises";
import type { EdgeId } from "../core/name/ids.ts";
import type { KeyVault } from "../core/store/key-vault.ts";
import type { Clock } from "../core/clock.ts";
import { mailboxText } from "../core/name/mailbox.ts";
import { isNextHop } from "../core/smtp/recipient.ts";
import type { DeliveryRoute, DeliveryTarget } from "../core/delivery/delivery.ts";
import { describeRoute, parseApiDelivery } from "../core/delivery/route.ts";
import {
  type EdgeReport,
  type EdgeReports,
  REPORT_INTERVAL_MS,
  boundedReport,
} from "../core/edge-report/edge-reports.ts";
import type { ClientChainVerifier } from "../core/policy/chain-verifier.ts";
import { createTrustResolver } from "../core/policy/trust.ts";
import type { DomainRecord } from "../core/record/domain.ts";
import type { Store } from "../core/store/store.ts";
import type { Config } from "./config/config.ts";
import type { Edge, EdgeOptions } from "./edge/edge.ts";
import { createCloudWatchMetrics } from "./telemetry/cloudwatch-metrics.ts";
import { createDeliveryHealth } from "./telemetry/delivery-health.ts";
import { createEdgeLog } from "./telemetry/edge-log.ts";
import { type HealthServer, type HealthServerOptions, startHealthServer } from "./health/health-server.ts";
import { type Readiness, readinessOf } from "./telemetry/readiness.ts";
import type { HealthRefusal } from "./health/take-off-proxy-headers.ts";
import type { Limits } from "./config/limits.ts";
import type { Log } from "../core/log-event.ts";
import { METRICS_INTERVAL_MS, publishMetrics } from "./telemetry/metric-publisher.ts";
import { METRICS } from "./telemetry/metric-table.ts";
import {
  type GaugeSources,
  type Metrics,
  countEdgeEvent,
  countPoll,
  createMetrics,
  setGauges,
} from "./telemetry/metrics.ts";
import type { EdgeEvent, EdgeEventSink } from "./event/edge-event.ts";
import { createEdgeReporter, type EdgeReporter, type ReportEvent } from "./settings/edge-reporter.ts";
import type { BackupSource } from "./settings/poller.ts";
import { createSettingsFollower, type SettingsFollower } from "./settings/current-settings.ts";
import { bindFailure } from "./process/start-failure.ts";

export interface WorkerOptions {
  readonly config: Config;
  readonly store: Pick<Store, "changesAfter" | "loadAll">;
  readonly vault: Pick<KeyVault, "get">;
  /** For a start without the store; null or left out = there is none. */
  readonly backup?: BackupSource | null;
  readonly edgeReports: Pick<EdgeReports, "report" | "remove">;
  readonly edgeId: EdgeId;
  readonly release: string;
  readonly delivery: DeliveryTarget;
  /** null = absent, which /ready and the reports show. */
  readonly chainVerifier: ClientChainVerifier | null;
  readonly defaultCertificate: CertificateMaterial;
  /** PEM of what `publicRoots: true` stands for. */
  readonly publicRoots: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Takes lines of METRICS_EMF, each with its newline. */
  readonly writeMetrics: (line: string) => void;
  readonly startEdge: (options: EdgeOptions) => Promise<Edge>;
}

/** A running worker: the SMTP edge, the settings it follows, its reports and its health server. */
export interface Worker {
  readonly edge: Edge;
  /** As bound. */
  readonly healthPort: number;
  readiness(): Readiness;
  /** Resolves when settings are in force for the first time. */
  readonly firstSnapshot: Promise<void>;
  /**
   * Is not ready from now on, accepts connections for `acceptAfterTermMs` or until `hurry` is aborted, then
   * stops accepting. Resolves when no transaction is in flight any more, or `drainMs` is over. Later calls
   * return the first one's promise.
   *
   * @param hurry absent = connections are accepted no more.
   */
  drain(hurry?: AbortSignal): Promise<void>;
  /** After `drain`: ends polling, takes the report away, closes next hops and the health server. */
  stop(): Promise<void>;
}

/**
 * Starts the worker. When this resolves everything is bound; settings come as soon as the store answers.
 *
 * @throws StartFailure naming the variable when an address cannot be bound.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { log, chainVerifier } = options;
  const metrics = createMetrics();
  const observer = createObserver(options, metrics);
  // Edge and reporter tell of the settings and of each other, so they come after them; what changes before is
  // in the first report.
  let edge: Edge | null = null;
  let reporter: EdgeReporter | null = null;
  let drained: Promise<void> | null = null;

  const settings = createSettingsFollower({
    store: options.store,
    vault: options.vault,
    backup: options.backup ?? null,
    intervalMs: options.config.pollIntervalMs,
    log,
    onPoll: (event) => {
      countPoll(metrics, event);
      if (event.kind === "unchanged") return;
      reporter?.changed();
      // Certificates of changed settings are loaded before a client asks for them.
      edge?.prepare().then(
        () => reporter?.changed(),
        (error: unknown) => log("internal-error", { where: "prepare", error }),
      );
    },
  });
  const started = await startEdgeNamed(options, settings, (event) => {
    observer.observe(event);
    if (changesReport(event)) reporter?.changed();
  });
  edge = started;
  const readiness = (): Readiness =>
    readinessOf({
      listeners: started.listeners.length,
      revision: settings.snapshot()?.revision ?? null,
      staleForMs: settings.staleForMs(),
      draining: drained !== null,
      chainVerifier: chainVerifier?.available ?? false,
    });
  const measured = (): Metrics => {
    const gauges = { settings, readiness: readiness(), edge: started, delivery: observer.deliveries() };
    return measure(options, metrics, gauges);
  };
  const page = (): string => measured().render();
  const health = await startHealth(options, metrics, { readiness, metrics: page }).catch(
    async (error: unknown) => {
      await started.drain(0);
      throw error;
    },
  );

  reporter = createReporter(options, () => reportOf(options, settings, started), metrics);
  const stopping = new AbortController();
  const loops = [
    settings.run(stopping.signal),
    reporter.run(stopping.signal),
    publishToCloudWatch(options, measured, stopping.signal),
  ];
  const drain = (hurry = AbortSignal.abort()): Promise<void> =>
    (drained ??= drainEdge(started, options.config.limits, hurry));
  const stop = async (): Promise<void> => {
    stopping.abort();
    await Promise.all(loops);
    await options.delivery.close();
    await health.close();
  };
  return { edge: started, healthPort: health.port, readiness, firstSnapshot: settings.first, drain, stop };
}

/** The time in which connections are accepted counts towards `drainMs`. */
async function drainEdge(
  edge: Edge,
  { acceptAfterTermMs, drainMs }: Limits,
  hurry: AbortSignal,
): Promise<void> {
  const over = performance.now() + drainMs;
  if (acceptAfterTermMs > 0) {
    // Rejects with the abort alone.
    await sleepFor(acceptAfterTermMs, undefined, { signal: hurry }).catch(() => undefined);
  }
  await edge.drain(Math.max(0, over - performance.now()));
}

/** Counts and logs the events of the edge. */
function createObserver({ config, log }: WorkerOptions, metrics: Metrics) {
  const health = createDeliveryHealth({ own: describeRoute(config.delivery), now: () => performance.now() });
  const logEdgeEvent = createEdgeLog(log, config.sessionLog);
  const observe: EdgeEventSink = (event) => {
    countEdgeEvent(metrics, event);
    health.note(event);
    logEdgeEvent(event);
  };
  return { observe, deliveries: () => health.state() };
}

/** The metrics with their gauges as of now. */
function measure(
  { release }: WorkerOptions,
  metrics: Metrics,
  { edge, ...gauges }: Pick<GaugeSources, "settings" | "readiness" | "delivery"> & { readonly edge: Edge },
): Metrics {
  setGauges(metrics, { release, ...gauges, edge: edge.stats() });
  return metrics;
}

/** Only where METRICS_EMF names a namespace. */
async function publishToCloudWatch(
  { config: { metricsNamespace: namespace }, edgeId, clock, writeMetrics }: WorkerOptions,
  measured: () => Metrics,
  signal: AbortSignal,
): Promise<void> {
  if (namespace === null) return;
  const linesAt = createCloudWatchMetrics({ table: METRICS, namespace, edgeId });
  await publishMetrics(
    {
      intervalMs: METRICS_INTERVAL_MS,
      lines: (nowMs) => linesAt(measured(), nowMs),
      write: writeMetrics,
      now: () => clock.now(),
      monotonicNow: () => performance.now(),
      sleep: (ms, stopped) => sleepFor(ms, undefined, { signal: stopped }),
    },
    signal,
  );
}

async function startEdgeNamed(
  options: WorkerOptions,
  settings: SettingsFollower,
  onEvent: EdgeEventSink,
): Promise<Edge> {
  const { config, clock, vault, delivery, chainVerifier } = options;
  try {
    return await options.startEdge({
      name: config.smtpName,
      listeners: config.listeners,
      limits: config.limits,
      snapshot: () => settings.snapshot(),
      serving: { ciphers: config.tlsCiphers, vault, defaultCertificate: options.defaultCertificate },
      judging: {
        trust: createTrustResolver(options.publicRoots),
        chainVerifier,
        staleForMs: () => settings.staleForMs(),
      },
      messages: { lineEnds: config.lineEnds, longLines: config.longLines },
      delivery: { target: delivery, routeOf: routesOf(config.delivery), postmaster: config.postmaster },
      clock,
      onEvent,
    });
  } catch (error) {
    throw edgeBindFailure(config.listeners, error);
  }
}

/** A domain's next hop is parsed once for each version of its record. */
function routesOf(ofEdge: DeliveryRoute): (domain: DomainRecord) => DeliveryRoute {
  const known = new WeakMap<object, DeliveryRoute>();
  return ({ delivery }) => {
    if (delivery === null) return ofEdge;
    const route = known.get(delivery) ?? parseApiDelivery(delivery);
    known.set(delivery, route);
    return route;
  };
}

/**
 * The first listener is that of SMTP_HOST and SMTP_PORT. Node's error carries the address, or the name it
 * looked up.
 */
function edgeBindFailure(listeners: readonly EdgeListener[], error: unknown): unknown {
  const told = new Map<string, unknown>(error instanceof Error ? Object.entries(error) : []);
  const [shared] = listeners;
  const atPort = listeners.filter(({ port }) => !told.has("port") || told.get("port") === port);
  // Port 0 is the port of many.
  const listener =
    atPort.find(({ host }) => host === told.get("address") || host === told.get("hostname")) ??
    atPort[0] ??
    shared;
  if (listener === undefined) return error;
  return bindFailure(
    listener === shared
      ? { ...listener, hostVariable: "SMTP_HOST", portVariable: "SMTP_PORT" }
      : { ...listener, hostVariable: "SMTP_LISTENERS", portVariable: "SMTP_LISTENERS" },
    error,
  );
}

async function startHealth(
  { config, log }: WorkerOptions,
  metrics: Metrics,
  pages: Pick<HealthServerOptions, "readiness" | "metrics">,
): Promise<HealthServer> {
  const { healthHost: host, healthPort: port, limits } = config;
  const onRefused = (why: HealthRefusal): void => {
    metrics.add("healthConnectionsRefused", { reason: why });
    log("health-connection-refused", { why });
  };
  try {
    return await startHealthServer({
      host,
      port,
      ...pages,
      proxyHeaderMs: limits.proxyHeaderMs,
      onRefused,
    });
  } catch (error) {
    const place = {
      host,
      port,
      hostVariable: config.healthHostVariable,
      portVariable: "HEALTH_PORT",
    } as const;
    throw bindFailure(place, error);
  }
}

const changesReport = (event: EdgeEvent): boolean =>
  event.kind === "certificate-problem" ||
  event.kind === "certificate-recovered" ||
  (event.kind === "context" && event.outcome !== "hit");

function reportOf(
  { edgeId, release, chainVerifier, config: { postmaster, delivery } }: WorkerOptions,
  settings: SettingsFollower,
  edge: Edge,
): EdgeReport {
  return boundedReport({
    id: edgeId,
    release,
    listeners: edge.listeners,
    revision: settings.snapshot()?.revision ?? null,
    certificates: edge.servedCertificates(),
    certificateProblems: edge.certificateProblems(),
    unreadable: settings.unreadable(),
    stale: settings.staleForMs() > 0,
    chainVerifier: chainVerifier?.available ?? false,
    postmaster: postmaster === null ? null : mailboxText(postmaster),
    passesOn: isNextHop(delivery),
  });
}

function createReporter(
  { edgeReports, log }: WorkerOptions,
  current: () => EdgeReport,
  metrics: Metrics,
): EdgeReporter {
  let failing = false;
  const onEvent = (event: ReportEvent): void => {
    metrics.add("edgeReports", { result: event.kind });
    if (event.kind === "failed" && !failing) log("edge-report-failed", { error: event.error });
    if (event.kind === "reported" && failing) log("edge-report-recovered");
    failing = event.kind === "failed";
  };
  return createEdgeReporter({
    reports: edgeReports,
    current,
    intervalMs: REPORT_INTERVAL_MS,
    monotonicNow: () => performance.now(),
    sleep: (ms, signal) => sleepFor(ms, undefined, { signal }),
    onEvent,
  });
}
