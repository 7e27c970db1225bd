/**
 * What decides whether a load balancer may send mail here. Never asks the store: fail static (semantics.md
 * section 5).
 */
export interface WorkerState {
  /** How many listeners are bound; all of them or none. */
  readonly listeners: number;
  /** Revision in force; null = none was ever held. */
  readonly revision: number | null;
  readonly staleForMs: number;
  readonly draining: boolean;
  /** Whether chains can be judged apart from the handshake. A worker without it is ready and reports it. */
  readonly chainVerifier: boolean;
}

/** The body of /ready. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not; empty when ready. */
  readonly problems: readonly string[];
  readonly listeners: number;
  readonly revision: number | null;
  readonly staleSeconds: number;
  readonly draining: boolean;
  readonly chainVerifier: "available" | "missing";
}

export function readinessOf(state: WorkerState): Readiness {
  const problems: string[] = [];
  if (state.listeners === 0) problems.push("no listener is bound");
  if (state.revision === null) problems.push("no settings were ever loaded");
  if (state.draining) problems.push("draining");
  return {
    ready: problems.length === 0,
    problems,
    listeners: state.listeners,
    revision: state.revision,
    // Old settings stay in force and serve, so age never makes a worker unready.
    staleSeconds: Math.round(state.staleForMs / 100) / 10,
    draining: state.draining,
    chainVerifier: state.chainVerifier ? "available" : "missing",
  };
}
