import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLogDestination } from "./log-destination.ts";

let directory = "";
const path = (): string => join(directory, "log");
const written = (): string => readFileSync(path(), "utf8");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-log-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("the destination of the log", () => {
  it("has every line, in order, when a flush is done", async () => {
    const destination = openLogDestination(path());
    const lines = Array.from({ length: 2_000 }, (_, n) => `{"line":${n}}\n`);
    for (const line of lines) destination.write(line);
    await new Promise<void>((resolve) => destination.flush(resolve));
    expect(written()).toBe(lines.join(""));
  });

  it("writes a single line without being asked", async () => {
    const destination = openLogDestination(path());
    destination.write('{"only":true}\n');
    await expect.poll(written, { timeout: 5_000 }).toBe('{"only":true}\n');
  });

  it("writes a line that comes after it has written before", async () => {
    const destination = openLogDestination(path());
    destination.write("1\n");
    await expect.poll(written, { timeout: 5_000 }).toBe("1\n");
    destination.write("2\n");
    await expect.poll(written, { timeout: 5_000 }).toBe("1\n2\n");
  });
});
