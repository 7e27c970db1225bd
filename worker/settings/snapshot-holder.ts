/** The snapshot in force. */

import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";

/** How a snapshot came about, which decides whether its revision may be lower than the one held. */
export type SnapshotOrigin = "continuation" | "full-load";

/**
 * The settings in force for new connections. Never empties: once a snapshot is held, there is always one.
 */
export interface SnapshotHolder {
  /** null = none was ever held, and no client is served. */
  current(): Snapshot | null;
  /**
   * Puts a snapshot in force.
   *
   * @returns false when it is refused: a lower revision that no full load brought (an old answer that came
   *   late), or an empty store (revision 0) where settings were held. The counter of a store never goes back
   *   to 0, so that store is not ours: a deleted file or table must not turn every `require` into
   *   `relay-denied`.
   */
  replace(snapshot: Snapshot, origin: SnapshotOrigin): boolean;
}

export function createSnapshotHolder(): SnapshotHolder {
  let held: Snapshot | null = null;
  return {
    current: () => held,
    replace(snapshot, origin) {
      const previous = held;
      if (previous !== null && !mayReplace(previous, snapshot, origin)) return false;
      held = snapshot;
      return true;
    },
  };
}

function mayReplace(held: Snapshot, next: Snapshot, origin: SnapshotOrigin): boolean {
  if (next.revision >= held.revision) return true;
  // A store restored from a backup stays behind, and its settings are now the valid ones.
  return origin === "full-load" && next.revision > 0;
}
