import { checkIntegrity, openDatabase } from "../adapters/local/database.ts";
import { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import { SqliteAccessStore } from "../adapters/local/sqlite-access-store.ts";
import { SqliteEdgeReports } from "../adapters/local/sqlite-edge-reports.ts";
import { SqliteIssuanceState } from "../adapters/local/sqlite-issuance-state.ts";
import { SqliteKeptAnswers } from "../adapters/local/sqlite-kept-answers.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log-event.ts";
import type { ShutdownStep } from "../worker/process/shutdown.ts";
import { StartFailure } from "../worker/process/start-failure.ts";
import type { DataDirectory } from "./data-directory.ts";
import { watchStoreFile } from "./store-file.ts";

const DAY_MS = 24 * 3600 * 1000;

export interface LocalStores {
  readonly store: SqliteStore;
  readonly access: SqliteAccessStore;
  readonly edgeReports: SqliteEdgeReports;
  readonly issuanceState: SqliteIssuanceState;
  readonly keptAnswers: SqliteKeptAnswers;
  readonly vault: FileKeyVault;
}

export interface LocalStoresOptions {
  readonly data: DataDirectory;
  readonly clock: Clock;
  readonly log: Log;
  readonly addEnding: (step: ShutdownStep) => void;
}

/**
 * Opens the settings database and the vault of a DATA_DIR.
 *
 * @throws StartFailure when the database cannot be opened and read.
 */
export async function openStores(options: LocalStoresOptions): Promise<LocalStores> {
  const path = options.data.fileAt("database");
  try {
    return await open(path, options);
  } catch (error) {
    throw new StartFailure("DATA_DIR", `${path}: ${messagesOf(error)}`, { cause: error });
  }
}

async function open(path: string, { data, clock, log, addEnding }: LocalStoresOptions): Promise<LocalStores> {
  const database = openDatabase(path);
  try {
    checkIntegrity(database);
  } catch (error) {
    database.close();
    throw error;
  }
  const file = watchStoreFile(path);
  addEnding({
    name: "store",
    run: async () => {
      database.close();
      file.close();
    },
  });
  const store = new SqliteStore(database);
  store.removeOldEntries(clock.now());
  const daily = setInterval(() => {
    try {
      store.removeOldEntries(clock.now());
    } catch (error) {
      log("change-log-prune-failed", { error });
    }
  }, DAY_MS);
  addEnding({ name: "change log", run: async () => clearInterval(daily) });
  const edgeReports = new SqliteEdgeReports(database, clock);
  // Under the lock no other edge runs on this DATA_DIR: any report is of one that was killed.
  for (const { id } of await edgeReports.list()) await edgeReports.remove(id);
  return {
    store: file.guard(store),
    access: file.guard(new SqliteAccessStore(database)),
    edgeReports: file.guard(edgeReports),
    issuanceState: file.guard(new SqliteIssuanceState(database, clock)),
    keptAnswers: file.guard(new SqliteKeptAnswers(database, clock)),
    vault: new FileKeyVault(data.fileAt("vault")),
  };
}

/**
 * An adapter's message and the cause behind it: `the settings database does not answer (file is not a
 * database)`.
 */
function messagesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
