import { beforeAll, describe, expect, inject, it } from "vitest";
import { issuanceStateKey } from "../../adapters/aws/table-keys.ts";
import { functionEnvironment, inlineStatements, named, onlyOne } from "./checks/stack-reader.ts";
import type { Stack } from "./harness/stack.ts";
import { synthesise } from "./harness/synthesise.ts";

const KEY = "arn:aws:kms:eu-west-1:210987654321:key/01234567-89ab-cdef-0123-456789abcdef";

/** Orders at CAs: a zone of Route 53, a webhook, and a CA that binds accounts. */
const ISSUANCE = {
  POSTERN_ACME_DIRECTORIES: JSON.stringify({
    le: { url: "https://ca.example/directory" },
    bound: { url: "https://bound.example/directory", eabKeyId: "kid-1" },
  }),
  POSTERN_ACME_EAB_PARAMETERS: "bound=/postern/eab",
  POSTERN_ROUTE53_ZONES: "Z1:example.com,Z2:sub.example.com",
  POSTERN_DNS_WEBHOOK_URL: "https://dns.example/set",
  POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: "/postern/webhook",
  POSTERN_ISSUANCE_KMS_KEY: KEY,
};

describe.skipIf(!inject("isSstUnpacked"))("orders at ACME CAs, synthesised and asserted:", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await synthesise({ stage: "pr-1", environment: ISSUANCE });
  }, 600_000);

  const issuanceStatements = (role: string) =>
    inlineStatements(onlyOne(stack, "iam/role:Role", named(role))).filter(({ actions }) =>
      actions.some((action) => /^(?:ssm|route53):/u.test(action)),
    );

  it("the schedule changes TXT records of challenges in the named zones, and nothing else in them", () => {
    const zone = (id: string): string => `arn:aws:route53:::hostedzone/${id}`;
    const changes = (id: string, domain: string) => ({
      effect: "Allow",
      actions: ["route53:ChangeResourceRecordSets"],
      resources: [zone(id)],
      condition: {
        "ForAllValues:StringLike": {
          "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
            `_acme-challenge.${domain}`,
            `_acme-challenge.*.${domain}`,
          ],
        },
        "ForAllValues:StringEquals": {
          "route53:ChangeResourceRecordSetsRecordTypes": ["TXT"],
          "route53:ChangeResourceRecordSetsActions": ["UPSERT", "DELETE"],
        },
        Null: { "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["false"] },
      },
    });
    const ofRoute53 = issuanceStatements("ScheduleHandlerRole").filter(({ actions }) =>
      actions.some((action) => action.startsWith("route53:")),
    );
    expect(ofRoute53).toEqual([
      changes("Z1", "example.com"),
      changes("Z2", "sub.example.com"),
      {
        effect: "Allow",
        actions: ["route53:ListResourceRecordSets"],
        resources: [zone("Z1"), zone("Z2")],
        condition: {},
      },
      {
        effect: "Allow",
        actions: ["route53:GetChange"],
        resources: ["arn:aws:route53:::change/*"],
        condition: {},
      },
    ]);
  });

  it("the schedule reads the named secrets alone, and decrypts them by the named key", () => {
    const arns = ["eab", "webhook"].map(
      (name) => `arn:aws:ssm:eu-central-1:123456789012:parameter/postern/${name}`,
    );
    const ofSsm = issuanceStatements("ScheduleHandlerRole").filter(({ actions }) =>
      actions.some((action) => action.startsWith("ssm:")),
    );
    expect(ofSsm).toEqual(
      arns.map((arn) => ({
        effect: "Allow",
        actions: ["ssm:GetParameter"],
        resources: [arn],
        condition: {},
      })),
    );
    expect(
      inlineStatements(onlyOne(stack, "iam/role:Role", named("ScheduleHandlerRole")))
        .filter(({ resources }) => resources.includes(KEY))
        .map(({ actions, condition }) => [actions, condition]),
    ).toEqual(
      arns.map((arn) => [
        ["kms:Decrypt"],
        {
          StringEquals: {
            "kms:ViaService": ["ssm.eu-west-1.amazonaws.com"],
            "kms:EncryptionContext:PARAMETER_ARN": [arn],
          },
        },
      ]),
    );
  });

  it("the schedule deletes issuance state alone from the table, and keeps keys of accounts", () => {
    const statements = inlineStatements(onlyOne(stack, "iam/role:Role", named("ScheduleHandlerRole")));
    const deletes = statements.filter(({ actions }) => actions.some((action) => action.includes(":Delete")));
    expect(deletes.map(({ actions, condition }) => [actions, condition])).toEqual([
      [["s3:DeleteObject"], {}],
      [
        ["dynamodb:DeleteItem"],
        {
          "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["ACME#*"] },
          Null: { "dynamodb:LeadingKeys": ["false"] },
        },
      ],
    ]);
    expect(issuanceStateKey("token/x").pk).toMatch(/^ACME#/u);
    expect(deletes[0]?.resources.filter((arn) => arn.includes("/acme/"))).toEqual([]);
    const puts = statements.filter(({ actions }) => actions.includes("s3:PutObject"));
    expect(
      puts.flatMap(({ resources }) => resources).filter((arn) => /\/(?:private|acme)\/\*$/u.test(arn)),
    ).toHaveLength(2);
  });

  it("the API and the edges have none of the rights of orders, and the API knows the CAs", () => {
    for (const role of ["ApiHandlerRole", "EdgeTaskRole", "EdgeExecutionRole"])
      expect(issuanceStatements(role), role).toEqual([]);
    const account = inlineStatements(onlyOne(stack, "iam/role:Role", named("ApiHandlerRole"))).filter(
      ({ resources }) => resources.some((arn) => arn.includes("/acme/")),
    );
    expect(account).toEqual([]);
    const { ACME_DIRECTORIES, ...others } = functionEnvironment(stack, "ApiHandler");
    expect(ACME_DIRECTORIES).toBe(ISSUANCE.POSTERN_ACME_DIRECTORIES);
    expect(Object.keys(others).filter((name) => /^(?:ACME|DNS|ROUTE53)_/u.test(name))).toEqual([]);
    expect(functionEnvironment(stack, "ScheduleHandler")).toMatchObject({
      ACME_DIRECTORIES,
      ACME_EAB_PARAMETERS: "bound=/postern/eab",
      ROUTE53_ZONES: "Z1:example.com,Z2:sub.example.com",
      DNS_WEBHOOK_URL: "https://dns.example/set",
      DNS_WEBHOOK_SECRET_PARAMETER: "/postern/webhook",
    });
  });
});
