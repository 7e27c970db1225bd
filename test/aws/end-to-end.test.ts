import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GatewayAnswer, GatewayHandler } from "../../functions/api/lambda-handler.ts";
import { type BundleName, buildBundle } from "../../scripts/bundles.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { WorkerProcess, workerBundle } from "../support/aws/worker-process.ts";
import { gatewayEvent, iamAuthorizer } from "../support/gateway-events.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { addressBlock, proxyV2 } from "../support/proxy-headers.ts";
import { SmtpClient } from "../support/smtp-client.ts";

const MX = "mx1.example.com";
const fromClient = { first: proxyV2({ payload: addressBlock("192.0.2.7", 40_000) }) };

/** A bundled function, imported as Lambda does it, with its variables set. */
async function importHandler<T>(name: BundleName): Promise<T> {
  const { path } = await buildBundle(name, mkdtempSync(join(tmpdir(), `postern-${name}-`)));
  const module: { readonly handler: T } = await import(pathToFileURL(path).href);
  return module.handler;
}

/** The whole product on AWS's side: functions and worker as they are deployed, on engines that stand for AWS. */
describeOnAws("from a request to the API to a reply of the edge", () => {
  let table: TestTable;
  let bucket: TestBucket;
  let api: GatewayHandler;
  let schedule: (event: unknown) => Promise<void>;
  let worker: WorkerProcess;

  beforeAll(async () => {
    [table, bucket] = await Promise.all([createTestTable(), createTestBucket()]);
    Object.assign(process.env, {
      STORE: "dynamodb",
      TABLE_NAME: table.name,
      KEY_BUCKET: bucket.name,
      KEY_KMS_KEY_ID: TEST_KMS_KEY_ID,
      SMTP_NAME: "gate.example",
      LOG_LEVEL: "silent",
    });
    api = await importHandler<GatewayHandler>("api");
    schedule = await importHandler<typeof schedule>("schedule");
    worker = new WorkerProcess(await workerBundle(), {
      TABLE_NAME: table.name,
      KEY_BUCKET: bucket.name,
      DELIVERY: `s3://${bucket.name}/inbox`,
    });
    await worker.logged("started");
  });
  afterAll(async () => {
    await worker.end("SIGKILL");
    await Promise.all([table.delete(), bucket.delete()]);
  });

  interface Answered {
    readonly status: number;
    readonly json: ReturnType<typeof JSON.parse>;
  }

  async function ask(
    methodAndPath: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const [method = "", path = ""] = methodAndPath.split(" ");
    const answer: GatewayAnswer = await api(
      gatewayEvent({
        method,
        path,
        authorizer: iamAuthorizer(),
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    return { status: answer.statusCode, json: answer.body === "" ? null : JSON.parse(answer.body) };
  }

  async function connect(): Promise<SmtpClient> {
    const client = await SmtpClient.connect(await worker.port("mx"), fromClient);
    await client.reply();
    return client;
  }

  async function namesServed(): Promise<string> {
    const client = await connect();
    await client.say("EHLO client.example");
    const socket: TLSSocket = await client.startTls({ servername: MX });
    const { subjectaltname = "" } = socket.getPeerCertificate();
    client.close();
    return subjectaltname;
  }

  it("refuses plaintext where it is told to require TLS, then presents the certificate that ACM issued", async () => {
    const domain = { mxHosts: [MX], tls: { server: { level: "require" } } };
    const put = await ask("PUT /v1/domains/example.com", domain);
    expect(put).toMatchObject({ status: 201, json: { tls: { server: { level: "require" } } } });
    await worker.inForce(put.json.revision);

    const plaintext = await connect();
    await plaintext.say("EHLO client.example");
    expect(await plaintext.say("MAIL FROM:<a@client.example>")).toBe(
      "530 5.7.0 Must issue a STARTTLS command first",
    );
    plaintext.close();
    expect(await namesServed()).toBe("DNS:gate.example");

    const order = { source: "acm", names: [MX], acceptCharges: true };
    const ordered = await ask("POST /v1/certificates", order);
    expect(ordered).toMatchObject({
      status: 201,
      json: { state: "pending", validation: [{ domain: MX, name: expect.stringContaining(`.${MX}.`) }] },
    });
    const { id } = ordered.json;
    await waitUntil(
      async () => {
        await schedule({ sweep: "renewals" });
        const { json } = await ask(`GET /v1/certificates/${id}`);
        return json.state === "active" ? true : undefined;
      },
      { what: "the certificate of ACM is exported", timeoutMs: 60_000, explain: () => "" },
    );
    const server = { level: "require", certificateId: id };
    const set = await ask("PUT /v1/domains/example.com/tls", { server }, { "if-match": "*" });
    expect(set.status).toBe(200);
    await worker.inForce((await ask("GET /v1/domains/example.com")).json.revision);
    expect(await namesServed()).toBe(`DNS:${MX}`);

    const client = await connect();
    await client.say("EHLO client.example");
    await client.startTls({ servername: MX });
    for (const line of [
      "EHLO client.example",
      "MAIL FROM:<a@client.example>",
      "RCPT TO:<b@example.com>",
      "DATA",
    ])
      await client.say(line);
    expect(await client.say("Subject: x\r\n\r\nhello\r\n.")).toMatch(/^250 2\.0\.0 /);
    client.close();

    // An edge reports a change within a fraction of a second, and this reads what it has reported.
    await waitUntil(
      async () => {
        const { json } = await ask("GET /v1/domains/example.com/status");
        const [edge] = json.edges.live;
        const [served] = json.mxHosts[0].served;
        const isServed = served?.version === 1 && served.problem === null;
        return edge?.atRevision === true && edge.stale === false && isServed ? true : undefined;
      },
      {
        what: "the edge has reported the revision and the certificate",
        timeoutMs: 20_000,
        explain: () => "",
      },
    );
  });

  it("starts again from the backup that the schedule wrote, while the store is away", async () => {
    await schedule({ sweep: "backup" });
    const cold = new WorkerProcess(await workerBundle(), {
      TABLE_NAME: table.name,
      KEY_BUCKET: bucket.name,
      DELIVERY: `s3://${bucket.name}/inbox`,
      AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9",
    });
    try {
      await cold.logged("settings-from-backup");
      const client = await SmtpClient.connect(await cold.port("mx"), fromClient);
      await client.reply();
      await client.say("EHLO client.example");
      const socket = await client.startTls({ servername: MX });
      expect(socket.getPeerCertificate().subjectaltname).toBe(`DNS:${MX}`);
      client.close();
    } finally {
      await cold.end("SIGKILL");
    }
  });

  it("deletes no key that is in use, and ends the order with its certificate", async () => {
    await schedule({ sweep: "clean-up" });
    const { json } = await ask("GET /v1/certificates");
    const [{ id }] = json.items;
    expect(await ask(`DELETE /v1/certificates/${id}`, undefined, { "if-match": "*" })).toMatchObject({
      status: 409,
    });
    await ask("DELETE /v1/domains/example.com", undefined, { "if-match": "*" });
    expect(await ask(`DELETE /v1/certificates/${id}`, undefined, { "if-match": "*" })).toMatchObject({
      status: 204,
    });
  });
});
