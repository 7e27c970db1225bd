import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { runTool } from "./document-tools.ts";
import { manyClients } from "./many-clients.ts";

const tools = inject("documentTools");
const CONFIG = join(import.meta.dirname, "schemathesis.toml");
/** A run takes a minute and a half on two idle cores; longer only where others use them. */
const RUN_MS = 1_200_000;

let directory = "";
const dataDirs: string[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-schemathesis-"));
});

afterAll(async () => {
  await endAll();
  for (const each of [directory, ...dataDirs]) rmSync(each, { recursive: true, force: true });
});

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

/**
 * Values of headers that most requests have in the phase of coverage, so that they reach the operation. The
 * product's document has no example of an optional parameter: Swagger UI would send it.
 */
const USUAL: Readonly<Record<string, string>> = { "Postern-Account": "default", "if-match": "*" };

function showUsual(document: Json): void {
  const operations = Object.values<object>(document.paths).flatMap((item) => Object.values<Json>(item));
  for (const parameter of operations.flatMap(({ parameters = [] }) => parameters))
    if (parameter.name in USUAL) parameter.example = USUAL[parameter.name];
}

/** One run against a product with empty settings. `plant` changes the document that Schemathesis reads. */
async function tried(args: readonly string[], plant?: (document: Json) => void) {
  const dataDir = newDataDir();
  dataDirs.push(dataDir);
  const postern = new PosternProcess(dataDir);
  const { api } = await postern.started();
  const document: Json = await (await postern.api("GET /openapi.json")).json();
  showUsual(document);
  plant?.(document);
  const file = join(directory, "document.json");
  writeFileSync(file, JSON.stringify(document));
  const clients = await manyClients(api.port);
  const headers = [`Authorization: Bearer ${postern.token}`, "Connection: close"];
  const target = ["--url", httpUrl({ host: "127.0.0.1", port: clients.port }), "--no-color"];
  const run = [
    "--config-file",
    CONFIG,
    "run",
    file,
    ...target,
    ...headers.flatMap((each) => ["--header", each]),
  ];
  const result = await runTool(tools?.schemathesis ?? "", [...run, ...args], directory);
  await clients.close();
  await postern.end("SIGKILL");
  const count = Object.values<object>(document.paths).flatMap((item) => Object.keys(item)).length;
  return { ...result, count };
}

describe.skipIf(tools === null)("Schemathesis, all checks, against the product with its own document", () => {
  it("finds every response declared in the document, and every request judged as the document says", {
    timeout: RUN_MS,
  }, async () => {
    const { exitCode, output, errors, count } = await tried([]);
    expect(exitCode, output + errors).toBe(0);
    expect(output).toContain(`Tested: ${count}`);
  });

  it("reports an undeclared status", { timeout: RUN_MS }, async () => {
    const { exitCode, output } = await tried(
      ["--include-operation-id", "getDomain", "--phases", "coverage"],
      (document) => {
        delete document.paths["/v1/domains/{name}"].get.responses["404"];
      },
    );
    expect(output).toContain("Undocumented status code");
    expect(exitCode).toBe(1);
  });

  it("reports a response that does not match its schema", { timeout: RUN_MS }, async () => {
    const { exitCode, output } = await tried(
      ["--include-operation-id", "listEdges", "--phases", "coverage"],
      (document) => {
        document.components.schemas.EdgeList.required.push("total");
      },
    );
    expect(output).toContain("Response violates schema");
    expect(exitCode).toBe(1);
  });
});
