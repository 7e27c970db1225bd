import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ApiDependencies, createApp } from "../functions/api/app.ts";
import { openApiDocument } from "../functions/api/openapi-document.ts";

/**
 * `npm run document`: writes what the routes say into the files that are committed, for readers of the
 * repository and for the SDK. test/structure/document.test.ts fails while one of them says something else.
 */

const ROOT = join(import.meta.dirname, "..");
const DOCUMENT = "openapi.json";
const TYPES = "sdk/src/generated/openapi.ts";
const CODES = "sdk/src/generated/problem-codes.ts";
const TYPE_OF_PROBLEM = "urn:postern:problem:";

const unused = (): never => {
  throw new TypeError("the document is made of the routes alone");
};
/** Stands for any dependency: one that is used here is a mistake. */
const UNUSED = new Proxy(unused, { get: unused, apply: unused }) as never;

const DEPENDENCIES: ApiDependencies = {
  store: UNUSED,
  access: UNUSED,
  vault: UNUSED,
  edgeReports: UNUSED,
  issuanceState: UNUSED,
  keptAnswers: UNUSED,
  readTxt: UNUSED,
  clock: UNUSED,
  ids: UNUSED,
  operatorHosts: UNUSED,
  loadAtEdge: UNUSED,
  authenticate: UNUSED,
  log: UNUSED,
};

/** Text of each file that `npm run document` writes, by its path in the repository. */
export function documentFiles(): Readonly<Record<string, string>> {
  const document = openApiDocument(createApp(DEPENDENCIES));
  const json = `${JSON.stringify(document, null, 2)}\n`;
  return { [DOCUMENT]: json, [TYPES]: typesOf(json), [CODES]: codesOf(document) };
}

const HEADER = "// Written by npm run document; not to be changed by hand.\n";

/** What openapi-typescript makes of the document: run as a program, with the compiler of sdk/. */
function typesOf(json: string): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-types-"));
  try {
    const [input, output] = [join(directory, "openapi.json"), join(directory, "openapi.ts")];
    writeFileSync(input, json);
    const main = createRequire(join(ROOT, "sdk/package.json")).resolve("openapi-typescript");
    const program = join(dirname(main), "../bin/cli.js");
    // A member with a default may be left out of a request, and is in every answer: this says the former.
    const args = [program, input, "--output", output, "--default-non-nullable", "false", "--immutable"];
    execFileSync(process.execPath, args, { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
    return `${HEADER}${readFileSync(output, "utf8")}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The codes of problems as values, which types alone do not have. */
function codesOf({ components }: ReturnType<typeof openApiDocument>): string {
  const { Problem } = components?.schemas ?? {};
  const properties = Problem !== undefined && "properties" in Problem ? Problem.properties : {};
  const type = properties?.["type"];
  const types: unknown[] = type !== undefined && "enum" in type ? (type.enum ?? []) : [];
  const codes = types.map((urn) => String(urn).slice(TYPE_OF_PROBLEM.length));
  if (codes.length === 0) throw new TypeError("the document lists no type of problem");
  const lines = codes.map((code) => `  ${JSON.stringify(code)},\n`).join("");
  return `${HEADER}\n/** Every problem that the API of this release may answer. */\nexport const PROBLEM_CODES = [\n${lines}] as const;\n`;
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(documentFiles())) {
    writeFileSync(join(ROOT, path), text);
    process.stdout.write(`${path}: ${text.length} characters\n`);
  }
}
