import { timestamp } from "../clock.ts";
import { Unavailable, Unreadable } from "../errors.ts";
import { contentsAfter, FeedGap, versionsIn, withPreviousVersions } from "../store/log-applier.ts";
import { lostSettings } from "../store/lost-settings.ts";
import type { SnapshotBackup, SnapshotBackups } from "../store/snapshot-backup.ts";
import type { Store, StoreContents } from "../store/store.ts";

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
 * Brings the backup to what the store holds. Read from the last one by the log, it costs what has changed: a
 * full load of 100,000 domains every five minutes would be most of a deployment's bill. It is written only
 * when it has changed.
 *
 * @throws Unavailable when either does not answer, or when the store is empty and the backup is not: a table
 *   that was deleted or replaced must not take away what edges could still start from.
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
  const contents = followed ?? (await loadAll(store, held?.contents ?? null));
  const lost = lostSettings(contents.revision, held?.contents.revision ?? null);
  if (lost !== null) throw new Unavailable(lost);
  const read = followed === null ? "everything" : "changes";
  // Written again every five minutes, what has not changed would be most of the requests and old versions of
  // the bucket.
  if (held !== null && saysTheSame(held.contents, contents)) return { at: held.at, contents, read };
  await backups.write({ at, contents });
  return { at, contents, read };
}

/**
 * Everything, with the last backup's versions of items that cannot be read: an edge that starts from it keeps
 * them in force.
 */
async function loadAll(store: Pick<Store, "loadAll">, held: StoreContents | null): Promise<StoreContents> {
  const contents = await store.loadAll();
  // A store that was restored to an earlier time: what is held is not what was in force before.
  if (held === null || held.revision > contents.revision) return contents;
  return withPreviousVersions(contents, versionsIn(held));
}

/** One revision has one content, apart from what a release can read of it. */
function saysTheSame(held: StoreContents, contents: StoreContents): boolean {
  const unreadable = ({ unreadable: items }: StoreContents): string =>
    JSON.stringify(items.map(({ kind, id }) => `${kind} ${id}`).toSorted());
  return held.revision === contents.revision && unreadable(held) === unreadable(contents);
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
