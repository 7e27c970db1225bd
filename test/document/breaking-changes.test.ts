import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { documentFiles } from "../../scripts/write-document.ts";
import { runTool } from "./document-tools.ts";

const tools = inject("documentTools");
const ROOT = join(import.meta.dirname, "../..");
/** That of the last release, as `scripts/release.ts prepare` keeps it. */
const RELEASED = join(import.meta.dirname, "released-openapi.json");

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

let directory = "";
let present = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-breaking-"));
  present = documentFiles()["openapi.json"] ?? "";
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** oasdiff's level of what breaks clients. */
const BREAKING = 3;
/** What the description of the document reserves: enumerations of answers may have more values. */
const RESERVED: ReadonlySet<string> = new Set(["response-property-enum-value-added"]);

/** `rule method path` of each change that breaks a client of `before`. */
async function breaks(before: string, after: string): Promise<readonly string[]> {
  const file = join(directory, "after.json");
  writeFileSync(file, after);
  const { output, errors, exitCode } = await runTool(
    tools?.oasdiff ?? "",
    ["breaking", before, file, "--format", "json"],
    directory,
  );
  if (exitCode !== 0) throw new Error(`oasdiff: ${errors}${output}`);
  const changes = JSON.parse(output) as readonly {
    readonly id: string;
    readonly level: number;
    readonly operation: string;
    readonly path: string;
  }[];
  return changes
    .filter(({ id, level }) => level === BREAKING && !RESERVED.has(id))
    .map(({ id, operation, path }) => `${id} ${operation} ${path}`);
}

const hasBreakingSection = (changelog: string): boolean =>
  /^## \[Unreleased\]\n(?:(?!## ).*\n)*?### Breaking\n\n?- \S/mu.test(changelog);

/** Changes that break a client, and the rule of oasdiff that reports them. */
const PLANTED: Readonly<Record<string, readonly [rule: string, plant: (document: Json) => void]>> = {
  "an operation that is gone": [
    "api-path-removed-without-deprecation",
    ({ paths }) => delete paths["/v1/edges"],
  ],
  "a member of an answer that is gone": [
    "response-required-property-removed",
    ({ components: { schemas } }) => {
      delete schemas.Domain.properties.labels;
      schemas.Domain.required = schemas.Domain.required.filter((name: string) => name !== "labels");
    },
  ],
  "a member of an answer of another type": [
    "response-property-type-changed",
    ({ components: { schemas } }) => (schemas.Domain.properties.revision = { type: "string" }),
  ],
  "a member of an answer that may be null": [
    "response-property-became-nullable",
    ({ components: { schemas } }) => (schemas.Domain.properties.updatedBy = { type: ["string", "null"] }),
  ],
  "a member of a request that is needed": [
    "request-property-became-required-with-default",
    ({ components: { schemas } }) => (schemas.DomainInput.required = ["mxHosts"]),
  ],
  "a value of a request that is not taken any more": [
    "request-property-enum-value-removed",
    ({ components: { schemas } }) => schemas.TlsInputServer.properties.level.enum.pop(),
  ],
  "a list of a request that is shorter": [
    "request-property-max-items-decreased",
    ({ components: { schemas } }) => (schemas.DomainInput.properties.mxHosts.maxItems = 1),
  ],
  "a parameter that is needed": [
    "new-required-request-parameter",
    ({ paths }) =>
      paths["/v1/edges"].get.parameters.push({
        name: "planted",
        in: "query",
        required: true,
        schema: { type: "string" },
      }),
  ],
  "another status of success": [
    "response-success-status-removed",
    ({ paths }) => {
      const { responses } = paths["/v1/tokens"].post;
      responses["202"] = responses["201"];
      delete responses["201"];
    },
  ],
};

describe.skipIf(tools === null)("the OpenAPI document, compared with that of the last release", () => {
  it("breaks no client, unless the change log has a section Breaking", async () => {
    const found = await breaks(RELEASED, present);
    const isAnnounced = hasBreakingSection(readFileSync(join(ROOT, "CHANGELOG.md"), "utf8"));
    expect(isAnnounced ? [] : found).toEqual([]);
  });

  it.each(Object.entries(PLANTED))("is reported with %s", async (_, [rule, plant]) => {
    const before = join(directory, "before.json");
    writeFileSync(before, present);
    const document: Json = JSON.parse(present);
    plant(document);
    const rules = (await breaks(before, JSON.stringify(document))).map((change) => change.split(" ")[0]);
    expect(rules).toContain(rule);
  });

  it("may have more members, more values, and more operations", async () => {
    const before = join(directory, "before.json");
    writeFileSync(before, present);
    const document: Json = JSON.parse(present);
    const { Domain, DomainInput, TlsInputServer, TlsSettingsServer } = document.components.schemas;
    for (const { properties } of [Domain, DomainInput]) properties.planted = { type: "string" };
    for (const { properties } of [TlsInputServer, TlsSettingsServer]) properties.level.enum.push("planted");
    document.paths["/v1/planted"] = document.paths["/v1/whoami"];
    document.paths["/v1/planted"].get.operationId = "planted";
    expect(await breaks(before, JSON.stringify(document))).toEqual([]);
  });
});

describe("a section Breaking of the change log", () => {
  it.each([
    ["## [Unreleased]\n\n### Added\n\n- more\n\n### Breaking\n\n- less\n", true],
    ["## [Unreleased]\n\n### Added\n\n- more\n", false],
    ["## [Unreleased]\n\n### Breaking\n\n## [1.0.0] - 2026-01-01\n", false],
    ["## [Unreleased]\n\n## [1.0.0] - 2026-01-01\n\n### Breaking\n\n- less\n", false],
  ])("counts where it is unreleased and not empty: %j", (changelog, isThere) => {
    expect(hasBreakingSection(changelog)).toBe(isThere);
  });
});
