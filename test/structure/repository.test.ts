import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { readText, ROOT, sourceFiles } from "./source-files.ts";

/**
 * What a forge, an editor, a version manager and a bot read of the checkout says the same as the checkout.
 */

interface Manifest {
  readonly version: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readText("package.json")) as Manifest;
const lockfile = JSON.parse(readText("package-lock.json")) as Manifest & {
  readonly packages: Readonly<Record<string, Manifest>>;
};

/** Every image that a line names by tag and digest. */
const imagesIn = (path: string): readonly string[] =>
  [...readText(path).matchAll(/^\s*(?:image:|FROM)\s.*?(?<image>\S+@sha256:[0-9a-f]{64})/gmu)].map(
    ({ groups }) => groups?.["image"] ?? "",
  );

describe("the version of Node", () => {
  const version = readText(".node-version").trim();

  it("is that of the package node, which npm scripts use", () => {
    expect(lockfile.packages["node_modules/node"]?.version).toBe(version);
    expect(manifest.devDependencies?.["node"]).toMatch(/^\^24\./u);
  });

  it("is one that engines takes, of the major version of its types and of the images", () => {
    const [major = ""] = version.split(".");
    expect(manifest.engines?.["node"]).toBe(`>=${major}`);
    expect(manifest.devDependencies?.["@types/node"]).toMatch(new RegExp(`^\\^${major}\\.`, "u"));
    const images = ["worker/Dockerfile", ".github/workflows/ci.yml"].flatMap(imagesIn);
    expect(images).toHaveLength(3);
    expect(new Set(images)).toEqual(
      new Set([expect.stringMatching(new RegExp(`^node:${major}-slim@`, "u")) as string]),
    );
  });
});

describe(".editorconfig", () => {
  const sections = new Map(
    readText(".editorconfig")
      .split(/^\[/mu)
      .slice(1)
      .map((section) => {
        const [pattern = "", ...lines] = section.split("\n");
        const pairs = lines.flatMap((line) => {
          const { name, value } = /^(?<name>\w+) = (?<value>.+)$/u.exec(line)?.groups ?? {};
          return name === undefined ? [] : [[name, value] as const];
        });
        return [pattern.replace(/\]$/u, ""), Object.fromEntries(pairs)] as const;
      }),
  );

  it("says what biome.json says", () => {
    const { formatter } = JSON.parse(readText("biome.json")) as {
      readonly formatter: { indentStyle: string; indentWidth: number; lineWidth: number };
    };
    expect(sections.get("*")).toMatchObject({
      indent_style: formatter.indentStyle,
      indent_size: String(formatter.indentWidth),
      end_of_line: "lf",
    });
    expect(sections.get("*.{ts,mjs,js,json,jsonc}")).toEqual({
      max_line_length: String(formatter.lineWidth),
    });
  });

  it("is kept by every text of the checkout", () => {
    const texts = sourceFiles(
      "**/*.{ts,md,json,jsonc,mjs,yml,yaml,toml,java,py,sh,dialog}",
      ".github/**/*.*",
    );
    expect(texts.length).toBeGreaterThan(500);
    const broken = texts.filter(
      ({ path, text }) =>
        !text.endsWith("\n") || /[\r\t]/u.test(text) || (!path.endsWith(".dialog") && / \n/u.test(text)),
    );
    expect(broken.map(({ path }) => path)).toEqual([]);
  });
});

describe("workflows of the forge", () => {
  const Workflow = z.strictObject({
    name: z.string(),
    // YAML 1.1 reads the key `on` as true; `yaml` reads 1.2.
    on: z.record(z.string(), z.unknown()),
    permissions: z.strictObject({ contents: z.literal("read") }),
    concurrency: z.object({ group: z.string() }),
    jobs: z.record(
      z.string(),
      z.object({
        "timeout-minutes": z.number().max(120),
        permissions: z.never().optional(),
        steps: z.array(
          z.union([
            z.strictObject({
              uses: z.string().regex(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/u),
              with: z.strictObject({ "persist-credentials": z.literal(false) }),
            }),
            z.strictObject({ run: z.string() }),
          ]),
        ),
      }),
    ),
  });
  const workflows = sourceFiles(".github/workflows/*");

  it("are one", () => {
    expect(workflows.map(({ path }) => path)).toEqual([".github/workflows/ci.yml"]);
  });

  it.each(workflows)(
    "$path may read alone, ends in time, takes actions by commit and no secret",
    ({ text }) => {
      Workflow.parse(parse(text));
      expect(text).not.toContain("secrets.");
      // The release behind a commit is for people, and for Renovate.
      const uses = text.split("\n").filter((line) => line.includes("uses:"));
      expect(uses.filter((line) => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/u.test(line))).toEqual([]);
    },
  );

  it("run .ci/run on every pull request and on main, and nothing else", () => {
    const { on, jobs } = Workflow.parse(parse(readText(".github/workflows/ci.yml")));
    expect(on).toEqual({ push: { branches: ["main"] }, pull_request: null });
    const commands = Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap((step) => ("run" in step ? [step.run] : [])),
    );
    expect(commands).toEqual([".ci/run"]);
  });

  const sound = readText(".github/workflows/ci.yml");
  it.each([
    ["an action by tag", /@[0-9a-f]{40} # v/u, "@v"],
    ["a right to write", "contents: read", "contents: write"],
    ["no timeout", /^ +timeout-minutes:.*\n/mu, ""],
    ["no permissions", /^permissions:\n.*\n/mu, ""],
    ["credentials left in the checkout", "persist-credentials: false", "persist-credentials: true"],
  ])("would not pass with %s", (_fault, from, to) => {
    const planted = sound.replace(from, to);
    expect(planted).not.toBe(sound);
    expect(Workflow.safeParse(parse(planted)).success).toBe(false);
  });
});

