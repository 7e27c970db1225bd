import { describe, expect, it } from "vitest";
import { readText, sourceFiles } from "./source-files.ts";

/**
 * Riddles that plain English has a word for (CONTRIBUTING.md, "Language"). Each is written in pieces, so that
 * a search of the repository for one of them finds prose alone.
 */
const BANNED: readonly string[] = [
  ["no", "body"],
  ["any", "body"],
  ["some", "body"],
  ["every", "body"],
  ["who", "ever"],
  ["whatever", " it"],
  ["of", " ours"],
  ["of its", " own"],
  ["is", " told"],
  ["is", " said"],
  ["tells", " nothing"],
  ["for", " ever"],
  ["put", " off"],
  ["in", " vain"],
  ["that is", " there"],
  ["what there", " is"],
].map((pieces) => pieces.join(""));

const wordsOf = (phrase: string): string => phrase.replaceAll(" ", String.raw`[\s*/#]+`);
const RIDDLE = new RegExp(String.raw`\b(?:${BANNED.map(wordsOf).join("|")})\b|(?:^|[.;:] )Likewise\b`, "giu");

/** A warning code that callers have stored, which therefore stays (docs/adr/0023-what-v1-promises.md). */
const EXCEPTION = ["client-certificate-any", "body"].join("");

const ROOMS = [
  "core",
  "adapters",
  "functions",
  "worker",
  "local",
  "infra",
  "sdk",
  "cli",
  "scripts",
  "bench",
  "docs",
  "test",
];
const FILES = sourceFiles(
  "*.{md,ts,mjs,json}",
  ".dependency-cruiser.mjs",
  ".oxlintrc.json",
  ".ci/run",
  ".github/**/*.{md,yml,yaml}",
  `{${ROOMS.join(",")}}/**/*.{ts,mjs,md,py,sh,cf,dialog}`,
  "worker/Dockerfile",
).filter(
  ({ path }) => path !== "package-lock.json" && !/^(?:sdk|cli)\/(?:dist|src\/generated)\//u.test(path),
);

const riddlesIn = (text: string): readonly string[] =>
  [...text.replaceAll(EXCEPTION, "").matchAll(RIDDLE)].map(({ 0: found }) => found.replaceAll(/\s+/gu, " "));

describe("the language of code, tests and docs", () => {
  it("is searched in every room", () => {
    const searched = new Set(FILES.map(({ path }) => path.slice(0, path.indexOf("/"))));
    expect(ROOMS.filter((room) => !searched.has(room))).toEqual([]);
    expect(FILES.length).toBeGreaterThan(700);
  });

  it("has no riddle of the list", () => {
    expect(FILES.flatMap(({ path, text }) => riddlesIn(text).map((riddle) => `${path}: ${riddle}`))).toEqual(
      [],
    );
  });

  it.each(BANNED)("would have been refused for %j, also over a line end", (riddle) => {
    expect(riddlesIn(`A sentence with ${riddle} in it.`)).toHaveLength(1);
    expect(riddlesIn(`/**\n * A sentence\n * ${riddle.replaceAll(" ", "\n * ")} it.\n */`)).toHaveLength(1);
    expect(riddlesIn(riddle.toUpperCase())).toHaveLength(1);
  });

  it("takes the word that follows a full stop for a riddle, and not the adverb", () => {
    expect(riddlesIn(`It ends. ${["Like", "wise"].join("")} the other.`)).toHaveLength(1);
    expect(riddlesIn("It is likewise refused.")).toHaveLength(0);
  });
});

/** A line that holds nothing but a part of a comment. */
const COMMENT = /^\s*(?:\/\/|\/?\*)/u;
/** Directives are one line, and a table or a command keeps its columns. */
const KEEPS_ITS_LINE = /oxlint-|^\s*\* {2,}\S/u;

describe("comments", () => {
  const { formatter } = JSON.parse(readText("biome.json")) as {
    readonly formatter: { readonly lineWidth: number };
  };
  const tooWide = (text: string): readonly string[] =>
    text
      .split("\n")
      .filter(
        (line) => COMMENT.test(line) && !KEEPS_ITS_LINE.test(line) && line.length > formatter.lineWidth,
      );

  it("keep to the formatter's width", () => {
    const sources = FILES.filter(({ path }) => /\.(?:ts|mjs)$/u.test(path));
    expect(
      sources.flatMap(({ path, text }) => tooWide(text).map((line) => `${path}: ${line.trim()}`)),
    ).toEqual([]);
  });

  it.each(["//", "/**", " *"])("that begin with %j and are wider are found", (start) => {
    expect(tooWide(`${start} ${"word ".repeat(30)}`)).toHaveLength(1);
    expect(tooWide(`${start} ${"word ".repeat(5)}`)).toHaveLength(0);
  });
});
