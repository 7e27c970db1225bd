import type { ChildProcess } from "node:child_process";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { isUnpacked } from "../../scripts/unpack-sst.ts";
import { edgeContainer } from "../infra/checks/stack-reader.ts";
import { synthesiseEach } from "../infra/harness/synthesise.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { sdkEnvironment, WorkerProcess } from "../support/aws/worker-process.ts";
import { type Container, parseContainer, RunningTask, startTask } from "../support/image/ecs-task.ts";
import { buildWorkerImage, type WorkerImage } from "../support/image/worker-image.ts";
import { proxyV2, proxyV2For } from "../support/proxy-headers.ts";
import { BUILT_AT, domainRecord } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";

/** Why a run of `npm test` does not need it, and how to run it all the same. */
const SKIPPED =
  "image: skipped; `npm run test:image` builds and runs it (needs root, buildah, mmdebstrap and what test/aws needs)";
const isWanted = process.env["POSTERN_IMAGE"] === "required";
if (!isWanted) process.stderr.write(`${SKIPPED}\n`);

type Limits = Readonly<Record<string, number>>;

const BUILD_MS = 900_000;
const RUN_MS = 300_000;
const CLIENT = "192.0.2.7";

/** Ways in which edges learn a client's address (`POSTERN_CLIENT_ADDRESS`). */
const WAYS = ["preserve", "proxy-v2"] as const;
type Way = (typeof WAYS)[number];
/** What the load balancer sends before the client's octets. */
const FIRST = { preserve: {}, "proxy-v2": { first: proxyV2For(CLIENT) } } as const;

describe.runIf(isWanted)("the requirements of the image's run", () => {
  it("are met: SST is unpacked, and emulators of AWS run", () => {
    expect(isUnpacked()).toBe(true);
    expect(process.env["POSTERN_AWS"]).toBe("emulators");
  });
});

