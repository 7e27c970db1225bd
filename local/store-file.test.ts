import { mkdtempSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../adapters/local/database.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import { type StoreFile, watchStoreFile } from "./store-file.ts";

let root = "";
let path = "";
let database: Database;
let file: StoreFile;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-"));
  path = join(root, "postern.sqlite");
  database = openDatabase(path);
  file = watchStoreFile(path);
});
afterEach(() => {
  database.close();
  file.close();
  rmSync(root, { recursive: true, force: true });
});

describe("the watched database file", () => {
  it("lets every call through while it is the one that was opened", async () => {
    const store = file.guard(new SqliteStore(database));
    expect(await store.head()).toBe(0);
    expect((await store.loadAll()).revision).toBe(0);
    await store.ping();
  });

  it.each<{ what: string; harm: () => void }>([
    { what: "deleted", harm: () => rmSync(path) },
    {
      what: "replaced by another",
      harm: () => {
        openDatabase(join(root, "other.sqlite")).close();
        renameSync(join(root, "other.sqlite"), path);
      },
    },
    { what: "truncated", harm: () => writeFileSync(path, "") },
    { what: "overwritten", harm: () => void writeSync(openSync(path, "r+"), "no database at all", 0) },
  ])("is unavailable for every call once it was $what", async ({ harm }) => {
    const store = file.guard(new SqliteStore(database));
    harm();
    await expect(store.changesAfter(0, 1)).rejects.toMatchObject({ name: "Unavailable" });
    await expect(store.loadAll()).rejects.toMatchObject({ name: "Unavailable" });
    await expect(store.ping()).rejects.toMatchObject({ name: "Unavailable" });
  });

  it("serves again when it is put back", async () => {
    const store = file.guard(new SqliteStore(database));
    renameSync(path, `${path}.away`);
    await expect(store.head()).rejects.toMatchObject({ name: "Unavailable" });
    renameSync(`${path}.away`, path);
    expect(await store.head()).toBe(0);
  });
});
