import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { domainInput } from "../../core/management/domain-schema.ts";
import { DEPLOY_VARIABLES, isConsentVariable } from "../../infra/deploy-variables.ts";
import { readText, ROOT, sourceFiles } from "./source-files.ts";

const page = readText("docs/deploy.md").split("\n");

it.each(Object.entries(DEPLOY_VARIABLES))(
  "docs/deploy.md has the row of %s",
  (name, { defaultText, meaning }) => {
    const star = isConsentVariable(name) ? " *" : "";
    expect(page).toContain(`| \`${name}\`${star} | ${defaultText} | ${meaning} |`);
  },
);

it("docs/deploy.md names only existing variables of a deployment", () => {
  const named = page.flatMap(
    (line) => /^\| `(?<name>POSTERN_\w+)`(?: \*)? \|/u.exec(line)?.groups?.["name"] ?? [],
  );
  expect(named).toEqual(Object.keys(DEPLOY_VARIABLES));
});

it("docs/deploy.md has a row for every alarm", () => {
  const alarms = sourceFiles("infra/alarms.ts").flatMap(({ text }) =>
    [...text.matchAll(/alarm\((?:"(?<name>\w+)"|`Table\$\{kind\}sThrottled`)/gu)].map(
      ({ groups }) => groups?.["name"],
    ),
  );
  const named = alarms.flatMap((name) =>
    name === undefined ? ["TableReadsThrottled", "TableWritesThrottled"] : [name],
  );
  expect(named).toHaveLength(27);
  const rows = page.filter((line) => line.startsWith("| `")).join("\n");
  expect(named.filter((name) => !rows.includes(`\`${name}\``))).toEqual([]);
});

it("docs/deploy.md names only existing npm commands, files and variables of a deployment", () => {
  const text = page.join("\n");
  const { scripts } = JSON.parse(readText("package.json")) as { readonly scripts: object };
  const commands = [...text.matchAll(/npm run (?<name>[\w:-]+)/gu)].map(
    ({ groups }) => groups?.["name"] ?? "",
  );
  expect(commands.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  expect(commands).toContain("deploy");

  const paths = [...text.matchAll(/`(?:node )?(?<path>(?:bench|infra|test|worker|scripts)\/[\w./-]+)`/gu)];
  expect(
    paths.map(({ groups }) => groups?.["path"] ?? "").filter((path) => !existsSync(join(ROOT, path))),
  ).toEqual([]);
  expect(paths).not.toEqual([]);

  const variables = [...text.matchAll(/POSTERN_[A-Z0-9_]*[A-Z0-9]/gu)].map(([name]) => name);
  expect(variables.filter((name) => !Object.hasOwn(DEPLOY_VARIABLES, name))).toEqual([]);
});

it("docs/deploy.md has a row for each file of infra/ that creates resources", () => {
  const makes = sourceFiles("infra/*.ts").filter(({ path, text }) =>
    /new (?:aws|sst)\./u.test(text) ? !path.endsWith(".test.ts") : false,
  );
  const rows = page.filter((line) => line.startsWith("| `"));
  const missing = makes.filter(({ path }) => !rows.some((row) => row.includes(`\`${basename(path)}\``)));
  expect(missing.map(({ path }) => path)).toEqual([]);
});

it("the first domain of docs/deploy.md is valid for the API", () => {
  const [, body = ""] =
    /-X PUT \$API\/v1\/domains\/example\.com -d '(?<body>[^']+)'/u.exec(page.join("\n")) ?? [];
  expect(domainInput.safeParse(JSON.parse(body)).success).toBe(true);
});
