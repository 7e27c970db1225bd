import { writeSync } from "node:fs";
import { startEngine, withoutSecrets } from "./engine.ts";
import { bundlePlatform, loadConfig, type Platform, ROOT } from "./program.ts";
import { startSstServer } from "./sst-server.ts";
import type { Stack, SynthesisOptions } from "./stack.ts";

/**
 * Syntheses one after the other: their options as a JSON list in the first argument, their stacks on file
 * descriptor 3, a line each. The first that fails ends the process.
 */

const ANSWER_FD = 3;
/** For one synthesis, on a machine that does other things too. */
const GIVE_UP_MS = 120_000;
/**
 * An error of one resource leaves others waiting without end; those that fail at the same moment are reported
 * too.
 */
const LAST_WORDS_MS = 200;

async function synthesise(platform: Platform, options: SynthesisOptions): Promise<Stack> {
  const { stage, environment = {}, patches = [], bundleHandlers = false, application = ROOT } = options;
  for (const name of Object.keys(process.env)) if (name.startsWith("POSTERN_")) delete process.env[name];
  Object.assign(process.env, environment);
  const config = await loadConfig(application, patches);
  // With SST's defaults.
  const app = { removal: "retain", protect: false, ...config.app({ stage }), stage };
  const server = await startSstServer(bundleHandlers);
  process.env["SST_SERVER"] = server.url;
  try {
    const engine = await startEngine(app, {
      region: process.env["AWS_REGION"] ?? "",
      parameters: options.parameters ?? {},
      impairedZone: options.impairedZone ?? null,
      rollsBack: options.rollsBack ?? false,
    });
    const run = await platform.load(app, application);
    const outputs = withoutSecrets(await engine.run(() => run(config.run))) as Stack["outputs"];
    const { name, removal, protect } = app;
    const resources = [...engine.resources];
    return { app: { name, stage, removal, protect }, outputs, resources, handlers: server.handlers };
  } finally {
    server.close();
  }
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
  setTimeout(() => process.exit(1), LAST_WORDS_MS);
}

function answer(stack: Stack): void {
  const line = Buffer.from(`${JSON.stringify(stack)}\n`);
  for (let written = 0; written < line.length; ) written += writeSync(ANSWER_FD, line, written);
}

process.on("unhandledRejection", fail);
process.on("uncaughtException", fail);

const platform = await bundlePlatform();
process.once("exit", () => platform.dispose());
for (const options of JSON.parse(process.argv[2] ?? "[]") as readonly SynthesisOptions[]) {
  const late = setTimeout(() => fail(new Error(`the program did not end in ${GIVE_UP_MS} ms`)), GIVE_UP_MS);
  answer(await synthesise(platform, options));
  clearTimeout(late);
}
process.exit(process.exitCode ?? 0);
