import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect, it, onTestFinished } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { S3SnapshotBackups } from "../../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { lostSettingsProblem } from "../../core/store/lost-settings.ts";
import { keyVaultContract } from "../contract/key-vault.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID } from "../support/aws/test-bucket.ts";
import { createTestTable } from "../support/aws/test-table.ts";
import { BUILT_AT, domainRecord } from "../support/records.ts";
import { contents } from "../support/settings-feed.ts";
import { Writer } from "../contract/store-under-test.ts";

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

  it("an empty table beside a backup with settings is not ready and accepts no write, until the backup is deleted", async () => {
    const [bucket, table] = await Promise.all([createTestBucket(), createTestTable()]);
    const config = { TABLE_NAME: table.name, KEY_BUCKET: bucket.name, KEY_KMS_KEY_ID: TEST_KMS_KEY_ID };
    const stores = openAwsStores(config, Date.now, { firstWriteAsksBackup: true });
    onTestFinished(async () => {
      stores.close();
      await Promise.all([bucket.delete(), table.delete()]);
    });
    const backups = new S3SnapshotBackups({
      client: bucket.client,
      calls: new ServiceCalls("snapshot's backup"),
      bucket: bucket.name,
      kmsKeyId: TEST_KMS_KEY_ID,
    });
    const write = () => new Writer(stores.store).putDomain({ name: "a.example" });
    // The schedule writes one of a new deployment too.
    await backups.write({ at: BUILT_AT, contents: contents(0, []) });
    expect(await lostSettingsProblem(stores.store, stores.backups)).toBeNull();
    await backups.write({ at: BUILT_AT, contents: contents(5, [domainRecord({ revision: 5 })]) });
    const lost = "its backup is of revision 5: the settings were lost";
    expect(await lostSettingsProblem(stores.store, stores.backups)).toContain(lost);
    await expect(write()).rejects.toMatchObject({
      name: "Unavailable",
      message: expect.stringContaining(lost),
    });
    expect(await stores.store.head()).toBe(0);
    await bucket.client.send(
      new DeleteObjectCommand({ Bucket: bucket.name, Key: "backup/snapshot.ndjson.gz" }),
    );
    expect(await lostSettingsProblem(stores.store, stores.backups)).toBeNull();
    expect(await write()).toMatchObject({ revision: 1 });
    // From then on the table is the truth, whatever the backup is of.
    await backups.write({ at: BUILT_AT, contents: contents(5, []) });
    expect(await lostSettingsProblem(stores.store, stores.backups)).toBeNull();
    expect(await write()).toMatchObject({ revision: 2 });
  });
});
