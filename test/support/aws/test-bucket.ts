import { randomUUID } from "node:crypto";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";

export interface TestBucket {
  readonly name: string;
  /** A client of the tests' own. */
  readonly client: S3Client;
  delete(): Promise<void>;
}

/** The key of KMS that objects are encrypted under; an account has its own, an emulator asks for none. */
export const TEST_KMS_KEY_ID = process.env["TEST_KMS_KEY_ID"] ?? "alias/postern-test";

export async function createTestBucket(name = `postern-test-${randomUUID()}`): Promise<TestBucket> {
  const client = new S3Client({});
  const region = (await client.config.region()) as "eu-central-1";
  await client.send(
    new CreateBucketCommand({ Bucket: name, CreateBucketConfiguration: { LocationConstraint: region } }),
  );
  return {
    name,
    client,
    delete: async () => {
      const { Contents: objects = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
      for (const { Key } of objects) await client.send(new DeleteObjectCommand({ Bucket: name, Key }));
      await client.send(new DeleteBucketCommand({ Bucket: name }));
      client.destroy();
    },
  };
}
