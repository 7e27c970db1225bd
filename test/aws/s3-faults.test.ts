import { createHash } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { S3KeyVault } from "../../adapters/aws/s3-key-vault.ts";
import { type CallLimits, ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { type KeyVault, materialName } from "../../core/store/key-vault.ts";
import { StateConflict, Unavailable, Unreadable } from "../../core/errors.ts";
import { type Fault, type FaultProxy, s3Error, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { certificateId } from "../support/records.ts";

const name = materialName(certificateId(1), 1);
const content = Buffer.from("private".repeat(1_000));
const sha256 = createHash("sha256").update(content).digest("hex");
const count = (proxy: FaultProxy, method: string): number =>
  proxy.seen.filter(({ operation }) => operation === method).length;

describeBehindProxy("the key vault on S3", () => {
  let bucket: TestBucket;
  let proxy: FaultProxy;
  let client: S3Client;
  let vault: KeyVault;
  beforeEach(async () => {
    bucket = await createTestBucket();
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_S3"] ?? "");
    client = new S3Client({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    vault = vaultWith({ deadlineMs: 120_000, tryMs: 3_000 });
  });
  afterEach(async () => {
    client.destroy();
    await proxy.close();
    await bucket.delete();
  });

  const vaultWith = (limits: CallLimits): KeyVault =>
    new S3KeyVault({
      client,
      calls: new ServiceCalls("key vault", limits),
      bucket: bucket.name,
      kmsKeyId: TEST_KMS_KEY_ID,
    });
  const passing: [string, Fault][] = [
    ["the service slows down", s3Error("SlowDown", 503)],
    ["the service fails", s3Error("InternalError", 500)],
    ["another write of the name is under way", s3Error("ConditionalRequestConflict", 409)],
    ["the request was lost", { kind: "lost" }],
    ["the answer was cut", { kind: "cut" }],
    ["there was no answer in time", { kind: "hang" }],
  ];
  it.each(passing)("writes an object, once, although %s", async (_, fault) => {
    proxy.inject("PUT", fault);
    expect(await vault.put(name, content)).toBe(sha256);
    expect(count(proxy, "PUT")).toBeGreaterThan(1);
    expect(Buffer.from(await vault.get(name, sha256)).equals(content)).toBe(true);
    await expect(vault.put(name, Buffer.from("other"))).rejects.toBeInstanceOf(StateConflict);
  });

  it.each([...passing, ["the object's bytes ended early", { kind: "truncate" }] as [string, Fault]])(
    "reads an object although %s",
    async (_, fault) => {
      await vault.put(name, content);
      proxy.inject("GET", fault);
      expect(Buffer.from(await vault.get(name, sha256)).equals(content)).toBe(true);
      expect(count(proxy, "GET")).toBeGreaterThan(1);
    },
  );

  it("never returns bytes that were changed in transit", async () => {
    await vault.put(name, content);
    proxy.always("GET", { kind: "change", body: (body) => `${body.slice(0, -1)}X` });
    await expect(vault.get(name, sha256)).rejects.toSatisfy(
      (error) => error instanceof Unreadable || error instanceof Unavailable,
    );
  });

  it.each([
    ["may not use the key of KMS", s3Error("AccessDenied", 403)],
    ["finds the key of KMS disabled", s3Error("KMS.DisabledException", 400)],
    ["finds no bucket", s3Error("NoSuchBucket", 404)],
  ])("is Unavailable at once when it %s", async (_, fault) => {
    proxy.always("GET", fault);
    proxy.always("PUT", fault);
    proxy.always("DELETE", fault);
    await expect(vault.get(name, sha256)).rejects.toBeInstanceOf(Unavailable);
    await expect(vault.put(name, content)).rejects.toBeInstanceOf(Unavailable);
    await expect(vault.delete(name, Date.now())).rejects.toBeInstanceOf(Unavailable);
    expect(proxy.seen).toHaveLength(3);
  });

  it("is Unavailable at its deadline", async () => {
    proxy.always("GET", s3Error("SlowDown", 503));
    const hasty = vaultWith({ deadlineMs: 6_000, tryMs: 1_000 });
    await expect(hasty.get(name, sha256)).rejects.toBeInstanceOf(Unavailable);
    expect(count(proxy, "GET")).toBeGreaterThan(1);
  });
});
