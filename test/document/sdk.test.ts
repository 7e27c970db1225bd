import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { runTool } from "./document-tools.ts";

const tools = inject("documentTools");
const TSC = join(import.meta.dirname, "../../node_modules/typescript/bin/tsc");
const PROGRAM = join(import.meta.dirname, "sdk/program.ts.txt");

const COMPILER_OPTIONS = {
  strict: true,
  noEmit: true,
  module: "nodenext",
  target: "es2024",
  allowImportingTsExtensions: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  typeRoots: [join(import.meta.dirname, "../../node_modules/@types")],
  types: ["node"],
};

let directory = "";
let dataDir = "";
let postern: PosternProcess;

/**
 * What openapi-typescript makes of the document, and a project beside it. Not run where all tests are
 * skipped.
 */
beforeAll(async () => {
  if (tools === null) return;
  directory = mkdtempSync(join(tmpdir(), "postern-sdk-"));
  dataDir = newDataDir();
  postern = new PosternProcess(dataDir);
  await postern.started();
  writeFileSync(join(directory, "document.json"), await (await postern.api("GET /openapi.json")).text());
  symlinkSync(tools.modules, join(directory, "node_modules"));
  copyFileSync(PROGRAM, join(directory, "program.ts"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  const generator = join(tools.modules, "openapi-typescript/bin/cli.js");
  const args = [generator, "document.json", "--output", "postern.ts", "--default-non-nullable", "false"];
  const { exitCode, output, errors } = await runTool(process.execPath, args, directory);
  if (exitCode !== 0) throw new Error(`openapi-typescript: ${errors}${output}`);
});

afterAll(async () => {
  await endAll();
  for (const each of [directory, dataDir].filter((made) => made !== ""))
    rmSync(each, { recursive: true, force: true });
});

/** What makes the program wrong, each in a file beside it. */
const PLANTED: Readonly<Record<string, readonly [right: string, wrong: string]>> = {
  "a level that is not there": ['level: "require"', 'level: "required"'],
  "a source that is not there": ['source: "self-signed"', 'source: "selfsigned"'],
  "a path that is not there": ['"/v1/changes"', '"/v1/change"'],
  "a member that answers do not have": ["created.data.names", "created.data.hosts"],
  "a member of another kind of change": ["change.after?.tls", "change.after?.keys"],
};

describe.skipIf(tools === null)("a client that openapi-typescript generates", () => {
  it("lets a program create a certificate and a domain, patch it, and read the change log", async () => {
    expect(await typeErrors(["program.ts"])).toEqual([]);
    const { api } = await postern.started();
    process.env["API_URL"] = httpUrl(api);
    process.env["API_TOKEN"] = postern.token;
    const { output, errors } = await runTool(process.execPath, ["program.ts"], directory);
    expect(errors).toBe("");
    expect(JSON.parse(output)).toEqual({
      code: "unknown-field",
      enforcements: ["reject", "defer"],
      names: ["mx1.example.org"],
      tls: "defer",
    });
  });

  it("reports undeclared members as type errors", async () => {
    const program = readFileSync(PROGRAM, "utf8");
    const files = Object.values(PLANTED).map(([right, wrong], at) => {
      expect(program).toContain(right);
      writeFileSync(join(directory, `planted-${at}.ts`), program.replace(right, wrong));
      return `planted-${at}.ts`;
    });
    const found = await typeErrors(files);
    const unseen = Object.keys(PLANTED).filter(
      (_, at) => !found.some((line) => line.startsWith(files[at] ?? "")),
    );
    expect(unseen).toEqual([]);
  });
});

/** One line for each error. */
async function typeErrors(files: readonly string[]): Promise<readonly string[]> {
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }),
  );
  const { output, errors } = await runTool(process.execPath, [TSC, "--project", "."], directory);
  return `${output}${errors}`.split("\n").filter((line) => line.includes("error TS"));
}
