import { beforeAll, describe, expect, inject, it } from "vitest";
import { templateOf, Untranslated } from "./cloudformation/template.ts";
import type { Stack } from "./harness/stack.ts";
import { synthesiseEach } from "./harness/synthesise.ts";
import { policyDocuments } from "./linters/policy-documents.ts";
import { lintPolicies, lintTemplates } from "./linters/run-linters.ts";

const KEY = "arn:aws:kms:eu-central-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/** Between them they have every resource and every policy that a deployment may have. */
const STAGES = {
  production: { POSTERN_SMTP_NAME: "mx.example.net" },
  "with a name, alarms and tokens": {
    POSTERN_API_DOMAIN: "api.example.net",
    POSTERN_ALARM_EMAIL: "ops@example.com",
    POSTERN_API_AUTH: "jwt",
    POSTERN_JWT_ISSUER: "https://id.example",
    POSTERN_JWT_AUDIENCE: "postern",
  },
  "with a next hop's password": { POSTERN_DELIVERY: "ssm:/postern/delivery", POSTERN_DELIVERY_KMS_KEY: KEY },
  "with copies in another region": { POSTERN_STANDBY_REGION: "eu-west-1" },
  "with another bucket": { POSTERN_DELIVERY: "s3://mail.example/in", POSTERN_DELIVERY_KMS_KEY: KEY },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Inputs of production's first resource of a type, the rule of cfn-lint that must see them, and where. */
const PLANTED: Readonly<
  Record<string, readonly [type: string, change: Inputs, rule: string, where: string]>
> = {
  "a retention that CloudWatch does not know": [
    "cloudwatch/logGroup:LogGroup",
    { retentionInDays: 42 },
    "E3030",
    "RetentionInDays",
  ],
  "a runtime that is gone": ["lambda/function:Function", { runtime: "nodejs8.10" }, "E2533", "Runtime"],
  "a time-out beyond Lambda's": ["lambda/function:Function", { timeout: 901 }, "E3717", "Timeout"],
  "a key that is no attribute": ["dynamodb/table:Table", { hashKey: "nothing" }, "E3039", "SettingsTable"],
  "a size that Fargate does not have": [
    "ecs/taskDefinition:TaskDefinition",
    { cpu: "1024", memory: "512" },
    "E3047",
    "EdgeTask",
  ],
  "a protocol that no balancer speaks": [
    "lb/targetGroup:TargetGroup",
    { protocol: "SMTP" },
    "E3030",
    "Protocol",
  ],
  "a property that is misspelt": ["kms/key:Key", { enableKeyRotatio: true }, "E3002", "EnableKeyRotatio"],
};

/** A statement in place of a role's own, and the issue of parliament that must see it. */
const PLANTED_STATEMENTS: Readonly<Record<string, readonly [statement: Inputs, issue: string]>> = {
  "an action that is none": [{ Action: "s3:GetObjects", Resource: "arn:aws:s3:::b/*" }, "UNKNOWN_ACTION"],
  "an action on another kind of resource": [
    { Action: "s3:GetObject", Resource: "arn:aws:s3:::b" },
    "RESOURCE_MISMATCH",
  ],
  "an action on everything": [{ Action: "s3:GetObject", Resource: "*" }, "RESOURCE_STAR"],
  "a condition key of another service": [
    {
      Action: "s3:GetObject",
      Resource: "arn:aws:s3:::b/*",
      Condition: { StringEquals: { "kms:ViaService": "s3.eu-central-1.amazonaws.com" } },
    },
    "UNKNOWN_CONDITION_FOR_ACTION",
  ],
  "an operator that is none": [
    {
      Action: "dynamodb:PutItem",
      Resource: "arn:aws:dynamodb:eu-central-1:123456789012:table/t",
      Condition: { StringEqual: { "dynamodb:LeadingKeys": "EDGE" } },
    },
    "UNKNOWN_OPERATOR",
  ],
};

type Inputs = Readonly<Record<string, unknown>>;
/** Some 20 s of CPU; machines that do other things take longer. */
const LINTING_MS = 600_000;
const python = inject("infraLinters");

function changed(stack: Stack, type: string, change: Inputs): Stack {
  const first = stack.resources.find((resource) => resource.type === `aws:${type}`);
  if (first === undefined) throw new Error(`there is no ${type}`);
  const resources = stack.resources.map((resource) =>
    resource === first ? { ...resource, inputs: { ...resource.inputs, ...change } } : resource,
  );
  return { ...stack, resources };
}

/** All of them in one template: a run of cfn-lint takes seconds for each. */
const withFaults = (stack: Stack): Stack =>
  Object.values(PLANTED).reduce((made, [type, change]) => changed(made, type, change), stack);
const WITH_FAULTS = "production with faults";

const withStatement = (stack: Stack, statement: Inputs): Stack => {
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] });
  return changed(stack, "iam/role:Role", { inlinePolicies: [{ name: "inline", policy }] });
};

