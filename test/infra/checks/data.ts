import { expect } from "vitest";
import { TABLE_DEFINITION } from "../../../adapters/aws/table-definition.ts";
import type { Stack } from "../harness/stack.ts";
import {
  allOf,
  at,
  type Checks,
  isProduction,
  named,
  onlyOne,
  statementsOf,
  textAt,
} from "./stack-reader.ts";

const BUCKETS = ["Keys", "Mail"] as const;

/** The resource of one of our buckets: SST and infra/ put its name before the kind. */
const ofBucket = (stack: Stack, bucket: string, type: string, suffix: string) =>
  onlyOne(stack, `s3/${type}`, named(`${bucket}${suffix}`)).inputs;

const bucketNames = (stack: Stack): readonly string[] =>
  allOf(stack, "s3/bucket:Bucket").map(({ inputs }) => textAt(inputs, "bucket"));

export const DATA_CHECKS: Checks = {
  "the table is the one that adapters/aws reads and writes": (stack) => {
    const { partitionKey, sortKey, index, timeToLive } = TABLE_DEFINITION;
    expect(onlyOne(stack, "dynamodb/table:Table").inputs).toMatchObject({
      hashKey: partitionKey,
      rangeKey: sortKey,
      attributes: expect.arrayContaining(
        [partitionKey, sortKey, index.partitionKey, index.sortKey].map((name) => ({ name, type: "S" })),
      ),
      globalSecondaryIndexes: [
        {
          name: index.name,
          hashKey: index.partitionKey,
          rangeKey: index.sortKey,
          projectionType: "KEYS_ONLY",
        },
      ],
      ttl: { attributeName: timeToLive, enabled: true },
    });
  },
  "the table is on demand, encrypted, and can be restored to any second of 35 days": (stack) => {
    expect(onlyOne(stack, "dynamodb/table:Table").inputs).toMatchObject({
      billingMode: "PAY_PER_REQUEST",
      serverSideEncryption: { enabled: true },
      pointInTimeRecovery: { enabled: true, recoveryPeriodInDays: 35 },
    });
  },
  "the table can be deleted outside production alone": (stack) => {
    const { inputs, isProtected } = onlyOne(stack, "dynamodb/table:Table");
    expect(inputs["deletionProtectionEnabled"]).toBe(isProduction(stack));
    expect(isProtected).toBe(isProduction(stack));
  },
  "no bucket is public": (stack) => {
    expect(bucketNames(stack)).toHaveLength(BUCKETS.length);
    for (const bucket of BUCKETS) {
      expect(
        ofBucket(stack, bucket, "bucketPublicAccessBlock:BucketPublicAccessBlock", "PublicAccessBlock"),
      ).toMatchObject({
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
      expect(
        ofBucket(stack, bucket, "bucketOwnershipControls:BucketOwnershipControls", "Ownership"),
      ).toMatchObject({
        rule: { objectOwnership: "BucketOwnerEnforced" },
      });
    }
    expect(allOf(stack, "s3/bucketCorsConfiguration:BucketCorsConfiguration")).toEqual([]);
  },
  "every bucket is encrypted by the product's key, with a Bucket Key": (stack) => {
    const key = onlyOne(stack, "kms/key:Key");
    for (const bucket of BUCKETS) {
      const type = "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
      expect(ofBucket(stack, bucket, type, "Encryption")["rules"]).toEqual([
        {
          applyServerSideEncryptionByDefault: {
            sseAlgorithm: "aws:kms",
            kmsMasterKeyId: expect.stringMatching(new RegExp(`:key/${key.name}$`, "u")),
          },
          bucketKeyEnabled: true,
        },
      ]);
    }
    expect(key.inputs).toMatchObject({
      enableKeyRotation: true,
      deletionWindowInDays: isProduction(stack) ? 30 : 7,
    });
  },
  "every bucket answers over TLS alone, to every caller": (stack) => {
    for (const bucket of BUCKETS) {
      const policy = ofBucket(stack, bucket, "bucketPolicy:BucketPolicy", "Policy")["policy"];
      const [statement, ...more] = statementsOf(policy);
      expect(statement).toEqual({
        effect: "Deny",
        actions: ["s3:*"],
        resources: [expect.stringMatching(/^arn:aws:s3:::[\w-]+$/u), expect.stringMatching(/\/\*$/u)],
        condition: { Bool: { "aws:SecureTransport": ["false"] } },
      });
      expect(more).toEqual([]);
    }
  },
  "what was overwritten or deleted in a bucket is there for 30 days, but for backups": (stack) => {
    for (const bucket of BUCKETS) {
      expect(ofBucket(stack, bucket, "bucketVersioning:BucketVersioning", "Versioning")).toMatchObject({
        versioningConfiguration: { status: "Enabled" },
      });
      const rules = ofBucket(
        stack,
        bucket,
        "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "Lifecycle",
      )["rules"];
      // Current versions never expire: they are keys in use, and mail that is still to be fetched.
      expect(rules).toEqual([
        {
          id: expect.any(String),
          status: "Enabled",
          filter: { prefix: "" },
          noncurrentVersionExpiration: { noncurrentDays: 30 },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
        },
        // Backups are written every five minutes when much changes, and only the last one is ever read.
        ...(bucket === "Keys"
          ? [
              {
                id: expect.any(String),
                status: "Enabled",
                filter: { prefix: "backup/" },
                noncurrentVersionExpiration: { noncurrentDays: 1 },
              },
            ]
          : []),
      ]);
    }
  },
  "buckets and keys outlive a removal in production alone": (stack) => {
    const held = [onlyOne(stack, "kms/key:Key"), ...allOf(stack, "s3/bucket:Bucket")];
    // Not the bucket of mail: another POSTERN_DELIVERY takes it out of the program.
    expect(Object.fromEntries(held.map(({ name, isProtected }) => [name, isProtected]))).toEqual({
      Key: isProduction(stack),
      KeysBucket: isProduction(stack),
      MailBucket: false,
    });
    expect(held.map(({ isRetained }) => isRetained)).toEqual(held.map(() => isProduction(stack)));
    for (const bucket of allOf(stack, "s3/bucket:Bucket")) {
      expect(at(bucket.inputs, "forceDestroy")).toBe(!isProduction(stack));
    }
  },
  "production is retained and protected as a whole, another stage is not": ({ app }) => {
    expect(app).toEqual(
      app.stage === "production"
        ? { name: "postern", stage: app.stage, removal: "retain-all", protect: true }
        : { name: "postern", stage: app.stage, removal: "remove", protect: false },
    );
  },
};
