import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createMaildirDelivery } from "../../adapters/local/maildir.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { startFakeNextHop } from "../support/fake-next-hop.ts";
import { asSent, shapedMessage, withFinalLineEnd } from "../support/message-shapes.ts";
import { createTarget } from "../support/next-hop-delivery.ts";
import { domainRecord } from "../support/records.ts";
import { fuzz, type SeededRandom } from "../support/seeded-random.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { startTestEdge, type TestEdge, type TestEdgeOptions } from "../support/test-edge.ts";

/** What Postern and the maildir write above a message. */
const OUR_FIELDS =
  /^(?:(?:Return-Path|Delivered-To|Received|Postern-TLS):[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+/;

async function start(options: TestEdgeOptions): Promise<TestEdge> {
  const settings = { domains: [domainRecord({ name: "a.example" })] };
  const edge = await startTestEdge({ settings, ...options });
  onTestFinished(() => edge.stop());
  return edge;
}

async function connected(edge: TestEdge): Promise<SmtpClient> {
  const client = await SmtpClient.connect(edge.port());
  onTestFinished(() => client.close());
  await client.reply();
  await client.say("EHLO client.example");
  return client;
}

/** Sends one message in pieces: all at once, of 37 octets, or of random sizes. */
async function send(client: SmtpClient, octets: Buffer, random: SeededRandom): Promise<string> {
  await client.say("MAIL FROM:<a@client.example>");
  await client.say("RCPT TO:<x@a.example>");
  expect(await client.say("DATA")).toMatch(/^354 /);
  const sent = asSent(octets);
  const size = random.pick([sent.length, 37, 1 + random.below(2_000)]);
  for (let at = 0; at < sent.length; at += size) {
    client.write(sent.subarray(at, at + size));
    // Segments of their own, for the first ones at least: the event loop turns between them.
    if (at < 20 * size) await new Promise((resolve) => void setImmediate(resolve));
  }
  return client.reply();
}

const bodyOf = (delivered: string): string => delivered.replace(OUR_FIELDS, "");

it("delivers every shape of message to a maildir unchanged, octet by octet", async () => {
  const directory = await mkdtemp(join(tmpdir(), "postern-shapes-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const clock = { now: () => Date.now() };
  const route = parseOperatorDelivery(`maildir:${directory}`);
  const edge = await start({ delivery: createMaildirDelivery({ clock }), routeOf: () => route });
  const client = await connected(edge);
  const isNew = join(directory, "new");
  await fuzz("test/fuzz/message-shapes.test.ts", 40, async (random) => {
    const { shape, octets } = shapedMessage(random);
    expect(await send(client, octets, random), shape).toMatch(/^250 2\.0\.0 /);
    const [file = "", ...more] = await readdir(isNew);
    expect(more).toEqual([]);
    const found = await readFile(join(isNew, file), "latin1");
    await rm(join(isNew, file));
    expect(bodyOf(found) === withFinalLineEnd(octets).toString("latin1"), shape).toBe(true);
  });
});

it("delivers every shape of message to an SMTP next hop unchanged, octet by octet", async () => {
  const hop = await startFakeNextHop();
  onTestFinished(() => hop.close());
  const target = createTarget();
  onTestFinished(() => target.close());
  const route = parseOperatorDelivery(`smtp://127.0.0.1:${String(hop.port)}`);
  const edge = await start({ delivery: target, routeOf: () => route });
  const client = await connected(edge);
  await fuzz("test/fuzz/message-shapes.test.ts", 40, async (random) => {
    const { shape, octets } = shapedMessage(random);
    expect(await send(client, octets, random), shape).toMatch(/^250 2\.0\.0 /);
    const found = hop.mails.at(-1)?.content ?? "";
    expect(bodyOf(found) === withFinalLineEnd(octets).toString("latin1"), shape).toBe(true);
  });
});
