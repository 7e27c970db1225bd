import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readText, ROOT } from "./source-files.ts";

/**
 * Instructions with their arguments; continued lines are one. Nothing here builds an image: that needs a
 * Docker daemon.
 */
const instructions = readText("worker/Dockerfile")
  .replaceAll(/^#.*\n/gmu, "")
  .replaceAll(/\\\n/gu, " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => line.trim().split(/\s+/u));

const named = (name: string): readonly (readonly string[])[] =>
  instructions.filter(([instruction]) => instruction === name).map(([, ...rest]) => rest);

const bases = named("FROM").map((words) => words.find((word) => !word.startsWith("--")));

const copied = named("COPY")
  .filter(([first]) => !first?.startsWith("--"))
  .map((words) => ({ sources: words.slice(0, -1), target: words.at(-1) ?? "" }));

describe("worker/Dockerfile", () => {
  it("runs Node 24 on a slim image that is named by digest, as a user who is not root", () => {
    expect(bases).toHaveLength(2);
    expect(new Set(bases)).toEqual(new Set([expect.stringMatching(/^node:24-slim@sha256:[0-9a-f]{64}$/u)]));
    expect(named("USER")).toEqual([["1000:1000"]]);
    const last = instructions.map(([instruction]) => instruction);
    expect(last.lastIndexOf("USER")).toBeGreaterThan(last.lastIndexOf("RUN"));
  });

  it("makes the bundle on the building processor, and the image for the target one", () => {
    expect(named("FROM").map((words) => words.filter((word) => word.startsWith("--")))).toEqual([
      ["--platform=$BUILDPLATFORM"],
      [],
    ]);
  });

  it("installs only the packages that the bundle needs, and no development tools", () => {
    expect(named("RUN").map((words) => words.slice(0, 3).join(" "))).toContain("npm ci --omit=dev");
    const manifest = JSON.parse(readText("package.json")) as {
      dependencies: object;
      devDependencies: object;
    };
    expect(Object.keys(manifest.dependencies)).toContain("esbuild");
    expect(Object.keys(manifest.devDependencies)).toContain("typescript");
  });

  it("has openssl, an init that passes signals on, and a health check", () => {
    expect(named("RUN").flat()).toEqual(expect.arrayContaining(["openssl", "tini", "ca-certificates"]));
    expect(named("ENTRYPOINT").flat().join("")).toBe('["/usr/bin/tini","--"]');
    expect(named("HEALTHCHECK").flat().join(" ")).toContain("/live");
  });

  it("copies exactly the files that .dockerignore admits", () => {
    const passed = readText("worker/Dockerfile.dockerignore")
      .split("\n")
      .flatMap((line) => /^!(?<path>.+)$/u.exec(line)?.groups?.["path"] ?? []);
    expect(passed.toSorted()).toEqual(copied.flatMap(({ sources }) => sources).toSorted());
  });

  it("copies all sources of the bundle", () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-image-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    for (const { sources, target } of copied) {
      for (const source of sources) {
        const isFile = target.endsWith("/");
        const to = join(directory, isFile ? join(target, source.split("/").at(-1) ?? "") : target);
        mkdirSync(dirname(to), { recursive: true });
        cpSync(join(ROOT, source), to, { recursive: true, filter: (path) => !path.endsWith(".test.ts") });
      }
    }
    symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
    execFileSync(process.execPath, ["scripts/bundles.ts", "worker"], { cwd: directory, encoding: "utf8" });
    const bundle = join(directory, "dist/worker/worker.mjs");
    expect(existsSync(bundle)).toBe(true);
    expect(spawnSync(process.execPath, [bundle], { encoding: "utf8", env: {} })).toMatchObject({
      status: 78,
    });
  });
});
