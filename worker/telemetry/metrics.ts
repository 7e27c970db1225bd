/** Counts and gauges of an edge, from its events and its state. */

import type { UnreadableItem } from "../../core/store/store.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { PollEvent } from "../event/poll-event.ts";
import type { DeliveryState } from "./delivery-health.ts";
import type { Readiness } from "./readiness.ts";
import { createMetricRegistry, type MetricRegistry } from "./metric-registry.ts";
import { METRICS } from "./metric-table.ts";
import type { EdgeEvent } from "../event/edge-event.ts";

export type Metrics = MetricRegistry<typeof METRICS>;

export const createMetrics = (): Metrics => createMetricRegistry(METRICS);

export function countPoll(metrics: Metrics, event: PollEvent): void {
  metrics.add("settingsPolls", { result: event.kind });
}

/** The settings in force, as the follower of the settings keeps them. */
export interface SettingsState {
  /** null = none was ever held. */
  snapshot(): Snapshot | null;
  /** 0 while the store answers. */
  staleForMs(): number;
  /** Stored items that are not in force as stored. */
  unreadable(): readonly UnreadableItem[];
}

/** Sources of gauges: measured at each scrape, not counted as events. */
export interface GaugeSources {
  readonly release: string;
  readonly settings: SettingsState;
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

/** Numbers of this moment. */
export interface EdgeStats {
  readonly connections: number;
  /** Octets of messages begun and not yet answered. */
  readonly bytesInFlight: number;
  readonly contexts: number;
  /** Certificates of the settings whose present version does not load. */
  readonly certificatesNotLoaded: number;
  /** Where its leaves end at different times, the first end; null = there is no default certificate. */
  readonly defaultCertificateNotAfterMs: number | null;
  readonly draining: boolean;
}
