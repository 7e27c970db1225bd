import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { wholeLog, Writer } from "../../test/contract/store-under-test.ts";
import { openDatabase } from "./database.ts";
import { SqliteStore } from "./sqlite-store.ts";

const SCRIPT = new URL("../../test/support/sqlite-writer.ts", import.meta.url).pathname;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-processes-"));
  path = join(directory, "postern.sqlite");
});
afterEach(() => rmSync(directory, { recursive: true }));

type Child = ChildProcessByStdio<null, Readable, null>;
const start = (prefix: string, count: number): Child =>
  spawn(process.execPath, [SCRIPT, path, prefix, String(count)], { stdio: ["ignore", "pipe", "inherit"] });

/** Revisions that the process has acknowledged, until it ends or `enough` says so. */
async function acknowledged(
  child: Child,
  enough: (count: number) => boolean = () => false,
): Promise<number[]> {
  const revisions: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    revisions.push(Number(line));
    if (enough(revisions.length)) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return revisions;
}

describe("several processes on one SQLite file", () => {
  it("start at once on no file, and write one log without a gap or a double", async () => {
    const children = ["one", "two", "three"].map((prefix) => start(prefix, 40));
    const revisions = (await Promise.all(children.map((child) => acknowledged(child)))).flat();
    expect(children.map((child) => child.exitCode)).toEqual([0, 0, 0]);
    const all = Array.from({ length: 120 }, (_, index) => index + 1);
    expect(revisions.toSorted((a, b) => a - b)).toEqual(all);
    const database = openDatabase(path);
    const store = new SqliteStore(database);
    expect((await wholeLog(store)).map((entry) => entry.revision)).toEqual(all);
    expect((await store.loadAll()).domains).toHaveLength(120);
    database.close();
  });

  it("keep every write that was acknowledged when one is killed in the middle", async () => {
    const child = start("killed", 100_000);
    const revisions = await acknowledged(child, (count) => count >= 30);
    expect(child.signalCode).toBe("SIGKILL");
    const database = openDatabase(path);
    const store = new SqliteStore(database);
    const log = (await wholeLog(store)).map((entry) => entry.revision);
    expect(log).toEqual(expect.arrayContaining(revisions));
    expect((await store.loadAll()).domains).toHaveLength(log.length);
    expect((await new Writer(store).putDomain({ name: "next.example" })).revision).toBe(log.length + 1);
    database.close();
  });
});
