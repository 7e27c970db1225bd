import type { DeliveryState } from "./delivery-health.ts";
import type { EdgeStats } from "../edge/edge-options.ts";
import type { Readiness } from "./readiness.ts";
import { createMetricRegistry, type MetricRegistry } from "./metric-registry.ts";
import { METRICS } from "./metric-table.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import type { PollEvent } from "../settings/poller.ts";
import type { SettingsFollower } from "../settings/settings-follower.ts";

export type Metrics = MetricRegistry<typeof METRICS>;

export const createMetrics = (): Metrics => createMetricRegistry(METRICS);

export function countPoll(metrics: Metrics, event: PollEvent): void {
  metrics.add("settingsPolls", { result: event.kind });
}

/** What is measured when somebody asks, rather than counted when it happens. */
export interface GaugeSources {
  readonly release: string;
  readonly settings: Pick<SettingsFollower, "snapshot" | "staleForMs" | "unreadable">;
  readonly readiness: Pick<Readiness, "ready" | "draining" | "chainVerifier">;
  readonly edge: EdgeStats;
  readonly delivery: DeliveryState;
}

export function setGauges(metrics: Metrics, sources: GaugeSources): void {
  const { release, settings, readiness, edge, delivery } = sources;
  const snapshot = settings.snapshot();
  const { user, system } = process.cpuUsage();
  metrics.set("buildInfo", { release, node: process.version }, 1);
  metrics.set("ready", {}, readiness.ready ? 1 : 0);
  metrics.set("draining", {}, readiness.draining ? 1 : 0);
  metrics.set("settingsRevision", {}, snapshot?.revision ?? null);
  metrics.set("settingsDomains", {}, snapshot?.domains.size ?? null);
  metrics.set("settingsStale", {}, settings.staleForMs() / 1000);
  metrics.set("settingsUnreadable", {}, settings.unreadable().length);
  metrics.set("connectionsOpen", {}, edge.connections);
  metrics.set("bytesInFlight", {}, edge.bytesInFlight);
  metrics.set("contextsCached", {}, edge.contexts);
  metrics.set("certificatesNotLoaded", {}, edge.certificatesNotLoaded);
  const { defaultCertificateNotAfterMs: endMs } = edge;
  metrics.set("defaultCertificateNotAfter", {}, endMs === null ? null : Math.floor(endMs / 1000));
  metrics.set("chainVerifierMissing", {}, readiness.chainVerifier === "missing" ? 1 : 0);
  metrics.set("deliveryFailing", {}, delivery.ownFailingMs / 1000);
  metrics.set("nextHopsFailing", {}, delivery.failing);
  metrics.set("processMemory", {}, process.memoryUsage.rss());
  metrics.set("processCpu", {}, (user + system) / 1e6);
  metrics.set("processStart", {}, Math.round(performance.timeOrigin) / 1000);
}

/** Counts one event of the edge. */
export function countEdgeEvent(metrics: Metrics, event: EdgeEvent): void {
  switch (event.kind) {
    case "connection-accepted":
      return metrics.add("connections", event);
    case "health-check":
      return metrics.add("healthChecks", event);
    case "connection-refused":
      return metrics.add("connectionsRefused", { listener: event.listener, reason: event.why });
    case "limit-hit":
      return metrics.add("limitHits", event);
    case "handshake":
    case "handshake-failed":
      return countHandshake(metrics, event);
    case "verdict":
      return metrics.add("recipients", {
        listener: event.listener,
        outcome: event.outcome,
        reason: event.reason ?? "",
        circumstance: event.circumstance ?? "",
        client_certificate: event.clientCertificate,
      });
    case "message-accepted":
    case "message-refused":
    case "message-aborted":
    case "delivery-failed":
      return countMessage(metrics, event);
    case "context":
      return metrics.add("contexts", { outcome: event.outcome });
    case "certificate-problem":
      return metrics.add("certificateProblems", { reason: event.reason });
    case "certificate-recovered":
      return metrics.add("certificateRecoveries", {});
    case "session-ended":
      metrics.add("sessions", { listener: event.record.listener, end: event.record.end });
      return metrics.observe("sessionSeconds", event.record, event.record.milliseconds / 1000);
    case "internal-error":
      return metrics.add("internalErrors", {});
    default:
      return event satisfies never;
  }
}

type EventOf<Kind extends EdgeEvent["kind"]> = Extract<EdgeEvent, { kind: Kind }>;

function countHandshake(metrics: Metrics, event: EventOf<"handshake" | "handshake-failed">): void {
  if (event.kind === "handshake-failed") {
    const { listener, why, sni, offered } = event;
    metrics.add("handshakeFailures", { listener, reason: why, sni: sni ?? "", offered: offered ?? "" });
    return;
  }
  const { listener, protocol, cipher } = event;
  const client_certificate = event.presented ? "presented" : event.asked ? "asked" : "not-asked";
  metrics.add("handshakes", { listener, protocol, cipher, client_certificate });
  metrics.observe("handshakeSeconds", { listener }, event.milliseconds / 1000);
}

type MessageEvent = EventOf<"message-accepted" | "message-refused" | "message-aborted" | "delivery-failed">;

function countMessage(metrics: Metrics, event: MessageEvent): void {
  switch (event.kind) {
    case "message-accepted":
      metrics.add("messagesAccepted", event);
      metrics.add("messageBytes", event, event.bytes);
      metrics.add("messageRecipients", event, event.recipients);
      return metrics.observe("messageSeconds", event, event.milliseconds / 1000);
    case "message-refused":
      return metrics.add("messagesRefused", event);
    case "message-aborted":
      return metrics.add("messagesAborted", event);
    case "delivery-failed":
      return metrics.add("deliveryFailures", { ...event, phase: event.phase ?? "" });
    default:
      return event satisfies never;
  }
}
