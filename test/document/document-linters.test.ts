import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { newDataDir, withPostern } from "../e2e/postern-process.ts";
import { type DocumentTools, runTool } from "./document-tools.ts";

const tools = inject("documentTools");

// Read as JSON, as a linter does.
type Json = ReturnType<typeof JSON.parse>;

let directory = "";
let served: Json = null;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "postern-document-"));
  const dataDir = newDataDir();
  served = await withPostern(dataDir, async (postern) => (await postern.api("GET /openapi.json")).json());
  rmSync(dataDir, { recursive: true, force: true });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Findings of every severity, `rule place`, of a linter. */
type Lint = (tools: DocumentTools, file: string) => Promise<readonly string[]>;

const spectral: Lint = async ({ modules }, file) => {
  const program = join(modules, "@stoplight/spectral-cli/dist/index.js");
  const ruleset = join(import.meta.dirname, "spectral.json");
  const args = [program, "lint", file, "--ruleset", ruleset, "--format", "json", "--fail-severity", "hint"];
  const { exitCode, output, errors } = await runTool(process.execPath, args, directory);
  // Its words for an empty list come after the list.
  const list = output.slice(0, output.lastIndexOf("]") + 1);
  if (list === "" || exitCode === null || exitCode > 1)
    throw new Error(`Spectral gave no answer: ${errors}${output}`);
  const findings = JSON.parse(list) as readonly { readonly code: string; readonly path: readonly string[] }[];
  return findings.map(({ code, path }) => `${code} ${path.join("/")}`);
};

const redocly: Lint = async ({ modules }, file) => {
  const config = join(import.meta.dirname, "redocly.yaml");
  const args = [
    join(modules, "@redocly/cli/bin/cli.js"),
    "lint",
    file,
    "--config",
    config,
    "--format",
    "json",
  ];
  const { output, errors } = await runTool(process.execPath, args, directory);
  if (!output.startsWith("{")) throw new Error(`Redocly gave no answer: ${errors}${output}`);
  const { problems } = JSON.parse(output) as {
    readonly problems: readonly {
      readonly ruleId: string;
      readonly location: readonly { readonly pointer: string }[];
    }[];
  };
  return problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer ?? ""}`);
};

const LINTERS = { spectral, redocly };

const PLANTED: Readonly<Record<string, (document: Json) => void>> = {
  "an operation without an operationId": (document) => {
    delete document.paths["/v1/domains"].get.operationId;
  },
  "a parameter of the path that is not declared": (document) => {
    document.paths["/v1/domains/{name}"].get.parameters = [];
  },
  "a parameter without a description": (document) => {
    document.paths["/v1/domains"].get.parameters[0].description = "";
    delete document.paths["/v1/domains"].get.parameters[0].schema.description;
  },
  "an example that does not fit its schema": (document) => {
    document.paths["/v1/domains"].get.responses["200"].content["application/json"].example = { items: 1 };
  },
};
/** The rule that sees each. */
const RULES: Readonly<Record<keyof typeof LINTERS, Readonly<Record<string, string>>>> = {
  spectral: {
    "an operation without an operationId": "operation-operationId",
    "a parameter of the path that is not declared": "path-params",
    "a parameter without a description": "oas3-parameter-description",
    "an example that does not fit its schema": "oas3-valid-media-example",
  },
  redocly: {
    "an operation without an operationId": "operation-operationId",
    "a parameter of the path that is not declared": "path-parameters-defined",
    "a parameter without a description": "parameter-description",
    "an example that does not fit its schema": "no-invalid-media-type-examples",
  },
};

describe.skipIf(tools === null).each(["spectral", "redocly"] as const)("%s, its strictest rules", (name) => {
  const lint = (document: Json, file: string): Promise<readonly string[]> => {
    if (tools === null) throw new Error("not installed");
    const path = join(directory, file);
    writeFileSync(path, JSON.stringify(document));
    return LINTERS[name](tools, path);
  };

  it("reports nothing for the product's document", async () => {
    expect(await lint(served, `${name}.json`)).toEqual([]);
  });

  it.each(Object.entries(RULES[name]))("sees %s", async (fault, rule) => {
    const document: Json = structuredClone(served);
    PLANTED[fault]?.(document);
    const rules = (await lint(document, `${name}-planted.json`)).map((finding) => finding.split(" ")[0]);
    expect(rules).toContain(rule);
  });
});

/** Rules of Spectral that are off, and why. */
const OFF: Readonly<Record<string, string>> = {
  "contact-properties": "the operator's address and page are not known to the product",
  "license-url": "OpenAPI 3.1 has `identifier` in its place, and forbids both",
  "openapi-tags-alphabetical": "tags are in the order in which a reader needs them",
};

it("no other rule of the linters is switched off", () => {
  const read = (file: string): string => readFileSync(join(import.meta.dirname, file), "utf8");
  expect(JSON.parse(read("spectral.json"))).toEqual({
    extends: [["spectral:oas", "all"]],
    rules: Object.fromEntries(Object.keys(OFF).map((rule) => [rule, "off"])),
  });
  expect(read("redocly.yaml")).toContain("- recommended-strict");
  expect(read("redocly.yaml")).not.toMatch(/\b(?:off|warn)\b/u);
});
