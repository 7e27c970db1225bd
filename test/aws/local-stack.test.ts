import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PosternProcess } from "../e2e/postern-process.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, type TestBucket } from "../support/aws/test-bucket.ts";
import { SmtpClient } from "../support/smtp-client.ts";

describeOnAws("the local stack with DELIVERY=s3://", () => {
  let bucket: TestBucket;
  let dataDir: string;
  let postern: PosternProcess | null = null;

  beforeEach(async () => {
    bucket = await createTestBucket();
    dataDir = mkdtempSync(join(tmpdir(), "postern-s3-"));
  });
  afterEach(async () => {
    await postern?.end("SIGKILL");
    rmSync(dataDir, { recursive: true });
    await bucket.delete();
  });

  it("stores mail in the bucket before it replies 250", async () => {
    const aws = Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith("AWS_") && value !== undefined ? [[name, value] as const] : [],
    );
    const env = { ...Object.fromEntries(aws), DELIVERY: `s3://${bucket.name}/inbox` };
    postern = new PosternProcess(dataDir, env);
    const { smtp } = await postern.started();
    await postern.inForce(await postern.setLevel("example.com", "accept"));

    const client = await SmtpClient.connect(smtp.port);
    await client.reply();
    for (const line of ["EHLO c.example", "MAIL FROM:<a@c.example>", "RCPT TO:<b@example.com>", "DATA"]) {
      await client.say(line);
    }
    expect(await client.say("Subject: kept\r\n\r\nbody\r\n.")).toMatch(/^250 /);
    client.close();

    const { Contents: objects = [] } = await bucket.client.send(
      new ListObjectsV2Command({ Bucket: bucket.name }),
    );
    const key = objects.map(({ Key }) => Key ?? "").find((name) => name.endsWith(".eml"));
    const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
    expect(await Body?.transformToString()).toMatch(/Subject: kept\r\n\r\nbody\r\n$/);
  });
});
