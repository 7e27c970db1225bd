import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StorageFull, Unavailable, Unreadable } from "../../core/errors.ts";
import { commitOf } from "../../test/contract/store-under-test.ts";
import { domainRecord } from "../../test/support/records.ts";
import { type Database, migrate, openDatabase } from "./database.ts";
import { SCHEMA_STEPS } from "./schema.ts";
import { SqliteStore } from "./sqlite-store.ts";

let directory: string;
let opened: Database[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-database-"));
  opened = [];
});
afterEach(() => {
  for (const database of opened) database.close();
  rmSync(directory, { recursive: true });
});

function open(path = join(directory, "data", "postern.sqlite"), busyTimeoutMs = 20): Database {
  const database = openDatabase(path, { busyTimeoutMs });
  opened.push(database);
  return database;
}

const pragma = (database: Database, name: string) => database.get(`PRAGMA ${name}`)?.[name];
const after = domainRecord({ name: "a.example" });
const write = commitOf({ kind: "domain", id: after.name, before: null, after });

describe("the database file", () => {
  it("is for its owner alone, and so is its directory", () => {
    open();
    const modeOf = (path: string) => (statSync(join(directory, path)).mode & 0o777).toString(8);
    expect(modeOf("data")).toBe("700");
    expect(modeOf("data/postern.sqlite")).toBe("600");
    expect(modeOf("data/postern.sqlite-wal")).toBe("600");
  });

  it("keeps every commit through a power failure: write-ahead log, synchronous FULL", () => {
    const database = open();
    expect(pragma(database, "journal_mode")).toBe("wal");
    expect(pragma(database, "synchronous")).toBe(2);
  });

  it("may be open twice, and each sees what the other has committed", async () => {
    const [one, two] = [new SqliteStore(open()), new SqliteStore(open())];
    await one.commit(write);
    expect(await two.getDomain(after.name)).toEqual({ ...after, revision: 1 });
  });

  it("is unavailable when its directory is a file", () => {
    writeFileSync(join(directory, "data"), "");
    expect(() => open()).toThrow(Unavailable);
  });

  it("is unavailable when it is no database", () => {
    const path = join(directory, "postern.sqlite");
    writeFileSync(path, "x".repeat(4096));
    expect(() => open(path)).toThrow(Unavailable);
  });
});

describe("the tables", () => {
  const steps = ["CREATE TABLE one (x TEXT) STRICT", "CREATE TABLE two (x TEXT) STRICT"];
  const fresh = () => {
    const database = open(":memory:");
    database.run("PRAGMA user_version = 0");
    return database;
  };
  const has = (database: Database, table: string) =>
    database.get("SELECT 1 FROM sqlite_schema WHERE name = ?", table) !== undefined;

  it("are at this release's version after opening, and stay when opened again", () => {
    expect(pragma(open(), "user_version")).toBe(SCHEMA_STEPS.length);
    expect(pragma(open(), "user_version")).toBe(SCHEMA_STEPS.length);
  });

  it("come up step by step, each step once", () => {
    const database = fresh();
    migrate(database, steps.slice(0, 1));
    expect([has(database, "one"), has(database, "two")]).toEqual([true, false]);
    migrate(database, steps);
    migrate(database, steps);
    expect(has(database, "two")).toBe(true);
    expect(pragma(database, "user_version")).toBe(2);
  });

  it("stay as they were when a step fails in its middle", () => {
    const database = fresh();
    expect(() =>
      migrate(database, [...steps, "CREATE TABLE three (x TEXT) STRICT; CREATE TABLE one (x TEXT)"]),
    ).toThrow();
    expect(pragma(database, "user_version")).toBe(2);
    expect(has(database, "three")).toBe(false);
  });

  it("are refused when a later release has changed them", () => {
    const database = open();
    database.run(`PRAGMA user_version = ${SCHEMA_STEPS.length + 1}`);
    expect(() => open()).toThrow(Unreadable);
  });
});

