/** Polls of the change log. */

import { backoffMs } from "../../core/retry.ts";
import type { PollEvent } from "../event/poll-event.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import { Unavailable } from "../../core/errors.ts";
import { lostSettings } from "../../core/store/lost-settings.ts";
import { applyEntries, buildSnapshot, withTrustContents } from "../../core/snapshot/snapshot.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { ChangeFeed, FeedEntry, Store, StoreContents } from "../../core/store/store.ts";
import type { Freshness } from "./freshness.ts";
import type { SnapshotHolder } from "./snapshot-holder.ts";
import type { TrustContentLoader } from "../../core/snapshot/trust-content-loader.ts";

export interface PollerOptions {
  /** From the start of one poll to the start of the next. */
  readonly intervalMs: number;
  /** Longest pause after repeated failures. */
  readonly maxBackoffMs: number;
  /** In [0, 1). Spreads the edges over the interval. */
  readonly random: () => number;
  /** Milliseconds that never go back. */
  readonly monotonicNow: () => number;
  /** Pauses the loop; rejects when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onEvent: (event: PollEvent) => void;
}

export interface PollerPorts {
  readonly store: Pick<Store, "changesAfter" | "loadAll">;
  readonly trustContents: TrustContentLoader;
  readonly holder: SnapshotHolder;
  readonly freshness: Freshness;
  /** null = there is none: the store is on this machine. */
  readonly backup: BackupSource | null;
}

/** The last snapshot that was put away for a start without the store, and how old it is. */
export interface BackupSource {
  /** null = there is none. Rejects when it cannot be read. */
  read(): Promise<{ readonly contents: StoreContents; readonly ageMs: number } | null>;
}

/** Entries of one read: with two records of at most 64 KB each, a page stays in the low megabytes. */
const PAGE_ENTRIES = 100;
/**
 * Polls in a row that must show a gap before everything is loaded: an index may show an entry before its
 * predecessor.
 */
const GAP_POLLS = 3;
/** Between polls at a gap. Short, so that even three of them and a full load end within a second. */
const GAP_PAUSE_MS = 100;
/** Jitter above the interval is cut here: a change must be in force within one interval plus one second. */
const MAX_LATE_MS = 400;

/**
 * Keeps the held snapshot at the store's revision until `signal` aborts. One poll at a time: a slow store is
 * never asked twice at once. Whatever fails, the held snapshot stays in force.
 */
export async function pollSettings(
  ports: PollerPorts,
  options: PollerOptions,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let gaps = 0;
  while (!signal.aborted) {
    const startedAt = options.monotonicNow();
    const event = await pollOnce(ports, gaps).catch(
      (error: unknown): PollEvent => ({ kind: "failed", failures: failures + 1, error }),
    );
    if (signal.aborted) return;
    failures = isFailure(event) ? failures + 1 : 0;
    gaps = event.kind === "gap" ? event.polls : 0;
    noteFreshness(ports, event);
    options.onEvent(event);
    const elapsedMs = options.monotonicNow() - startedAt;
    const pauseMs = event.kind === "gap" ? GAP_PAUSE_MS : nextDelayMs(options, failures) - elapsedMs;
    await options.sleep(Math.max(0, pauseMs), signal).catch(() => undefined);
  }
}

/**
 * From the start of one poll to the next: the interval with ±10 % jitter, doubled for each failure in a row
 * up to `maxBackoffMs`.
 */
export function nextDelayMs(
  { intervalMs, maxBackoffMs, random }: Pick<PollerOptions, "intervalMs" | "maxBackoffMs" | "random">,
  failures: number,
): number {
  const baseMs =
    failures === 0
      ? intervalMs
      : Math.max(intervalMs, backoffMs({ firstMs: intervalMs, maxMs: maxBackoffMs }, failures));
  return Math.round(baseMs + Math.min(MAX_LATE_MS, baseMs * 0.1 * (2 * random() - 1)));
}

function noteFreshness({ freshness }: PollerPorts, event: PollEvent): void {
  if (event.kind === "from-backup") freshness.heldSince(event.ageMs);
  else if (isFailure(event)) freshness.failed();
  // At a gap nothing is known yet: the store answers, and what is held may be behind.
  else if (event.kind !== "gap") freshness.confirmed();
}

const isFailure = ({ kind }: PollEvent): boolean =>
  kind === "failed" || kind === "refused" || kind === "from-backup";

async function pollOnce(ports: PollerPorts, gaps: number): Promise<PollEvent> {
  const held = ports.holder.current();
  if (held === null) return loadFirst(ports);
  const result = await followFeed(ports, held);
  if (result.kind !== "gap") return result;
  const polls = gaps + 1;
  return polls < GAP_POLLS ? { ...result, polls } : loadEverything(ports, held);
}

