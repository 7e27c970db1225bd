import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { EXIT_WRONG_ENVIRONMENT, WrongEnvironment } from "../core/environment.ts";
import { runProcess } from "../worker/process/process.ts";
import { readIfThere } from "./durable-file.ts";
import { firstScreen } from "./first-screen.ts";
import { fullHostName } from "./host-name.ts";
import { helpText, type LocalConfig, parseLocalConfig } from "./local-config.ts";
import { type LocalProduct, startLocalProduct } from "./local-product.ts";

/**
 * What `npm start` runs: API and worker in one process. Standard output is a screen for people; the log goes
 * to standard error, one JSON object a line.
 */

const PACKAGE_DIR = resolve(import.meta.dirname, "..");
// The reader of the screen may have ended (`npm start | head`): that must not stop the mail.
process.stdout.on("error", () => undefined);
const screen = (text: string): void => void process.stdout.write(text);

function readConfig(): LocalConfig | null {
  const hostName = fullHostName(hostname(), hostsFile());
  try {
    return parseLocalConfig(process.env, { cwd: process.cwd(), hostName });
  } catch (error) {
    if (!(error instanceof WrongEnvironment)) throw error;
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

const run = (config: LocalConfig): Promise<void> =>
  runProcess({
    logLevel: config.logLevel,
    logTo: 2,
    drainMs: config.limits.drainMs,
    start: async ({ isEnding, ...starting }) => {
      const beginsEmpty = process.argv.includes("--new");
      const product = await startLocalProduct({ config, release: release(), beginsEmpty, ...starting });
      if (!isEnding()) screen(screenOf(config, product));
    },
    onFailure: (reason) => screen(`Postern cannot start.\n\n${indented(reason)}\n`),
  });

function screenOf(
  config: LocalConfig,
  { running, listeners, token, tokenPath, notes, hasSettings }: LocalProduct,
): string {
  return firstScreen({
    running,
    hasSettings,
    listeners,
    tokenPath,
    newToken: token.isNew ? token.token : null,
    packageDir: PACKAGE_DIR,
    dataDir: config.dataDir,
    defaultDataDir: join(PACKAGE_DIR, ".data"),
    notes,
  });
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
  if (config === null) process.exitCode = EXIT_WRONG_ENVIRONMENT;
  else await run(config);
}
