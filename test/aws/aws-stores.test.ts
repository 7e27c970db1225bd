import { PutObjectCommand } from "@aws-sdk/client-s3";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { keyVaultContract } from "../contract/key-vault.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID } from "../support/aws/test-bucket.ts";

describeOnAws("on AWS", () => {
  keyVaultContract({
    name: "S3, opened by the first call",
    create: async () => {
      const bucket = await createTestBucket();
      const config = { TABLE_NAME: "unused", KEY_BUCKET: bucket.name, KEY_KMS_KEY_ID: TEST_KMS_KEY_ID };
      const [first, second] = [openAwsStores(config, Date.now), openAwsStores(config, Date.now)];
      return {
        vault: first.keyVault,
        other: second.keyVault,
        spoil: async (name, content) => {
          await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: name, Body: content }));
        },
        close: async () => {
          first.close();
          second.close();
          await bucket.delete();
        },
      };
    },
  });
});
