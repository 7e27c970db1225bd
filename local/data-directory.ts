/** DATA_DIR: the names of its files, its rights and its lock. */

import { accessSync, chmodSync, constants, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeDirectory } from "../adapters/local/make-directory.ts";
import { codeOf } from "./durable-file.ts";
import { EXIT_NOT_NOW, StartFailure } from "../worker/process/start-failure.ts";

/** Names of everything in DATA_DIR. The one table of them. */
export const DATA_FILES = {
  /** Settings, change log, edge reports. */
  database: "postern.sqlite",
  /** Private keys and trust-store contents. */
  vault: "vault",
  apiToken: "api-token",
  /** Private key and certificate of SMTP_NAME, PEM. */
  defaultCertificate: "default-certificate.pem",
  /** The maildir that DELIVERY is by default. */
  mail: "mail",
  /** Locked while a process runs. */
  lock: "lock.sqlite",
  /** Addresses of the running process, for `npm run try`. */
  running: "running.json",
} as const;

export type DataFile = keyof typeof DATA_FILES;

/** A DATA_DIR that this process alone uses. */
export interface DataDirectory {
  readonly path: string;
  fileAt(file: DataFile): string;
  /**
   * Others may look into it, because it was there before with something in it. What is ours in it is closed
   * all the same.
   */
  readonly isOpenToOthers: boolean;
  /** Lets another process use it. */
  release(): void;
}

const IN_USE = 5; // SQLITE_BUSY

/**
 * Makes DATA_DIR (0700) where it is not there, and locks it for this process. The lock is one of the kernel
 * on an open file, so it ends with the process however that ends.
 *
 * @throws StartFailure when it is no usable directory or another process uses it.
 */
export function openDataDirectory(path: string): DataDirectory {
  const isOpenToOthers = prepareDirectory(path);
  const fileAt = (file: DataFile): string => join(path, DATA_FILES[file]);
  const lock = takeLock(fileAt("lock"), path);
  return { path, fileAt, isOpenToOthers, release: () => lock.close() };
}

/** @returns whether others may look into it. */
function prepareDirectory(path: string): boolean {
  try {
    makeDirectory(path);
    const found = statSync(path);
    if (!found.isDirectory()) throw new StartFailure("DATA_DIR", `${path} is not a directory`);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    if ((found.mode & 0o077) === 0) return false;
    // DATA_DIR=/tmp or =. is a folder that others use, and closing it would lock them out.
    if (readdirSync(path).length > 0) return true;
    chmodSync(path, 0o700);
    return false;
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw new StartFailure("DATA_DIR", `${path} cannot be used (${String(codeOf(error))})`, { cause: error });
  }
}

/**
 * An exclusive transaction that is never ended: SQLite locks the file itself, without leaving anything to
 * clean up.
 */
function takeLock(path: string, dataDir: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    chmodSync(path, 0o600);
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    const inUse = error instanceof Error && "errcode" in error && error.errcode === IN_USE;
    throw inUse
      ? new StartFailure("DATA_DIR", `${dataDir} is in use by another Postern`, {
          cause: error,
          exitCode: EXIT_NOT_NOW,
        })
      : new StartFailure("DATA_DIR", `${path} cannot be locked`, { cause: error });
  }
}
