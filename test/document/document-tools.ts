import { spawn } from "node:child_process";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import {
  cachedInstall,
  installOnce,
  installVenv,
  type RunStep,
  venvPython,
} from "../support/cached-install.ts";
import { buildGoPrograms } from "../support/go-programs.ts";

/** Programs that read the OpenAPI document as clients and their tools do, each at a pinned version. */
export interface DocumentTools {
  /** A folder with the packages of test/document/tooling. */
  readonly modules: string;
  readonly schemathesis: string;
  /** Compares two documents. */
  readonly oasdiff: string;
}

const HERE = import.meta.dirname;
const PACKAGES = ["package.json", "package-lock.json"];
const REQUIREMENTS = join(HERE, "requirements.txt");
const OASDIFF = join(HERE, "oasdiff");
const INSTALL = {
  what: "the readers of the OpenAPI document",
  pins: [
    ...PACKAGES.map((name) => join(HERE, "tooling", name)),
    REQUIREMENTS,
    ...["go.mod", "go.sum"].map((name) => join(OASDIFF, name)),
  ],
};

/**
 * Fetches them once for each pinned set of versions, outside of the repository. Needs `npm`, `python3` with
 * venv, and `go`.
 */
export const installDocumentTools = async (): Promise<DocumentTools> =>
  toolsIn(
    await installOnce(INSTALL, (home, step) =>
      Promise.all([
        installPackages(home, step),
        installVenv(home, REQUIREMENTS, step),
        buildGoPrograms(
          {
            what: INSTALL.what,
            module: OASDIFF,
            programs: ["github.com/oasdiff/oasdiff"],
            into: join(home, "bin"),
          },
          step,
        ),
      ]),
    ),
  );

/** null = they are not installed here. */
export async function installedDocumentTools(): Promise<DocumentTools | null> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? toolsIn(home) : null;
}

const toolsIn = (home: string): DocumentTools => ({
  modules: join(home, "node_modules"),
  schemathesis: join(dirname(venvPython(home)), "schemathesis"),
  oasdiff: join(home, "bin/oasdiff"),
});

async function installPackages(home: string, step: RunStep): Promise<void> {
  for (const name of PACKAGES) await copyFile(join(HERE, "tooling", name), join(home, name));
  await step("npm", ["ci", "--prefix", home, "--ignore-scripts", "--no-audit", "--no-fund"]);
}

export interface ToolRun {
  readonly exitCode: number | null;
  /** Standard output. */
  readonly output: string;
  readonly errors: string;
}

/** Runs a program to its end. It sends nothing to its makers. */
export async function runTool(program: string, args: readonly string[], cwd: string): Promise<ToolRun> {
  const env = {
    ...process.env,
    REDOCLY_TELEMETRY: "off",
    REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
    NO_COLOR: "1",
    SCHEMATHESIS_HOOKS: join(HERE, "schemathesis_hooks.py"),
  };
  const child = spawn(program, [...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [output, errors, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { exitCode, output, errors };
}
