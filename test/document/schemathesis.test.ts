import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { runTool } from "./document-tools.ts";
import { manyClients } from "./many-clients.ts";

const tools = inject("documentTools");
const CONFIG = join(import.meta.dirname, "schemathesis.toml");
/** A run takes some three minutes on two cores; longer where others use them. */
const RUN_MS = 1_200_000;

/**
 * Operations of which no request may succeed: an upload needs PEM with its key, others a record of one kind.
 * Three or so; with random accounts, revisions and keys it was 15.
 */
const MAY_REFUSE = 8;

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

/** One run against a product with empty settings. `plant` changes the document that Schemathesis reads. */
async function tried(args: readonly string[], plant?: (document: Json) => void) {
  const dataDir = newDataDir();
  dataDirs.push(dataDir);
  const postern = new PosternProcess(dataDir);
  const { api } = await postern.started();
  const document: Json = await (await postern.api("GET /openapi.json")).json();
  plant?.(document);
  const file = join(dataDir, "document.json");
  const report = join(dataDir, "report.ndjson");
  writeFileSync(file, JSON.stringify(document));
  const clients = await manyClients(api.port);
  const headers = [`Authorization: Bearer ${postern.token}`, "Connection: close"];
  const target = ["--url", httpUrl({ host: "127.0.0.1", port: clients.port }), "--no-color"];
  const options = [
    ...headers.flatMap((each) => ["--header", each]),
    "--report",
    "ndjson",
    "--report-ndjson-path",
    report,
  ];
  const run = ["--config-file", CONFIG, "run", file, ...target, ...options, ...args];
  const result = await runTool(tools?.schemathesis ?? "", run, directory);
  await clients.close();
  await postern.end("SIGKILL");
  const operations = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  return { ...result, operations, succeeded: await succeededIn(report) };
}

/** Operations of which a request succeeded, by method and path. */
async function succeededIn(report: string): Promise<ReadonlySet<string>> {
  const succeeded = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(report) })) {
    const { cases = {}, interactions = {} } = JSON.parse(line).ScenarioFinished?.recorder ?? {};
    for (const [id, { response }] of Object.entries<Json>(interactions)) {
      const { method, path } = cases[id].value;
      if (response?.status_code < 300) succeeded.add(`${method} ${path}`);
    }
  }
  return succeeded;
}

describe.skipIf(tools === null)("Schemathesis, all checks, against the product with its own document", () => {
  it("finds every response declared in the document, and every request judged as the document says", {
    timeout: RUN_MS,
  }, async () => {
    // The phase of fuzzing takes as long as the others together: each has a processor.
    const runs = await Promise.all([
      tried(["--phases", "examples,coverage,stateful"]),
      tried(["--phases", "fuzzing"]),
    ]);
    for (const { exitCode, output, errors, operations } of runs) {
      expect(exitCode, output + errors).toBe(0);
      expect(output).toContain(`Tested: ${operations.length}`);
    }
    // A run in which operations refuse everything tries refusals alone. Which ones succeed depends on ids.
    const succeeded = new Set(runs.flatMap((run) => [...run.succeeded]));
    const refused = runs[0]?.operations.filter((operation) => !succeeded.has(operation)) ?? [];
    expect(refused.length, refused.join(", ")).toBeLessThan(MAY_REFUSE);
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
