import { spawn } from "node:child_process";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { Stack, SynthesisOptions } from "./stack.ts";

const PROGRAM = join(import.meta.dirname, "synthesis-process.ts");
/** What the process writes its answer to; standard output belongs to the program. */
const ANSWER_FD = 3;

/** The program ended with an error, as `sst deploy` would. */
class SynthesisFailed extends Error {
  override readonly name = "SynthesisFailed";
}

/**
 * Runs sst.config.ts against SST's own components with Pulumi's engine replaced, in a process of its own: Pulumi and SST
 * keep what they know in globals.
 *
 * @throws SynthesisFailed
 */
export async function synthesise(options: SynthesisOptions): Promise<Stack> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", PROGRAM, JSON.stringify(options)],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // What the operator's shell may hold must not decide what is asserted.
      env: { ...withoutDeployment(process.env), AWS_REGION: "eu-central-1", ...options.environment },
    },
  );
  const said: string[] = [];
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => said.push(text));
  const answers = child.stdio[ANSWER_FD];
  if (answers === null || answers === undefined || !("read" in answers))
    throw new TypeError("no pipe to the process");
  // An answer that is cut off belongs to a process that failed.
  const answer: unknown = await json(answers).catch(() => null);
  const code = await ended;
  if (code !== 0 || !isStack(answer))
    throw new SynthesisFailed(`exit code ${String(code)}\n${said.join("").slice(-4_000)}`);
  return answer;
}

const withoutDeployment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(?:POSTERN|AWS|SST|PULUMI|VITEST)_?/u.test(name)),
  );

const isStack = (value: unknown): value is Stack =>
  typeof value === "object" && value !== null && "resources" in value && "outputs" in value;
