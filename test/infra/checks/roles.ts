import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { EDGE_PARTITION } from "../../../adapters/aws/table-keys.ts";
import { parseOperatorDelivery } from "../../../core/delivery/route.ts";
import type { Resource, Stack } from "../harness/stack.ts";
import {
  allOf,
  at,
  type Checks,
  edgeEnvironment,
  inlineStatements,
  listAt,
  named,
  onlyOne,
  type Statement,
  textAt,
} from "./stack-reader.ts";

const ROLE = "iam/role:Role";
/** The adapter alone sets the tag. */
const ISSUER = readFileSync(join(import.meta.dirname, "../../../adapters/aws/acm-issuer.ts"), "utf8");

/** Every role there is, by who may take it. */
const TRUSTED: Readonly<Record<string, string>> = {
  ApiHandlerRole: "lambda.amazonaws.com",
  ScheduleHandlerRole: "lambda.amazonaws.com",
  EdgeTaskRole: "ecs-tasks.amazonaws.com",
  EdgeExecutionRole: "ecs-tasks.amazonaws.com",
  "Sweep-backupRole": "scheduler.amazonaws.com",
  "Sweep-issuanceRole": "scheduler.amazonaws.com",
  "Sweep-ownershipRole": "scheduler.amazonaws.com",
  "Sweep-expiryRole": "scheduler.amazonaws.com",
  "Sweep-renewalsRole": "scheduler.amazonaws.com",
  "Sweep-clean-upRole": "scheduler.amazonaws.com",
};

/** AWS's own policies that a role may have: to write logs, and to fetch the image. */
const MANAGED: Readonly<Record<string, readonly string[]>> = {
  ApiHandlerRole: ["service-role/AWSLambdaBasicExecutionRole"],
  ScheduleHandlerRole: ["service-role/AWSLambdaBasicExecutionRole"],
  EdgeExecutionRole: ["service-role/AmazonECSTaskExecutionRolePolicy"],
};

/** Actions that AWS knows no resource for. */
const WITHOUT_RESOURCE = ["acm:RequestCertificate"];

const role = (stack: Stack, name: string): Resource => onlyOne(stack, ROLE, named(name));
const withAction = (statements: readonly Statement[], action: string): readonly Statement[] =>
  statements.filter(({ actions }) => actions.includes(action));

/** `s3:GetObject keys/*`, for every action and resource, in order: the whole of what a role may do. */
function grants(stack: Stack, name: string): readonly string[] {
  return inlineStatements(role(stack, name))
    .flatMap(({ actions, resources }) =>
      actions.flatMap((action) => resources.map((resource) => `${action} ${shortened(stack, resource)}`)),
    )
    .toSorted();
}

/** ARNs without account, region and the names that AWS or Pulumi chose. */
function shortened(stack: Stack, arn: string): string {
  const names = new Map(
    [
      ["table", onlyOne(stack, "dynamodb/table:Table").inputs["name"]],
      ["keys", onlyOne(stack, "s3/bucket:Bucket", named("KeysBucket")).inputs["bucket"]],
      ["mail", allOf(stack, "s3/bucket:Bucket").find(named("MailBucket"))?.inputs["bucket"]],
    ].map(([short, name]) => [String(name), String(short)]),
  );
  const path = arn.replace(/^arn:aws:(?:s3:::|[a-z0-9]+:[a-z0-9-]*:\d+:)/u, "");
  return path
    .split("/")
    .map((part) => names.get(part) ?? part)
    .join("/");
}

const ofTable = (...actions: readonly string[]): readonly string[] =>
  actions.map((action) => `dynamodb:${action} table/table`);
const KEY_USES = ["kms:Decrypt key/Key", "kms:GenerateDataKey key/Key"];

/** The edges' own parser says where they write; the policy must grant that place. */
export function expectMailIsWrittenWhereGranted(stack: Stack): void {
  const route = parseOperatorDelivery(edgeEnvironment(stack)["DELIVERY"] ?? "");
  if (route.kind !== "s3") throw new TypeError(`edges deliver to ${route.kind}`);
  const place = route.prefix === "" ? route.bucket : `${route.bucket}/${route.prefix}`;
  const writes = withAction(inlineStatements(role(stack, "EdgeTaskRole")), "s3:PutObject");
  expect(writes.map(({ resources }) => resources)).toEqual([[`arn:aws:s3:::${place}/*`]]);
}