/** Applies the log page by page until it has nothing more. */
async function followFeed(ports: PollerPorts, held: Snapshot): Promise<PollEvent> {
  let snapshot = held;
  for (;;) {
    const feed = await ports.store.changesAfter(snapshot.revision, PAGE_ENTRIES);
    if (feed.entries.length === 0 && feed.head === snapshot.revision) break;
    const trustContents = await ports.trustContents.load(storesOf(snapshot, feed));
    let next: Snapshot;
    try {
      next = applyEntries(snapshot, feed.entries, trustContents);
    } catch (error) {
      // Not only FeedGap: an entry that cannot be applied must not hold the edge at its revision.
      return gapAt(snapshot, feed, error);
    }
    if (next.revision === snapshot.revision) return gapAt(snapshot, feed, null);
    snapshot = next;
    ports.holder.replace(snapshot, "continuation");
  }
  if (snapshot !== held) {
    const entries = snapshot.revision - held.revision;
    return { kind: "applied", revision: snapshot.revision, from: held.revision, entries };
  }
  return retryTrustContents(ports, held);
}

const gapAt = ({ revision }: Snapshot, { head }: ChangeFeed, error: unknown): PollEvent => {
  return { kind: "gap", revision, head, polls: 1, error };
};

const storesOf = (snapshot: Snapshot, feed: ChangeFeed): TrustStoreRecord[] => {
  return [...snapshot.trustStores(), ...feed.entries.flatMap(trustStoreAfter)];
};

const trustStoreAfter = (entry: FeedEntry): TrustStoreRecord[] => {
  if (entry.kind !== "entry" || entry.entry.record.kind !== "trust-store") return [];
  return entry.entry.record.after === null ? [] : [entry.entry.record.after];
};

/** Without news: contents that could not be loaded are tried again. */
async function retryTrustContents(ports: PollerPorts, held: Snapshot): Promise<PollEvent> {
  const missing = ports.trustContents.unreadable().length;
  if (missing > 0) {
    const trustContents = await ports.trustContents.load(held.trustStores());
    if (ports.trustContents.unreadable().length < missing) {
      ports.holder.replace(withTrustContents(held, trustContents), "continuation");
      return { kind: "trust-contents", revision: held.revision };
    }
  }
  return { kind: "unchanged", revision: held.revision };
}

/** @throws what the store threw, when there is no backup either. */
async function loadFirst(ports: PollerPorts): Promise<PollEvent> {
  let contents: StoreContents;
  try {
    contents = await ports.store.loadAll();
  } catch (error) {
    // A backup that cannot be read is no worse than none: the store's own trouble is reported, and both are
    // tried again.
    const backup = await ports.backup?.read().catch(() => null);
    if (backup === null || backup === undefined) throw error;
    return loadBackup(ports, backup, error);
  }
  if (contents.revision > 0 || ports.backup === null) return putInForce(ports, contents, null);
  // Without an answer it is not known whether this is a first start: nothing is served until it is.
  const backup = await ports.backup.read();
  const lost = lostSettings(contents.revision, backup?.contents.revision ?? null);
  if (backup === null || lost === null) return putInForce(ports, contents, null);
  return loadBackup(ports, backup, new Unavailable(lost));
}

async function loadBackup(
  ports: PollerPorts,
  { contents, ageMs }: NonNullable<Awaited<ReturnType<BackupSource["read"]>>>,
  error: unknown,
): Promise<PollEvent> {
  const snapshot = buildSnapshot(contents, await ports.trustContents.load(contents.trustStores));
  ports.holder.replace(snapshot, "full-load");
  const counts = { domains: contents.domains.length, unreadable: contents.unreadable.length };
  return { kind: "from-backup", revision: contents.revision, ageMs, ...counts, error };
}

async function loadEverything(ports: PollerPorts, held: Snapshot): Promise<PollEvent> {
  return putInForce(ports, await ports.store.loadAll(), held);
}

const NO_CONTENTS = new Map<string, never>();

async function putInForce(
  ports: PollerPorts,
  contents: StoreContents,
  held: Snapshot | null,
): Promise<PollEvent> {
  const built = buildSnapshot(contents, NO_CONTENTS, held);
  // Also those of trust stores that cannot be read and keep the version held before.
  const snapshot = withTrustContents(built, await ports.trustContents.load(built.trustStores()));
  const { revision } = snapshot;
  if (!ports.holder.replace(snapshot, "full-load")) {
    return { kind: "refused", revision, from: held?.revision ?? 0 };
  }
  const counts = { domains: snapshot.domains.size, unreadable: snapshot.unreadable.length };
  return { kind: "loaded", revision, from: held?.revision ?? null, ...counts };
}
