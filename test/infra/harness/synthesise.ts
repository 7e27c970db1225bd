import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { Stack, SynthesisOptions } from "./stack.ts";

const PROGRAM = join(import.meta.dirname, "synthesis-process.ts");
/** What the process writes its answers to; standard output belongs to the program. */
const ANSWER_FD = 3;
const LAST_WORDS = 4_000;

/** The program ended with an error, as `sst deploy` would. */
class SynthesisFailed extends Error {
  override readonly name = "SynthesisFailed";
}

/**
 * Runs sst.config.ts against SST's own components with Pulumi's engine replaced, in a separate process:
 * Pulumi and SST keep what they know in globals.
 *
 * @throws SynthesisFailed
 */
export async function synthesise(options: SynthesisOptions): Promise<Stack> {
  for await (const stack of synthesiseEach([options])) return stack;
  throw new SynthesisFailed("the process gave no answer");
}

/**
 * The same for several, in their order and in one process, which loads Pulumi and SST once.
 *
 * @throws SynthesisFailed at the first that fails.
 */
export async function* synthesiseEach(list: readonly SynthesisOptions[]): AsyncGenerator<Stack, void> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(list)], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    // What the operator's shell may hold must not decide what is asserted.
    env: { ...withoutDeployment(process.env), AWS_REGION: "eu-central-1" },
  });
  const said: string[] = [];
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => said.push(text));
  }
  const answers = child.stdio[ANSWER_FD];
  if (!(answers instanceof Readable)) throw new TypeError("there is no pipe to the process");
  // The process writes whole stacks, a line each.
  for await (const line of createInterface({ input: answers })) yield JSON.parse(line) as Stack;
  const code = await ended;
  if (code !== 0) throw new SynthesisFailed(`exit code ${String(code)}\n${said.join("").slice(-LAST_WORDS)}`);
}

const withoutDeployment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(?:POSTERN|AWS|SST|PULUMI|VITEST)_?/u.test(name)),
  );
