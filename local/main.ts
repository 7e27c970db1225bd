import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { type Config, EXIT_WRONG_CONFIG, parseConfig, WrongConfig } from "../worker/config.ts";
import { helpText } from "../worker/config-variables.ts";
import { createLog, type Log } from "../worker/log.ts";
import {
  createShutdown,
  endOnSignalsAndErrors,
  type ShutdownEvent,
  type ShutdownStep,
} from "../worker/shutdown.ts";
import { StartFailure } from "../worker/start-failure.ts";
import { readIfThere } from "./durable-file.ts";
import { firstScreen } from "./first-screen.ts";
import { fullHostName } from "./host-name.ts";
import { type LocalProduct, startLocalProduct } from "./local-product.ts";

/**
 * What `npm start` runs: API and worker in one process. Standard output is a screen for people; the log goes to
 * standard error, one JSON object a line.
 */

const PACKAGE_DIR = resolve(import.meta.dirname, "..");
/** Beyond `drainMs`: for what comes after the last transaction. */
const GRACE_MARGIN_MS = 5_000;
const EXIT_ERROR = 1;
/** Log lines that nobody reads are dropped past this, rather than stop the mail. */
const MAX_UNWRITTEN_LOG_BYTES = 16 * 1024 * 1024;
const LAST_LINES_WITHIN_MS = 500;

// Whoever read the screen may be gone (`npm start | head`): that must not end the mail.
process.stdout.on("error", () => undefined);
const screen = (text: string): void => void process.stdout.write(text);

function readConfig(): Config | null {
  const hostName = fullHostName(hostname(), hostsFile());
  try {
    return parseConfig(process.env, { cwd: process.cwd(), hostName });
  } catch (error) {
    if (!(error instanceof WrongConfig)) throw error;
    screen(
      `Postern cannot start.\n\n${indented(error.message)}\n\nnpm start -- --help lists every variable.\n`,
    );
    return null;
  }
}

function hostsFile(): string {
  try {
    return readIfThere("/etc/hosts") ?? "";
  } catch {
    return "";
  }
}

async function run(config: Config): Promise<void> {
  const destination = pino.destination({ fd: 2, sync: false, maxLength: MAX_UNWRITTEN_LOG_BYTES });
  // A log that cannot be written must not end the mail.
  destination.on("error", () => undefined);
  const log = createLog({ level: config.logLevel, write: (line) => void destination.write(line) });
  // Node's own warnings are lines of the log too.
  process.removeAllListeners("warning");
  process.on("warning", (error) => log("process-warning", { error }));
  const exit = (code: number): void => {
    setTimeout(() => process.exit(code), LAST_LINES_WITHIN_MS);
    destination.flush(() => process.exit(code));
  };

  const endings: ShutdownStep[] = [];
  const shutdown = createShutdown({
    graceMs: config.limits.drainMs + GRACE_MARGIN_MS,
    steps: () => endings.toReversed(),
    monotonicNow: () => performance.now(),
    after: (ms, then) => void setTimeout(then, ms),
    exit,
    onEvent: (event) => logShutdown(log, event),
  });
  endOnSignalsAndErrors(process, (cause) => shutdown.begin(cause));

  try {
    const addEnding = (step: ShutdownStep): void => void endings.push(step);
    const product = await startLocalProduct({ config, release: release(), log, addEnding });
    if (!shutdown.begun()) screen(screenOf(config, product));
  } catch (error) {
    log("start-failed", { error });
    const reason =
      error instanceof StartFailure ? error.message : "an error that no code expected; see the log";
    screen(`Postern cannot start.\n\n${indented(reason)}\n`);
    for (const step of endings.toReversed()) await step.run().catch(() => undefined);
    exit(error instanceof StartFailure ? error.exitCode : EXIT_ERROR);
  }
}

function screenOf(config: Config, { running, listeners, token, tokenPath, notes }: LocalProduct): string {
  return firstScreen({
    running,
    listeners,
    tokenPath,
    newToken: token.isNew ? token.token : null,
    packageDir: PACKAGE_DIR,
    dataDir: config.dataDir,
    defaultDataDir: join(PACKAGE_DIR, ".data"),
    notes,
  });
}

function logShutdown(log: Log, event: ShutdownEvent): void {
  switch (event.kind) {
    case "begun": {
      if (event.cause.kind === "error")
        log("internal-error", { where: event.cause.origin, error: event.cause.error });
      const why = event.cause.kind === "signal" ? event.cause.signal : event.cause.origin;
      return log("stopping", { why, graceMs: event.graceMs });
    }
    case "error-while-ending":
      return log("internal-error", { ...event.cause });
    case "step-failed":
      return log("stop-step-failed", { step: event.step, error: event.error });
    case "grace-over":
      return log("stop-grace-over", { step: event.step });
    case "ended":
      return log("stopped", { code: event.code });
    default:
      return event satisfies never;
  }
}

function release(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(PACKAGE_DIR, "package.json"), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : null;
  return typeof version === "string" ? version : "unknown";
}

const indented = (text: string): string => text.replaceAll(/^/gm, "  ");

if (process.argv.includes("--help")) {
  screen(helpText());
} else {
  const config = readConfig();
  if (config === null) process.exitCode = EXIT_WRONG_CONFIG;
  else await run(config);
}
