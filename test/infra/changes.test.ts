import { beforeAll, describe, expect, inject, it } from "vitest";
import { readText } from "../structure/source-files.ts";
import { parametersOf } from "./checks/outputs.ts";
import { allOf, onlyOne } from "./checks/stack-reader.ts";
import type { Stack, SynthesisOptions } from "./harness/stack.ts";
import { synthesise, synthesiseEach } from "./harness/synthesise.ts";

const BEFORE = {
  POSTERN_SMTP_NAME: "mx.example.net",
  POSTERN_ALARM_EMAIL: "ops@example.net",
  POSTERN_API_DOMAIN: "api.example.net",
};

/**
 * What the next deployment of production may choose instead. Fewer zones are rejected before
 * (infra/consent.ts).
 */
const CHANGES = {
  "a next hop": { ...BEFORE, POSTERN_DELIVERY: "smtp://relay.example:587" },
  "another bucket": { ...BEFORE, POSTERN_DELIVERY: "s3://mail.example/in" },
  "a secret next hop": { ...BEFORE, POSTERN_DELIVERY: "ssm:/postern/delivery" },
  "copies in another region": { ...BEFORE, POSTERN_STANDBY_REGION: "eu-west-1" },
  "a restored table": { ...BEFORE, POSTERN_TABLE: "restored-settings" },
  tokens: {
    ...BEFORE,
    POSTERN_API_AUTH: "jwt",
    POSTERN_JWT_ISSUER: "https://id.example",
    POSTERN_JWT_AUDIENCE: "postern",
  },
  "no mailbox for alarms, and no name of the API": { POSTERN_SMTP_NAME: BEFORE.POSTERN_SMTP_NAME },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

async function all(list: readonly SynthesisOptions[]): Promise<readonly Stack[]> {
  const stacks: Stack[] = [];
  for await (const stack of synthesiseEach(list)) stacks.push(stack);
  return stacks;
}

/** What the rows of a page's tables begin with, between backticks. */
const rowNames = (path: string): readonly string[] =>
  readText(path)
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(?<name>[^`]+)`/gu)])
    .map(({ groups }) => groups?.["name"] ?? "");

describe.skipIf(!inject("isSstUnpacked"))("production, deployed again with", () => {
  let before: Stack;
  const after = new Map<string, Stack>();

  beforeAll(async () => {
    const list = [BEFORE, ...Object.values(CHANGES)].map(
      (environment): SynthesisOptions => ({ stage: "production", environment }),
    );
    const [first, ...others] = await all(list);
    if (first === undefined) throw new Error("nothing was synthesised");
    before = first;
    for (const [index, name] of Object.keys(CHANGES).entries()) {
      const stack = others[index];
      if (stack !== undefined) after.set(name, stack);
    }
  }, 600_000);

  // Pulumi: "resource … cannot be deleted because it is protected", after all else of the deployment is done.
  it.each(Object.keys(CHANGES))("%s, still has every protected resource", (name) => {
    const urns = new Set(after.get(name)?.resources.map(({ urn }) => urn));
    const gone = before.resources.filter(({ isProtected, urn }) => isProtected && !urns.has(urn));
    expect(gone.map(({ urn }) => urn)).toEqual([]);
    expect(before.resources.some(({ isProtected }) => isProtected)).toBe(true);
  });

  it("another mailbox for alarms, sends none to the previous one", () => {
    expect(onlyOne(before, "sns/topicSubscription:TopicSubscription").isRetained).toBe(false);
  });

  it("each choice, has a row in ADR 0025 for each type of resource, and no other row", () => {
    const types = [before, ...after.values()].flatMap(({ resources }) =>
      resources.flatMap(({ type }) => /^aws:(?<name>[\w-]+\/\w+):/u.exec(type)?.groups?.["name"] ?? []),
    );
    const rows = rowNames("docs/adr/0025-each-resource-read-against-awss-pages.md");
    expect([...rows].toSorted()).toEqual([...new Set(types)].toSorted());
  });

  it("each choice, writes the parameters and prints the outputs that docs/deploy.md names", () => {
    const names = [before, ...after.values()].flatMap((stack) => Object.keys(parametersOf(stack)));
    const written = new Set(
      names.map((name) =>
        name.replace(/^in-force\/\w+$/u, "in-force/POSTERN_…").replace(/^copies\/.+$/u, "copies/…"),
      ),
    );
    const page = rowNames("docs/deploy.md");
    const first = page.indexOf("/postern/<stage>/api-url");
    const documented = page
      .slice(first)
      .filter((name) => name.startsWith("/"))
      .map((name) => name.replace(/^\/(?:postern\/<stage>\/)?/u, ""));
    expect(documented.toSorted()).toEqual([...written].toSorted());
    const printed = Object.keys(before.outputs).filter((name) => !name.startsWith("_"));
    const text = readText("docs/deploy.md");
    expect(printed.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

describe.skipIf(!inject("isSstUnpacked"))("a deployment", () => {
  it("during an incident of AWS in a zone leaves each subnet in its zone", async () => {
    const zonesOf = (stack: Stack) =>
      allOf(stack, "ec2/subnet:Subnet").map(({ name, inputs }) => [name, inputs["availabilityZone"]]);
    const list = [{ stage: "pr-1" }, { stage: "pr-1", impairedZone: "eu-central-1a" }];
    const [calm, incident] = await all(list);
    if (calm === undefined || incident === undefined) throw new Error("two stacks were expected");
    expect(zonesOf(incident)).toEqual(zonesOf(calm));
    expect(zonesOf(calm)).not.toEqual([]);
  });

  it("fails when ECS rolled back to the previous release", async () => {
    await expect(synthesise({ stage: "pr-1", rollsBack: true })).rejects.toThrow(
      "The edges of this release did not become healthy: ECS went back to the release before. Their log: /postern/pr-1/edge",
    );
  });
});
