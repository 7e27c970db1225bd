/** SQLite by Node: connections, transactions, errors as those of core/. */

import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { StorageFull, Unavailable, Unreadable } from "../../core/errors.ts";
import { SCHEMA_STEPS } from "./schema.ts";

const IN_MEMORY = ":memory:";
/**
 * How long a statement waits for another process. It waits inside SQLite, so no connection of this process is
 * served meanwhile: long enough for one commit of a second process, and its writer tries again anyway.
 */
const BUSY_TIMEOUT_MS = 1_000;
const PROBED_EVERY_MS = 1_000;
/** SQLITE_FULL, and SQLITE_IOERR_WRITE: what SQLite makes of EDQUOT and EFBIG. */
const FULL = 13;
const FAILED_WRITE = 778;
/**
 * Primary result codes of what is wrong with the machine and not with a statement (sqlite.org/rescode.html).
 */
const UNAVAILABLE_CODES: ReadonlySet<number> = new Set([
  5, // BUSY
  6, // LOCKED
  7, // NOMEM
  8, // READONLY
  10, // IOERR
  11, // CORRUPT
  13, // FULL
  14, // CANTOPEN
  15, // PROTOCOL
  26, // NOTADB
]);

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** One connection: its statements are prepared once, and its errors are the product's. */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return translated(() => this.#prepare(sql).get(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return translated(() => this.#prepare(sql).all(...values));
  }

  /** With values by name: `:account` takes `values.account`. */
  allNamed(sql: string, values: Readonly<Record<string, SQLInputValue>>): Row[] {
    return translated(() => this.#prepare(sql).all(values));
  }

  /** Rows one at a time, so that a large table is never held as rows and as records. */
  *each(sql: string): Generator<Row, void> {
    const rows = translated(() => this.#database.prepare(sql).iterate());
    for (;;) {
      const next = translated(() => rows.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** @returns how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return translated(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** Statements that are run once. */
  script(sql: string): void {
    translated(() => this.#database.exec(sql));
  }

  get inTransaction(): boolean {
    return this.#database.isOpen && this.#database.isTransaction;
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** The settings database of one machine. Several processes may have the same file open. */
export class Database extends Connection {
  readonly #path: string;
  readonly #busyTimeoutMs: number;
  /** When a probe found that writing is possible. */
  #wroteAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, busyTimeoutMs: number) {
    super(connect(path, { timeout: busyTimeoutMs }));
    this.#path = path;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  /**
   * Runs `action` as one transaction that no other writer comes into; what it throws undoes everything.
   * Synchronous: while it runs, this process does nothing else.
   */
  write<T>(action: () => T): T {
    // Not deferred: the lock is taken before the first read, or two processes could check the same condition.
    this.run("BEGIN IMMEDIATE");
    try {
      const result = action();
      this.run("COMMIT");
      return result;
    } catch (error) {
      if (error instanceof Unavailable) this.#wroteAtMs = Number.NEGATIVE_INFINITY;
      if (this.inTransaction) this.run("ROLLBACK");
      throw error;
    }
  }

  /** Runs `action`, all reads of which see the same state. Synchronous. */
  read<T>(action: () => T): T {
    this.run("BEGIN");
    try {
      return action();
    } finally {
      if (this.inTransaction) this.run("COMMIT");
    }
  }

  /**
   * Writes as much as the largest record, and takes it back: a transaction that is rolled back would never
   * touch the disk. Once a second at most, since it waits for the disk; a failed one is repeated at once.
   *
   * @throws Unavailable, StorageFull when that is not possible.
   */
  probe(): void {
    if (performance.now() - this.#wroteAtMs < PROBED_EVERY_MS) return;
    this.write(() => {
      this.run("INSERT OR REPLACE INTO room (one, filler) VALUES (1, zeroblob(65536))");
      this.run("DELETE FROM room");
    });
    this.#wroteAtMs = performance.now();
  }

  /**
   * A second connection that sees the database as it is at its first read until it is closed, while this one
   * writes; null where there can be none, because the database is in memory.
   */
  openReader(): Connection | null {
    if (this.#path === IN_MEMORY) return null;
    const reader = new Connection(connect(this.#path, { timeout: this.#busyTimeoutMs, readOnly: true }));
    reader.run("BEGIN");
    return reader;
  }
}

/**
 * Opens the database, makes the file (mode 0600) and its directory (0700) when they are not there, and brings
 * the tables up to this release.
 *
 * @param path a file, or `:memory:` for one that ends with its object.
 * @throws Unavailable when it cannot be opened; Unreadable when a later release has changed its tables.
 */
export function openDatabase(path: string, options: { readonly busyTimeoutMs?: number } = {}): Database {
  const place = path === IN_MEMORY ? path : resolve(path);
  if (place !== IN_MEMORY) makeFile(place);
  const { busyTimeoutMs = BUSY_TIMEOUT_MS } = options;
  const database = new Database(place, busyTimeoutMs);
  try {
    configure(database, place, busyTimeoutMs);
    migrate(database, SCHEMA_STEPS);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Looks at every page (250 ms for 100,000 domains, measured): SQLite itself finds damage only where a
 * statement happens to read.
 *
 * @throws Unreadable when the file is damaged.
 */
export function checkIntegrity(database: Database): void {
  const [first] = database.all("PRAGMA quick_check(1)");
  const found = String(first?.["quick_check"]);
  if (found !== "ok")
    throw new Unreadable(
      `the settings database is damaged (${found.replaceAll(/\s+/g, " ")}); put a backup in its place`,
    );
}

/** SQLite would make it readable for others, and gives its WAL the same mode. */
function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", 0o600));
  } catch (error) {
    throw new Unavailable(`the database file ${path} cannot be made`, { cause: error });
  }
}

function configure(database: Database, path: string, busyTimeoutMs: number): void {
  const mode = useWriteAheadLog(database, busyTimeoutMs);
  if (path !== IN_MEMORY && mode !== "wal") {
    throw new Unavailable(`the file system of ${path} does not support SQLite's write-ahead log`);
  }
  // FULL: with WAL, NORMAL may lose the last commits when the power fails, and a revision would be given
  // twice.
  database.script("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;");
}

const SWITCH_PAUSE_MS = 5;

/**
 * SQLite answers SQLITE_BUSY to a switch of the journal mode without its busy timeout: 1 of 250 starts, five
 * at a time on no file, failed after 8 ms with a timeout of 60 s.
 */
function useWriteAheadLog(database: Database, withinMs: number): unknown {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return database.get("PRAGMA journal_mode = WAL")?.["journal_mode"];
    } catch (error) {
      if (!(error instanceof Unavailable) || performance.now() >= deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SWITCH_PAUSE_MS);
    }
  }
}

/**
 * Each step and its number are one transaction; the number is read inside it, so two processes may start at
 * once.
 */
export function migrate(database: Database, steps: readonly string[]): void {
  const version = (): number => Number(database.get("PRAGMA user_version")?.["user_version"]);
  while (version() < steps.length) {
    database.write(() => {
      const done = version();
      const step = steps[done];
      if (step === undefined) return;
      database.script(step);
      database.script(`PRAGMA user_version = ${done + 1}`);
    });
  }
  if (version() > steps.length) {
    throw new Unreadable(
      `the database has tables of a later release (${version()}, known here: ${steps.length})`,
    );
  }
}

function connect(
  path: string,
  options: { readonly timeout: number; readonly readOnly?: boolean },
): DatabaseSync {
  return translated(() => new DatabaseSync(path, options));
}

function translated<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isFull(error))
      throw new StorageFull("there is no room on the disk of the settings database", { cause: error });
    if (isUnavailable(error))
      throw new Unavailable("the settings database does not answer", { cause: error });
    throw error;
  }
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return false;
  return (error.errcode & 0xff) === FULL || error.errcode === FAILED_WRITE;
}

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  // A closed database: the process is ending.
  if (error.code === "ERR_INVALID_STATE") return true;
  if (error.code !== "ERR_SQLITE_ERROR" || !("errcode" in error)) return false;
  // The low byte of an extended code is the primary one.
  return typeof error.errcode === "number" && UNAVAILABLE_CODES.has(error.errcode & 0xff);
}

/** A column that is text; the tables are STRICT, so anything else is a mistake in a statement. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`column ${column} is not text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new TypeError(`column ${column} is not an integer`);
  return value;
}
