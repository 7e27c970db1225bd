import type { EdgeListener } from "../config/listener-config.ts";
import type { CertificateProblem, ReportedListener } from "../../core/edge-report/edge-reports.ts";
import { ByteBudget } from "../session/byte-budget.ts";
import { createSmtpProtocol } from "../session/smtp-connection.ts";
import { AcceptLoop } from "./accept.ts";
import { createCertificateSource } from "../tls/certificate-source.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import { cipherList } from "../tls/edge-context.ts";
import type { Edge, EdgeOptions } from "./edge-options.ts";
import { createSecureContexts } from "../tls/secure-contexts.ts";

/**
 * Binds every listener and starts serving.
 *
 * @throws when a listener cannot be bound, none is left bound then; or when the default certificate does not load.
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { limits, onEvent, vault, clock, defaultCertificate, ciphers } = options;
  const source = createCertificateSource({ vault, clock, onEvent, ciphers: cipherList(ciphers) });
  const contexts = createSecureContexts({ source, defaultCertificate, ciphers, onEvent });
  const budget = new ByteBudget(limits.maxBytesInFlight);
  const connections = new ConnectionLimits(limits.maxConnections, limits.maxConnectionsPerClient);
  const dedicatedDomains = new Set(
    options.listeners.map(({ dedicatedTo }) => dedicatedTo).filter((domain) => domain !== null),
  );
  const protocol = createSmtpProtocol({ options, dedicatedDomains, contexts, budget });
  const loops = options.listeners.map((listener) => ({
    listener,
    loop: new AcceptLoop({ listener, edge: options, limits: connections, protocol }),
  }));
  const listeners = await listenAll(loops);
  let draining: Promise<void> | null = null;
  const problemsNow = (): readonly CertificateProblem[] => {
    const snapshot = options.snapshot();
    return snapshot === null ? [] : contexts.problems(snapshot);
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
      const snapshot = options.snapshot();
      if (snapshot !== null) await contexts.prepare(snapshot.certificates());
    },
    replaceDefaultCertificate(material) {
      contexts.replaceDefault(material);
    },
    servedCertificates() {
      return contexts.served(options.snapshot()?.certificates() ?? []);
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
  // What was cut needs a moment to say so.
  for (let step = 0; !isDone() && step < 10; step += 1) await pause(DRAIN_STEP_MS);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
