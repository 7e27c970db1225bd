import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory for its owner alone, and what is missing above it.
 *
 * Not by `recursive`: Node 24 loops without end where an existing parent answers ENOENT, as /proc does
 * (measured).
 *
 * @returns the topmost that was made; null = it was there, as a directory or anything else.
 */
export function makeDirectory(path: string): string | null {
  try {
    return makeOne(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
  }
  const topmost = makeDirectory(dirname(path));
  const made = makeOne(path);
  return topmost ?? made;
}

function makeOne(path: string): string | null {
  try {
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return null;
    throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
