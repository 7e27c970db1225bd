import { writeSync } from "node:fs";
import { startEngine, withoutSecrets } from "./engine.ts";
import { evaluateApp, loadProgram } from "./program.ts";
import { startSstServer } from "./sst-server.ts";
import type { Stack, SynthesisOptions } from "./stack.ts";

/** One synthesis: options as JSON in the first argument, the stack as JSON on file descriptor 3. */

const ANSWER_FD = 3;
const GIVE_UP_MS = 120_000;
/** An error of one resource leaves others waiting for ever; those that fail at the same moment are told too. */
const LAST_WORDS_MS = 200;

async function run({ stage, patches = [], bundleHandlers = false }: SynthesisOptions): Promise<Stack> {
  const region = process.env["AWS_REGION"] ?? "";
  const app = await evaluateApp({ stage, patches });
  const server = await startSstServer(bundleHandlers);
  process.env["SST_SERVER"] = server.url;
  try {
    const engine = await startEngine(app, region);
    const program = await loadProgram(app, { stage, patches });
    const outputs = withoutSecrets(await engine.run(program)) as Stack["outputs"];
    const { name, removal, protect } = app;
    return {
      app: { name, stage, removal, protect },
      outputs,
      resources: engine.resources,
      handlers: server.handlers,
    };
  } finally {
    server.close();
  }
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
  setTimeout(() => process.exit(1), LAST_WORDS_MS);
}

process.on("unhandledRejection", fail);
process.on("uncaughtException", fail);
setTimeout(() => fail(new Error(`the program did not end in ${GIVE_UP_MS} ms`)), GIVE_UP_MS).unref();

const stack = await run(JSON.parse(process.argv[2] ?? "{}") as SynthesisOptions);
if (process.exitCode === undefined) {
  const answer = Buffer.from(JSON.stringify(stack));
  for (let written = 0; written < answer.length; ) written += writeSync(ANSWER_FD, answer, written);
  process.exit(0);
}
