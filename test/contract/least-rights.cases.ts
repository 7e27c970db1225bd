import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { expect, it } from "vitest";
import { keyItem } from "../../adapters/aws/dynamodb-table.ts";
import { recordKey } from "../../adapters/aws/table-keys.ts";
import { checkNames } from "../../core/management/ownership-service.ts";
import { timestamp } from "../../core/clock.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { withThoseBehind } from "../../core/store/carried-commit.ts";
import type { Store, WriterQueue } from "../../core/store/store.ts";
import type { ProductOnAws } from "../support/aws/product-on-aws.ts";
import type { TestBucket } from "../support/aws/test-bucket.ts";
import type { TestTable } from "../support/aws/test-table.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { issueServer, makeCa } from "../support/pki.ts";
import { MemoryIssuanceState } from "../support/memory-issuance-state.ts";
import { certificateId, certificateRecord, domainRecord } from "../support/records.ts";
import { commitOf, Writer } from "./store-under-test.ts";

const HOST = "mx1.example.org";
const HERE = { "if-match": "*" };
const MB = 1024 * 1024;
const DAY_MS = 24 * 3600 * 1000;

export interface Places {
  readonly table: TestTable;
  readonly keys: TestBucket;
  readonly mail: TestBucket;
  /** The settings store as the role of each function reaches it. */
  readonly stores: { readonly api: Store; readonly schedule: Store };
}

