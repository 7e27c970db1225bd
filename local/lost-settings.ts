/** Detection of a DATA_DIR that was used and has lost its settings. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { StartFailure } from "../worker/process/start-failure.ts";
import { type DataDirectory, DATA_FILES } from "./data-directory.ts";
import { codeOf } from "./durable-file.ts";

/**
 * A DATA_DIR that was used, and whose settings are gone: served as a first start, every recipient of every
 * domain would be refused for good. A start with `--new` confirms that this is meant.
 *
 * @throws StartFailure when the database is absent or empty, and something else is left of an earlier
 *   Postern.
 */
export function checkDatabaseFile(data: DataDirectory): void {
  const path = data.fileAt("database");
  if (sizeOf(path) > 0) return;
  const traces = [...tracesOfWrites(data), ...(sizeOf(data.fileAt("apiToken")) > 0 ? ["its API token"] : [])];
  if (traces.length > 0) throw lost(data, traces);
}

/** The same for a database without any write. @throws StartFailure */
export function checkEverWritten(data: DataDirectory, head: number): void {
  if (head > 0) return;
  const traces = tracesOfWrites(data);
  if (traces.length > 0) throw lost(data, traces);
}

function lost(data: DataDirectory, traces: readonly string[]): StartFailure {
  const reason = `${data.path} has ${traces.join(" and ")}, and ${data.fileAt("database")} holds no settings: all mail would be refused. Put the database back from a backup, or start once with --new for empty settings`;
  return new StartFailure("DATA_DIR", reason);
}

/** What only a process with settings leaves: keys or trust stores in the vault, accepted mail. */
function tracesOfWrites(data: DataDirectory): string[] {
  const vault = data.fileAt("vault");
  const mail = join(data.path, DATA_FILES.mail);
  const hasKeys = ["keys", "trust"].some((kind) => hasEntries(join(vault, kind)));
  const hasMail = ["new", "cur"].some((folder) => hasEntries(join(mail, folder)));
  return [...(hasKeys ? ["the keys of an earlier Postern"] : []), ...(hasMail ? ["mail"] : [])];
}

function hasEntries(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw new StartFailure("DATA_DIR", `${path} cannot be read (${String(codeOf(error))})`, { cause: error });
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