const describeLinters = describe.skipIf(!inject("isSstUnpacked") || python === null);

describeLinters("linters that know AWS's own schemas", () => {
  const stacks = new Map<string, Stack>();
  let ofTemplates: ReadonlyMap<string, readonly string[]>;
  let ofPolicies: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    const names = Object.keys(STAGES);
    const list = Object.entries(STAGES).map(([name, environment]) => ({
      stage: name === "production" ? name : "pr-1",
      environment,
    }));
    for await (const stack of synthesiseEach(list)) stacks.set(names[stacks.size] ?? "", stack);
    const all = [...stacks];
    const templates = [
      ...all.map(([name, stack]) => [name, templateOf(stack)] as const),
      [WITH_FAULTS, templateOf(withFaults(production()))] as const,
    ];
    const policies = [
      ...all.map(([name, stack]) => [name, policyDocuments(stack)] as const),
      ...Object.entries(PLANTED_STATEMENTS).map(
        ([name, [statement]]) => [name, policyDocuments(withStatement(production(), statement))] as const,
      ),
    ];
    [ofTemplates, ofPolicies] = await Promise.all([
      lintTemplates(python ?? "", new Map(templates)),
      lintPolicies(python ?? "", new Map(policies)),
    ]);
  }, LINTING_MS);

  function production(): Stack {
    const stack = stacks.get("production");
    if (stack === undefined) throw new Error("production was not synthesised");
    return stack;
  }

  it.each(Object.keys(STAGES))("cfn-lint reports nothing for a stage %s", (name) => {
    expect(ofTemplates.get(name)).toEqual([]);
  });

  it.each(Object.keys(STAGES))("parliament reports nothing for the policies of a stage %s", (name) => {
    expect(ofPolicies.get(name)).toEqual([]);
  });

  it("both read all of production", () => {
    const roles = production().resources.filter(({ type }) => type === "aws:iam/role:Role");
    const names = policyDocuments(production()).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(roles.map(({ name }) => `trust of ${name}`)));
    expect(names).toEqual(expect.arrayContaining(["ApiHandlerRole inline", "KeysPolicy", "MailPolicy"]));
    const types = Object.values(templateOf(production()).Resources).map(({ Type }) => Type);
    expect(types).toEqual(expect.arrayContaining(["AWS::ECS::Service", "AWS::S3::Bucket", "AWS::IAM::Role"]));
  });

  it.each(Object.entries(PLANTED))("cfn-lint reports %s", (_name, [, , rule, where]) => {
    const findings = ofTemplates.get(WITH_FAULTS) ?? [];
    expect(
      findings.filter((finding) => finding.startsWith(`${rule} `) && finding.includes(where)),
    ).not.toEqual([]);
  });

  it.each(Object.entries(PLANTED_STATEMENTS))("parliament reports %s", (name, [, issue]) => {
    expect(ofPolicies.get(name)?.join("\n")).toContain(issue);
  });

  it("an untranslated type of AWS is an error", () => {
    const [first] = production().resources;
    if (first === undefined) throw new Error("production has no resources");
    const queue = { ...first, type: "aws:sqs/queue:Queue", name: "Queue" };
    expect(() => templateOf({ ...production(), resources: [queue] })).toThrow(Untranslated);
  });
});
