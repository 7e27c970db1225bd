import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./source-files.ts";

interface LintAnswer {
  readonly diagnostics: readonly { readonly code: string; readonly filename: string }[];
}

const lines = (count: number): string => "work();\n".repeat(count);

/** Code that the linter has to reject, by the rule that does; behind a space, in which shape of code. */
const PLANTED: Readonly<Record<string, string>> = {
  "eslint(max-lines)": `export function work(): void {}\n${lines(400)}`,
  "eslint(max-lines-per-function)": `export function long(work: () => void): void {\n${lines(70)}}`,
  "eslint(max-lines-per-function) in a method": `export class Long {\n  go(work: () => void): void {\n${lines(70)}  }\n}`,
  "eslint(max-params)": "export function four(a: 1, b: 2, c: 3, d: 4): number[] { return [a, b, c, d]; }",
  "eslint(max-depth)":
    "export function deep(a: boolean, work: () => void): void { if (a) { for (;;) { while (a) { if (a) { work(); } } } } }",
  "eslint(no-else-return)":
    "export function pick(a: boolean): number { if (a) { return 1; } else { return 2; } }",
  "import(no-default-export)": "export default 1;",
  "oxc(no-barrel-file)": 'export * from "./eslint-max-params.ts";',
  "typescript(no-explicit-any)": "export const loose = (value: any): string => String(value);",
  "typescript(no-non-null-assertion)": "export const sure = (value: string | null): string => value!;",
  "typescript(no-floating-promises)":
    "async function later(): Promise<void> {}\nexport function go(): void { later(); }",
  "typescript(no-misused-promises)":
    "async function later(): Promise<boolean> { return true; }\nexport const go = (): number => { if (later()) { return 1; } return 2; };",
  "typescript(switch-exhaustiveness-check)":
    'export function of(level: "a" | "b"): number { switch (level) { case "a": return 1; } return 2; }',
  "eslint(no-restricted-imports)": 'import { randomUUID } from "node:crypto";\nexport const id = randomUUID;',
  "eslint(no-restricted-imports) of a namespace":
    'import * as crypto from "node:crypto";\nexport const id = crypto.randomUUID;',
  "eslint(no-restricted-imports) of the default":
    'import crypto from "node:crypto";\nexport const id = crypto.randomUUID;',
  "eslint(no-console)": "console.log(1);",
  "eslint(eqeqeq)": "export const same = (a: string, b: string): boolean => a == b;",
};

/** The same of tests, which wait for events and conditions and never for a fixed time. */
const PLANTED_IN_TESTS: Readonly<Record<string, string>> = {
  "eslint(no-restricted-globals) by a sleep":
    "export const later = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 30));",
  "eslint(no-restricted-imports) by a sleep":
    'import { setTimeout as sleep } from "node:timers/promises";\nexport const later = (): Promise<void> => sleep(30);',
  "eslint(no-restricted-imports) by a scheduler":
    'import { scheduler } from "node:timers/promises";\nexport const later = (): Promise<void> => scheduler.wait(30);',
};

const fileOf = (planted: string): string => `${planted.replaceAll(/[^a-z]+/gu, "-").replace(/-$/u, "")}.ts`;

const testOf = (planted: string): string => fileOf(planted).replace(/\.ts$/u, ".test.ts");

let directory = "";
let answer: LintAnswer = { diagnostics: [] };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "postern-lint-"));
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  symlinkSync(join(ROOT, ".oxlintrc.json"), join(directory, ".oxlintrc.json"));
  const compilerOptions = {
    strict: true,
    module: "nodenext",
    target: "es2024",
    allowImportingTsExtensions: true,
    noEmit: true,
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["core"] }));
  mkdirSync(join(directory, "core"));
  for (const [rule, text] of Object.entries(PLANTED))
    writeFileSync(join(directory, "core", fileOf(rule)), text);
  for (const [rule, text] of Object.entries(PLANTED_IN_TESTS))
    writeFileSync(join(directory, "core", testOf(rule)), text);
  answer = JSON.parse(lint()) as LintAnswer;
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function lint(): string {
  const program = join(ROOT, "node_modules/.bin/oxlint");
  try {
    return execFileSync(program, ["--type-aware", "--deny-warnings", "-f", "json"], {
      cwd: directory,
      encoding: "utf8",
    });
  } catch (failure) {
    // It exits with 1 because it found something, which is the point.
    if (failure instanceof Error && "stdout" in failure && typeof failure.stdout === "string")
      return failure.stdout;
    throw failure;
  }
}

describe("the linter", () => {
  it.each(Object.keys(PLANTED))("rejects what breaks %s", (planted) => {
    const found = answer.diagnostics.filter(({ filename }) => filename === `core/${fileOf(planted)}`);
    expect(found.map(({ code }) => code)).toContain(planted.split(" ")[0]);
  });

  it.each(Object.keys(PLANTED_IN_TESTS))("rejects what breaks %s in a test", (planted) => {
    const found = answer.diagnostics.filter(({ filename }) => filename === `core/${testOf(planted)}`);
    expect(found.map(({ code }) => code)).toContain(planted.split(" ")[0]);
  });
});
