import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keptAnswersContract } from "../../test/contract/kept-answers.contract.ts";
import { openDatabase } from "./database.ts";
import { SqliteKeptAnswers } from "./sqlite-kept-answers.ts";

keptAnswersContract({
  name: "SQLite in a file",
  create: async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-kept-answers-"));
    const path = join(directory, "postern.sqlite");
    const [first, second] = [openDatabase(path), openDatabase(path)];
    let now = 0;
    const clock = { now: () => now };
    return {
      answers: new SqliteKeptAnswers(first, clock),
      other: new SqliteKeptAnswers(second, clock),
      setClock: (epochMs) => {
        now = epochMs;
      },
      close: async () => {
        first.close();
        second.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});

describe("kept answers in SQLite", () => {
  it("do not pile up: a request that begins deletes what has expired", async () => {
    const database = openDatabase(":memory:");
    let now = 0;
    const answers = new SqliteKeptAnswers(database, { now: () => now });
    for (let n = 0; n < 10; n += 1) {
      now += 1_000;
      await answers.begin(String(n).padStart(64, "0"), { request: "one", run: `r${n}` }, now + 1_500);
    }
    expect(database.get("SELECT count(*) AS rows FROM kept_answer")).toEqual({ rows: 2 });
    database.close();
  });
});
