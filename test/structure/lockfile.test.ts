import { describe, expect, it } from "vitest";
import { absentOptionalPackages, type Lockfile } from "../../scripts/complete-lockfile.ts";
import { sourceFiles } from "./source-files.ts";

/** Of the product, and of tools that are installed by themselves. */
const LOCKFILES = sourceFiles("package-lock.json", "*/**/package-lock.json");

describe.each(LOCKFILES)("$path", ({ path, text }) => {
  const lockfile = JSON.parse(text) as Lockfile;

  it("has every optional package, so that npm ci takes it: else run node scripts/complete-lockfile.ts", () => {
    expect(absentOptionalPackages(lockfile).map((absent) => absent.path)).toEqual([]);
  });

  it("names no registry", () => {
    expect(text).not.toMatch(/"resolved"|https?:\/\/[^"]*registry/u);
  });

  it("has the integrity of every package that the registry in reach carries", () => {
    const packages = Object.entries(
      lockfile.packages as Readonly<Record<string, Readonly<Record<string, unknown>>>>,
    );
    // Those of other platforms are added unseen by scripts/complete-lockfile.ts.
    const without = packages.filter(
      ([at, entry]) => at !== "" && entry["integrity"] === undefined && entry["os"] === undefined,
    );
    expect(
      without.map(([at]) => at),
      path,
    ).toEqual([]);
  });
});

it("the lockfiles are those of the product, of infra/ and of the readers of the OpenAPI document", () => {
  expect(LOCKFILES.map(({ path }) => path)).toEqual([
    "infra/tooling/package-lock.json",
    "package-lock.json",
    "test/document/tooling/package-lock.json",
  ]);
});