/** Rare operations that need rights of their own in IAM. The cases build on one another. */
export function leastRightsCases(product: () => ProductOnAws, places: () => Places): void {
  it("starts an edge that finds neither the table nor a backup", async () => {
    const { keys } = places();
    const backup = { Bucket: keys.name, Key: "backup/snapshot.ndjson.gz" };
    await keys.client.send(new DeleteObjectCommand(backup));
    const cold = await product().startWithoutStore();
    try {
      await cold.logged("settings-stale");
      expect(await cold.ready(() => true, "an answer of /ready")).toMatchObject({ revision: null });
    } finally {
      await cold.end("SIGKILL");
    }
  });

  it("renews a certificate in use although an abandoned version has the name of the next one", async () => {
    const { table, keys } = places();
    const id = await orderFor(product(), HOST);
    const domain = { mxHosts: [HOST], tls: { server: { certificateId: id } } };
    const put = await product().ask("PUT /v1/domains/example.org", domain);
    expect(put.status).toBe(201);
    await product().worker.inForce(put.json.revision);
    expect(await product().namesServed(HOST)).toBe(`DNS:${HOST}`);

    await pretendOlderLeaf(table, id);
    await keys.client.send(
      new PutObjectCommand({ Bucket: keys.name, Key: `keys/${id}/2`, Body: "given up" }),
    );
    await product().sweep("renewals");
    const { json } = await product().ask(`GET /v1/certificates/${id}`);
    expect(json.version).toBe(3);
  });

  it("moves a domain to other hosts and other trust stores in one write", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => createTrustStore(product())));
    const at = (half: number) => ({
      mxHosts: Array.from({ length: 20 }, (_, index) => `mx${index}.half${half}.example.net`),
      tls: {
        server: { level: "require" },
        clientCertificate: {
          mode: "request",
          trust: { trustStoreIds: ids.slice(half * 10, half * 10 + 10) },
        },
      },
    });
    const path = "/v1/domains/example.net";
    expect((await product().ask(`PUT ${path}`, at(0))).status).toBe(201);
    expect((await product().ask(`PUT ${path}`, at(1), HERE)).status).toBe(200);
    const kept = { ...at(1), mxHosts: ["mx.example.net"] };
    const last = await product().ask(`PUT ${path}`, kept, HERE);
    expect(last.status).toBe(200);
    await product().worker.inForce(last.json.revision);
    const [used = ""] = ids.slice(10);
    expect(await product().ask(`GET /v1/trust-stores/${used}`)).toMatchObject({
      status: 200,
      json: { usedBy: { count: 1, domains: ["example.net"] } },
    });
    for (const unused of ids.slice(0, 10))
      expect((await product().ask(`DELETE /v1/trust-stores/${unused}`, undefined, HERE)).status).toBe(204);
  });

  it("lists, and keeps the key of an uploaded certificate for its next leaf", async () => {
    for (const list of ["domains", "certificates", "trust-stores", "edges", "changes"])
      expect(await product().ask(`GET /v1/${list}`), list).toMatchObject({ status: 200 });
    const [first, second] = [issueServer({ names: [HOST] }), issueServer({ names: [HOST] })];
    const { certificatePem, privateKeyPem } = first;
    const body = { source: "pem", certificatePem, privateKeyPem };
    const { status, json } = await product().ask("POST /v1/certificates", body);
    expect(status).toBe(201);
    const next = { certificatePem: second.certificatePem };
    expect(await product().ask(`PUT /v1/certificates/${json.id}/material`, next, HERE)).toMatchObject({
      status: 200,
      json: { version: 2 },
    });
    const gone = await product().ask(`DELETE /v1/certificates/${json.id}`, undefined, HERE);
    expect(gone.status).toBe(204);
  });

  it("makes a key for a signing request, serves the certificate of it, and deletes keys that no record names", async () => {
    const { keys } = places();
    const ask = { source: "request", names: [HOST], keyType: "ecdsa-p256" };
    const { status, json } = await product().ask("POST /v1/certificates", ask);
    expect(status).toBe(201);
    const [named = "", ...others] = await keysWithoutCertificate(keys);
    expect(others).toEqual([]);
    const stray = named.replace(/[0-9a-f]{64}$/u, "0".repeat(64));
    await keys.client.send(new PutObjectCommand({ Bucket: keys.name, Key: stray, Body: "given up" }));
    await product().sweepLater("clean-up", 2 * DAY_MS);
    expect(await keysWithoutCertificate(keys)).toEqual([named]);
    const certificatePem = signedFor(json.requests[0].csrPem);
    const put = await product().ask(`PUT /v1/certificates/${json.id}/material`, { certificatePem }, HERE);
    expect(put).toMatchObject({ status: 200 });
    const gone = await product().ask(`DELETE /v1/certificates/${json.id}`, undefined, HERE);
    expect(gone.status).toBe(204);
  });

  it("stores a message of many parts, and aborts the upload of an incomplete one", async () => {
    const { mail } = places();
    const line = `${"x".repeat(70)}\r\n`;
    const content = `Subject: long\r\n\r\n${line.repeat(Math.ceil((17 * MB) / line.length))}`;
    const before = await countOf(mail);
    const whole = await startMessage(product());
    whole.write(content);
    expect(await whole.say(".", 60_000)).toMatch(/^250 2\.0\.0 /);
    expect(await countOf(mail)).toBe(before + 2);
    whole.close();

    const broken = await startMessage(product());
    broken.write(content);
    await uploadsBecome(mail, 1);
    broken.close();
    await uploadsBecome(mail, 0);
  });

  it("reports that the content of a trust store is lost, not that access is denied", async () => {
    const { keys } = places();
    const id = await createTrustStore(product());
    const { json } = await product().ask(`GET /v1/trust-stores/${id}`);
    const object = { Bucket: keys.name, Key: `trust/${json.contentSha256}` };
    await keys.client.send(new DeleteObjectCommand(object));
    expect(await product().ask(`GET /v1/trust-stores/${id}`)).toMatchObject({
      status: 409,
      json: { type: "urn:postern:problem:unreadable" },
    });
    expect((await product().ask(`DELETE /v1/trust-stores/${id}`, undefined, HERE)).status).toBe(204);
  });

  it("deletes objects that no record names, a day later", async () => {
    const { keys } = places();
    const before = await countOf(keys);
    const id = await createTrustStore(product());
    const path = `/v1/trust-stores/${id}`;
    const first = (await product().ask(`GET ${path}`)).json;
    const body = { certificatesPem: makeCa().certificatePem };
    expect((await product().ask(`PUT ${path}`, body, HERE)).status).toBe(200);
    await product().sweepLater("clean-up", 2 * DAY_MS);
    expect(await countOf(keys)).toBeLessThan(before + 2);
    // A trust store's record names the contents that it can be restored to.
    const restored = await product().ask(`POST ${path}/restore`, { revision: first.revision }, HERE);
    expect(restored).toMatchObject({ status: 200, json: { contentSha256: first.contentSha256 } });
  });

  it("queues, offers and withdraws a write in each writer's role, and stores those of others in the API's", async () => {
    const { api, schedule } = places().stores;
    const [queue, ofSchedule] = [await queueOf(api), await queueOf(schedule)];
    const writer = new Writer(api);
    const at = new Date().toISOString();
    const id = certificateId(1);
    await writer.putCertificate(certificateRecord({ id }));
    const planned = async (name: string) => {
      const after = domainRecord({ name, mxHosts: [`mx.${name}`] });
      return { ...(await writer.planDomain(after.name, after, await api.head())), at };
    };
    /** Records that sweeps change. */
    const renewed = async (label: string) => {
      const before = await schedule.getCertificate(id);
      const record = { kind: "certificate", id, before, after: certificateRecord({ id, label }) } as const;
      return commitOf(record, { at, expectedHead: await schedule.head() });
    };

    const own = await planned("first.example");
    const ticket = await queue.enter();
    const renewal = { ticket: await ofSchedule.enter(), commit: await renewed("one") };
    const other = { ticket: await queue.enter(), commit: await planned("third.example") };
    expect(await ofSchedule.offer(renewal)).toBe(true);
    expect(await queue.offer(other)).toBe(true);
    const line = await queue.line();
    const all = await withThoseBehind({ ...own, ticket }, { line, ticket }, { store: api, queue });
    const { revision } = await api.commit(all);
    expect((await ofSchedule.line({ offer: renewal.ticket })).storedAt).toBe(revision + 1);
    expect(await ofSchedule.withdraw(renewal.ticket)).toBe(revision + 1);
    expect(await queue.withdraw(other.ticket)).toBe(revision + 2);

    for (const [role, commit] of [
      [queue, await planned("fourth.example")],
      [ofSchedule, await renewed("two")],
    ] as const) {
      const withdrawn = { ticket: await role.enter(), commit };
      await role.offer(withdrawn);
      expect(await role.withdraw(withdrawn.ticket)).toBeNull();
      await role.leave(withdrawn.ticket);
    }
    const last = { ticket: await ofSchedule.enter(), commit: await renewed("three") };
    await ofSchedule.offer(last);
    await schedule.commit({ ...last.commit, ticket: last.ticket, offered: last.ticket });
    expect(await api.getCertificate(id)).toMatchObject({ label: "three", revision: revision + 3 });
    for (const { record } of [own, other.commit])
      if (record.kind === "domain") await writer.deleteDomain(record.id);
    await writer.deleteCertificate(id);
  });

  it("verifies a domain by the schedule with a write that rests on its MX host", async () => {
    const { stores } = places();
    const domain = parseDomainName("pending.example");
    const pending = { name: domain, value: "the value", expiresAt: timestamp(Date.now() + DAY_MS) };
    const writer = new Writer(stores.api);
    await writer.putDomain({
      name: domain,
      account: "other",
      mxHosts: ["mx.pending.example"],
      pendingNames: [pending],
    });
    const stored = await stores.schedule.getDomainWithHosts(domain);
    if (stored === null) throw new Error("the domain was not stored");
    const clock = { now: Date.now };
    const checked = await checkNames(
      {
        store: stores.schedule,
        clock,
        retry: { now: clock.now, random: Math.random, sleep: async () => undefined },
        issuanceState: new MemoryIssuanceState(clock),
        readTxt: async () => [pending.value],
      },
      stored.domain,
    );
    expect(checked).toBe("verified");
    expect((await stores.api.getDomainWithHosts(domain))?.domain.pendingNames).toBeUndefined();
    await writer.deleteDomain(domain);
  });

  it("deletes the report of an edge that shuts down", async () => {
    expect((await product().ask("GET /v1/edges")).json.items).toHaveLength(1);
    expect(await product().worker.end()).toEqual({ code: 0 });
    expect((await product().ask("GET /v1/edges")).json.items).toEqual([]);
  });
}

