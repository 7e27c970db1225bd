import { describe, expect, it } from "vitest";
import { sourceFiles, withoutComments } from "./source-files.ts";

/**
 * What core/ may never reach for by itself: it comes in as an argument (docs/architecture.md). Imports are
 * check-imports' work.
 */
const EFFECTS = [
  /\bprocess\b\s*\??\./u,
  /\bDate\.now\b/u,
  /\bnew Date\(\s*\)/u,
  /\bDate\(\s*\)/u,
  /\bperformance\b\s*\??\./u,
  /\bMath\.random\b/u,
  // The global one; node:crypto's sources of randomness are banned by import (.oxlintrc.json).
  /(?<![\w.])crypto\s*\??\./u,
  /\bconsole\b\s*\??\./u,
  /\bset(?:Timeout|Interval|Immediate)\b/u,
  /\bfetch\(/u,
  /\bimport\(/u,
  /\brequire\(/u,
  /\bglobalThis\b/u,
];

function effectsIn(text: string): readonly string[] {
  return withoutComments(text)
    .split("\n")
    .flatMap((line, index) =>
      EFFECTS.some((effect) => effect.test(line)) ? [`${index + 1}: ${line.trim()}`] : [],
    );
}

describe("core", () => {
  const files = sourceFiles("core/**/*.ts").filter(({ path }) => !path.endsWith(".test.ts"));

  it("is there to be read", () => {
    expect(files.length).toBeGreaterThan(20);
  });

  it("has no clock, randomness, environment, timer, console or network", () => {
    const found = files.flatMap(({ path, text }) => effectsIn(text).map((effect) => `${path}:${effect}`));
    expect(found).toEqual([]);
  });
});

describe("the search for effects", () => {
  it.each([
    "const at = Date.now();",
    "const at = new Date();",
    "const dice = Math.random();",
    "const id = crypto.randomUUID();",
    "const key = await crypto.subtle.generateKey(algorithm, true, uses);",
    "if (process.env.NODE_ENV) {}",
    "const { env } = globalThis.process;",
    "console.log(1);",
    "setTimeout(go, 5);",
    "await fetch(url);",
    'const fs = await import("node:fs");',
    "const a = 'smtp://x'; Date.now();",
  ])("sees %s", (line) => {
    expect(effectsIn(`const a = 1;\n${line}\n`)).toHaveLength(1);
  });

  it.each([
    "const at = new Date(nowMs).toISOString();",
    "const at = Date.parse(text);",
    "// Date.now() is not ours to call",
    "/** Never Date.now():\n * Math.random() neither. */",
    "const processing = start.process;",
  ])("lets %j pass", (line) => {
    expect(effectsIn(line)).toEqual([]);
  });
});
