import { randomBytes } from "node:crypto";
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { createS3Client } from "../../adapters/aws/s3-client.ts";
import { createS3Delivery } from "../../adapters/aws/s3-delivery.ts";
import { type CallLimits, ServiceCalls } from "../../adapters/aws/service-calls.ts";
import type { DeliveryTarget, MailTransaction } from "../../core/delivery/delivery.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { type DeliveredMail, deliveryTargetContract } from "../contract/delivery-target.contract.ts";
import { type FaultProxy, s3Error, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, type TestBucket } from "../support/aws/test-bucket.ts";

const MB = 1024 * 1024;
const NOW = Date.parse("2026-11-24T12:00:00Z");
const clock = { now: () => NOW };

const open = (client = createS3Client(), limits = {}): DeliveryTarget =>
  createS3Delivery({
    client,
    calls: new ServiceCalls("mail bucket", limits),
    clock,
    randomBytes,
    partBytes: 5 * MB,
  });

async function keysOf({ client, name }: TestBucket): Promise<readonly string[]> {
  const { Contents: objects = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
  return objects.flatMap(({ Key }) => Key ?? []).toSorted();
}

async function textOf({ client, name }: TestBucket, key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: name, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []).toString("latin1");
}

async function delivered(bucket: TestBucket): Promise<readonly DeliveredMail[]> {
  const messages = (await keysOf(bucket)).filter((key) => key.endsWith(".eml"));
  return Promise.all(
    messages.map(async (key) => {
      const envelope = Buffer.from(await textOf(bucket, key.replace(/eml$/, "json")), "latin1").toString();
      const { reversePath, recipients } = JSON.parse(envelope);
      return { reversePath: reversePath ?? "", recipients, content: await textOf(bucket, key) };
    }),
  );
}

describeOnAws("on AWS", () => {
  deliveryTargetContract({
    name: "S3",
    create: async () => {
      const bucket = await createTestBucket();
      return {
        target: open(),
        route: { kind: "s3", bucket: bucket.name, prefix: "in/box" },
        delivered: () => delivered(bucket),
        dispose: () => bucket.delete(),
      };
    },
  });
});

const mailbox = { localPart: "alice", domain: parseDomainName("example.com") };
const transaction: MailTransaction = {
  reversePath: "sender@client.example",
  parameters: { size: 12, body: "8BITMIME", smtpUtf8: false, requireTls: false },
  client: { address: "192.0.2.7", helo: "client.example" },
};

async function* chunksOf(content: Buffer, error?: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 65_536)
    yield await Promise.resolve(content.subarray(at, at + 65_536));
  if (error !== undefined) throw error;
}

describeOnAws("mail in a bucket", () => {
  let bucket: TestBucket;
  let proxy: FaultProxy;
  let target: DeliveryTarget;
  beforeEach(async () => {
    bucket = await createTestBucket();
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_S3"] ?? "");
    target = targetWith({ deadlineMs: 120_000, tryMs: 60_000 });
  });
  afterEach(async () => {
    await target.close();
    await proxy.close();
    await bucket.delete();
  });

  const targetWith = (limits: CallLimits): DeliveryTarget =>
    open(new S3Client({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint, forcePathStyle: true }), limits);
  async function send(content: Buffer, { prefix = "", error }: { prefix?: string; error?: Error } = {}) {
    const mail = target.begin({ kind: "s3", bucket: bucket.name, prefix }, transaction);
    await mail.recipient(mailbox);
    return mail.message(chunksOf(content, error));
  }
  const uploads = async () =>
    (await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ?? [];

  it("is an envelope with its facts, and then the message", async () => {
    expect(await send(Buffer.from("a: b\r\n\r\n"))).toEqual({ kind: "accepted" });
    const [message = "", envelope = ""] = await keysOf(bucket);
    expect(message).toMatch(/^20261124T120000000Z-[0-9a-f]{20}\.eml$/);
    expect(envelope).toBe(message.replace("eml", "json"));
    expect(JSON.parse(await textOf(bucket, envelope))).toEqual({
      id: message.replace(".eml", ""),
      receivedAt: "2026-11-24T12:00:00.000Z",
      reversePath: "sender@client.example",
      recipients: ["alice@example.com"],
      client: transaction.client,
      parameters: transaction.parameters,
    });
    expect(proxy.seen.map(({ path }) => /json|eml/.exec(path)?.[0])).toEqual(["json", "eml"]);
  });

  it("of any size is held in memory only in parts, and is complete at the end", async () => {
    const content = randomBytes(17 * MB + 3);
    expect(await send(content, { prefix: "large" })).toEqual({ kind: "accepted" });
    const [only] = await delivered(bucket);
    expect(only?.content === content.toString("latin1")).toBe(true);
    expect(Math.max(...proxy.seen.map(({ body }) => body.length))).toBeLessThan(6 * MB);
    expect(await uploads()).toEqual([]);
  });

  it("that is incomplete is not stored, and leaves no upload", async () => {
    const reply = await send(randomBytes(12 * MB), { error: new Error("the client is gone") });
    expect(reply).toMatchObject({ kind: "refused", code: 451, cause: "message" });
    expect(await keysOf(bucket)).toEqual([]);
    expect(await uploads()).toEqual([]);
  });

  describe.each([
    ["small", 100],
    ["in parts", 6 * MB],
  ])("%s", (_, bytes) => {
    it.each([
      ["S3 is slow", s3Error("SlowDown", 503)],
      ["S3 has a fault", s3Error("InternalError", 500)],
      ["a connection is lost", { kind: "lost" } as const],
    ])("is tried again when %s for a moment", async (__, fault) => {
      proxy.inject("PUT", fault, fault);
      expect(await send(randomBytes(bytes))).toEqual({ kind: "accepted" });
      expect(await delivered(bucket)).toHaveLength(1);
    });

    it.each([
      ["S3 stays away", s3Error("ServiceUnavailable", 503), "ServiceUnavailable", "storage-failed"],
      ["access is denied", s3Error("AccessDenied", 403), "AccessDenied", "storage-denied"],
      ["the bucket is gone", s3Error("NoSuchBucket", 404), "NoSuchBucket", "storage-missing"],
    ])("is deferred, never lost and never half there, when %s", async (__, fault, name, cause) => {
      proxy.always("PUT", fault);
      await target.close();
      target = targetWith({ deadlineMs: 6_000, tryMs: 3_000 });
      const reply = await send(randomBytes(bytes));
      expect(reply).toMatchObject({
        kind: "refused",
        code: 451,
        cause,
        detail: `Unavailable: ${name}`,
      });
      expect(await delivered(bucket)).toEqual([]);
    });
  });
});
