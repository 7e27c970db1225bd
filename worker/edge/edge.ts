/** An SMTP edge: its options, its listeners, its drain and its status. */
import type { Clock } from "../../core/clock.ts";
import type {
  CertificateProblem,
  ReportedListener,
  ServedCertificate,
} from "../../core/edge-report/edge-reports.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { KeyVault } from "../../core/store/key-vault.ts";
import type { CertificateMaterial } from "../../core/x509/serving-material.ts";
import type { Limits } from "../config/limits.ts";
import type { EdgeListener } from "../config/listener-config.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import { ByteBudget } from "../session/byte-budget.ts";
import type { MessageOptions } from "../session/message-transfer.ts";
import type { DeliveryOptions } from "../session/recipient-admission.ts";
import type { JudgingOptions } from "../../core/policy/recipient-judge.ts";
import { createSmtpProtocol } from "../session/smtp-connection.ts";
import type { EdgeStats } from "../telemetry/metrics.ts";
import { createCertificateSource } from "../tls/certificate-source.ts";
import { cipherList } from "../tls/tls-parameters.ts";
import { createSecureContexts } from "../tls/secure-contexts.ts";
import { AcceptLoop } from "./accept.ts";
import { ConnectionLimits } from "./connection-limits.ts";

/** Server side of TLS at an edge. */
export interface ServingOptions {
  /** TLS_CIPHERS, OpenSSL's syntax, for TLS 1.2; null = AEAD suites only. */
  readonly ciphers: string | null;
  readonly vault: Pick<KeyVault, "get">;
  /** The edge's own certificate; null = names without a certificate of the settings get no TLS. */
  readonly defaultCertificate: CertificateMaterial | null;
}

/** What an edge is started with, grouped by the part of it that uses each option. */
export interface EdgeOptions {
  /** SMTP_NAME: banner, EHLO, `Received: by`. */
  readonly name: string;
  readonly listeners: readonly EdgeListener[];
  readonly limits: Limits;
  /**
   * The settings in force for a new connection; null = none was ever held, and every client is answered 421.
   */
  readonly snapshot: () => Snapshot | null;
  readonly serving: ServingOptions;
  readonly judging: JudgingOptions;
  readonly messages: MessageOptions;
  readonly delivery: DeliveryOptions;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
}

/** A running SMTP edge. */
export interface Edge {
  /** As bound: the port is the real one. */
  readonly listeners: readonly ReportedListener[];
  /**
   * Stops accepting, answers `421 4.3.2` to idle sessions, lets transactions in flight finish, and resolves
   * when every connection is closed. After `graceMs` (the limit `drainMs` when left out) what is left is cut.
   */
  drain(graceMs?: number): Promise<void>;
  /**
   * Loads certificates of the settings in force that are not held yet, so that no handshake waits for the
   * vault and the status shows what serves. Call it when settings have changed; what does not load shows in
   * `certificateProblems` and events.
   */
  prepare(): Promise<void>;
  /**
   * Serves another default certificate from the next handshake on. @throws when it does not load; the one
   * before serves on.
   */
  replaceDefaultCertificate(material: CertificateMaterial): void;
  /** What serves right now: the default certificate and every certificate of the settings that was loaded. */
  servedCertificates(): readonly ServedCertificate[];
  /** Certificates of the settings whose present version does not load, with the reason. */
  certificateProblems(): readonly CertificateProblem[];
  stats(): EdgeStats;
}

/**
 * Binds every listener and starts serving.
 *
 * @throws when a listener cannot be bound, none is left bound then; or when the default certificate does not
 *   load.
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { name, limits, snapshot, judging, messages, delivery, clock, onEvent } = options;
  const { ciphers, vault, defaultCertificate } = options.serving;
  const inForce: Snapshot["certificate"] = (id) => snapshot()?.certificate(id);
  const source = createCertificateSource({ vault, inForce, clock, onEvent, ciphers: cipherList(ciphers) });
  const contexts = createSecureContexts({ source, defaultCertificate, ciphers, onEvent });
  const budget = new ByteBudget(limits.maxBytesInFlight);
  const connections = new ConnectionLimits(limits.maxConnections, limits.maxConnectionsPerClient);
  const dedicatedDomains = new Set(
    options.listeners.map(({ dedicatedTo }) => dedicatedTo).filter((domain) => domain !== null),
  );
  const shared = { name, limits, judging, messages, delivery, clock, onEvent };
  const protocol = createSmtpProtocol({ ...shared, dedicatedDomains, contexts, budget });
  const { proxyHeaderMs } = limits;
  const loops = options.listeners.map((listener) => ({
    listener,
    loop: new AcceptLoop({ listener, connections, proxyHeaderMs, protocol, snapshot, onEvent }),
  }));
  const listeners = await listenAll(loops);
  let draining: Promise<void> | null = null;
  const problemsNow = (): readonly CertificateProblem[] => {
    const settings = snapshot();
    return settings === null ? [] : contexts.problems(settings);
  };

  return {
    listeners,
    drain(graceMs = limits.drainMs) {
      draining ??= drainAll(
        loops.map(({ loop }) => loop),
        graceMs,
      );
      return draining;
    },
    async prepare() {
      const settings = snapshot();
      if (settings !== null) await contexts.prepare(settings.certificates());
    },
    replaceDefaultCertificate(material) {
      contexts.replaceDefault(material);
    },
    servedCertificates() {
      return contexts.served(snapshot()?.certificates() ?? []);
    },
    certificateProblems() {
      return problemsNow();
    },
    stats() {
      return {
        connections: connections.total,
        bytesInFlight: budget.taken,
        contexts: contexts.size,
        certificatesNotLoaded: problemsNow().length,
        defaultCertificateNotAfterMs: contexts.defaultNotAfterMs(),
        draining: draining !== null,
      };
    },
  };
}

interface ListenerLoop {
  readonly listener: EdgeListener;
  readonly loop: AcceptLoop;
}

async function listenAll(loops: readonly ListenerLoop[]): Promise<readonly ReportedListener[]> {
  const bound: ReportedListener[] = [];
  try {
    for (const { listener, loop } of loops) {
      const { address, port } = await loop.listen();
      const { name, dedicatedTo: domain, proxyFrom } = listener;
      bound.push({ name, address, port, domain, proxyProtocol: proxyFrom !== null });
    }
  } catch (error) {
    for (const { loop } of loops) loop.drain();
    throw error;
  }
  return bound;
}

/** How often a drain looks whether it is done. */
const DRAIN_STEP_MS = 20;

async function drainAll(loops: readonly AcceptLoop[], graceMs: number): Promise<void> {
  for (const loop of loops) loop.drain();
  const over = performance.now() + graceMs;
  const isDone = (): boolean => loops.every((loop) => loop.sessions.size === 0);
  while (!isDone() && performance.now() < over) await pause(DRAIN_STEP_MS);
  for (const loop of loops) loop.cut();
  // Sessions that were cut need a moment to write their reply.
  for (let step = 0; !isDone() && step < 10; step += 1) await pause(DRAIN_STEP_MS);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
