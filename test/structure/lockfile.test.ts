import { expect, it } from "vitest";
import { absentOptionalPackages, type Lockfile } from "../../scripts/complete-lockfile.ts";
import { readText } from "./source-files.ts";

const lockfile = JSON.parse(readText("package-lock.json")) as Lockfile;

it("package-lock.json has every optional package, so that npm ci takes it: else run node scripts/complete-lockfile.ts", () => {
  expect(absentOptionalPackages(lockfile).map(({ path }) => path)).toEqual([]);
});

it("package-lock.json names no registry", () => {
  expect(readText("package-lock.json")).not.toMatch(/"resolved"|https?:\/\/[^"]*registry/u);
});