export const ROLE_CHECKS: Checks = {
  "an edge may write mail where it writes mail": expectMailIsWrittenWhereGranted,
  "every role is assumed by one service, and by no principal of the account": (stack) => {
    const trusted = allOf(stack, ROLE).map(({ name, inputs }) => {
      const policy: unknown = inputs["assumeRolePolicy"];
      const document: unknown = typeof policy === "string" ? JSON.parse(policy) : policy;
      const principals = listAt(document, "Statement").map((statement) => at(statement, "Principal"));
      return [name, principals];
    });
    expect(Object.fromEntries(trusted)).toEqual(
      Object.fromEntries(Object.entries(TRUSTED).map(([name, service]) => [name, [{ Service: service }]])),
    );
  },
  "no role has a policy of AWS's beyond logs and the image": (stack) => {
    const attached = allOf(stack, ROLE).map(({ name, inputs }) => [name, inputs["managedPolicyArns"] ?? []]);
    expect(Object.fromEntries(attached)).toEqual(
      Object.fromEntries(
        Object.keys(TRUSTED).map((name) => [
          name,
          (MANAGED[name] ?? []).map((policy) => `arn:aws:iam::aws:policy/${policy}`),
        ]),
      ),
    );
    expect(allOf(stack, "iam/rolePolicyAttachment:RolePolicyAttachment")).toEqual([]);
    expect(allOf(stack, "iam/rolePolicy:RolePolicy")).toEqual([]);
  },
  "no role has an action by pattern, or a resource by pattern where AWS has a name": (stack) => {
    for (const { name, inputs } of allOf(stack, ROLE)) {
      for (const { actions, resources } of inlineStatements({ name, inputs } as Resource)) {
        expect(
          actions.filter((action) => action.includes("*")),
          name,
        ).toEqual([]);
        if (resources.some((resource) => resource === "*")) expect(WITHOUT_RESOURCE, name).toEqual(actions);
      }
    }
  },
  "the API's role does what the API does": (stack) => {
    expect(grants(stack, "ApiHandlerRole")).toEqual(
      [
        ...ofTable("BatchGetItem", "GetItem", "Query"),
        ...ofTable("BatchWriteItem", "ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"),
        "dynamodb:Query table/table/index/by-name",
        "s3:ListBucket keys",
        "s3:GetObject keys/backup/*",
        "s3:GetObject keys/keys/*",
        "s3:GetObject keys/trust/*",
        "s3:GetObject keys/private/*",
        "s3:PutObject keys/keys/*",
        "s3:PutObject keys/trust/*",
        "s3:PutObject keys/private/*",
        ...KEY_USES,
        "acm:RequestCertificate *",
        "acm:AddTagsToCertificate certificate/*",
        "acm:DeleteCertificate certificate/*",
        "acm:DescribeCertificate certificate/*",
      ].toSorted(),
    );
  },
  "the schedule's role does what the sweeps do": (stack) => {
    expect(grants(stack, "ScheduleHandlerRole")).toEqual(
      [
        ...ofTable("BatchGetItem", "ConditionCheckItem", "GetItem", "PutItem", "Query", "UpdateItem"),
        "s3:ListBucket keys",
        "s3:GetObject keys/keys/*",
        "s3:GetObject keys/trust/*",
        "s3:GetObject keys/private/*",
        "s3:PutObject keys/keys/*",
        "s3:DeleteObject keys/keys/*",
        "s3:DeleteObject keys/trust/*",
        "s3:DeleteObject keys/private/*",
        ...KEY_USES,
        "s3:GetObject keys/backup/*",
        "s3:PutObject keys/backup/*",
        "acm:DescribeCertificate certificate/*",
        "acm:ExportCertificate certificate/*",
      ].toSorted(),
    );
  },
  "an edge reads settings and keys, writes its report, and delivers": (stack) => {
    expect(grants(stack, "EdgeTaskRole")).toEqual(
      [
        ...ofTable("DeleteItem", "GetItem", "PutItem", "Query"),
        "s3:GetObject keys/backup/*",
        "s3:GetObject keys/keys/*",
        "s3:GetObject keys/trust/*",
        "s3:ListBucket keys",
        "s3:AbortMultipartUpload mail/inbox/*",
        "s3:PutObject mail/inbox/*",
        // Of the key bucket, and two of the mail bucket.
        "kms:Decrypt key/Key",
        ...KEY_USES,
      ].toSorted(),
    );
  },
  "an edge writes under the partition of reports alone": (stack) => {
    const writes = inlineStatements(role(stack, "EdgeTaskRole")).filter(({ actions }) =>
      actions.some((action) => /^dynamodb:(?!GetItem|BatchGetItem|Query)/u.test(action)),
    );
    expect(writes.map(({ condition }) => condition)).toEqual([
      {
        "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [EDGE_PARTITION] },
        Null: { "dynamodb:LeadingKeys": ["false"] },
      },
    ]);
  },
  "of the account's certificates only those that the product ordered are described, exported or deleted": (
    stack,
  ) => {
    const statements = allOf(stack, ROLE).flatMap((each) =>
      inlineStatements(each).filter(({ actions }) => actions.some((action) => action.startsWith("acm:"))),
    );
    const tag = /^const TAG = "(?<tag>[^"]+)";$/mu.exec(ISSUER)?.groups?.["tag"] ?? "";
    expect(tag).not.toBe("");
    const tagged = (of: string) => ({ Null: { [`${of}/${tag}`]: ["false"] } });
    expect(statements.map(({ actions, condition }) => [actions, condition])).toEqual(
      expect.arrayContaining([
        [["acm:RequestCertificate"], tagged("aws:RequestTag")],
        [["acm:AddTagsToCertificate"], tagged("aws:RequestTag")],
      ]),
    );
    const others = statements.filter(
      ({ condition }) => !(`aws:RequestTag/${tag}` in Object(condition["Null"])),
    );
    expect(others).toHaveLength(2);
    for (const { condition } of others) expect(condition).toEqual(tagged("aws:ResourceTag"));
  },
  "the product's key is used through S3 alone, for one bucket each": (stack) => {
    const uses = allOf(stack, ROLE).flatMap((each) =>
      inlineStatements(each).filter(({ actions }) => actions.some((action) => action.startsWith("kms:"))),
    );
    expect(uses.length).toBeGreaterThan(3);
    for (const { condition } of uses) {
      expect(condition).toEqual({
        StringEquals: { "kms:ViaService": ["s3.eu-central-1.amazonaws.com"] },
        StringLike: {
          "kms:EncryptionContext:aws:s3:arn": [expect.any(String), expect.stringMatching(/\/\*$/u)],
        },
      });
      const [bucket, objects] = listAt(condition, "StringLike", "kms:EncryptionContext:aws:s3:arn").map(
        String,
      );
      expect(objects).toBe(`${bucket}/*`);
    }
  },
  "an edge cannot make keys for the key bucket": (stack) => {
    const bucket = textAt(onlyOne(stack, "s3/bucket:Bucket", named("KeysBucket")).inputs, "bucket");
    const makes = withAction(inlineStatements(role(stack, "EdgeTaskRole")), "kms:GenerateDataKey");
    expect(JSON.stringify(makes)).not.toContain(bucket);
  },
  "what starts an edge reads no parameter that it does not need": (stack) => {
    expect(inlineStatements(role(stack, "EdgeExecutionRole"))).toEqual([]);
    expect(listAt(onlyOne(stack, "ecs/service:Service").inputs, "loadBalancers")).toHaveLength(1);
    expect(at(onlyOne(stack, "ecs/service:Service").inputs, "enableExecuteCommand")).toBe(false);
  },
  "the clock may start the schedule and nothing else": (stack) => {
    for (const name of Object.keys(TRUSTED).filter((each) => each.startsWith("Sweep-"))) {
      expect(grants(stack, name)).toEqual([
        expect.stringMatching(/^lambda:InvokeFunction function:postern-[\w-]+-ScheduleHandlerFunction-\w+$/u),
      ]);
    }
  },
};
