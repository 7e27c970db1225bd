import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { DynamoDbStore } from "../../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { endToEndCases } from "../contract/end-to-end.cases.ts";
import { leastRightsCases, type Places } from "../contract/least-rights.cases.ts";
import { edgeEnvironment, functionEnvironment } from "../infra/checks/stack-reader.ts";
import { ACCOUNT } from "../infra/harness/engine.ts";
import type { Stack } from "../infra/harness/stack.ts";
import { synthesise } from "../infra/harness/synthesise.ts";
import { hasEndpoints } from "../support/aws/on-aws.ts";
import { ProductOnAws } from "../support/aws/product-on-aws.ts";
import { createTestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import {
  bucketEncryption,
  type DeployedRole,
  deployedRoles,
  type ServiceUse,
  serviceUses,
} from "../support/iam/deployed-roles.ts";
import { conditionHolds } from "../support/iam/conditions.ts";
import { type Gate, startGate } from "../support/iam/gate.ts";
import { type Ask, type Grant, judge, type Rights, unneeded } from "../support/iam/judge.ts";

/** Which role each of our programs has. */
const ROLES = { api: "ApiHandlerRole", schedule: "ScheduleHandlerRole", worker: "EdgeTaskRole" } as const;

/** What a task's ports and addresses are on this machine. */
const ON_LOOPBACK = {
  SMTP_PORT: "0",
  HEALTH_PORT: "0",
  HEALTH_HOST: "127.0.0.1",
  SMTP_LISTENERS: JSON.stringify([
    { name: "mx", host: "127.0.0.1", port: 0, proxyProtocol: true, proxyFrom: ["127.0.0.1/32"] },
  ]),
  LIMITS: '{"drainMs":5000}',
};

const NOTHING: Rights = { grants: [], denials: [] };

const textOf = ({ statement, action, resource }: Grant): string =>
  `${action} on ${resource} where ${JSON.stringify(statement.conditions)}`;

/** Another way to choose where mail goes: the operator's own bucket, under a key of theirs. */
const OTHER_BUCKET = {
  POSTERN_DELIVERY: "s3://mail.example/in/box/",
  POSTERN_DELIVERY_KMS_KEY: "arn:aws:kms:eu-central-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
};

/** What an edge would ask for that delivers as another stage does: the same requests to another place. */
function redirected(asks: readonly Ask[], from: Stack, to: Stack): readonly Ask[] {
  const [own, other] = [from, to].map((each) => {
    const route = parseOperatorDelivery(edgeEnvironment(each)["DELIVERY"] ?? "");
    if (route.kind !== "s3") throw new Error("mail goes to no bucket");
    return {
      bucket: `arn:aws:s3:::${route.bucket}`,
      folder: `arn:aws:s3:::${route.bucket}/${route.prefix}/`,
    };
  });
  if (own === undefined || other === undefined) throw new Error("two stages were expected");
  const text = JSON.stringify(asks.filter((ask) => JSON.stringify(ask).includes(own.bucket)));
  const key = [...bucketEncryption(from).values()][0]?.keyArn ?? "";
  return JSON.parse(
    text
      .replaceAll(own.folder, other.folder)
      .replaceAll(own.bucket, other.bucket)
      .replaceAll(key, OTHER_BUCKET.POSTERN_DELIVERY_KMS_KEY),
  ) as readonly Ask[];
}

const describeGate = describe.skipIf(!hasEndpoints || !inject("isSstUnpacked"));

describeGate("the roles of a deployment, as AWS would judge them", () => {
  let stack: Stack;
  let otherStack: Stack;
  let roles: ReadonlyMap<string, DeployedRole>;
  let uses: readonly ServiceUse[];
  let gate: Gate;
  let product: ProductOnAws;
  let places: Places;
  const clients: DynamoDBClient[] = [];

  beforeAll(async () => {
    const environment = { POSTERN_SMTP_NAME: "mx.example.net" };
    [stack, otherStack] = await Promise.all([
      synthesise({ stage: "production", environment }),
      synthesise({ stage: "production", environment: { ...environment, ...OTHER_BUCKET } }),
    ]);
    roles = deployedRoles(stack);
    uses = serviceUses(stack);
    gate = await startGate({
      account: ACCOUNT,
      roles: new Map([...roles].map(([name, { rights }]) => [name, rights])),
      defaults: bucketEncryption(stack),
      targets: {
        dynamodb: process.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "",
        s3: process.env["AWS_ENDPOINT_URL_S3"] ?? "",
        acm: process.env["AWS_ENDPOINT_URL_ACM"] ?? "",
      },
      accessKey: process.env["AWS_ACCESS_KEY_ID"] ?? "",
    });
    const edge = edgeEnvironment(stack);
    const [, mail = ""] = /^s3:\/\/([^/]+)/u.exec(edge["DELIVERY"] ?? "") ?? [];
    const [table, keys, mailBucket] = await Promise.all([
      createTestTable(edge["TABLE_NAME"]),
      createTestBucket(edge["KEY_BUCKET"]),
      createTestBucket(mail),
    ]);
    const stores = { api: storeAs(ROLES.api, table), schedule: storeAs(ROLES.schedule, table) };
    places = { table, keys, mail: mailBucket, stores };
    const { DATA_DIR: _, ...task } = edge;
    product = await ProductOnAws.start({
      api: { ...functionEnvironment(stack, "ApiHandler"), ...behindGate(ROLES.api) },
      schedule: { ...functionEnvironment(stack, "ScheduleHandler"), ...behindGate(ROLES.schedule) },
      worker: { ...task, ...ON_LOOPBACK, ...behindGate(ROLES.worker) },
    });
  });
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await product.close();
    await gate.close();
    await Promise.all([places.table.delete(), places.keys.delete(), places.mail.delete()]);
  });

  const behindGate = (role: string): Readonly<Record<string, string>> => ({
    AWS_ENDPOINT_URL: gate.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_ENDPOINT_URL_S3: gate.endpoint,
    AWS_ENDPOINT_URL_ACM: gate.endpoint,
    AWS_ACCESS_KEY_ID: role,
  });
  const storeAs = (role: string, { name }: TestTable): DynamoDbStore => {
    const credentials = { accessKeyId: role, secretAccessKey: "unused" };
    const client = new DynamoDBClient({ endpoint: gate.endpoint, credentials });
    clients.push(client);
    return new DynamoDbStore(new DynamoDbTable(client, name, new ServiceCalls("settings store")));
  };
  const rightsOf = (role: string): Rights => roles.get(role)?.rights ?? NOTHING;
  /** What the programs asked for in the run, and what AWS's services ask for in the role's name. */
  const askedBy = (role: string): readonly Ask[] => [
    ...gate.asks(role),
    ...uses.filter((use) => use.role === role).flatMap(({ asks }) => asks),
  ];

  describe("with every program in its role", () => {
    endToEndCases(() => product);
    leastRightsCases(
      () => product,
      () => places,
    );
  });

  it("allowed every request, and recognised each", () => {
    expect(gate.unmapped).toEqual([]);
    expect(gate.denied).toEqual([]);
    for (const role of Object.values(ROLES)) expect(gate.asks(role), role).not.toEqual([]);
  });

  it("grant the rights that AWS's own services use through them", () => {
    const denied = uses.flatMap(({ role, asks }) =>
      asks.filter((ask) => judge(ask, rightsOf(role)).kind === "denied"),
    );
    expect(denied).toEqual([]);
  });

  it("grant only actions whose removal would deny a request", () => {
    const superfluous = [...roles].flatMap(([role, { rights, managed }]) =>
      unneeded(askedBy(role), rights)
        .filter((grant) => !managed.has(grant))
        .map((grant) => `${role}: ${textOf(grant)}`),
    );
    expect(superfluous).toEqual([]);
  });

  it.each(Object.values(ROLES))("of which %s shows a grant that is added to it", (role) => {
    const statement = rightsOf(role).grants[0]?.statement;
    if (statement === undefined) throw new Error(`${role} grants nothing`);
    const added = { statement, action: "dynamodb:Scan", resource: statement.resources[0] ?? "" };
    const wider = { ...rightsOf(role), grants: [...rightsOf(role).grants, added] };
    expect(unneeded(askedBy(role), wider)).toContain(added);
  });

  it("of an edge that delivers to the operator's own bucket are exactly the needed ones", () => {
    const rights = deployedRoles(otherStack).get(ROLES.worker)?.rights ?? NOTHING;
    const asks = redirected(gate.asks(ROLES.worker), stack, otherStack);
    expect(asks.filter((ask) => judge(ask, rights).kind === "denied")).toEqual([]);
    const ofMail = unneeded(asks, rights).filter((grant) => textOf(grant).includes("mail.example"));
    expect(ofMail.map(textOf)).toEqual([]);
    expect(asks.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["s3:PutObject", "s3:AbortMultipartUpload", "kms:GenerateDataKey"]),
    );
  });

  it("are all assumed, by a program that ran here or by a service of AWS", () => {
    const taken = new Set(uses.map(({ role }) => role));
    expect([...roles.keys()].filter((role) => !taken.has(role))).toEqual([]);
    // What no service asks for, a program must have asked for.
    const ofPrograms = [...roles].flatMap(([role, { rights, managed }]) => {
      const byServices = uses.filter((use) => use.role === role).flatMap(({ asks }) => asks);
      const left = unneeded(byServices, rights).filter((grant) => !managed.has(grant));
      return left.length > 0 ? [role] : [];
    });
    expect(ofPrograms.toSorted()).toEqual(Object.values(ROLES).toSorted());
  });

  it("are assumed only by the services that need them", () => {
    const trusted = [...roles].map(([role, { trust }]) => [
      role,
      trust.flatMap(({ effect, principals, actions }) =>
        principals.map((principal) => `${effect} ${actions.join()} ${principal}`),
      ),
    ]);
    const needed = uses.map(({ role, service }) => [role, [`Allow sts:AssumeRole Service:${service}`]]);
    expect(Object.fromEntries(trusted)).toEqual(Object.fromEntries(needed));
    const context = { "aws:sourceaccount": ACCOUNT };
    for (const [, { trust }] of roles)
      for (const condition of trust.flatMap(({ conditions }) => conditions))
        expect(conditionHolds(condition, context)).toBe(true);
  });
});
