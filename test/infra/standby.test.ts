import { beforeAll, describe, expect, inject, it } from "vitest";
import {
  allOf,
  at,
  edgeEnvironment,
  functionEnvironment,
  inlineStatements,
  listAt,
  named,
  onlyOne,
  textAt,
} from "./checks/stack-reader.ts";
import type { Patch, Stack } from "./harness/stack.ts";
import { synthesiseEach } from "./harness/synthesise.ts";

const AWAY = "eu-west-1";
const HOME = { POSTERN_SMTP_NAME: "mx.example.net", POSTERN_STANDBY_REGION: AWAY };
const COPIES = "/postern/production/copies/";

/** Resources of the copies, by Pulumi's type; each is made in the standby region. */
const COPIED = [
  ["dynamodb/tableReplica:TableReplica", "SettingsReplica"],
  ["kms/key:Key", "StandbyKey"],
  ["s3/bucket:Bucket", "StandbyKeysBucket"],
  ["s3/bucketVersioning:BucketVersioning", "StandbyKeysVersioning"],
  ["s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "StandbyKeysPublicAccessBlock"],
  ["s3/bucketPolicy:BucketPolicy", "StandbyKeysPolicy"],
  ["s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "StandbyKeysLifecycle"],
  ["s3/bucketOwnershipControls:BucketOwnershipControls", "StandbyKeysOwnership"],
  [
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "StandbyKeysEncryption",
  ],
] as const;

const bucketName = (stack: Stack, name: string): string =>
  textAt(onlyOne(stack, "s3/bucket:Bucket", named(name)).inputs, "bucket");

const HOME_CHECKS: Readonly<Record<string, (stack: Stack) => void>> = {
  "the copies are in the standby region, protected as what they are copies of": (stack) => {
    for (const [type, name] of COPIED) {
      const { inputs } = onlyOne(stack, type, named(name));
      expect([name, inputs["region"]]).toEqual([name, AWAY]);
    }
    for (const type of ["dynamodb/tableReplica:TableReplica", "kms/key:Key", "s3/bucket:Bucket"])
      for (const { name, isProtected } of allOf(stack, type))
        expect([name, isProtected]).toEqual([name, name !== "MailBucket"]);
    expect(onlyOne(stack, "dynamodb/tableReplica:TableReplica").inputs).toMatchObject({
      pointInTimeRecovery: true,
      deletionProtectionEnabled: true,
      globalTableArn: expect.stringMatching(/^arn:aws:dynamodb:eu-central-1:.*:table\//u),
    });
  },
  "a replica has a stream to be made of": (stack) => {
    expect(onlyOne(stack, "dynamodb/table:Table").inputs).toMatchObject({
      streamEnabled: true,
      streamViewType: "NEW_AND_OLD_IMAGES",
    });
  },
  "every object of the key bucket is copied with its encryption, and every deletion": (stack) => {
    const { inputs, dependencies } = onlyOne(stack, "s3/bucketReplicationConfig:BucketReplicationConfig");
    expect(inputs["bucket"]).toBe(bucketName(stack, "KeysBucket"));
    expect(listAt(inputs, "rules")).toEqual([
      expect.objectContaining({
        status: "Enabled",
        filter: { prefix: "" },
        deleteMarkerReplication: { status: "Enabled" },
        sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: "Enabled" } },
        destination: {
          bucket: `arn:aws:s3:::${bucketName(stack, "StandbyKeysBucket")}`,
          encryptionConfiguration: { replicaKmsKeyId: `arn:aws:kms:${AWAY}:123456789012:key/StandbyKey` },
          metrics: { status: "Enabled" },
        },
      }),
    ]);
    const versioned = ["KeysVersioning", "StandbyKeysVersioning"].map(
      (name) => onlyOne(stack, "s3/bucketVersioning:BucketVersioning", named(name)).urn,
    );
    expect(dependencies).toEqual(expect.arrayContaining(versioned));
  },
  "what copies reads one bucket, writes the other, and uses each key for its bucket": (stack) => {
    const role = onlyOne(stack, "iam/role:Role", named("KeysReplicationRole"));
    const [from, to] = ["KeysBucket", "StandbyKeysBucket"].map(
      (name) => `arn:aws:s3:::${bucketName(stack, name)}`,
    );
    const below = (bucket: string | undefined): string[] =>
      ["keys", "trust", "private", "acme", "backup"].map((prefix) => `${bucket}/${prefix}/*`);
    const through = (region: string, bucket: string | undefined) => ({
      StringEquals: { "kms:ViaService": [`s3.${region}.amazonaws.com`] },
      StringLike: { "kms:EncryptionContext:aws:s3:arn": [bucket, `${bucket}/*`] },
    });
    expect(inlineStatements(role).map((each) => [each.actions, each.resources, each.condition])).toEqual([
      [["s3:GetReplicationConfiguration", "s3:ListBucket"], [from], {}],
      [
        ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
        below(from),
        {},
      ],
      [["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], below(to), {}],
      [["kms:Decrypt"], ["arn:aws:kms:eu-central-1:123456789012:key/Key"], through("eu-central-1", from)],
      [
        ["kms:Encrypt", "kms:GenerateDataKey"],
        [`arn:aws:kms:${AWAY}:123456789012:key/StandbyKey`],
        through(AWAY, to),
      ],
    ]);
    expect(at(role.inputs, "assumeRolePolicy")).toMatchObject({
      Statement: [{ Action: "sts:AssumeRole", Principal: { Service: "s3.amazonaws.com" } }],
    });
  },
  "an alarm rings when copies are late, and when one fails": (stack) => {
    const alarm = (name: string) => onlyOne(stack, "cloudwatch/metricAlarm:MetricAlarm", named(name)).inputs;
    expect(alarm("CopiesLate")).toMatchObject({
      dimensions: {
        TableName: textAt(onlyOne(stack, "dynamodb/table:Table").inputs, "name"),
        ReceivingRegion: AWAY,
      },
      treatMissingData: "breaching",
    });
    const [rule] = listAt(
      onlyOne(stack, "s3/bucketReplicationConfig:BucketReplicationConfig").inputs,
      "rules",
    );
    expect(alarm("CopiesFail")["dimensions"]).toEqual({
      SourceBucket: bucketName(stack, "KeysBucket"),
      DestinationBucket: bucketName(stack, "StandbyKeysBucket"),
      RuleId: at(rule, "id"),
    });
  },
};

const FAULTS: Readonly<Record<string, Patch & { readonly caughtBy: keyof typeof HOME_CHECKS }>> = {
  "the bucket of the copies is in the region of the original": {
    file: "infra/storage.ts",
    find: "Object.assign(args, inRegion, {",
    replace: "Object.assign(args, {",
    caughtBy: "the copies are in the standby region, protected as what they are copies of",
  },
  "a deletion is not copied": {
    file: "infra/copies.ts",
    find: 'deleteMarkerReplication: { status: "Enabled" }',
    replace: 'deleteMarkerReplication: { status: "Disabled" }',
    caughtBy: "every object of the key bucket is copied with its encryption, and every deletion",
  },
  "encrypted objects are left out, as S3 does unless told": {
    file: "infra/copies.ts",
    find: 'sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: "Enabled" } },',
    replace: "",
    caughtBy: "every object of the key bucket is copied with its encryption, and every deletion",
  },
  "the copier may use the other region's key for any bucket": {
    file: "infra/permissions.ts",
    find: "      bucket: to.keys.arn,\n",
    replace: "      bucket: keys.arn,\n",
    caughtBy: "what copies reads one bucket, writes the other, and uses each key for its bucket",
  },
  "the table has no stream": {
    file: "infra/table.ts",
    find: 'stream: "new-and-old-images" as const',
    replace: "",
    caughtBy: "a replica has a stream to be made of",
  },
};

describe.skipIf(!inject("isSstUnpacked"))("a deployment with copies in another region", () => {
  const stacks: Stack[] = [];
  let home: Stack;
  let standby: Stack;
  let takeover: Stack;

  beforeAll(async () => {
    const parameters = {
      [`${COPIES}table`]: "postern-production-settings",
      [`${COPIES}key-bucket`]: "standby-keys",
      [`${COPIES}key`]: "01234567-89ab-cdef-0123-456789abcdef",
    };
    const away = { POSTERN_SMTP_NAME: "mx2.example.net" };
    const stage = "production";
    const list = [
      { stage, environment: HOME },
      { stage, environment: { ...away, POSTERN_ROLE: "standby" }, parameters },
      { stage, environment: { ...away, POSTERN_ROLE: "takeover" }, parameters },
      ...Object.values(FAULTS).map((fault) => ({ stage, environment: HOME, patches: [fault] })),
    ];
    for await (const stack of synthesiseEach(list)) stacks.push(stack);
    [home, standby, takeover] = stacks as [Stack, Stack, Stack];
  }, 600_000);

  it.each(Object.entries(HOME_CHECKS))("%s", (_name, holds) => {
    expect.hasAssertions();
    holds(home);
  });

  it.each(Object.entries(FAULTS))("a planted fault is caught: %s", (name, { caughtBy }) => {
    const stack = stacks[3 + Object.keys(FAULTS).indexOf(name)];
    if (stack === undefined) throw new Error("it was not synthesised");
    expect(() => HOME_CHECKS[caughtBy]?.(stack)).toThrow();
  });

  it("gives their names to the other region's deployment", () => {
    const told = allOf(home, "ssm/parameter:Parameter").filter(({ inputs }) => inputs["region"] === AWAY);
    expect(Object.fromEntries(told.map(({ inputs }) => [inputs["name"], inputs["value"]]))).toEqual({
      [`${COPIES}table`]: home.outputs["table"],
      [`${COPIES}key-bucket`]: bucketName(home, "StandbyKeysBucket"),
      [`${COPIES}key`]: "StandbyKey",
    });
  });

  it("has edges there that read the copies, with separate addresses, and no writer of settings", () => {
    expect(allOf(standby, "lambda/function:Function")).toEqual([]);
    expect(allOf(standby, "apigatewayv2/api:Api")).toEqual([]);
    expect(allOf(standby, "scheduler/schedule:Schedule")).toEqual([]);
    expect(standby.outputs["api"]).toBe(null);
    expect(edgeEnvironment(standby)).toMatchObject({
      TABLE_NAME: "postern-production-settings",
      KEY_BUCKET: "standby-keys",
      SMTP_NAME: "mx2.example.net",
    });
    expect(allOf(standby, "ec2/eip:Eip")).toHaveLength(3);
    const statements = allOf(standby, "iam/role:Role").flatMap(inlineStatements);
    const writes = statements.filter(({ actions }) =>
      actions.some((action) => /^dynamodb:(?:Put|Update|Delete|BatchWrite)/u.test(action)),
    );
    expect(writes.map(({ condition }) => at(condition, "ForAllValues:StringEquals"))).toEqual([
      { "dynamodb:LeadingKeys": ["EDGE"] },
    ]);
    // Mail stays in its region; the copies' bucket and table are not made twice.
    expect(allOf(standby, "s3/bucket:Bucket").map(({ name, urn }) => [name, urn !== ""])).toEqual(
      expect.arrayContaining([
        ["CopiedKeysBucket", false],
        ["MailBucket", true],
      ]),
    );
  });

  it("has API and schedule there after a take-over, on the copies", () => {
    for (const environment of [
      edgeEnvironment(takeover),
      functionEnvironment(takeover, "ApiHandler"),
      functionEnvironment(takeover, "ScheduleHandler"),
    ]) {
      expect(environment).toMatchObject({
        TABLE_NAME: "postern-production-settings",
        KEY_BUCKET: "standby-keys",
      });
    }
    expect(functionEnvironment(takeover, "ApiHandler")["KEY_KMS_KEY_ID"]).toMatch(/:key\//u);
    expect(allOf(takeover, "dynamodb/tableReplica:TableReplica")).toEqual([]);
  });
});

describe.skipIf(!inject("isSstUnpacked"))("a deployment on copies that are not there", () => {
  const failing = async (environment: Readonly<Record<string, string>>): Promise<void> => {
    for await (const _ of synthesiseEach([{ stage: "pr-1", environment }])) return;
  };

  it("ends with what is missing", async () => {
    await expect(failing({ POSTERN_ROLE: "standby" })).rejects.toThrow(
      "POSTERN_ROLE: has no copies to use here: /postern/pr-1/copies/table",
    );
  });

  it("ends where the standby is its own region", async () => {
    await expect(failing({ POSTERN_STANDBY_REGION: "eu-central-1" })).rejects.toThrow(
      "POSTERN_STANDBY_REGION: must be another region than eu-central-1",
    );
  });
});
