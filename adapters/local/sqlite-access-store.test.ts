import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessStoreContract } from "../../test/contract/access-store.contract.ts";
import { openDatabase } from "./database.ts";
import { SqliteAccessStore } from "./sqlite-access-store.ts";

accessStoreContract({
  name: "SQLite in a file",
  create: async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-access-store-"));
    const path = join(directory, "postern.sqlite");
    const [first, second] = [openDatabase(path), openDatabase(path)];
    return {
      store: new SqliteAccessStore(first),
      other: new SqliteAccessStore(second),
      spoil: async (kind, id) => {
        first.run("UPDATE access_record SET record = '{' WHERE kind = ? AND id = ?", kind, id);
      },
      close: async () => {
        first.close();
        second.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});
