import { createHash, randomBytes } from "node:crypto";
import { constants, lstatSync, unlinkSync } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir, rmdir, unlink, utimes } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { VaultInventory } from "../../core/management/key-clean-up.ts";
import { isVaultName, type KeyVault, VAULT_FOLDERS, type VaultName } from "../../core/store/key-vault.ts";
import {
  InvalidInput,
  NotFound,
  StateConflict,
  StorageFull,
  Unavailable,
  Unreadable,
} from "../../core/errors.ts";

const FOLDERS = Object.values(VAULT_FOLDERS).map((prefix) => prefix.slice(0, -1));
/** As `writeOnce` names a file that is not whole yet. */
const TEMPORARY = /^\.[0-9a-f]{24}\.tmp$/;
/** A clean-up comes once a day: that it meets the same object twice shows that something else is wrong. */
const PUT_ATTEMPTS = 3;
/**
 * Far over what the caps of core/limits.ts let in; a file that something else left there is not read into
 * memory.
 */
const MAX_BYTES = 8 * 1024 * 1024;
/** O_NOFOLLOW: a link planted here must not name another file. O_NONBLOCK: nor may a FIFO hold us up. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Objects as files below one directory: 0600 in directories of 0700, written once, durable when `put`
 * resolves.
 */
export class FileKeyVault implements KeyVault, VaultInventory {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  async put(name: VaultName, content: Uint8Array): Promise<string> {
    const path = this.#path(name);
    await answered(async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await this.#makeDirectories(name);
          return await writeOnce(path, content);
        } catch (error) {
          // A clean-up took the object, or the directory that it left empty, in between.
          if (!isAbsent(error) || attempt === PUT_ATTEMPTS) throw error;
        }
      }
    });
    return sha256Of(content);
  }

  async get(name: VaultName, sha256: string): Promise<Uint8Array> {
    const path = this.#path(name);
    const content = await answered(async () => {
      await this.#checkDirectories(name);
      return readFile(path);
    });
    if (content === "absent") throw new NotFound(`${name} is not in the vault`);
    if (content === "not-an-object" || sha256Of(content) !== sha256) {
      throw new Unreadable(`${name} is not what was stored`);
    }
    return content;
  }

  async delete(name: VaultName, epochMs: number): Promise<boolean> {
    const path = this.#path(name);
    return answered(async () => {
      await this.#checkDirectories(name);
      try {
        if (!unlinkOlder(path, epochMs)) return false;
        await syncDirectory(dirname(path));
        await this.#removeIfEmpty(dirname(path));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
      return true;
    });
  }

  /**
   * The directory of a certificate without versions. One with a file in it cannot be removed: `put` may be at
   * work there.
   */
  async #removeIfEmpty(directory: string): Promise<void> {
    if (FOLDERS.some((folder) => directory === join(this.#root, folder))) return;
    await rmdir(directory).catch((error: unknown) => {
      const code = codeOf(error);
      if (code !== "ENOTEMPTY" && code !== "EEXIST" && !isAbsent(error)) throw error;
    });
  }

  async *writtenBefore(epochMs: number): AsyncGenerator<VaultName, void> {
    for (const path of await this.#filesBefore(epochMs)) {
      const name = relative(this.#root, path);
      if (isVaultName(name)) yield name;
    }
  }

  /**
   * Removes what a process that was killed while it wrote has left: parts of objects, under names of their
   * own.
   */
  async removeLeftOvers(epochMs: number): Promise<number> {
    const files = await this.#filesBefore(epochMs);
    const leftOvers = files.filter((path) => TEMPORARY.test(basename(path)));
    for (const path of leftOvers) await answered(() => unlink(path));
    return leftOvers.length;
  }

  async #filesBefore(epochMs: number): Promise<readonly string[]> {
    return answered(async () => {
      const found: string[] = [];
      for (const folder of FOLDERS) {
        const entries = await readdir(join(this.#root, folder), {
          withFileTypes: true,
          recursive: true,
        }).catch((error: unknown) => {
          if (isAbsent(error)) return [];
          throw error;
        });
        for (const entry of entries) {
          const path = join(entry.parentPath, entry.name);
          if (entry.isFile() && (await isOlder(path, epochMs))) found.push(path);
        }
      }
      return found;
    });
  }

  #path(name: VaultName): string {
    if (!isVaultName(name)) throw new InvalidInput("not the name of a stored object");
    return join(this.#root, name);
  }

  /** Directories between the root and the object, outermost first. */
  #directories(name: VaultName): string[] {
    const parts = name.split("/").slice(0, -1);
    return parts.map((_, index) => join(this.#root, ...parts.slice(0, index + 1)));
  }

  async #makeDirectories(name: VaultName): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    for (const directory of this.#directories(name)) {
      await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
        if (codeOf(error) !== "EEXIST") throw error;
      });
      // Also when it existed: the process that made it may have ended before this line.
      await syncDirectory(dirname(directory));
    }
    await this.#checkDirectories(name);
  }

  /** A directory that is a link would lead out of the root. One that is absent holds nothing. */
  async #checkDirectories(name: VaultName): Promise<void> {
    for (const directory of this.#directories(name)) {
      const found = await lstat(directory).catch((error: unknown) => {
        if (isAbsent(error)) return null;
        throw error;
      });
      if (found === null) return;
      if (!found.isDirectory()) throw new Unavailable(`${directory} is not a directory of the vault`);
    }
  }
}

