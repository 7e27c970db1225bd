import type { FeedEntry, Store } from "../store/store.ts";
import { applyEntries, buildSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot-view.ts";

/** Entries of one read: with two records of at most 64 KB each, a page stays in the low megabytes. */
const PAGE_ENTRIES = 100;
/** A strongly consistent read may show an entry before its predecessor; then it is read again. */
const READS_AT_A_GAP = 3;

const NO_CONTENTS = new Map<string, never>();

/**
 * All settings, as edges build them, brought to the store's head by each request for them. The first request
 * loads everything; without news a later one costs one read. Trust contents are left out.
 */
export class FollowedSettings {
  readonly #store: Pick<Store, "changesAfter" | "loadAll">;
  #held: Snapshot | null = null;
  #running: Promise<Snapshot> | null = null;
  #next: Promise<Snapshot> | null = null;

  constructor(store: Pick<Store, "changesAfter" | "loadAll">) {
    this.#store = store;
  }

  /** At the store's head, or newer than it was when this was called. @throws Unavailable */
  current(): Promise<Snapshot> {
    if (this.#running === null) return this.#start();
    // What is being read may be older than a write that was answered in between.
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<Snapshot> {
    this.#next = null;
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #read(): Promise<Snapshot> {
    const held = this.#held;
    const read = (held === null ? null : await this.#follow(held)) ?? (await this.#load(held));
    this.#held = read;
    return read;
  }

  async #load(held: Snapshot | null): Promise<Snapshot> {
    return buildSnapshot(await this.#store.loadAll(), NO_CONTENTS, held);
  }

  /** null = the log does not continue what is held. */
  async #follow(held: Snapshot): Promise<Snapshot | null> {
    let snapshot = held;
    let gaps = 0;
    while (gaps < READS_AT_A_GAP) {
      const { entries, head } = await this.#store.changesAfter(snapshot.revision, PAGE_ENTRIES);
      if (head < snapshot.revision) return null;
      if (entries.length === 0 && head === snapshot.revision) return snapshot;
      const next = applied(snapshot, entries);
      if (next === null) gaps += 1;
      else snapshot = next;
    }
    return null;
  }
}

/** null = the entries do not follow. */
function applied(snapshot: Snapshot, entries: readonly FeedEntry[]): Snapshot | null {
  try {
    const next = applyEntries(snapshot, entries, NO_CONTENTS);
    return next.revision === snapshot.revision ? null : next;
  } catch {
    // A gap, or an entry that cannot be applied: everything is loaded instead.
    return null;
  }
}
