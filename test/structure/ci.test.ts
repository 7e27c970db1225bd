import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_OF } from "../support/peers/installed-peers.ts";
import { readText, ROOT } from "./source-files.ts";

let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-ci-"));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function runScript(
  script: string,
  input: string,
): { readonly exitCode: number | null; readonly output: string } {
  const path = join(directory, "input.json");
  writeFileSync(path, input);
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, "scripts", script), path], {
    encoding: "utf8",
  });
  return { exitCode: status, output: stdout.trimEnd() };
}

const passing = { status: "passed", assertionResults: [{}] };
const unloaded = { status: "failed", assertionResults: [] };
const report = (counts: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    success: true,
    testResults: [passing],
    ...counts,
  });

describe("the count of tests that CI ends with", () => {
  it.each([
    [{ numPassedTests: 12 }, "12 passed, 0 failed", 0],
    [{ numPassedTests: 12, numPendingTests: 2, numTodoTests: 1 }, "12 passed, 0 failed, 3 skipped", 0],
    [{ numPassedTests: 11, numFailedTests: 1, success: false }, "11 passed, 1 failed", 1],
    [{ numPassedTests: 11, success: false, testResults: [passing, unloaded] }, "11 passed, 1 failed", 1],
    // Green tests and an error outside of them: vitest says that the run did not succeed.
    [{ numPassedTests: 11, success: false }, "11 passed, 0 failed", 1],
    [{}, "0 passed, 0 failed", 1],
  ])("of %j is %j, exit code %i", (counts, line, exitCode) => {
    expect(runScript("count-tests.ts", report(counts))).toEqual({ exitCode, output: line });
  });

  it("fails without a report", () => {
    expect(runScript("count-tests.ts", "").exitCode).toBe(1);
  });
});

describe("the report of known weaknesses", () => {
  it.each([
    ['{"vulnerabilities":{}}', "npm audit: no known weakness"],
    ['{"vulnerabilities":{"a":{"severity":"high","range":"<2"}}}', "npm audit: high: a <2"],
    [
      '{"message":"405 Method Not Allowed"}',
      "npm audit: not checked, the registry's audit service gave no answer",
    ],
    ["", "npm audit: not checked, the registry's audit service gave no answer"],
  ])("of %j says so and never fails", (json, line) => {
    expect(runScript("report-audit.ts", json)).toEqual({ exitCode: 0, output: line });
  });
});

describe(".ci/run", () => {
  const script = readText(".ci/run");

  it.each(Object.values(PACKAGE_OF))("installs the peer %s", (name) => {
    const lists = [...script.matchAll(/^(?:debian|unpacked)_packages=\((?<names>[^)]+)\)/gmu)];
    expect(lists.flatMap(({ groups }) => groups?.["names"]?.split(" "))).toContain(name);
  });

  it.each(["buildah", "mmdebstrap"])("installs %s for the worker's image", (name) => {
    expect(script).toMatch(new RegExp(`^debian_packages\\+=\\([^)]*\\b${name}\\b`, "mu"));
  });

  it.each(["sslyze", "pebble"])("installs %s", (name) => {
    expect(script).toMatch(new RegExp(`^try_thrice node scripts/install-${name}\\.ts$`, "mu"));
  });

  it("builds and runs the worker's image", () => {
    expect(script).toMatch(/^POSTERN_.* POSTERN_IMAGE=required .*npm test/mu);
  });

  it("installs the readers of the OpenAPI document, and requires them", () => {
    expect(script).toContain("node scripts/install-document-tools.ts");
    expect(script).toMatch(/^POSTERN_DOCUMENT=required .*npm test/mu);
  });

  it("runs the README's own commands, and skips no peer", () => {
    for (const command of ["npm ci", "npm run check", "POSTERN_PEERS=required npm test"])
      expect(script).toContain(command);
  });
});
