import { describe, expect, it } from "vitest";
import vitestConfig from "../../vitest.config.ts";
import { sourceFiles, withoutComments } from "./source-files.ts";

/** A line that tests must not have, and where it may stand all the same: so many times, for a reason. */
interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly planted: readonly string[];
  readonly passes: readonly string[];
  readonly exceptions: Readonly<Record<string, { readonly times: number; readonly why: string }>>;
}

const RULES: readonly Rule[] = [
  {
    name: "return early, where a case that was to be checked is skipped unseen",
    pattern: /^\s*(?:(?:if \(.*\) )?(?:\{ )?return;|if \(.*\) (?:\{ )?return undefined;)/u,
    planted: [
      "    return;",
      "    if (found === null) return;",
      "if (skipped) { return; }",
      "if (found === null) return undefined;",
    ],
    passes: [
      "    return answer;",
      "      return undefined;",
      "fc.pre(found !== null);",
      "if (found === null) return [];",
    ],
    exceptions: {
      "test/aws/dynamodb-references.test.ts": {
        times: 2,
        why: "hooks of a file that is skipped without AWS",
      },
      "test/aws/replica.test.ts": { times: 1, why: "behind the assertion of that case" },
      "test/document/sdk.test.ts": { times: 1, why: "a hook of a file that is skipped without its tools" },
      "test/e2e/mail-safety.test.ts": { times: 2, why: "senders that end when the product is killed" },
      "test/structure/classes.test.ts": { times: 1, why: "a walk through a syntax tree" },
    },
  },
  {
    name: "measure time on the machine's clock: a busy machine is slow",
    pattern:
      /\bperformance\.now\(\)\s*-|-\s*performance\.now\(\)|expect\(\s*Date\.now\(\)\s*-|\b(?:hrtime|cpuUsage)\b/u,
    planted: [
      "expect(performance.now() - before).toBeLessThan(2_000);",
      "const took = performance.now() - startedAt;",
      "expect(Date.now() - before).toBeLessThan(2_000);",
      "const { user } = process.cpuUsage(before);",
    ],
    passes: ["const retry = { now: () => performance.now() };", "expect(time.now()).toBeLessThan(230);"],
    exceptions: {},
  },
];

const RULES_OF_THIS_FILE = "test/structure/tests.test.ts";

const linesThat = ({ pattern }: Rule, text: string): number =>
  withoutComments(text)
    .split("\n")
    .filter((line) => pattern.test(line)).length;

describe("tests", () => {
  const files = sourceFiles(
    "{core,adapters,functions,worker,local,scripts,infra,sdk,cli}/**/*.test.ts",
    "test/**/*.{test,cases,contract}.ts",
  ).filter(({ path }) => path !== RULES_OF_THIS_FILE);

  it("are there to be read", () => {
    expect(files.length).toBeGreaterThan(150);
  });

  it.each(RULES)("never $name", (rule) => {
    const found = files.flatMap(({ path, text }) => {
      const lines = linesThat(rule, text);
      return lines === 0 ? [] : [[path, lines]];
    });
    const allowed = Object.entries(rule.exceptions).map(([path, { times }]) => [path, times]);
    expect(found).toEqual(allowed);
  });

  it.each(RULES.flatMap((rule) => rule.planted.map((line) => ({ rule, line }))))(
    "are seen to: $line",
    (row) => {
      expect(linesThat(row.rule, row.line)).toBe(1);
    },
  );

  it.each(RULES.flatMap((rule) => rule.passes.map((line) => ({ rule, line }))))("may: $line", (row) => {
    expect(linesThat(row.rule, row.line)).toBe(0);
  });
});

describe("the test runner", () => {
  const { projects = [] } = vitestConfig.test ?? {};
  const settings = projects.flatMap((project) =>
    typeof project === "object" && "test" in project ? [project.test] : [],
  );

  it.each(settings.map((test) => ({ ...test })))(
    "fails a $name test without an assertion",
    ({ expect: asserting }) => {
      expect(asserting).toMatchObject({ requireAssertions: true });
    },
  );

  it.each(settings.map((test) => ({ ...test })))(
    "fails a run whose $name tests leave files behind",
    (test) => {
      expect([test.globalSetup].flat()[0]).toBe("test/support/run-directory.ts");
    },
  );
});
