import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endAll, newDataDir, withPostern } from "./postern-process.ts";

let dataDir = "";
let temporary = "";
beforeEach(() => {
  dataDir = newDataDir();
  temporary = newDataDir();
});
afterEach(async () => {
  await endAll();
  for (const each of [dataDir, temporary]) rmSync(each, { recursive: true, force: true });
});

interface Ran {
  readonly output: string;
  readonly code: number | null;
}

/** The environment of a person who pastes a line: another folder, a shell, no variables of Postern. */
async function paste(line: string): Promise<Ran> {
  const child = spawn("/bin/sh", ["-c", line], {
    cwd: temporary,
    stdio: ["ignore", "pipe", "pipe"],
    // npm keeps a cache of compiled code in the temporary directory.
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TMPDIR: temporary },
  });
  const [output, , [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<[number | null]>((resolve) => child.once("close", (exit) => resolve([exit]))),
  ]);
  return { output, code };
}

describe("the three lines of the first screen", () => {
  it("do what they promise when they are copied unchanged, and when they are repeated", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        await postern.started();
        const lines = postern.screen.split("\n").filter((line) => line.includes(" run -s try "));
        expect(lines).toHaveLength(3);
        const [domain = "", plaintext = "", tls = ""] = lines.map((line) => line.trim());
        for (const messages of [1, 2]) {
          const created = await paste(domain);
          expect([created.code, created.output]).toEqual([0, expect.stringContaining("In force")]);
          const refused = await paste(plaintext);
          expect([refused.code, refused.output]).toEqual([0, expect.stringMatching(/^S: 530 5\.7\.0 /m)]);
          const arrived = await paste(tls);
          expect([arrived.code, arrived.output]).toEqual([
            0,
            expect.stringMatching(/^Arrived: .*mail\/new\//m),
          ]);
          expect(arrived.output).toMatch(/^ {2}Postern-TLS: version=TLSv1\.3/m);
          expect(postern.messages).toHaveLength(messages);
        }
      },
      { SETTINGS_POLL_INTERVAL_MS: "1000" },
    );
  });

  it("print the reason when no process runs", async () => {
    const line = await withPostern(dataDir, async (postern) => {
      await postern.started();
      await postern.end();
      return postern.screen.split("\n").find((each) => each.includes("try domain"));
    });
    const ran = await paste(line ?? "");
    expect([ran.code, ran.output]).toEqual([1, expect.stringContaining("Nothing is running")]);
  });
});