describe("forms of the forge", () => {
  it.each(sourceFiles(".github/ISSUE_TEMPLATE/*.yml").filter(({ path }) => !path.endsWith("config.yml")))(
    "$path has a name, a description and fields with ids",
    ({ text }) => {
      const Form = z.object({
        name: z.string().min(1),
        description: z.string().min(1),
        body: z
          .array(
            z.union([
              z.object({ type: z.literal("markdown"), attributes: z.object({ value: z.string() }) }),
              z.object({
                type: z.enum(["input", "textarea", "dropdown", "checkboxes"]),
                id: z.string().regex(/^[a-z]+$/u),
                attributes: z.object({ label: z.string().min(1) }),
              }),
            ]),
          )
          .min(2),
      });
      const ids = Form.parse(parse(text)).body.flatMap((field) => ("id" in field ? [field.id] : []));
      expect(new Set(ids).size).toBe(ids.length);
    },
  );

  it("CODEOWNERS names paths that exist, and an owner for each", () => {
    const rows = readText(".github/CODEOWNERS")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(/\s+/u));
    expect(rows[0]?.[0]).toBe("*");
    const paths = rows.slice(1).map(([path = ""]) => path);
    expect(paths.filter((path) => !path.startsWith("/") || !existsSync(join(ROOT, path)))).toEqual([]);
    expect(
      rows.filter(([, ...owners]) => owners.length === 0 || owners.some((each) => !/^@\w/u.test(each))),
    ).toEqual([]);
  });
});

describe("renovate.json", () => {
  interface Rule {
    readonly matchPackageNames?: readonly string[];
    readonly groupName?: string;
    readonly rangeStrategy?: string;
  }
  const { extends: presets, packageRules } = JSON.parse(readText("renovate.json")) as {
    readonly extends: readonly string[];
    readonly packageRules: readonly Rule[];
  };
  const packages = sourceFiles("package.json", "*/**/package.json").flatMap(({ text }) => {
    const { dependencies, devDependencies } = JSON.parse(text) as Manifest;
    return Object.keys({ ...dependencies, ...devDependencies });
  });
  const matches = (pattern: string, name: string): boolean =>
    new RegExp(`^${pattern.replaceAll(/\*+/gu, ".+")}$`, "u").test(name);

  it("keeps images and actions by digest", () => {
    expect(presets).toEqual(expect.arrayContaining(["docker:pinDigests", "helpers:pinGitHubActionDigests"]));
  });

  it("names packages that a manifest has, each in one group", () => {
    const patterns = packageRules.flatMap(({ matchPackageNames = [] }) => matchPackageNames);
    expect(patterns.filter((pattern) => !packages.some((name) => matches(pattern, name)))).toEqual([]);
    const groups = (name: string): number => patterns.filter((pattern) => matches(pattern, name)).length;
    expect(packages.filter((name) => groups(name) > 1)).toEqual([]);
  });

  it("keeps smtp-server at one version, as package.json does", () => {
    const rule = packageRules.find(({ matchPackageNames }) => matchPackageNames?.includes("smtp-server"));
    expect(rule).toMatchObject({ rangeStrategy: "pin", groupName: "smtp-server" });
    expect(manifest.dependencies?.["smtp-server"]).toMatch(/^\d+\.\d+\.\d+$/u);
  });
});

describe("the release", () => {
  it("has one version, in the manifest and the lock file", () => {
    expect([lockfile.version, lockfile.packages[""]?.version]).toEqual([manifest.version, manifest.version]);
  });

  it("has a change log whose first section is the unreleased one, and whose versions fall", () => {
    const headings = readText("CHANGELOG.md").match(/^## .*$/gmu) ?? [];
    expect(headings[0]).toBe("## [Unreleased]");
    const versions = headings
      .slice(1)
      .map((heading) => /^## \[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d$/u.exec(heading));
    expect(versions).not.toContain(null);
    const numbers = versions.map((found) => (found ?? []).slice(1).map(Number));
    const falls = (at: number): boolean => {
      const [above = [], below = []] = [numbers[at], numbers[at + 1]];
      const first = above.findIndex((part, index) => part !== below[index]);
      return (above[first] ?? 0) > (below[first] ?? 0);
    };
    expect(numbers.slice(1).filter((_below, at) => !falls(at))).toEqual([]);
  });
});
