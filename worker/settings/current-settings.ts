import { type PollEvent } from "../event/poll-event.ts";
import { setTimeout as sleepFor } from "node:timers/promises";
import type { KeyVault } from "../../core/store/key-vault.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { Store, UnreadableItem } from "../../core/store/store.ts";
import type { Log } from "../../core/log-event.ts";
import { createFreshness } from "./freshness.ts";
import { createPollLog } from "../telemetry/poll-log.ts";
import { type BackupSource, pollSettings } from "./poller.ts";
import { createSnapshotHolder } from "./snapshot-holder.ts";
import { createTrustContentLoader } from "../../core/snapshot/trust-content-loader.ts";

export interface SettingsFollowerOptions {
  readonly store: Pick<Store, "changesAfter" | "loadAll">;
  readonly vault: Pick<KeyVault, "get">;
  readonly backup: BackupSource | null;
  readonly intervalMs: number;
  readonly log: Log;
  /** Receives each poll, when holder and freshness are as the poll left them. */
  readonly onPoll: (event: PollEvent) => void;
}

/** The settings of this worker: what is in force, how fresh it is, and the loop that keeps it so. */
export interface SettingsFollower {
  /** null = none was ever held. */
  snapshot(): Snapshot | null;
  /** 0 while all is well. */
  staleForMs(): number;
  /** Stored items that are not in force as stored. */
  unreadable(): readonly UnreadableItem[];
  /** Resolves when settings are in force for the first time. */
  readonly first: Promise<void>;
  /** Follows the store until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Longest pause between polls of a store that fails: it may be back at any moment. */
const MAX_BACKOFF_MS = 5_000;
/** Beyond two intervals, a poll that is not answered for this long makes the settings stale. */
const SILENCE_MS = 5_000;

export function createSettingsFollower(options: SettingsFollowerOptions): SettingsFollower {
  const { store, vault, backup, intervalMs, log, onPoll } = options;
  // Not the wall clock, which may jump.
  const monotonicNow = (): number => performance.now();
  const holder = createSnapshotHolder();
  const { promise: first, resolve: haveFirst } = Promise.withResolvers<void>();
  const freshness = createFreshness({ monotonicNow, silenceMs: 2 * intervalMs + SILENCE_MS });
  const trustContents = createTrustContentLoader(vault, (item, error) => {
    log("trust-content-unreadable", { ...item, error });
  });
  const logPoll = createPollLog({
    log,
    snapshot: () => holder.current(),
    staleForMs: () => freshness.staleForMs(),
  });
  const poller = {
    intervalMs,
    maxBackoffMs: MAX_BACKOFF_MS,
    random: Math.random,
    monotonicNow,
    sleep: (ms: number, signal: AbortSignal) => sleepFor(ms, undefined, { signal }),
    onEvent: (event: PollEvent) => {
      logPoll(event);
      onPoll(event);
      if (holder.current() !== null) haveFirst();
    },
  };
  return {
    snapshot: () => holder.current(),
    staleForMs: () => freshness.staleForMs(),
    unreadable: () => [...(holder.current()?.unreadable ?? []), ...trustContents.unreadable()],
    first,
    run: (signal) => pollSettings({ store, trustContents, holder, freshness, backup }, poller, signal),
  };
}
