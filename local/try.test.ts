import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

it("ends without an error when the reader of its output has gone", async () => {
  const program = join(import.meta.dirname, "try.ts");
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "pipe"] });
  // Before the program has started, so before it writes.
  child.stdout.destroy();
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
  expect({ errors, code }).toEqual({ errors: "", code: 141 });
});
