import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { issuanceStateContract } from "../../test/contract/issuance-state.contract.ts";
import { type Database, openDatabase } from "./database.ts";
import { SqliteIssuanceState } from "./sqlite-issuance-state.ts";

const RAISER = new URL("../../test/support/issuance-state-raiser.ts", import.meta.url).pathname;

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-issuance-state-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "postern.sqlite");
}

issuanceStateContract({
  name: "SQLite in a file",
  create: async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-issuance-state-"));
    const opened: Database[] = [];
    let now = 0;
    const open = () => {
      const database = openDatabase(join(directory, "postern.sqlite"));
      opened.push(database);
      return { database, state: new SqliteIssuanceState(database, { now: () => now }) };
    };
    const { database, state } = open();
    return {
      state,
      other: open().state,
      reopen: async () => open().state,
      setClock: (epochMs) => {
        now = epochMs;
      },
      spoil: async (name) => {
        database.run("UPDATE issuance_state SET value = '{' WHERE name = ?", name);
      },
      close: async () => {
        for (const each of opened) each.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});

describe("issuance state in SQLite", () => {
  it("does not pile up: a put deletes what has expired", async () => {
    const database = openDatabase(":memory:");
    let now = 0;
    const state = new SqliteIssuanceState(database, { now: () => now });
    for (let n = 0; n < 10; n += 1) {
      now += 1_000;
      await state.put(`token/${n}`, n, { expected: null, expiresAtMs: now + 1_500 });
    }
    expect(database.get("SELECT count(*) AS rows FROM issuance_state")).toEqual({ rows: 2 });
    database.close();
  });

  it("lets several processes raise one number without losing a step", async () => {
    const path = temporaryFile();
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, [RAISER, path, "40"], { stdio: ["ignore", "inherit", "inherit"] }),
    );
    await Promise.all(children.map((child) => once(child, "exit")));
    expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    const database = openDatabase(path);
    const state = new SqliteIssuanceState(database, { now: () => 0 });
    expect(await state.get("certificate/raised")).toMatchObject({ value: 120 });
    database.close();
  });
});
