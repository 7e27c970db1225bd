/** Directories of a maildir: made, and cleared of abandoned files. */

import { open, readdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeDirectory } from "./make-directory.ts";

/** https://cr.yp.to/proto/maildir.html: a file that was not touched for 36 hours is abandoned. */
const ABANDONED_MS = 36 * 3_600_000;

/** Makes a maildir for its owner alone, durably, and sweeps what dead processes left in `tmp`. */
export async function createMaildir(path: string, nowMs: number): Promise<void> {
  const directory = resolve(path);
  const topmost = makeDirectory(directory);
  for (const name of ["tmp", "new", "cur"]) makeDirectory(join(directory, name));
  await syncDirectory(directory);
  // A new directory survives a crash only when its parent is synced too, up to the first that was there
  // before.
  const stop = dirname(topmost ?? directory);
  for (let parent = dirname(directory); parent.length >= stop.length; parent = dirname(parent)) {
    await syncDirectory(parent);
    if (parent === stop) break;
  }
  await sweep(join(directory, "tmp"), nowMs);
}

/** Makes renames into and out of a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sweep(tmp: string, nowMs: number): Promise<void> {
  for (const name of await readdir(tmp)) {
    const path = join(tmp, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => nowMs - mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_MS) await unlink(path).catch(() => undefined);
  }
}