describe("a transaction", () => {
  it("stores nothing when its action throws, and leaves the connection usable", () => {
    const database = open(":memory:");
    const failing = () =>
      database.write(() => {
        database.run("UPDATE deployment SET head = 7");
        throw new Error("planted");
      });
    expect(failing).toThrow("planted");
    expect(database.get("SELECT head FROM deployment")).toEqual({ head: 0 });
    database.write(() => database.run("UPDATE deployment SET head = 8"));
    expect(database.get("SELECT head FROM deployment")).toEqual({ head: 8 });
  });

  it("is unavailable, with the cause, while another process writes; reading goes on", async () => {
    const [blocker, store] = [open(), new SqliteStore(open())];
    blocker.run("BEGIN IMMEDIATE");
    for (const blocked of [store.commit(write), store.ping()]) {
      const error = await blocked.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Unavailable);
      expect(error).toHaveProperty("cause.code", "ERR_SQLITE_ERROR");
    }
    expect(await store.head()).toBe(0);
    expect((await store.loadAll()).revision).toBe(0);
    blocker.run("ROLLBACK");
    await store.ping();
    expect((await store.commit(write)).revision).toBe(1);
  });

  it("is unavailable when the disk is full, and stores nothing", async () => {
    const database = open();
    const store = new SqliteStore(database);
    database.run(`PRAGMA max_page_count = ${Number(pragma(database, "page_count"))}`);
    const large = { ...after, updatedBy: "x".repeat(100_000) };
    const failed = store.commit(commitOf({ kind: "domain", id: after.name, before: null, after: large }));
    await expect(failed).rejects.toBeInstanceOf(Unavailable);
    expect(await store.head()).toBe(0);
    expect((await store.loadAll()).domains).toEqual([]);
    database.run("PRAGMA max_page_count = 1000000");
    expect((await store.commit(write)).revision).toBe(1);
  });

  it("says that the disk is full, and its probe finds that before any write does", async () => {
    const database = open();
    const store = new SqliteStore(database);
    database.run(`PRAGMA max_page_count = ${Number(pragma(database, "page_count"))}`);
    await expect(store.ping()).rejects.toBeInstanceOf(StorageFull);
    const large = { ...after, updatedBy: "x".repeat(100_000) };
    const failed = store.commit(commitOf({ kind: "domain", id: after.name, before: null, after: large }));
    await expect(failed).rejects.toBeInstanceOf(StorageFull);
    database.run("PRAGMA max_page_count = 1000000");
    await store.ping();
    expect(database.get("SELECT count(*) AS rows FROM room")).toEqual({ rows: 0 });
  });

  it("is found to be possible once a second, and at once after one that was not", async () => {
    const database = open();
    const store = new SqliteStore(database);
    const run = vi.spyOn(database, "run");
    await store.ping();
    const statements = run.mock.calls.length;
    expect(statements).toBeGreaterThan(0);
    await store.ping();
    expect(run).toHaveBeenCalledTimes(statements);
    database.run(`PRAGMA max_page_count = ${Number(pragma(database, "page_count"))}`);
    const large = { ...after, updatedBy: "x".repeat(500_000) };
    await expect(
      store.commit(commitOf({ kind: "domain", id: after.name, before: null, after: large })),
    ).rejects.toBeInstanceOf(StorageFull);
    const before = run.mock.calls.length;
    await store.ping();
    expect(run.mock.calls.length).toBeGreaterThan(before);
  });

  it("is unavailable after the database was closed", async () => {
    const database = open();
    const store = new SqliteStore(database);
    await store.commit(write);
    database.close();
    for (const late of [store.head(), store.commit(write), store.changesAfter(0, 1), store.ping()]) {
      await expect(late).rejects.toBeInstanceOf(Unavailable);
    }
  });

  it("does not report an error in our own code as unavailable", () => {
    expect(() => open(":memory:").run("SELECT * FROM nowhere")).not.toThrow(Unavailable);
    expect(() => open(":memory:").run("SELECT * FROM nowhere")).toThrow("no such table");
  });
});
