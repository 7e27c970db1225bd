/** Files that are replaced whole and survive a crash. */

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Only the owner reads and writes it: every file here is a secret or names one. */
const MODE = 0o600;

/**
 * Puts a file in place whole: at no moment is there a part of it under its name, and when this returns a
 * crash does not lose it. Mode 0600.
 */
export function writeDurably(path: string, content: string): void {
  const temporary = join(dirname(path), `.${randomBytes(12).toString("hex")}.tmp`);
  try {
    const file = openSync(temporary, "wx", MODE);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw error;
  }
  syncDirectory(dirname(path));
}

/** The text of a file; null when there is none. @throws when it is there and cannot be read. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** `ENOENT` and the like; undefined for what is no error of the system. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
