import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const INSTALL_LIMIT_MS = 10 * 60_000;

export interface CachedInstall {
  /** What is installed, for messages. */
  readonly what: string;
  /** Files that name every version: other contents are another installation. */
  readonly pins: readonly string[];
}

/** Where it is installed, outside of the repository, and whether it is there whole. */
export async function cachedInstall({ pins }: Pick<CachedInstall, "pins">): Promise<{
  readonly home: string;
  readonly isComplete: boolean;
}> {
  const contents = await Promise.all(pins.map((file) => readFile(file)));
  const digest = createHash("sha256").update(Buffer.concat(contents)).digest("hex");
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "postern-tests");
  const home = join(cache, digest.slice(0, 16));
  return { home, isComplete: existsSync(join(home, "complete")) };
}

/** Installs once for each set of pins. @returns the folder that holds it. */
export async function installOnce(
  install: CachedInstall,
  steps: (home: string, run: RunStep) => Promise<unknown>,
): Promise<string> {
  const { home, isComplete } = await cachedInstall(install);
  if (isComplete) return home;
  await mkdir(home, { recursive: true });
  await steps(home, (program, args) => runStep(install.what, program, args));
  await writeFile(join(home, "complete"), "");
  return home;
}

export type RunStep = (program: string, args: readonly string[]) => Promise<void>;

async function runStep(what: string, program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, [...args], { timeout: INSTALL_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    throw new Error(`${what} cannot be installed: ${program} ${args.join(" ")}`, { cause: error });
  }
}

/** The Python of an installation of packages from PyPI. */
export const venvPython = (home: string): string => join(home, "venv/bin/python");

/** Packages of a requirements file, in an environment of their own. */
export async function installVenv(home: string, requirements: string, step: RunStep): Promise<void> {
  await step("python3", ["-m", "venv", "--clear", join(home, "venv")]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await step(venvPython(home), [...pip, "-r", requirements]);
}
