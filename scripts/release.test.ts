import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const { workspaces } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  workspaces: string[];
};
const MANIFESTS = ["package.json", ...workspaces.map((folder) => `${folder}/package.json`)];
const FILES = [...MANIFESTS, "package-lock.json", "CHANGELOG.md", "openapi.json", "scripts/release.ts"];
const DIGEST = `sha256:${"0a".repeat(32)}`;

let checkout = "";

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "postern-release-"));
  const directory = checkout;
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(checkout, "test/document"), { recursive: true });
  for (const name of FILES) cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
});

const read = (name: string): string => readFileSync(join(checkout, name), "utf8");
const json = (name: string) =>
  JSON.parse(read(name)) as { version: string; packages?: Record<string, { version?: string }> };

function release(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/release.ts", ...args], {
    cwd: checkout,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** Above every version of this checkout. */
const NEXT = "900.1.0";

describe("release.ts prepare", () => {
  it("writes the version and nothing else into the manifests and the lock file", () => {
    const before = { manifests: MANIFESTS.map(json), lockfile: json("package-lock.json") };
    expect(release("prepare", NEXT).status).toBe(0);
    const packages = { ...before.lockfile.packages };
    for (const folder of ["", ...workspaces]) packages[folder] = { ...packages[folder], version: NEXT };
    expect(MANIFESTS.map(json)).toEqual(before.manifests.map((manifest) => ({ ...manifest, version: NEXT })));
    expect(json("package-lock.json")).toEqual({ ...before.lockfile, version: NEXT, packages });
  });

  it("leaves them as npm writes them", () => {
    release("prepare", NEXT);
    for (const name of [...MANIFESTS, "package-lock.json"]) {
      const was = readFileSync(join(ROOT, name), "utf8").split("\n");
      const changed = read(name)
        .split("\n")
        .filter((line, at) => line !== was[at]);
      expect(changed.map((line) => line.trim())).toEqual(
        Array.from(
          { length: name === "package-lock.json" ? 2 + workspaces.length : 1 },
          () => `"version": "${NEXT}",`,
        ),
      );
    }
  });

  it("keeps the OpenAPI document of the release, which later ones are compared with", () => {
    writeFileSync(join(checkout, "openapi.json"), "{}");
    release("prepare", NEXT);
    expect(read("test/document/released-openapi.json")).toBe("{}");
  });

  it("puts what is unreleased under the version and today's date, and leaves an empty section above", () => {
    const before = read("CHANGELOG.md");
    release("prepare", NEXT);
    const [, date] = /^## \[900\.1\.0\] - (\d{4}-\d{2}-\d{2})$/mu.exec(read("CHANGELOG.md")) ?? [];
    expect(Date.parse(date ?? "")).not.toBeNaN();
    const heading = "## [Unreleased]\n";
    expect(read("CHANGELOG.md")).toBe(before.replace(heading, `${heading}\n## [${NEXT}] - ${date}\n`));
  });

  it.each([
    [
      "a version that is not three numbers",
      ["prepare", "v1.0.0"],
      'version "v1.0.0" is not MAJOR.MINOR.PATCH',
    ],
    ["a version with a leading zero", ["prepare", "900.01.0"], 'version "900.01.0" is not MAJOR.MINOR.PATCH'],
    ["an earlier version", ["prepare", "0.0.9"], "version 0.0.9 is not above"],
    ["no version", ["prepare"], 'version "" is not MAJOR.MINOR.PATCH'],
    ["another command", ["publish", NEXT], "usage: release.ts prepare VERSION"],
  ])("rejects %s and writes nothing", (_title, args, message) => {
    const before = FILES.map(read);
    const { status, stderr } = release(...args);
    expect([status, stderr.startsWith(`release: ${message}`)]).toEqual([1, true]);
    expect(FILES.map(read)).toEqual(before);
  });

  it("rejects the present version", () => {
    const { version } = json("package.json");
    expect(release("prepare", version).stderr).toBe(`release: version ${version} is not above ${version}\n`);
  });

  it("rejects a change log in which nothing is unreleased", () => {
    expect(release("prepare", NEXT).status).toBe(0);
    const before = FILES.map(read);
    expect(release("prepare", "900.2.0").stderr).toBe("release: CHANGELOG.md: nothing is unreleased\n");
    expect(FILES.map(read)).toEqual(before);
  });

  it("compares numbers, not text", () => {
    writeFileSync(
      join(checkout, "package.json"),
      read("package.json").replace(/"version": ".*?"/u, '"version": "0.9.0"'),
    );
    expect(release("prepare", "0.10.0").status).toBe(0);
  });
});

describe("release.ts notes", () => {
  beforeEach(() => {
    writeFileSync(
      join(checkout, "CHANGELOG.md"),
      "# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - 2027-01-02\n\n### Added\n\n- Two.\n\n## [1.0.0] - 2027-01-01\n\n- One.\n",
    );
  });

  function metadata(value: object): string {
    const path = join(checkout, "image.json");
    writeFileSync(path, JSON.stringify(value));
    return path;
  }

  it("prints the section of the version alone", () => {
    expect(release("notes", "1.1.0").stdout).toBe("### Added\n\n- Two.\n");
    expect(release("notes", "1.0.0").stdout).toBe("- One.\n");
  });

  it("names the image by digest, without its tag", () => {
    const path = metadata({
      "containerimage.digest": DIGEST,
      "image.name": "registry.example:5000/postern-worker:1.0.0",
    });
    expect(release("notes", "1.0.0", path).stdout).toBe(
      `- One.\n\nImage of the worker: \`registry.example:5000/postern-worker@${DIGEST}\`\n`,
    );
  });

  it.each([
    ["no digest", { "image.name": "a" }],
    ["a digest cut short", { "image.name": "a", "containerimage.digest": DIGEST.slice(0, -1) }],
  ])("fails where the image has %s", (_title, value) => {
    expect(release("notes", "1.0.0", metadata(value)).status).toBe(1);
  });

  it("rejects a version without a section", () => {
    expect(release("notes", "1.2.0")).toMatchObject({
      status: 1,
      stderr: "release: CHANGELOG.md has no section 1.2.0\n",
    });
  });
});
