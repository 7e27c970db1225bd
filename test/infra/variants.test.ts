import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { FARGATE_MEMORY } from "../../infra/sizes.ts";
import { PLATFORM } from "./harness/program.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { PROXY_CHECKS } from "./checks/client-address.ts";
import { expectAuthorizedBy } from "./checks/functions.ts";
import { parametersOf } from "./checks/outputs.ts";
import { expectMailIsWrittenWhereGranted } from "./checks/roles.ts";
import {
  allOf,
  at,
  edgeContainer,
  edgeEnvironment,
  functionEnvironment,
  functionNamed,
  inlineStatements,
  named,
  onlyOne,
} from "./checks/stack-reader.ts";
import type { Stack, SynthesisOptions } from "./harness/stack.ts";
import { synthesise, synthesiseEach } from "./harness/synthesise.ts";

const KEY = "arn:aws:kms:eu-west-1:210987654321:key/01234567-89ab-cdef-0123-456789abcdef";

/** What an operator may choose, beside the defaults that test/infra/stages.test.ts holds. */
const CHOICES = {
  tokens: {
    POSTERN_API_AUTH: "jwt",
    POSTERN_JWT_ISSUER: "https://id.example",
    POSTERN_JWT_AUDIENCE: "postern,console",
    POSTERN_JWT_SCOPES: "postern/manage",
    POSTERN_JWT_ACCOUNT_CLAIM: "team",
    POSTERN_JWT_SCOPE_CLAIM: "scp",
  },
  ownTokens: { POSTERN_API_AUTH: "token" },
  noDefaultAccess: { POSTERN_API_DEFAULT_ACCESS: "none", POSTERN_API_RATE_LIMITS: '{"writesPerSecond":100}' },
  secretNextHop: { POSTERN_DELIVERY: "ssm:/postern/delivery" },
  nextHop: { POSTERN_DELIVERY: "smtp://relay.example:587" },
  otherBucket: { POSTERN_DELIVERY: "s3://mail.example/in" },
  trailingSlash: { POSTERN_DELIVERY: "s3://mail.example/inbox/" },
  wholeBucket: { POSTERN_DELIVERY: "s3://mail.example" },
  encryptedBucket: { POSTERN_DELIVERY: "s3://mail.example/in", POSTERN_DELIVERY_KMS_KEY: KEY },
  encryptedSecret: { POSTERN_DELIVERY: "ssm:/postern/delivery", POSTERN_DELIVERY_KMS_KEY: KEY },
  edges: { POSTERN_EDGES_MIN: "3", POSTERN_EDGES_MAX: "5", POSTERN_POSTMASTER: "admin@example.com" },
  sizes: {
    POSTERN_EDGE_CPU: "2",
    POSTERN_EDGE_MEMORY: "8",
    POSTERN_EDGE_CONNECTIONS: "9000",
    POSTERN_API_MEMORY: "512",
    POSTERN_SCHEDULE_MEMORY: "3008",
  },
  proxy: { POSTERN_CLIENT_ADDRESS: "proxy-v2" },
  restored: { POSTERN_TABLE: "restored-settings" },
  alarms: { POSTERN_ALARM_EMAIL: "ops@example.com", POSTERN_API_DOMAIN: "api.example.net" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
type Choice = keyof typeof CHOICES;

describe.skipIf(!inject("isSstUnpacked"))("what an operator chooses, synthesised and asserted:", () => {
  const stacks = new Map<string, Stack>();
  const stackOf = (choice: Choice): Stack => {
    const stack = stacks.get(choice);
    if (stack === undefined) throw new Error(`${choice} was not synthesised`);
    return stack;
  };

  beforeAll(async () => {
    const names = Object.keys(CHOICES);
    const list = Object.values(CHOICES).map(
      (environment): SynthesisOptions => ({ stage: "pr-1", environment }),
    );
    for await (const stack of synthesiseEach(list)) stacks.set(names[stacks.size] ?? "", stack);
  }, 600_000);

  it("tokens of one issuer authorise the whole stage", () => {
    const stack = stackOf("tokens");
    expectAuthorizedBy(stack, "JWT");
    expect(onlyOne(stack, "apigatewayv2/authorizer:Authorizer").inputs).toMatchObject({
      authorizerType: "JWT",
      identitySources: ["$request.header.Authorization"],
      jwtConfiguration: { issuer: "https://id.example", audiences: ["postern", "console"] },
    });
    const route = onlyOne(
      stack,
      "apigatewayv2/route:Route",
      ({ inputs }) => inputs["routeKey"] === "$default",
    );
    expect(route.inputs["authorizationScopes"]).toEqual(["postern/manage"]);
    expect(functionEnvironment(stack, "ApiHandler")).toMatchObject({
      API_AUTH: "jwt",
      API_JWT_ACCOUNT_CLAIM: "team",
      API_JWT_SCOPE_CLAIM: "scp",
    });
    // A policy of IAM would let no one in.
    expect(allOf(stack, "iam/policy:Policy")).toEqual([]);
    expect(parametersOf(stack)["api-policy"]).toBe(undefined);
  });

  it("the function alone judges the API's own tokens", () => {
    const stack = stackOf("ownTokens");
    expectAuthorizedBy(stack, "NONE");
    expect(functionEnvironment(stack, "ApiHandler")["API_AUTH"]).toBe("token");
    expect(allOf(stack, "apigatewayv2/authorizer:Authorizer")).toEqual([]);
    expect(parametersOf(stack)["api-policy"]).toBe(undefined);
  });

  it("an IAM caller has no access without a record where the operator chose that", () => {
    expect(functionEnvironment(stackOf("noDefaultAccess"), "ApiHandler")).toMatchObject({
      API_AUTH: "iam",
      API_DEFAULT_ACCESS: "none",
      API_RATE_LIMITS: '{"writesPerSecond":100}',
    });
  });

  it.each(Object.entries(PROXY_CHECKS))("%s", (_name, holds) => {
    expect.hasAssertions();
    holds(stackOf("proxy"));
  });

  it("a next hop with a password is a secret, which only the execution role may read", () => {
    const stack = stackOf("secretNextHop");
    const arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/postern/delivery";
    expect(at(edgeContainer(stack), "secrets")).toEqual([{ name: "DELIVERY", valueFrom: arn }]);
    expect(edgeEnvironment(stack)["DELIVERY"]).toBe(undefined);
    expect(inlineStatements(onlyOne(stack, "iam/role:Role", named("EdgeExecutionRole")))).toEqual([
      { effect: "Allow", actions: ["ssm:GetParameters"], resources: [arn], condition: {} },
    ]);
  });

  it.each([
    ["secretNextHop", ["KeysBucket"]],
    ["nextHop", ["KeysBucket"]],
    ["otherBucket", ["KeysBucket"]],
    ["edges", ["KeysBucket", "MailBucket"]],
  ] as const)("%s has the buckets %j", (choice, buckets) => {
    expect(allOf(stackOf(choice), "s3/bucket:Bucket").map(({ name }) => name)).toEqual(buckets);
  });

  it("an edge with a next hop writes no objects", () => {
    const actions = inlineStatements(
      onlyOne(stackOf("nextHop"), "iam/role:Role", named("EdgeTaskRole")),
    ).flatMap((statement) => statement.actions);
    expect(actions).not.toContain("s3:PutObject");
    expect(actions).not.toContain("kms:GenerateDataKey");
    expect(parseOperatorDelivery(edgeEnvironment(stackOf("nextHop"))["DELIVERY"] ?? "")).toMatchObject({
      kind: "smtp",
      host: "relay.example",
      port: 587,
      tls: "require",
    });
  });

  it("an edge writes below its prefix of the operator's own bucket", () => {
    const stack = stackOf("otherBucket");
    expect(edgeEnvironment(stack)["DELIVERY"]).toBe("s3://mail.example/in");
    const writes = inlineStatements(onlyOne(stack, "iam/role:Role", named("EdgeTaskRole"))).filter(
      ({ actions }) => actions.includes("s3:PutObject"),
    );
    expect(writes.map(({ resources }) => resources)).toEqual([["arn:aws:s3:::mail.example/in/*"]]);
  });

  it.each(["otherBucket", "trailingSlash", "wholeBucket", "encryptedBucket"] as const)(
    "%s: an edge may write where its own parser says that it writes",
    (choice) => {
      expectMailIsWrittenWhereGranted(stackOf(choice));
    },
  );

  const keyUses = (choice: Choice, role: string) =>
    inlineStatements(onlyOne(stackOf(choice), "iam/role:Role", named(role))).filter(({ resources }) =>
      resources.includes(KEY),
    );

  it("an edge encrypts with the named key only for the operator's own bucket", () => {
    const bucket = "arn:aws:s3:::mail.example";
    expect(keyUses("encryptedBucket", "EdgeTaskRole")).toEqual([
      {
        effect: "Allow",
        actions: ["kms:GenerateDataKey", "kms:Decrypt"],
        resources: [KEY],
        condition: {
          // The key's region is that of the bucket.
          StringEquals: { "kms:ViaService": ["s3.eu-west-1.amazonaws.com"] },
          StringLike: { "kms:EncryptionContext:aws:s3:arn": [bucket, `${bucket}/*`] },
        },
      },
    ]);
    expect(keyUses("encryptedBucket", "EdgeExecutionRole")).toEqual([]);
  });

  it("only the execution role decrypts a secret under the operator's own key", () => {
    expect(keyUses("encryptedSecret", "EdgeExecutionRole")).toEqual([
      {
        effect: "Allow",
        actions: ["kms:Decrypt"],
        resources: [KEY],
        condition: {
          StringEquals: {
            "kms:ViaService": ["ssm.eu-west-1.amazonaws.com"],
            "kms:EncryptionContext:PARAMETER_ARN": [
              "arn:aws:ssm:eu-central-1:123456789012:parameter/postern/delivery",
            ],
          },
        },
      },
    ]);
    expect(keyUses("encryptedSecret", "EdgeTaskRole")).toEqual([]);
  });

  it("as many edges as requested, with the variables that are passed on", () => {
    const stack = stackOf("edges");
    expect(onlyOne(stack, "ecs/service:Service").inputs["desiredCount"]).toBe(3);
    expect(onlyOne(stack, "appautoscaling/target:Target").inputs).toMatchObject({
      minCapacity: 3,
      maxCapacity: 5,
    });
    expect(edgeEnvironment(stack)["POSTMASTER"]).toBe("admin@example.com");
  });

  it("edges and functions of the requested sizes", () => {
    const stack = stackOf("sizes");
    expect(onlyOne(stack, "ecs/taskDefinition:TaskDefinition").inputs).toMatchObject({
      cpu: "2048",
      memory: "8192",
    });
    expect(JSON.parse(edgeEnvironment(stack)["LIMITS"] ?? "")).toMatchObject({ maxConnections: 9_000 });
    expect(functionNamed(stack, "ApiHandler").inputs["memorySize"]).toBe(512);
    expect(functionNamed(stack, "ScheduleHandler").inputs["memorySize"]).toBe(3_008);
  });

  it("a restored table replaces the stage's own, which stays", () => {
    const stack = stackOf("restored");
    const tables = allOf(stack, "dynamodb/table:Table").map(({ name }) => name);
    expect(tables).toEqual(expect.arrayContaining(["SettingsTable"]));
    for (const environment of [
      edgeEnvironment(stack),
      functionEnvironment(stack, "ApiHandler"),
      functionEnvironment(stack, "ScheduleHandler"),
    ]) {
      expect(environment["TABLE_NAME"]).toBe("restored-settings");
    }
    const read = inlineStatements(onlyOne(stack, "iam/role:Role", named("EdgeTaskRole"))).filter(
      ({ actions }) => actions.includes("dynamodb:GetItem"),
    );
    expect(read.map(({ resources }) => resources)).toEqual([
      ["arn:aws:dynamodb:eu-central-1:123456789012:table/restored-settings"],
    ]);
  });

  it("alarms are mailed, and the API has its own name", () => {
    const stack = stackOf("alarms");
    expect(onlyOne(stack, "sns/topicSubscription:TopicSubscription").inputs).toMatchObject({
      protocol: "email",
      endpoint: "ops@example.com",
    });
    expect(onlyOne(stack, "apigatewayv2/domainName:DomainName").inputs).toMatchObject({
      domainName: "api.example.net",
      domainNameConfiguration: { securityPolicy: "TLS_1_2" },
    });
    expect(stack.outputs["api"]).toBe("https://api.example.net");
  });
});

describe.skipIf(!inject("isSstUnpacked"))("a deployment with its functions bundled", () => {
  const bundled = { stage: "pr-1", bundleHandlers: true } as const;

  it("finds each handler", async () => {
    const { handlers } = await synthesise(bundled);
    expect(handlers.toSorted()).toEqual(["dist/api/lambda.handler", "dist/schedule/lambda.handler"]);
  });

  it.each([
    ['handler: "lambda.handler"', 'handler: "lambda.handle"', "lambda.mjs does not export handle"],
    ['handler: "lambda.handler"', 'handler: "index.handler"', "there is no index.mjs in dist/api"],
    ['"dist/api"', '"dist/apis"', "there is no bundle dist/apis"],
  ])("ends when %s is %s", async (find, replace, reason) => {
    const patches = [{ file: "infra/api.ts", find, replace }];
    await expect(synthesise({ ...bundled, patches })).rejects.toThrow(reason);
  });
});

describe.skipIf(!inject("isSstUnpacked"))("Fargate's sizes", () => {
  it("are those of SST, except 0.5 GB, which is too small for an edge", () => {
    const source = readFileSync(join(PLATFORM, "src/components/aws/fargate.ts"), "utf8");
    const table = /supportedMemories = \{(?<rows>.*?)\n\};/su.exec(source)?.groups?.["rows"] ?? "";
    const known = [...table.matchAll(/"(?<cpu>[\d.]+) vCPU": \{(?<memories>[^}]*)\}/gu)].map(({ groups }) => {
      const memories = [...(groups?.["memories"] ?? "").matchAll(/"(?<gb>[\d.]+) GB"/gu)];
      return [
        Number(groups?.["cpu"]),
        memories.map((match) => Number(match.groups?.["gb"])).filter((gb) => gb >= 1),
      ];
    });
    const ours = [...FARGATE_MEMORY].map(([cpu, { least, most, step }]) => [
      cpu,
      Array.from({ length: (most - least) / step + 1 }, (_, index) => least + index * step),
    ]);
    expect(ours).toEqual(known);
  });
});

describe.skipIf(!inject("isSstUnpacked"))("a deployment that cannot be", () => {
  it("ends where the region has fewer zones, and names them", async () => {
    await expect(synthesise({ stage: "pr-1", environment: { POSTERN_ZONES: "4" } })).rejects.toThrow(
      "POSTERN_ZONES: the region has 3 zones (eu-central-1a, eu-central-1b, eu-central-1c), not 4",
    );
  });

  it("ends with the variable's name", async () => {
    await expect(synthesise({ stage: "production" })).rejects.toThrow(
      "POSTERN_SMTP_NAME: is needed in production",
    );
  });

  it("ends by the patch of a test that fits nowhere", async () => {
    const patch = { file: "infra/table.ts", find: "no such text", replace: "" };
    await expect(synthesise({ stage: "pr-1", patches: [patch] })).rejects.toThrow(
      "its text is there 0 times",
    );
  });
});
