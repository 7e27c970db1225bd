import { HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createS3Client } from "../../adapters/aws/s3-client.ts";
import { S3KeyVault } from "../../adapters/aws/s3-key-vault.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { materialName, trustName } from "../../core/store/key-vault.ts";
import { keyVaultContract } from "../contract/key-vault.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { certificateId } from "../support/records.ts";

const client = createS3Client();
const openVault = (bucket: string): S3KeyVault =>
  new S3KeyVault({ client, calls: new ServiceCalls("key vault"), bucket, kmsKeyId: TEST_KMS_KEY_ID });

describeOnAws("on AWS", () => {
  keyVaultContract({
    name: "S3",
    create: async () => {
      const bucket = await createTestBucket();
      return {
        vault: openVault(bucket.name),
        other: openVault(bucket.name),
        spoil: async (name, content) => {
          const command = { Bucket: bucket.name, Key: name, Body: content };
          await bucket.client.send(new PutObjectCommand(command));
        },
        close: () => bucket.delete(),
      };
    },
  });
});

describeOnAws("the key vault's objects", () => {
  let bucket: TestBucket;
  beforeEach(async () => {
    bucket = await createTestBucket();
  });
  afterEach(() => bucket.delete());

  const name = materialName(certificateId(1), 1);
  const content = Buffer.from("private");

  it("are encrypted under the key that was configured, with a bucket key", async () => {
    await openVault(bucket.name).put(name, content);
    const object = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: name }));
    expect(object.ServerSideEncryption).toBe("aws:kms");
    expect(object.SSEKMSKeyId).toContain(TEST_KMS_KEY_ID);
    expect(object.BucketKeyEnabled).toBe(true);
  });

  it("are listed by age, without objects that are not the vault's", async () => {
    const vault = openVault(bucket.name);
    const names = [name, materialName(certificateId(1), 2), trustName("ab")];
    for (const each of names) await vault.put(each, content);
    for (const other of ["keys/readme", "backup/snapshot"]) {
      await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: other, Body: content }));
    }
    const inAnHour = Date.now() + 3_600_000;
    const writtenBefore = async (epochMs: number): Promise<string[]> => {
      const found: string[] = [];
      for await (const each of vault.writtenBefore(epochMs)) found.push(each);
      return found.toSorted();
    };
    expect(await writtenBefore(inAnHour)).toEqual(names.toSorted());
    expect(await writtenBefore(inAnHour - 2 * 3_600_000)).toEqual([]);
  });

  it("are not read into memory when they are far too large", async () => {
    const command = { Bucket: bucket.name, Key: name, Body: Buffer.alloc(8 * 1024 * 1024 + 1) };
    await bucket.client.send(new PutObjectCommand(command));
    await expect(openVault(bucket.name).get(name, "ab")).rejects.toHaveProperty("name", "Unreadable");
  });
});
