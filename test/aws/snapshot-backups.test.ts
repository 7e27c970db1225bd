import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { createS3Client } from "../../adapters/aws/s3-client.ts";
import { S3SnapshotBackups } from "../../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { snapshotBackupsContract } from "../contract/snapshot-backups.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID } from "../support/aws/test-bucket.ts";
import { contents } from "../support/settings-feed.ts";
import { BUILT_AT } from "../support/records.ts";

const KEY = "backup/snapshot.ndjson.gz";
const client = createS3Client();
const open = (bucket: string, kmsKeyId: string | null = TEST_KMS_KEY_ID): S3SnapshotBackups =>
  new S3SnapshotBackups({ client, calls: new ServiceCalls("snapshot's backup"), bucket, kmsKeyId });

describeOnAws("on AWS", () => {
  snapshotBackupsContract({
    name: "S3",
    create: async () => {
      const bucket = await createTestBucket();
      return {
        backups: open(bucket.name),
        cut: async (bytes) => {
          const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: KEY }));
          const whole = await Body?.transformToByteArray();
          const cut = whole?.subarray(0, bytes) ?? new Uint8Array();
          await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: KEY, Body: cut }));
        },
        close: () => bucket.delete(),
      };
    },
  });

  it("backups are encrypted under the product's key, and a process that only reads writes none", async () => {
    const bucket = await createTestBucket();
    const backup = { at: BUILT_AT, contents: contents(1, []) };
    await expect(open(bucket.name, null).write(backup)).rejects.toThrow("only reads");
    await open(bucket.name).write(backup);
    const object = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: KEY }));
    expect(object).toMatchObject({ ServerSideEncryption: "aws:kms", BucketKeyEnabled: true });
    expect(await open(bucket.name, null).read()).toEqual(backup);
    await bucket.delete();
  });
});
