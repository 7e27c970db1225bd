/** Detection of a store that has lost its settings: it is empty beside a backup that is not. */

import { Unavailable } from "../errors.ts";
import type { Store } from "./store.ts";

/** The revision of the last backup; null = none was ever written, or it was deleted. */
export interface BackupRevision {
  /** @throws Unavailable; Unreadable */
  revision(): Promise<number | null>;
}

/**
 * Why a store without a revision is no first start; null = it is one. A store never goes back to 0, so beside
 * a backup of settings it was lost, and taken for the truth it would refuse the mail of every domain for
 * good.
 */
export const lostSettings = (head: number, backupRevision: number | null): string | null =>
  head > 0 || backupRevision === null || backupRevision === 0
    ? null
    : `the settings store is empty, and its backup is of revision ${backupRevision}: the settings were lost. Restore the store, or delete the backup if empty settings are meant`;

/**
 * Before the first write to a store: it would become the truth for every edge. @throws Unavailable;
 * Unreadable
 */
export async function checkNotLost(backups: BackupRevision): Promise<void> {
  const problem = lostSettings(0, await backups.revision());
  if (problem !== null) throw new Unavailable(problem);
}

/**
 * For a readiness check: why the settings are lost, or null. The backup is asked for only while the store is
 * empty.
 */
export async function lostSettingsProblem(
  store: Pick<Store, "head">,
  backups: BackupRevision,
): Promise<string | null> {
  const head = await store.head();
  return head > 0 ? null : lostSettings(head, await backups.revision());
}
