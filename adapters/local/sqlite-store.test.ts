import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UnreadableItem } from "../../core/store/store.ts";
import { storeContract } from "../../test/contract/store.contract.ts";
import type { HostAttribute, StoreUnderTest } from "../../test/contract/store-under-test.ts";
import { type Database, openDatabase } from "./database.ts";
import { SqliteStore } from "./sqlite-store.ts";

const SPOIL: Readonly<Record<Exclude<UnreadableItem["kind"], "mx-host">, string>> = {
  domain: "UPDATE domain SET record = '{' WHERE id = ?",
  certificate: "UPDATE certificate SET record = '{' WHERE id = ?",
  "trust-store": "UPDATE trust_store SET record = '{' WHERE id = ?",
  "log-entry": "UPDATE log SET entry = '{' WHERE revision = ?",
};

const SPOIL_HOST: Readonly<Record<HostAttribute, string>> = {
  account: "UPDATE mx_host SET account = '' WHERE host = ?",
  certificateId: "UPDATE mx_host SET certificate_id = '?' WHERE host = ?",
  domainCount: "UPDATE mx_host SET domain_count = -1 WHERE host = ?",
};

async function spoil(
  database: Database,
  kind: UnreadableItem["kind"],
  id: string,
  attribute: HostAttribute = "domainCount",
): Promise<void> {
  const sql = kind === "mx-host" ? SPOIL_HOST[attribute] : SPOIL[kind];
  if (database.run(sql, id) !== 1) throw new Error(`there is no ${kind} ${id}`);
}

// A pause after every row: a load that is not one transaction shows.
const options = { rowsAtOnce: 1 };

const NO_QUEUE = "processes wait for the file's lock";

storeContract({
  name: "SQLite, two connections on one file",
  cannot: { queue: NO_QUEUE },
  create: async (): Promise<StoreUnderTest> => {
    const directory = await mkdtemp(join(tmpdir(), "postern-store-"));
    const open = () => {
      const database = openDatabase(join(directory, "postern.sqlite"));
      opened.push(database);
      return database;
    };
    const opened: Database[] = [];
    const close = async () => {
      for (const database of opened) database.close();
    };
    const first = open();
    return {
      store: new SqliteStore(first, options),
      other: new SqliteStore(open(), options),
      spoil: (kind, id, attribute) => spoil(first, kind, id, attribute),
      reopen: async () => {
        await close();
        return new SqliteStore(open(), options);
      },
      close: async () => {
        await close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});

storeContract({
  name: "SQLite in memory",
  cannot: { reopen: "a database in memory ends with its object", queue: NO_QUEUE },
  create: async (): Promise<StoreUnderTest> => {
    const database = openDatabase(":memory:");
    const store = new SqliteStore(database, options);
    return {
      store,
      other: store,
      spoil: (kind, id, attribute) => spoil(database, kind, id, attribute),
      reopen: () => Promise.reject(new Error("a database in memory ends with its object")),
      close: async () => database.close(),
    };
  },
});
