import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { cachedInstall, installOnce, installVenv, venvPython } from "../../support/cached-install.ts";
import type { Template } from "../cloudformation/template.ts";
import type { PolicyDocument } from "./policy-documents.ts";

const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
const PROGRAM = join(import.meta.dirname, "lint_policies.py");
const INSTALL = { what: "the linters of infra/", pins: [REQUIREMENTS] };

/**
 * cfn-lint and parliament, fetched once for each pinned set of versions. @returns the Python that has them.
 */
export const installLinters = async (): Promise<string> =>
  venvPython(await installOnce(INSTALL, (home, step) => installVenv(home, REQUIREMENTS, step)));

/** null = they are not installed here. */
export async function installedLinters(): Promise<string | null> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? venvPython(home) : null;
}

/**
 * Errors and warnings of cfn-lint, by the names of the templates. One run for all: it reads its schemas once.
 */
export async function lintTemplates(
  python: string,
  templates: ReadonlyMap<string, Template>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const directory = await mkdtemp(join(tmpdir(), "postern-templates-"));
  try {
    const paths = new Map<string, string>();
    for (const [name, template] of templates) {
      const path = join(directory, `${paths.size}.json`);
      await writeFile(path, JSON.stringify(template));
      paths.set(path, name);
    }
    const args = ["--regions", "eu-central-1", "--format", "json", "--template", ...paths.keys()];
    // Its exit code is a sum of what it found; what it says counts.
    const { output, errors } = await run(join(dirname(python), "cfn-lint"), args, "");
    const findings = parsed(output, errors) as readonly CfnFinding[];
    return new Map(
      [...paths].map(([path, name]) => [
        name,
        findings.filter(({ Filename }) => Filename === path).map(textOf),
      ]),
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface CfnFinding {
  readonly Filename: string;
  readonly Rule: { readonly Id: string };
  readonly Message: string;
  readonly Location: { readonly Path?: readonly (string | number)[] | null };
}

const textOf = ({ Rule: { Id: id }, Message: message, Location: { Path: where } }: CfnFinding): string =>
  `${id} ${(where ?? []).join("/")}: ${message}`;

/** Findings of parliament, by the names of the lists. */
export async function lintPolicies(
  python: string,
  lists: ReadonlyMap<string, readonly PolicyDocument[]>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const input = JSON.stringify(Object.fromEntries(lists));
  const { output, errors } = await run(python, [PROGRAM], input);
  return new Map(Object.entries(parsed(output, errors) as Readonly<Record<string, readonly string[]>>));
}

/** A linter that fell over has found nothing, and is no clean result. */
function parsed(output: string, errors: string): unknown {
  try {
    return JSON.parse(output);
  } catch (cause) {
    throw new Error(`the linter gave no answer: ${errors || output}`, { cause });
  }
}

async function run(program: string, args: readonly string[], input: string) {
  const child = spawn(program, [...args], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(input);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { output, errors };
}
