import { randomBytes } from "node:crypto";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { createS3Client } from "../../adapters/aws/s3-client.ts";
import { S3SnapshotBackups } from "../../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { timestamp } from "../../core/clock.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { WorkerProcess, workerBundle } from "../support/aws/worker-process.ts";
import { addressBlock, proxyV2 } from "../support/proxy-headers.ts";
import { BUILT_AT, domainRecord } from "../support/records.ts";
import { contents } from "../support/settings-feed.ts";
import { SmtpClient } from "../support/smtp-client.ts";

/** Nothing listens here: port 9 is discard, which no machine of today runs. */
const UNREACHABLE = "http://127.0.0.1:9";
const CLIENT = "192.0.2.7";
const fromClient = { first: proxyV2({ payload: addressBlock(CLIENT, 40_000) }) };

describeOnAws("the bundled worker", () => {
  let table: TestTable;
  let bucket: TestBucket;
  let worker: WorkerProcess | null = null;
  beforeEach(async () => {
    [table, bucket] = await Promise.all([createTestTable(), createTestBucket()]);
  });
  afterEach(async () => {
    await worker?.end("SIGKILL");
    worker = null;
    await Promise.all([table.delete(), bucket.delete()]);
  });

  async function start(environment: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    worker = new WorkerProcess(await workerBundle(), {
      TABLE_NAME: table.name,
      KEY_BUCKET: bucket.name,
      DELIVERY: `s3://${bucket.name}/inbox`,
      ...environment,
    });
    return worker;
  }

  async function setLevel(level: "accept" | "require"): Promise<number> {
    const config = { TABLE_NAME: table.name, KEY_BUCKET: bucket.name, KEY_KMS_KEY_ID: TEST_KMS_KEY_ID };
    const { store, close } = openAwsStores(config, Date.now);
    const after = domainRecord({ name: "example.com", server: { level } });
    const before = await store.getDomain(after.name);
    const { revision } = await store.commit({
      record: { kind: "domain", id: after.name, before, after },
      hosts: [],
      uses: [],
      account: "default",
      actor: "test",
      at: BUILT_AT,
      expectedHead: await store.head(),
    });
    close();
    return revision;
  }

  async function hear(port: number, ...lines: readonly string[]): Promise<readonly string[]> {
    const client = await SmtpClient.connect(port, fromClient);
    const heard = [await client.reply()];
    for (const line of lines) heard.push(await client.say(line));
    client.close();
    return heard.map((reply) => reply.split("\n").at(-1) ?? "");
  }

  it("follows the table, and stores mail in the bucket with the client's address from the load balancer", async () => {
    const revision = await setLevel("accept");
    const { port, inForce, end } = bound(await start());
    await inForce(revision);
    const message = `Subject: ${randomBytes(4).toString("hex")}\r\n\r\nhello\r\n`;
    const client = await SmtpClient.connect(await port("mx"), fromClient);
    await client.reply();
    for (const line of [
      "EHLO client.example",
      "MAIL FROM:<a@client.example>",
      "RCPT TO:<b@example.com>",
      "DATA",
    ])
      await client.say(line);
    expect(await client.say(`${message}.`)).toMatch(/^250 2\.0\.0 /);
    client.close();
    const { Contents: objects = [] } = await bucket.client.send(
      new ListObjectsV2Command({ Bucket: bucket.name, Prefix: "inbox/" }),
    );
    const keys = objects.flatMap(({ Key }) => Key ?? []);
    expect(new Set(keys.map((key) => key.split(".").at(-1)))).toEqual(new Set(["eml", "json"]));
    const read = async (ending: string): Promise<string> => {
      const Key = keys.find((key) => key.endsWith(ending));
      const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key }));
      return (await Body?.transformToString()) ?? "";
    };
    expect(JSON.parse(await read("json"))).toMatchObject({
      reversePath: "a@client.example",
      recipients: ["b@example.com"],
      client: { address: CLIENT, helo: "client.example" },
    });
    expect(await read("eml")).toMatch(
      /^Received: from client\.example \(\[192\.0\.2\.7\]\)[\s\S]*\r\nhello\r\n$/,
    );
    expect(await end("SIGTERM")).toEqual({ code: 0 });
  });

  it("puts a change in force for the next connection", async () => {
    await setLevel("accept");
    const { port, inForce } = bound(await start());
    await inForce(1);
    const lines = ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.com>"] as const;
    expect((await hear(await port("mx"), ...lines)).at(-1)).toMatch(/^250 2\.1\.5 /);
    const revision = await setLevel("require");
    await inForce(revision);
    expect((await hear(await port("mx"), ...lines)).slice(2)).toEqual([
      "530 5.7.0 Must issue a STARTTLS command first",
      "503 5.5.1 Send MAIL first",
    ]);
  });

  it("that starts without the store enforces the backup, and reports its age", async () => {
    const hourAgo = timestamp(Date.now() - 3_600_000);
    const backups = new S3SnapshotBackups({
      client: createS3Client(),
      calls: new ServiceCalls("snapshot's backup"),
      bucket: bucket.name,
      kmsKeyId: TEST_KMS_KEY_ID,
    });
    const domains = [domainRecord({ name: "example.com", server: { level: "require" } })];
    await backups.write({ at: hourAgo, contents: contents(5, domains) });
    const process = await start({ AWS_ENDPOINT_URL_DYNAMODB: UNREACHABLE });
    const ready = await process.inForce(5);
    expect(ready).toMatchObject({ ready: true, revision: 5 });
    expect(ready["staleSeconds"]).toBeGreaterThanOrEqual(3_600);
    const line = await process.logged("settings-from-backup");
    expect(line).toMatchObject({ level: "warn", revision: 5, domains: 1 });
    expect(line["ageSeconds"]).toBeGreaterThanOrEqual(3_600);
    const lines = ["EHLO client.example", "MAIL FROM:<a@client.example>"] as const;
    expect((await hear(await process.port("mx"), ...lines)).at(-1)).toMatch(/^530 5\.7\.0 /);
  });

  it("that starts on a table which has lost its settings enforces the backup, and rejects no recipient permanently", async () => {
    const backups = new S3SnapshotBackups({
      client: createS3Client(),
      calls: new ServiceCalls("snapshot's backup"),
      bucket: bucket.name,
      kmsKeyId: TEST_KMS_KEY_ID,
    });
    const domains = [domainRecord({ name: "example.com", server: { level: "accept" } })];
    await backups.write({ at: timestamp(Date.now()), contents: contents(5, domains) });
    const process = await start();
    await process.inForce(5);
    const line = await process.logged("settings-from-backup");
    expect(JSON.stringify(line)).toContain("its backup is of revision 5");
    const lines = ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.com>"] as const;
    expect((await hear(await process.port("mx"), ...lines)).at(-1)).toMatch(/^250 2\.1\.5 /);
    await process.logged("settings-refused");
    expect((await hear(await process.port("mx"), ...lines)).at(-1)).toMatch(/^250 2\.1\.5 /);
  });

  it("that starts with neither store nor backup defers every client", async () => {
    const process = await start({ AWS_ENDPOINT_URL_DYNAMODB: UNREACHABLE });
    await process.logged("settings-stale");
    expect(await hear(await process.port("mx"))).toEqual(["421 4.3.2 Not ready yet; try again later"]);
    await process.ready((ready) => ready["ready"] === false, "not ready");
  });

  it.each([
    [{ TABLE_NAME: "" }, "TABLE_NAME: is not set"],
    [{ KEY_BUCKET: "Not_A_Bucket" }, "KEY_BUCKET: must be the name of an S3 bucket"],
    [{ STORE: "sqlite" }, "STORE: "],
    [{ DELIVERY: "" }, "DELIVERY: is not set"],
    [{ SMTP_PORT: "70000" }, "SMTP_PORT: must be a port number"],
    [{ LIMITS: '{"drainMs":-1}' }, "LIMITS: "],
  ])("with %j does not start, and says why", async (environment, reason) => {
    const process = await start(environment);
    expect(await process.ended).toEqual({ code: 78 });
    expect(process.errors).toContain(reason);
    expect(process.log).toEqual([]);
  });
});

/** Methods that may be taken apart. */
const bound = (worker: WorkerProcess) => ({
  port: worker.port.bind(worker),
  inForce: worker.inForce.bind(worker),
  end: worker.end.bind(worker),
});
