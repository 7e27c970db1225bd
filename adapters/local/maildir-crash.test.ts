import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const WRITER = fileURLToPath(new URL("../../test/support/maildir-writer.ts", import.meta.url));
const ROUNDS = 12;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-maildir-"));
});
afterEach(() => rm(root, { recursive: true }));

/**
 * Runs a writer, kills it `afterMs` after its `acks`-th acknowledgement, and tells all that it acknowledged.
 */
async function killWriter(round: number, acks: number, afterMs: number): Promise<readonly string[]> {
  const writer: ChildProcess = spawn(process.execPath, [WRITER, root, String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  if (writer.stdout === null) throw new Error("the writer has no output");
  const output = createInterface({ input: writer.stdout });
  output.on("line", (line) => {
    lines.push(line);
    // What is tested is a kill at any moment, so this waits for time and not for an event.
    if (lines.length === acks) void delay(afterMs).then(() => writer.kill("SIGKILL"));
  });
  const [[, signal]] = (await Promise.all([once(writer, "exit"), once(output, "close")])) as [
    [number | null, string | null],
    unknown,
  ];
  expect(signal).toBe("SIGKILL");
  return lines;
}

it("has every acknowledged message, complete, however often the process is killed between DATA and 250", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    acknowledged.push(...(await killWriter(round, 1 + ((round * 7) % 20), (round * 3) % 11)));
  const found = new Map<string, string>();
  for (const name of await readdir(join(root, "new"))) {
    const content = (await readFile(join(root, "new", name)))
      .toString("latin1")
      .replace(/^Return-Path: .*\r\nDelivered-To: .*\r\n/, "");
    const number = /^Subject: (\S+)\r\n/.exec(content)?.[1] ?? `unreadable: ${name}`;
    expect(found.has(number)).toBe(false);
    // A reader of `new` never sees half of a message, acknowledged or not.
    const lines = 1 + ((Number(number.split("-").at(-1)) * 997) % 3000);
    expect(content).toBe(`Subject: ${number}\r\n\r\n${`${number}\r\n`.repeat(lines)}`);
    found.set(number, createHash("sha256").update(content).digest("hex"));
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(ROUNDS);
  for (const line of acknowledged) {
    const [number = "", hash] = line.split(" ");
    expect(found.get(number), number).toBe(hash);
  }
});
