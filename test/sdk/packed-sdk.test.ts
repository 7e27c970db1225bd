import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { bundledEntry } from "../../scripts/build-sdk.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { NODES } from "../support/packed-package.ts";
import { examplesIn, PROJECTS, SdkProject } from "./packed-sdk.ts";

let project: SdkProject;
let tenLines = "";
let dataDir = "";
let env: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  project = new SdkProject();
  dataDir = newDataDir();
  const postern = new PosternProcess(dataDir);
  const { api } = await postern.started();
  env = { POSTERN_URL: httpUrl(api), POSTERN_TOKEN: postern.token };
  tenLines = examplesIn(project.readPacked("README.md"))[0]?.code ?? "";
});

afterAll(async () => {
  await endAll();
  project.remove();
  rmSync(dataDir, { recursive: true, force: true });
});

/** What makes the README's program wrong. */
const PLANTED: Readonly<Record<string, readonly [right: string, wrong: string]>> = {
  "a level that is not there": ['level: "require"', 'level: "required"'],
  "a code that is not there": ['"not-found"', '"missing"'],
  "a member that a domain does not have": ["tls.server.level", "tls.client.level"],
  "a write without its condition": [", { ifMatch: etag }", ""],
};

describe("the packed SDK in an empty project", () => {
  it("is its code, types, licences and README alone", () => {
    const others = project.packed.filter((path) => !/^dist\/(?:generated\/)?[\w-]+\.d\.ts$/u.test(path));
    expect(others.toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist/THIRD-PARTY-LICENSES.txt",
      "dist/index.js",
      "dist/sigv4.js",
      "package.json",
    ]);
    expect(JSON.parse(project.readPacked("package.json"))).not.toHaveProperty("dependencies");
  });

  it.each(NODES)("runs the README's lines under Node $major", async ({ program }) => {
    const { output, errors, exitCode } = await project.run(tenLines, program, env);
    expect({ errors, exitCode }).toEqual({ errors: "", exitCode: 0 });
    expect(output.split("\n").slice(0, 2)).toEqual([
      "example.org require",
      "domain absent.example.org not found",
    ]);
    expect(output).toMatch(/^deleted at revision \d+\n$/mu);
  });

  it.each(PROJECTS)("type-checks with $compiler and $resolution", async (kind) => {
    expect(await project.typeErrors(tenLines, kind)).toBe("");
  });

  it.each(Object.entries(PLANTED))("reports %s as a type error", async (_, [right, wrong]) => {
    expect(tenLines).toContain(right);
    const [kind] = PROJECTS;
    expect(kind && (await project.typeErrors(tenLines.replace(right, wrong), kind))).toContain("error TS");
  });

  it("imports no other package and no module of Node, also for SigV4", () => {
    for (const entry of ["index", "sigv4"])
      expect(project.readPacked(`dist/${entry}.js`)).not.toMatch(
        /^(?:import|export) .*from\b|\bimport\(|\brequire\(/mu,
      );
  });

  it("changes nothing when it is imported", async () => {
    const program = `
      const before = Reflect.ownKeys(globalThis).length;
      const timers = process.getActiveResourcesInfo().length;
      await import("@postern/sdk");
      await import("@postern/sdk/sigv4");
      console.log(Reflect.ownKeys(globalThis).length - before, process.getActiveResourcesInfo().length - timers);
    `;
    const { output, errors } = await project.run(program, process.execPath, {});
    expect({ output, errors }).toEqual({ output: "0 0\n", errors: "" });
  });

  it("leaves nothing in a bundle of a program that uses nothing of it", async () => {
    expect(await project.bundled('import "@postern/sdk"; import "@postern/sdk/sigv4";')).toBe("");
    expect(await project.bundled('export { createPostern } from "@postern/sdk";')).toContain("createPostern");
  });
});

describe("the SDK, minified", () => {
  it.each(["index", "sigv4"] as const)("has at most 20 KB: %s", async (entry) => {
    const code = await bundledEntry(entry, true);
    expect(code).toMatch(/export\s*\{/u);
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(20_000);
  });
});
