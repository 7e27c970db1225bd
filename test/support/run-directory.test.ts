import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { setup } from "./run-directory.ts";

type Project = Parameters<typeof setup>[0];
const project = { vitest: { config: { coverage: { enabled: false } } } } as Project;

describe("the temporary directory of a run", () => {
  let outside = "";
  beforeEach(() => {
    outside = tmpdir();
  });

  it("is one for all projects, and is gone after the last of them", () => {
    const ends = [setup(project), setup(project)];
    const directory = tmpdir();
    expect(directory).not.toBe(outside);
    expect(existsSync(directory)).toBe(true);
    ends[1]?.();
    expect(tmpdir()).toBe(directory);
    ends[0]?.();
    expect([tmpdir(), existsSync(directory)]).toEqual([outside, false]);
  });

  it("lets a run pass that has removed all it made", () => {
    const end = setup(project);
    rmSync(mkdtempSync(join(tmpdir(), "removed-")), { recursive: true });
    expect(end).not.toThrow();
  });

  it("fails a run that leaves files or directories, names them, and removes them", () => {
    const end = setup(project);
    const directory = tmpdir();
    mkdirSync(join(directory, "left-directory"));
    writeFileSync(join(directory, "left-file"), "");
    expect(end).toThrow("tests left in the temporary directory: left-directory, left-file");
    expect([tmpdir(), existsSync(directory)]).toEqual([outside, false]);
  });

  it("names no more than twenty of what is left", () => {
    const end = setup(project);
    for (let n = 10; n < 35; n += 1) writeFileSync(join(tmpdir(), `left-${n}`), "");
    expect(end).toThrow(/: left-10, [^]*left-29, and 5 more$/u);
  });

  it("keeps what processes have compiled until the end", () => {
    const end = setup(project);
    const compiled = process.env["NODE_COMPILE_CACHE"] ?? "";
    mkdirSync(compiled);
    expect(compiled.startsWith(tmpdir())).toBe(true);
    end();
    expect(existsSync(compiled)).toBe(false);
  });
});
