import { matchesGlob } from "node:path";
import { expect, it } from "vitest";
import config from "../../vitest.config.ts";
import { sourceFiles } from "./source-files.ts";

/** The patterns of every project of vitest.config.ts. */
const patterns = (config.test?.projects ?? []).flatMap((project) =>
  typeof project === "object" && "test" in project ? (project.test?.include ?? []) : [],
);

it("every test file belongs to exactly one project, so that no path is left out", () => {
  const tests = sourceFiles("**/*.test.ts").map(({ path }) => path);
  expect(tests.length).toBeGreaterThan(5);
  const homes = (path: string): number => patterns.filter((pattern) => matchesGlob(path, pattern)).length;
  expect(tests.filter((path) => homes(path) !== 1)).toEqual([]);
});

it("no test is skipped, focused or left empty by hand", () => {
  // Written in two parts, so that this file does not find itself.
  const byHand = new RegExp(`\\b(?:it|test|describe)\\.(?:${["only", "skip", "todo"].join("|")})\\b`, "u");
  const found = sourceFiles("**/*.test.ts", "test/**/*.ts").filter(({ text }) => byHand.test(text));
  expect(found.map(({ path }) => path)).toEqual([]);
});
