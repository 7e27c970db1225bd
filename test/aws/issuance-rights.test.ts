import { createHash, randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateHostedZoneCommand, Route53Client } from "@aws-sdk/client-route-53";
import { S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { DynamoDbIssuanceState } from "../../adapters/aws/dynamodb-issuance-state.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { openParameters, openRoute53Records } from "../../adapters/aws/issuance-services.ts";
import { S3KeyVault } from "../../adapters/aws/s3-key-vault.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { HEAD_KEY } from "../../adapters/aws/table-keys.ts";
import { Unavailable } from "../../core/errors.ts";
import { accountKeyName, privateKeyName } from "../../core/store/key-vault.ts";
import { functionEnvironment } from "../infra/checks/stack-reader.ts";
import { ACCOUNT } from "../infra/harness/engine.ts";
import { synthesise } from "../infra/harness/synthesise.ts";
import { hasEndpoints } from "../support/aws/on-aws.ts";
import { createTestBucket, type TestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { bucketEncryption, deployedRoles } from "../support/iam/deployed-roles.ts";
import { type Gate, startGate } from "../support/iam/gate.ts";
import { type Grant, type Rights, unneeded } from "../support/iam/judge.ts";
import { certificateId, name } from "../support/records.ts";

const SCHEDULE = "ScheduleHandlerRole";
const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef`;
const PARAMETERS = ["/postern/eab", "/postern/webhook"] as const;
const pin = `sha256//${createHash("sha256").update("key").digest("base64")}`;

/** Grants that only orders at CAs need. */
const isOfOrders = ({ action, resource }: Grant): boolean =>
  /^(?:ssm|route53):|^dynamodb:DeleteItem$/u.test(action) ||
  resource === KEY ||
  resource.includes("/acme/") ||
  (action === "s3:PutObject" && resource.includes("/private/"));

const describeGate = describe.skipIf(!hasEndpoints || !inject("isSstUnpacked"));

describeGate("the schedule's role where CAs are set, as AWS would judge it", () => {
  let gate: Gate;
  let rights: Rights;
  let zone: string;
  let table: TestTable;
  let bucket: TestBucket;
  let environment: Readonly<Record<string, string>>;
  const opened: { destroy(): void }[] = [];

  beforeAll(async () => {
    const [route53, ssm] = [new Route53Client(), new SSMClient()];
    const made = await route53.send(
      new CreateHostedZoneCommand({ Name: "a.example", CallerReference: randomUUID() }),
    );
    zone = (made.HostedZone?.Id ?? "").replace("/hostedzone/", "");
    for (const Name of PARAMETERS)
      await ssm.send(new PutParameterCommand({ Name, Value: Name, Type: "SecureString", Overwrite: true }));
    route53.destroy();
    ssm.destroy();
    const stack = await synthesise({
      stage: "pr-1",
      environment: {
        POSTERN_ACME_DIRECTORIES: '{"ca":{"url":"https://ca.example/","eabKeyId":"kid"}}',
        POSTERN_ACME_EAB_PARAMETERS: `ca=${PARAMETERS[0]}`,
        POSTERN_DNS_WEBHOOK_URL: "https://dns.example/",
        POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: PARAMETERS[1],
        POSTERN_ISSUANCE_KMS_KEY: KEY,
        POSTERN_ROUTE53_ZONES: `${zone}:a.example`,
      },
    });
    rights = deployedRoles(stack).get(SCHEDULE)?.rights ?? { grants: [], denials: [] };
    environment = functionEnvironment(stack, "ScheduleHandler");
    [table, bucket] = await Promise.all([
      createTestTable(environment["TABLE_NAME"]),
      createTestBucket(environment["KEY_BUCKET"]),
    ]);
    const endpointOf = (service: string): string => process.env[`AWS_ENDPOINT_URL_${service}`] ?? "";
    gate = await startGate({
      account: ACCOUNT,
      roles: new Map([[SCHEDULE, rights]]),
      defaults: bucketEncryption(stack),
      parameterKey: KEY,
      targets: {
        dynamodb: endpointOf("DYNAMODB"),
        s3: endpointOf("S3"),
        route53: endpointOf("ROUTE_53"),
        ssm: endpointOf("SSM"),
      },
      accessKey: process.env["AWS_ACCESS_KEY_ID"] ?? "",
    });
  }, 600_000);
  beforeEach(() => {
    for (const service of ["DYNAMODB", "S3", "ROUTE_53", "SSM"])
      vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, gate.endpoint);
    vi.stubEnv("AWS_ACCESS_KEY_ID", SCHEDULE);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    for (const client of opened.splice(0)) client.destroy();
  });
  afterAll(async () => {
    await gate.close();
    await Promise.all([table.delete(), bucket.delete()]);
  });

  const openTable = (): DynamoDbTable => {
    const client = new DynamoDBClient();
    opened.push(client);
    return new DynamoDbTable(client, table.name, new ServiceCalls("settings store"));
  };

  it("does what orders need", async () => {
    const state = new DynamoDbIssuanceState(openTable(), { now: () => Date.now(), isHeard: true });
    await state.put("account/ca", {}, { expected: null, expiresAtMs: null });
    await state.get("account/ca");
    await state.delete("account/ca");

    const s3 = new S3Client();
    opened.push(s3);
    const vault = new S3KeyVault({
      client: s3,
      calls: new ServiceCalls("key vault"),
      bucket: bucket.name,
      kmsKeyId: environment["KEY_KMS_KEY_ID"] ?? "",
    });
    for (const each of [accountKeyName(pin), privateKeyName(certificateId(1), pin)])
      await vault.get(each, await vault.put(each, Buffer.from("key")));

    const records = openRoute53Records([{ id: zone, domain: name("a.example") }]);
    for (const each of ["a.example", "mx.a.example"]) {
      await records.put(each, ["one", "two"]);
      await records.delete(each);
    }
    const read = openParameters();
    for (const each of PARAMETERS) expect(await read(each)).toBe(each);
    expect(gate.denied).toEqual([]);
    expect(gate.unmapped).toEqual([]);
  });

  it("has no grant for orders whose removal would deny none of that", () => {
    expect(rights.grants.filter(isOfOrders).length).toBeGreaterThan(8);
    const superfluous = unneeded(gate.asks(SCHEDULE), rights).filter(isOfOrders);
    expect(superfluous.map(({ action, resource }) => `${action} ${resource}`)).toEqual([]);
  });

  it("may do nothing else with zones, secrets and the table", async () => {
    // A name outside the domain of the setting.
    const wider = openRoute53Records([{ id: zone, domain: name("example") }]);
    await expect(wider.put("b.example", ["one"])).rejects.toBeInstanceOf(Unavailable);
    await expect(openParameters()("/postern/other")).rejects.toBeInstanceOf(Unavailable);
    await expect(openTable().delete(HEAD_KEY)).rejects.toBeInstanceOf(Unavailable);
    expect(gate.denied.map((text) => text.split(" ")[1])).toEqual([
      "route53:ChangeResourceRecordSets",
      "ssm:GetParameter",
      "dynamodb:DeleteItem",
    ]);
    expect(gate.unmapped).toEqual([]);
  });
});
