import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTheEnd } from "./endings.ts";

/** A directory that goes when the test file has ended. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-peers-"));
  atTheEnd(async () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