/** Objects under `private/`. */
async function keysWithoutCertificate({ client, name }: TestBucket): Promise<readonly string[]> {
  const { Contents: found = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: name, Prefix: "private/" }),
  );
  return found.map(({ Key = "" }) => Key);
}

/** A certificate of a CA for the key of a signing request. */
function signedFor(csrPem: string): string {
  const { rawData } = new Pkcs10CertificateRequest(csrPem).publicKey;
  const publicKey = createPublicKey({ key: Buffer.from(rawData), format: "der", type: "spki" });
  const ca = makeCa();
  const key = { publicKey, privateKey: ca.privateKey };
  return issueServer({ names: [HOST], ca, key }).certificatePem;
}

async function queueOf(store: Store): Promise<WriterQueue> {
  const queue = await store.queue();
  if (queue === null) throw new TypeError("the store has no queue");
  return queue;
}

async function orderFor(product: ProductOnAws, host: string): Promise<string> {
  const order = { source: "acm", names: [host], acceptCharges: true };
  const { json } = await product.ask("POST /v1/certificates", order);
  await waitUntil(
    async () => {
      await product.sweep("expiry");
      const seen = await product.ask(`GET /v1/certificates/${json.id}`);
      return seen.json.state === "active" ? true : undefined;
    },
    { what: "the certificate of ACM is exported" },
  );
  return json.id;
}

/**
 * The state after a renewal by ACM, which the emulator never does: the stored certificate ends before ACM's.
 */
async function pretendOlderLeaf({ client, name, set }: TestTable, id: string): Promise<void> {
  const key = recordKey("certificate", id);
  const { Item } = await client.send(new GetItemCommand({ TableName: name, Key: keyItem(key) }));
  const record = JSON.parse(Item?.["json"]?.S ?? "{}");
  for (const pair of record.keys) pair.notAfter = new Date(Date.parse(pair.notAfter) - DAY_MS).toISOString();
  await set(key, "json", { S: JSON.stringify(record) });
}

/** Each with different content: contents are stored by their hash. */
async function createTrustStore(product: ProductOnAws): Promise<string> {
  const body = { certificatesPem: makeCa().certificatePem };
  const { status, json } = await product.ask("POST /v1/trust-stores", body);
  expect(status).toBe(201);
  return json.id;
}

async function startMessage(product: ProductOnAws) {
  const client = await product.connect();
  const lines = ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.org>"];
  for (const line of lines) expect(await client.say(line)).toMatch(/^250/);
  expect(await client.say("DATA")).toMatch(/^354/);
  return client;
}

async function countOf({ client, name }: TestBucket): Promise<number> {
  const { KeyCount = 0 } = await client.send(new ListObjectsV2Command({ Bucket: name }));
  return KeyCount;
}

async function uploadsBecome({ client, name }: TestBucket, count: number): Promise<void> {
  await waitUntil(
    async () => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: name }));
      return Uploads.length === count ? true : undefined;
    },
    { what: `${count} uploads are under way` },
  );
}
