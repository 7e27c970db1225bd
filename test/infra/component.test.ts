import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { runTool } from "../document/document-tools.ts";
import { examplesIn } from "../sdk/packed-sdk.ts";
import { ROOT } from "./harness/program.ts";
import type { Resource, Stack, SynthesisOptions } from "./harness/stack.ts";
import { synthesiseEach } from "./harness/synthesise.ts";

const EXAMPLE =
  examplesIn(readFileSync(join(ROOT, "docs/iac.md"), "utf8")).find(
    ({ heading }) => heading === "The gate in another application",
  )?.code ?? "";
const LIVE = JSON.parse(readFileSync(join(import.meta.dirname, "live/resource-names.json"), "utf8")) as {
  readonly production: readonly string[];
  readonly takeover: readonly string[];
};

const SMTP = { POSTERN_SMTP_NAME: "mx.example.net" };
/** Stages with every resource between them: a primary with copies elsewhere, and one on these copies. */
const OWN = {
  production: {
    stage: "production",
    environment: {
      ...SMTP,
      POSTERN_STANDBY_REGION: "eu-west-1",
      POSTERN_ALARM_EMAIL: "operator@example.net",
      POSTERN_API_DOMAIN: "api.example.net",
    },
  },
  takeover: {
    stage: "production",
    environment: { ...SMTP, POSTERN_ROLE: "takeover" },
    parameters: {
      "/postern/production/copies/table": "settings",
      "/postern/production/copies/key-bucket": "keys",
      "/postern/production/copies/key": "key",
    },
  },
} as const satisfies Readonly<Record<string, SynthesisOptions>>;

/** Types and name, the end of a URN. Resources that are only read have no URN. */
const named = ({ urn, type, name }: Resource): string =>
  urn === "" ? `read ${type}::${name}` : urn.split("::").slice(2).join("::");
const namesOf = ({ resources }: Stack): readonly string[] => resources.map(named).toSorted();
/** Of the gate `Gate`, as they would be without its name. */
const unprefixed = (resource: Resource): string => named(resource).replaceAll(/Gate(?=[A-Z])/gu, "");

let application = "";
let stacks: readonly Stack[] = [];

/** An empty application with a checkout of Postern, which is this one, below `vendor`. */
function writeApplication(program: string): void {
  application = mkdtempSync(join(tmpdir(), "postern-application-"));
  mkdirSync(join(application, "vendor"));
  symlinkSync(ROOT, join(application, "vendor/postern"));
  symlinkSync(join(ROOT, ".sst"), join(application, ".sst"));
  writeFileSync(join(application, "sst.config.ts"), program);
}

describe.skipIf(!inject("isSstUnpacked"))("the gate as a component", () => {
  beforeAll(async () => {
    writeApplication(EXAMPLE);
    const embedded = { stage: "production", application };
    const plain = {
      stage: "production",
      environment: { ...SMTP, POSTERN_DELIVERY: "smtp://mail.example.net" },
    };
    const made: Stack[] = [];
    for await (const stack of synthesiseEach([OWN.production, OWN.takeover, plain, embedded]))
      made.push(stack);
    stacks = made;
  });

  afterAll(() => rmSync(application, { recursive: true, force: true }));

  it.each([
    ["production", 0],
    ["takeover", 1],
  ] as const)("keeps the names of all live resources of a stage alone: %s", (kind, index) => {
    const [stack] = stacks.slice(index);
    const names = stack === undefined ? [] : namesOf(stack);
    // A name that is gone deletes or replaces a live resource.
    expect(LIVE[kind].filter((name) => !names.includes(name))).toEqual([]);
    // A new one takes its place in the list, so that it is kept from then on.
    expect(names).toEqual(LIVE[kind]);
  });

  it("declares in another application what a stage alone has, under the gate's name", () => {
    const [, , own, embedded] = stacks;
    const shop = embedded?.resources.filter(({ name }) => !name.startsWith("Gate")) ?? [];
    // SST's, one for each application, and the application's bucket.
    expect(shop.map(({ name }) => name).toSorted()).toEqual([
      "Keys",
      "KeysBucket",
      "KeysCors",
      "KeysLinkRef",
      "KeysPolicy",
      "KeysPublicAccessBlock",
      "LambdaEncryptionKey",
      "shop-production",
    ]);
    const ofGate = embedded?.resources.filter(({ name }) => name.startsWith("Gate")).map(unprefixed) ?? [];
    const ofStage =
      own && namesOf(own).filter((name) => !/::(?:LambdaEncryptionKey|postern-production)$/u.test(name));
    expect(ofGate.toSorted()).toEqual(ofStage);
  });

  it("shares no name of AWS with a stage alone", () => {
    const [, , own, embedded] = stacks;
    const physical = (stack: Stack | undefined): readonly string[] =>
      (stack?.resources ?? [])
        .filter(({ name }) => !/asset/iu.test(name))
        .flatMap(({ inputs }) => [
          inputs["name"],
          inputs["bucket"],
          inputs["dashboardName"],
          inputs["namespace"],
        ])
        .filter((each) => typeof each === "string" && !each.startsWith("AWS/"))
        .map(String);
    const ours = new Set(physical(own));
    const shared = [...new Set(physical(embedded))].filter((name) => ours.has(name));
    // Names below the API's or the role's own.
    expect(shared).toEqual(
      ["sst", "sst-asset-eu-central-1", "$default"].filter((name) => shared.includes(name)),
    );
    expect(ours.size).toBeGreaterThan(40);
  });

  it("builds functions and image from the folder of Postern's sources", () => {
    const [, , , embedded] = stacks;
    expect(embedded?.handlers.toSorted()).toEqual([
      "vendor/postern/dist/api/lambda.handler",
      "vendor/postern/dist/schedule/lambda.handler",
    ]);
    const image = embedded?.resources.find(({ type }) => type === "docker-build:index:Image");
    expect(image?.inputs["context"]).toEqual({ location: join(application, "vendor/postern") });
  });

  it("type-checks as docs/iac.md shows it, and reports an argument that does not exist", async () => {
    expect(EXAMPLE).toContain("smtpName:");
    writeFileSync(join(application, "planted.ts"), EXAMPLE.replace("smtpName:", "smtpNames:"));
    const text = readFileSync(join(ROOT, "tsconfig.infra.json"), "utf8").replaceAll(/^\s*\/\/.*$/gmu, "");
    const { compilerOptions } = JSON.parse(text) as { readonly compilerOptions: object };
    writeFileSync(
      join(application, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: { ...compilerOptions, typeRoots: [join(ROOT, "node_modules/@types")] },
        files: ["sst.config.ts", "planted.ts"],
      }),
    );
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const { output } = await runTool(process.execPath, [compiler], application);
    expect(output.match(/^\S+\(\d+,\d+\): error TS\d+/gmu)).toEqual([expect.stringMatching(/^planted\.ts/u)]);
    expect(output).toContain("'smtpNames'");
  });
});
