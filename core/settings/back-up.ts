import { timestamp } from "../clock.ts";
import { Unavailable, Unreadable } from "../errors.ts";
import { contentsAfter } from "./contents-change.ts";
import { FeedGap } from "./snapshot.ts";
import type { SnapshotBackup, SnapshotBackups } from "./snapshot-backup.ts";
import type { Store, StoreContents } from "./store.ts";

/** Entries of one read; a page stays in the low megabytes. */
const PAGE_ENTRIES = 100;

export interface BackUpPorts {
  readonly store: Pick<Store, "changesAfter" | "loadAll">;
  readonly backups: SnapshotBackups;
}

export interface BackedUp extends SnapshotBackup {
  /** Whether everything was read, or only what had changed. */
  readonly read: "everything" | "changes";
}

/**
 * Brings the backup to what the store holds. Read from the last one by the log, it costs what has changed: a full load of
 * 100,000 domains every five minutes would be most of a deployment's bill.
 *
 * @throws Unavailable when either does not answer, or when the store is empty and the backup is not: a table that was
 *   deleted or replaced must not take away what edges could still start from.
 */
export async function backUp({ store, backups }: BackUpPorts, nowMs: number): Promise<BackedUp> {
  const at = timestamp(nowMs);
  const held = await backups.read().catch((error: unknown) => {
    if (error instanceof Unreadable) return null;
    throw error;
  });
  // What could not be read may be readable to this release.
  const followed =
    held === null || held.contents.unreadable.length > 0 ? null : await follow(store, held.contents);
  const contents = followed ?? (await store.loadAll());
  if (contents.revision === 0 && held !== null && held.contents.revision > 0)
    throw new Unavailable(
      `the store is empty, and its backup is of revision ${held.contents.revision}: kept`,
    );
  await backups.write({ at, contents });
  return { at, contents, read: followed === null ? "everything" : "changes" };
}

/** null = the log does not continue what is held. */
async function follow(
  store: Pick<Store, "changesAfter">,
  held: StoreContents,
): Promise<StoreContents | null> {
  let contents = held;
  for (;;) {
    const { entries, head } = await store.changesAfter(contents.revision, PAGE_ENTRIES);
    if (head === contents.revision) return contents;
    try {
      const next = contentsAfter(contents, entries);
      if (next.revision === contents.revision) return null;
      contents = next;
    } catch (error) {
      if (error instanceof FeedGap) return null;
      throw error;
    }
  }
}