/** False also for a file that is gone by now. */
async function isOlder(path: string, epochMs: number): Promise<boolean> {
  try {
    return (await lstat(path)).mtimeMs < epochMs;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/**
 * Looks and removes at one blow: an await between the two would let a `put` of this process make the object
 * young again. False = it is younger, or gone.
 */
function unlinkOlder(path: string, epochMs: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.mtimeMs >= epochMs) return false;
  unlinkSync(path);
  return true;
}

/** The whole object under a temporary name first, so that the real name never holds a part of it. */
async function writeOnce(path: string, content: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(12).toString("hex")}.tmp`);
  try {
    await writeDurably(temporary, content);
    // A link, not a rename: a rename would replace what is there.
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    await checkSame(path, content);
    // Written again, it is young again: its writer is about to name it, and a clean-up must not take it away.
    const now = new Date();
    await utimes(path, now, now);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  // Also when it was there, for the same reason as in makeDirectories.
  await syncDirectory(dirname(path));
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function checkSame(path: string, content: Uint8Array): Promise<void> {
  const stored = await readFile(path);
  if (stored === "absent") throw Object.assign(new Error("gone"), { code: "ENOENT", syscall: "open" });
  if (stored instanceof Uint8Array && Buffer.compare(stored, content) === 0) return;
  throw new StateConflict("already-exists", "the vault holds another object under this name");
}

async function readFile(path: string): Promise<Uint8Array | "absent" | "not-an-object"> {
  let file: FileHandle;
  try {
    file = await open(path, READ_FLAGS);
  } catch (error) {
    if (isAbsent(error)) return "absent";
    // What O_NOFOLLOW answers to a symbolic link, and O_NONBLOCK to a socket.
    if (codeOf(error) === "ELOOP" || codeOf(error) === "ENXIO") return "not-an-object";
    throw error;
  }
  try {
    const found = await file.stat();
    return found.isFile() && found.size <= MAX_BYTES ? await file.readFile() : "not-an-object";
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** What a full disk, a full quota and a limit on file sizes answer. */
const NO_ROOM: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Errors of the file system are Unavailable; ours pass. Paths and codes stay in the cause, which is for logs.
 */
async function answered<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (NO_ROOM.has(codeOf(error)))
      throw new StorageFull("there is no room on the disk of the key vault", { cause: error });
    if (codeOf(error) === undefined) throw error;
    throw new Unavailable("the key vault does not answer", { cause: error });
  }
}

function codeOf(error: unknown): unknown {
  // StateConflict has a `code` too; only system errors carry a call as well.
  return error instanceof Error && "code" in error && "syscall" in error ? error.code : undefined;
}

const isAbsent = (error: unknown): boolean => codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";

const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
