import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMaildirDelivery } from "../../adapters/local/maildir.ts";
import { createDeliveryRouter } from "../../core/delivery/delivery-router.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { type FakeNextHopOptions, HANG, startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import { createTarget, hopTls, roomyLimits } from "../../test/support/next-hop-delivery.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { domainRecord, name } from "../../test/support/records.ts";
import { SmtpClient } from "../../test/support/smtp-client.ts";
import { startTestEdge } from "../../test/support/test-edge.ts";
import { createEdgeLog } from "../telemetry/edge-log.ts";
import { createLog } from "../telemetry/log.ts";
import { countEdgeEvent, createMetrics } from "../telemetry/metrics.ts";

const trusted = makeCa();
const DAY_MS = 86_400_000;
/** For a next hop that is silent; every other one has the time that it needs. */
const SHORT = { nextHopConnectMs: 500, nextHopReplyMs: 500, nextHopDotMs: 500 } as const;

type Issue = Parameters<typeof issueServer>[0];
const certified = (issue: Issue): FakeNextHopOptions => {
  const issued = issueServer(issue);
  const tls = { key: issued.privateKeyPem, cert: issued.bundlePem };
  return { tls, extensions: ["STARTTLS"] };
};

interface Told {
  /** The line of the log, as it was written. */
  readonly text: string;
  readonly line: Readonly<Record<string, unknown>>;
  /** Causes that /metrics counts. */
  readonly causes: readonly string[];
  readonly session: string;
}

/** Sends one message by an edge with this delivery, and reads what log and metrics say of it. */
async function failureOf(route: string, delivery: Parameters<typeof createDeliveryRouter>[0]): Promise<Told> {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => void lines.push(line) });
  const logEdgeEvent = createEdgeLog(log, "all");
  const metrics = createMetrics();
  const edge = await startTestEdge({
    settings: {
      domains: [domainRecord({ name: name("example.com") }), domainRecord({ name: name("example.net") })],
    },
    delivery: createDeliveryRouter(delivery),
    routeOf: () => parseOperatorDelivery(route),
    onEvent: (event) => {
      countEdgeEvent(metrics, event);
      logEdgeEvent(event);
    },
  });
  onTestFinished(() => edge.stop());
  const client = await SmtpClient.connect(edge.port());
  onTestFinished(() => client.close());
  await client.reply();
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<sender@client.example>");
  const answers = [
    await client.say("RCPT TO:<alice@example.com>"),
    await client.say("RCPT TO:<bob@example.net>"),
  ];
  if (answers.some((answer) => answer.startsWith("250 "))) {
    await client.say("DATA");
    await client.say("Subject: private\r\n\r\nsecret words\r\n.");
  }
  await client.say("QUIT");
  const { id } = await edge.record();
  const text = lines.find((line) => line.includes('"delivery-failed"')) ?? "";
  const page = metrics.render();
  const causes = [...page.matchAll(/^postern_delivery_failures_total\{.*cause="(?<cause>[^"]*)"/gmu)];
  return {
    text,
    line: JSON.parse(text) as Told["line"],
    causes: [...new Set(causes.map((match) => match.groups?.["cause"] ?? ""))],
    session: id,
  };
}

