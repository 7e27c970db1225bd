import type { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import { KEPT_MS } from "../core/management/key-clean-up.ts";
import type { Clock } from "../core/clock.ts";
import { type Sweep, SWEEP_MINUTES } from "../core/schedule.ts";
import type { Store } from "../core/store/store.ts";
import { runSweep, type ScheduleDependencies } from "../functions/schedule/sweeps.ts";
import type { Log } from "../core/log-event.ts";

/**
 * Sweeps that have something to do on one machine. No `backup`: it serves edges that cannot read a table, and
 * here the edge is in the same process as its store. No `renewals`: ACM is on AWS.
 */
const LOCAL_SWEEPS = ["issuance", "ownership", "expiry", "clean-up"] as const satisfies readonly Sweep[];

export interface LocalScheduleOptions {
  readonly store: Pick<Store, "loadAll" | "changesAfter">;
  readonly vault: Pick<FileKeyVault, "writtenBefore" | "delete" | "removeLeftOvers">;
  readonly issuance: ScheduleDependencies["issuance"];
  readonly ownership: ScheduleDependencies["ownership"];
  /** Ends the pauses of the sweep that runs. */
  readonly abort: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Timers of the sweeps. */
export interface LocalSchedule {
  /** Runs a sweep as soon as those before it have ended. */
  readonly runSoon: (sweep: (typeof LOCAL_SWEEPS)[number]) => void;
  /** Starts no more sweeps, and resolves when the one that runs has ended. */
  stop(): Promise<void>;
}

/**
 * Runs the sweeps of AWS's schedule in this process: once at the start, since a process may never live for a
 * day, then each at its interval, one at a time. A sweep that fails is logged and runs again at its next
 * time.
 */
export function startSchedule(options: LocalScheduleOptions): LocalSchedule {
  let isStopped = false;
  let tail = Promise.resolve();
  // One of each kind at most: an operator's calls must not queue sweeps that have nothing left to do.
  const waiting = new Set<Sweep>();
  const enqueue = (sweep: Sweep): void => {
    if (waiting.has(sweep)) return;
    waiting.add(sweep);
    const before = tail;
    tail = (async () => {
      await before;
      waiting.delete(sweep);
      if (!isStopped) await run(sweep, { ...options, mayGoOn: () => !isStopped });
    })();
  };
  const timers = LOCAL_SWEEPS.map((sweep) => {
    enqueue(sweep);
    return setInterval(() => enqueue(sweep), SWEEP_MINUTES[sweep] * 60_000);
  });
  return {
    runSoon: enqueue,
    async stop() {
      isStopped = true;
      options.abort();
      for (const timer of timers) clearInterval(timer);
      await tail;
    },
  };
}

async function run(
  sweep: Sweep,
  {
    store,
    vault,
    issuance,
    ownership,
    mayGoOn,
    clock,
    log,
  }: LocalScheduleOptions & Pick<ScheduleDependencies, "mayGoOn">,
): Promise<void> {
  const now = (): number => clock.now();
  try {
    const onlyHere = { backups: null, acm: null } as const;
    await runSweep(sweep, { store, vault, ...onlyHere, issuance, ownership, mayGoOn, now, log });
    if (sweep === "clean-up") await vault.removeLeftOvers(now() - KEPT_MS);
  } catch (error) {
    log("sweep-failed", { sweep, error });
  }
}
