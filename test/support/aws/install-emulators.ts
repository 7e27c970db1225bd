import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** The pinned emulators and the programs that start them. */
export const EMULATORS = join(import.meta.dirname, "../../aws/emulators");

export interface InstalledEmulators {
  /** DynamoDB Local's jars and native libraries. */
  readonly jars: string;
  /** The Python that has moto. */
  readonly python: string;
}

const run = promisify(execFile);
const INSTALL_LIMIT_MS = 10 * 60_000;

/**
 * Fetches both emulators once for each pinned set of versions, outside of the repository. Needs `mvn` (with a JDK) and
 * `python3` with venv.
 */
export async function installEmulators(): Promise<InstalledEmulators> {
  const pins = ["pom.xml", "requirements.txt"].map((file) => readFile(join(EMULATORS, file)));
  const digest = createHash("sha256").update(Buffer.concat(await Promise.all(pins)));
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "postern-tests");
  const home = join(cache, digest.digest("hex").slice(0, 16));
  const installed = { jars: join(home, "jars"), python: join(home, "venv/bin/python") };
  const done = join(home, "complete");
  if (existsSync(done)) return installed;
  await mkdir(home, { recursive: true });
  await Promise.all([installJars(installed.jars), installMoto(home, installed.python)]);
  await writeFile(done, "");
  return installed;
}

async function installJars(jars: string): Promise<void> {
  const args = [
    "--batch-mode",
    "--quiet",
    "--file",
    join(EMULATORS, "pom.xml"),
    "dependency:copy-dependencies",
  ];
  await install("mvn", [...args, `-DoutputDirectory=${jars}`, "-DincludeScope=runtime"]);
}

async function installMoto(home: string, python: string): Promise<void> {
  await install("python3", ["-m", "venv", "--clear", join(home, "venv")]);
  const requirements = join(EMULATORS, "requirements.txt");
  await install(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    requirements,
  ]);
}

async function install(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, [...args], { timeout: INSTALL_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    throw new Error(`the emulators for AWS cannot be installed: ${program} ${args.join(" ")}`, {
      cause: error,
    });
  }
}