(isWanted ? describeOnAws : describe.skipIf(true))("worker/Dockerfile, built and run as ECS would", () => {
  let image: WorkerImage;
  const containers = new Map<Way, Container>();
  let table: TestTable;
  let bucket: TestBucket;
  let worker: WorkerProcess | null = null;
  let running: RunningTask | null = null;

  beforeAll(async () => {
    const list = WAYS.map((way) => ({
      stage: "production",
      environment: { POSTERN_SMTP_NAME: "mx.example.net", POSTERN_CLIENT_ADDRESS: way },
    }));
    for await (const stack of synthesiseEach(list)) {
      const way = WAYS[containers.size];
      if (way !== undefined) containers.set(way, parseContainer(edgeContainer(stack)));
    }
    image = await buildWorkerImage();
  }, BUILD_MS);
  afterAll(async () => image.remove(), BUILD_MS);

  beforeEach(async () => {
    [table, bucket] = await Promise.all([createTestTable(), createTestBucket()]);
  });
  afterEach(async () => {
    // The program has another user than `unshare`, whose end therefore does not end it. It may have ended by
    // itself.
    await running?.signal("KILL").catch(() => undefined);
    await worker?.end("SIGKILL");
    [worker, running] = [null, null];
    await Promise.all([table.delete(), bucket.delete()]);
  });

  /**
   * The synthesised variables, but for what belongs to the machine: addresses, ports, names of AWS's
   * resources.
   */
  function environment(container: Container, limits: Limits): Readonly<Record<string, string>> {
    const given = Object.fromEntries(container.environment.map(({ name, value }) => [name, value]));
    const [mx] = JSON.parse(given["SMTP_LISTENERS"] ?? "[]") as readonly { readonly proxyFrom?: unknown }[];
    const from = mx?.proxyFrom === undefined ? {} : { proxyFrom: ["127.0.0.1/32"] };
    const listener = { ...mx, host: "127.0.0.1", port: 0, ...from };
    return {
      ...given,
      ...sdkEnvironment(),
      HEALTH_HOST: "127.0.0.1",
      HEALTH_PORT: "0",
      SMTP_PORT: "0",
      SMTP_LISTENERS: JSON.stringify([listener]),
      TABLE_NAME: table.name,
      KEY_BUCKET: bucket.name,
      DELIVERY: (given["DELIVERY"] ?? "").replace(/(?<=^s3:\/\/)[^/]+/u, bucket.name),
      LIMITS: JSON.stringify({ ...(JSON.parse(given["LIMITS"] ?? "{}") as object), ...limits }),
    };
  }

  async function start(way: Way, limits: Limits = {}) {
    const container = containers.get(way);
    if (container === undefined) throw new Error(`${way} was not synthesised`);
    const process: ChildProcess = await startTask(image, container, environment(container, limits));
    const started = new WorkerProcess(() => process);
    worker = started;
    await started.logged("started");
    const task = new RunningTask(process, container);
    running = task;
    const revision = await requireTls();
    await started.inForce(revision);
    return { worker: started, task, container, healthPort: await started.healthPort() };
  }

  async function requireTls(): Promise<number> {
    const config = { TABLE_NAME: table.name, KEY_BUCKET: bucket.name, KEY_KMS_KEY_ID: TEST_KMS_KEY_ID };
    const { store, close } = openAwsStores(config, Date.now);
    const after = domainRecord({ name: "example.com", server: { level: "require" } });
    const { revision } = await store.commit({
      record: { kind: "domain", id: after.name, before: null, after },
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

  /** A client behind the load balancer whose next line is the message's first. */
  async function inData(way: Way, port: number): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, FIRST[way]);
    await client.reply();
    await client.say("EHLO client.example");
    expect(await client.say("MAIL FROM:<a@client.example>")).toMatch(/^530 5\.7\.0 /);
    await client.startTls({ servername: "mx.example.net" });
    for (const line of ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.com>"])
      expect(await client.say(line)).toMatch(/^250/);
    expect(await client.say("DATA")).toMatch(/^354 /);
    return client;
  }

  const answerTo = async (port: number, first: Buffer): Promise<string> => {
    const client = await SmtpClient.connect(port, { first });
    client.write("GET /ready HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
    const bytes = await client.socket.toArray();
    return bytes.join("");
  };

  it.each(WAYS)(
    "starts without root, rights or a disk, passes its checks, and takes mail by %s and STARTTLS until it ends",
    async (way) => {
      const { worker: started, task, container, healthPort } = await start(way);
      expect(task.status()).toMatchObject({
        Uid: expect.stringMatching(/^1000\t1000\t1000\t1000$/) as string,
      });
      for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd"])
        expect([name, task.status()[name]]).toEqual([name, "0000000000000000"]);
      await expect(task.run("touch", "/app/file")).rejects.toThrow(/Read-only file system/);
      await task.run("touch", "/tmp/file");
      // OpenSSL judges chains, from files in /tmp.
      expect(started.log.filter(({ event }) => event === "chain-verifier-missing")).toEqual([]);

      const check = container.healthCheck.command.map((word) => word.replace(":8081/", `:${healthPort}/`));
      expect(check[0]).toBe("CMD");
      await task.run(...check.slice(1));
      expect(await answerTo(healthPort, proxyV2({ command: 0, family: 0 }))).toMatch(/^HTTP\/1\.1 200 /);

      const client = await inData(way, await started.port("mx"));
      expect(await client.say("Subject: first\r\n\r\nhello\r\n.")).toMatch(/^250 2\.0\.0 /);
      await task.signal("TERM");
      await started.ready((ready) => ready["draining"] === true && ready["ready"] === false, "draining");
      await task.run(...check.slice(1));
      const late = await inData(way, await started.port("mx"));
      expect(await late.say("Subject: late\r\n\r\nhello\r\n.")).toMatch(/^250 2\.0\.0 /);
      client.close();
      late.close();
      const { Contents: objects = [] } = await bucket.client.send(
        new ListObjectsV2Command({ Bucket: bucket.name }),
      );
      expect(objects.filter(({ Key }) => Key?.endsWith(".eml"))).toHaveLength(2);
    },
    RUN_MS,
  );

  it(
    "drains on SIGTERM: the message in flight is taken, then 421 and exit code 0",
    async () => {
      const { worker: started, task } = await start("preserve", { acceptAfterTermMs: 0 });
      const client = await inData("preserve", await started.port("mx"));
      await task.signal("TERM");
      await started.logged("stopping");
      expect(await client.say("Subject: last\r\n\r\nhello\r\n.")).toMatch(/^250 2\.0\.0 /);
      expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
      expect(await started.ended).toEqual({ code: 0 });
    },
    RUN_MS,
  );
});
