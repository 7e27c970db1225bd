import { expect, it } from "vitest";
import { DEPLOY_VARIABLES, isConsentVariable } from "../../infra/deploy-variables.ts";
import { readText, sourceFiles } from "./source-files.ts";

const page = readText("docs/deploy.md").split("\n");

it.each(Object.entries(DEPLOY_VARIABLES))(
  "docs/deploy.md has the row of %s",
  (name, { defaultText, meaning }) => {
    const star = isConsentVariable(name) ? " *" : "";
    expect(page).toContain(`| \`${name}\`${star} | ${defaultText} | ${meaning} |`);
  },
);

it("docs/deploy.md names no variable of a deployment that is not there", () => {
  const named = page.flatMap(
    (line) => /^\| `(?<name>POSTERN_\w+)`(?: \*)? \|/u.exec(line)?.groups?.["name"] ?? [],
  );
  expect(named).toEqual(Object.keys(DEPLOY_VARIABLES));
});

it("docs/deploy.md says what to do about every alarm", () => {
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