/** The same for a next hop that answers as configured. */
async function failureAt(hop: FakeNextHopOptions, query = ""): Promise<Told> {
  const fake = await startFakeNextHop(hop);
  onTestFinished(() => fake.close());
  const limits = Object.values(hop).includes(HANG) ? SHORT : roomyLimits;
  const nextHop = createTarget({ ca: [trusted.rootPem], limits });
  onTestFinished(() => nextHop.close());
  return failureOf(`smtp://user:p%40ss@hop.example:${String(fake.port)}${query}`, { nextHop });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("a delivery that fails", () => {
  const good = certified({ names: ["hop.example"], ca: trusted });

  it.each<readonly [string, FakeNextHopOptions, Readonly<Record<string, unknown>>]>([
    [
      "an expired certificate",
      certified({
        names: ["hop.example"],
        ca: trusted,
        notBefore: new Date(Date.now() - 9 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      }),
      { cause: "certificate-expired", phase: "tls", reply: "451 4.4.1" },
    ],
    [
      "a certificate for another name",
      certified({ names: ["other.example"], ca: trusted }),
      { cause: "certificate-name-mismatch", phase: "tls", detail: expect.stringContaining("other.example") },
    ],
    [
      "a certificate of an unknown authority",
      certified({ names: ["hop.example"], ca: makeCa() }),
      { cause: "certificate-untrusted", phase: "tls" },
    ],
    ["no STARTTLS", {}, { cause: "starttls-missing", phase: "starttls" }],
    [
      "a refusal as its greeting",
      { greeting: "554 5.7.1 blocked by example list" },
      {
        cause: "greeting-refused",
        phase: "greeting",
        nextHopReply: "554 5.7.1",
        detail: expect.stringContaining("blocked by example list"),
      },
    ],
    ["silence after EHLO", { ehlo: HANG }, { cause: "timeout", phase: "hello", reply: "451 4.4.2" }],
    ["no AUTH PLAIN", good, { cause: "auth-missing", phase: "auth" }],
    [
      "another idea of the password",
      { ...good, extensionsInTls: ["AUTH PLAIN"], auth: "535 5.7.8 not p@ss" },
      { cause: "auth-refused", phase: "auth", nextHopReply: "535 5.7.8" },
    ],
    [
      "a refusal of the recipients",
      {
        ...good,
        extensionsInTls: ["AUTH PLAIN"],
        auth: "235 ok",
        rcpt: "550 5.1.1 <alice@example.com> unknown",
      },
      { cause: "passed-back", phase: "recipient", nextHopReply: "550 5.1.1", outcome: "reject" },
    ],
    [
      "a full disk",
      {
        ...good,
        extensionsInTls: ["AUTH PLAIN"],
        auth: "235 ok",
        dot: "452 4.3.1 no room for alice@example.com",
      },
      {
        cause: "passed-back",
        phase: "dot",
        nextHopReply: "452 4.3.1",
        stage: "message",
        domains: ["example.com", "example.net"],
      },
    ],
  ])("at a next hop with %s says so in the log and the metric", async (_, hop, expected) => {
    const { line, text, causes, session } = await failureAt(hop);
    expect(line).toMatchObject({
      event: "delivery-failed",
      session,
      stage: "recipient",
      domains: ["example.com"],
      outcome: "defer",
      nextHop: expect.stringMatching(/^smtp:\/\/hop\.example:\d+\?tls=require$/),
      ...expected,
    });
    expect(causes).toEqual([expected["cause"]]);
    expect(text).not.toMatch(/alice|bob|p%40ss|p@ss|secret|private/);
  });

  it("at a port where no process listens is distinguished from all of these", async () => {
    const nextHop = createTarget({ ca: [hopTls.caPem] });
    onTestFinished(() => nextHop.close());
    const { line, causes } = await failureOf(`smtp://hop.example:${String(await freePort())}`, { nextHop });
    expect(line).toMatchObject({ cause: "connection-refused", phase: "connect", reply: "451 4.4.1" });
    expect(causes).toEqual(["connection-refused"]);
  });

  it("in a maildir names the directory and the error of the file system", async () => {
    const root = await mkdtemp(join(tmpdir(), "postern-failure-"));
    onTestFinished(() => rm(root, { recursive: true }));
    await writeFile(join(root, "file"), "");
    const route = `maildir:${join(root, "file", "mail")}`;
    const maildir = createMaildirDelivery({ clock: { now: () => Date.now() } });
    const { line, causes } = await failureOf(route, { maildir });
    expect(line).toMatchObject({ nextHop: route, cause: "storage-missing", phase: null, detail: "ENOTDIR" });
    expect(causes).toEqual(["storage-missing"]);
  });
});
