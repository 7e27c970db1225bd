import { parseSync } from "@swc/core";
import { describe, expect, it } from "vitest";
import { sourceFiles } from "./source-files.ts";

/**
 * The linter's caps see functions and methods, but no class: a long one is many short methods over the same
 * fields. Lines from `class` to its brace, comments included.
 */
const MAX_CLASS_LINES = 200;

/**
 * Classes that were longer when the rule came. A number may only fall, and its row goes with the last line
 * too many.
 */
const LONGER: Readonly<Record<string, number>> = {
  DynamoDbTable: 254,
  DynamoDbStore: 215,
  SqliteStore: 223,
};

interface LongClass {
  readonly name: string;
  readonly lines: number;
}

/** Every class of a TypeScript module, named or not, wherever it stands. */
function classesOf(text: string): readonly LongClass[] {
  const bytes = Buffer.from(text);
  const found: LongClass[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const { type, span, identifier } = node as {
      readonly type?: string;
      readonly span?: { readonly start: number; readonly end: number };
      readonly identifier?: { readonly value?: string } | null;
    };
    if ((type === "ClassDeclaration" || type === "ClassExpression") && span !== undefined) {
      // Offsets in bytes, from 1.
      const body = bytes.subarray(span.start - 1, span.end - 1).toString();
      found.push({ name: identifier?.value ?? "(anonymous)", lines: body.split("\n").length });
    }
    Object.values(node).forEach(visit);
  };
  visit(parseSync(text, { syntax: "typescript", target: "es2024" }));
  return found;
}

/** Longer than the cap, and than what is still allowed to the class of that name. */
const tooLong = (classes: readonly LongClass[]): readonly LongClass[] =>
  classes.filter(({ name, lines }) => lines > (LONGER[name] ?? MAX_CLASS_LINES));

const CLASSES = sourceFiles(
  "{core,adapters,functions,worker,local,infra,iac,sdk/src,cli/src,scripts,bench,test}/**/*.ts",
).flatMap(({ text }) => classesOf(text));

describe("the length of a class", () => {
  it(`is at most ${MAX_CLASS_LINES} lines, some that are to be split apart`, () => {
    expect(CLASSES.length).toBeGreaterThan(100);
    expect(tooLong(CLASSES)).toEqual([]);
  });

  it.each(Object.keys(LONGER))("of %s still needs its exception", (name) => {
    const lines = CLASSES.filter((each) => each.name === name).map((each) => each.lines);
    expect(Math.max(0, ...lines)).toBeGreaterThan(MAX_CLASS_LINES);
  });

  const fields = (count: number): string => "  readonly é = 1;\n".repeat(count);

  it.each([
    ["a class", `export class Long {\n${fields(199)}}\n`],
    ["a class in a function", `const make = () => {\n  class Long {\n${fields(199)}}\n};\n`],
    ["a class that is a value", `const one = class Long extends Error {\n${fields(199)}};\n`],
    ["an abstract class", `export abstract class Long {\n${fields(199)}}\n`],
  ])("is seen in %s, and one line less passes", (_title, text) => {
    const before = "/* É */ const first = 1;\n";
    expect(tooLong(classesOf(before + text))).toEqual([{ name: "Long", lines: 201 }]);
    expect(tooLong(classesOf(before + text.replace("  readonly é = 1;\n", "")))).toEqual([]);
  });

  it.each(Object.entries(LONGER))("of %s, an exception, may not grow", (name, lines) => {
    expect(tooLong(classesOf(`class ${name} {\n${fields(lines - 1)}}\n`))).toHaveLength(1);
    expect(tooLong(classesOf(`class ${name} {\n${fields(lines - 2)}}\n`))).toEqual([]);
  });
});
