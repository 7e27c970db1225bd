import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RuleViolation, Unavailable } from "../../core/errors.ts";
import type { ChallengeRecords } from "../../core/management/challenge-records.ts";
import { challengeRecordsContract } from "../../test/contract/challenge-records.contract.ts";
import { createDnsWebhook, webhookSecretIn } from "./dns-webhook.ts";

const SECRET = "0123456789abcdef-of-tests";
const NOW = Date.parse("2026-11-28T12:00:00.900Z");

interface Seen {
  readonly headers: IncomingMessage["headers"];
  readonly method: string | undefined;
  readonly body: string;
}

type Answer = (request: Seen, answer: ServerResponse) => void;

interface Webhook {
  readonly url: string;
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

async function startWebhook(answerTo: Answer): Promise<Webhook> {
  const seen: Seen[] = [];
  const server: Server = createServer((request, answer) => {
    const serve = async (): Promise<void> => {
      const { headers, method } = request;
      const each = { headers, method, body: await text(request) };
      seen.push(each);
      answerTo(each, answer);
    };
    void serve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/records`,
    seen,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const open = (url: string, deadlineMs?: number): ChallengeRecords =>
  createDnsWebhook({
    url,
    readSecret: async () => SECRET,
    clock: { now: () => NOW },
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });

/** A service as docs/certificates.md describes it: checks the signature and keeps record sets. */
function recordKeeper(records: Map<string, readonly string[]>): Answer {
  return ({ headers, body }, answer) => {
    const [, seconds = "", mac] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["postern-signature"])) ?? [];
    const isOurs = mac === createHmac("sha256", SECRET).update(`${seconds}.${body}`).digest("hex");
    const request = JSON.parse(body) as { action: string; name: string; values: string[] };
    if (isOurs && request.action === "set") records.set(request.name, request.values);
    if (isOurs && request.action === "remove") records.delete(request.name);
    answer.writeHead(isOurs ? 204 : 401).end("wrong signature");
  };
}

challengeRecordsContract({
  name: "a webhook",
  create: async () => {
    const records = new Map<string, readonly string[]>();
    const webhook = await startWebhook(recordKeeper(records));
    return {
      records: open(webhook.url),
      published: async (name) => records.get(name) ?? [],
      close: webhook.close,
    };
  },
});

describe("the DNS webhook", () => {
  let webhook: Webhook;
  let answerTo: Answer;
  beforeEach(async () => {
    webhook = await startWebhook((request, answer) => answerTo(request, answer));
  });
  afterEach(() => webhook.close());

  it("receives the whole record set as JSON, with a timestamp and an HMAC-SHA256 of both", async () => {
    answerTo = (_, answer) => answer.writeHead(200).end();
    await open(webhook.url).put("a.example", ["one", "two"]);
    await open(webhook.url).delete("a.example");
    const common = { name: "_acme-challenge.a.example", type: "TXT", ttl: 60 };
    expect(webhook.seen.map(({ method, body }) => [method, JSON.parse(body)])).toEqual([
      ["POST", { ...common, action: "set", values: ["one", "two"] }],
      ["POST", { ...common, action: "remove", values: [] }],
    ]);
    for (const { headers, body } of webhook.seen) {
      const mac = createHmac("sha256", SECRET).update(`1795867200.${body}`).digest("hex");
      expect(headers).toMatchObject({
        "content-type": "application/json",
        "postern-signature": `t=1795867200,v1=${mac}`,
      });
    }
  });

  it.each([200, 201, 202, 204, 299])("has published with status %i", async (status) => {
    answerTo = (_, answer) => answer.writeHead(status).end();
    await open(webhook.url).put("a.example", ["one"]);
    expect(webhook.seen).toHaveLength(1);
  });

  it.each([400, 401, 403, 404, 422, 499])(
    "refuses the record with status %i and a text, which is shown",
    async (status) => {
      answerTo = (_, answer) =>
        answer.writeHead(status).end("the zone\nof a.example \u001b[31mis\u202e frozen ");
      const refused = await open(webhook.url)
        .put("a.example", ["one"])
        .catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RuleViolation);
      expect(refused).toMatchObject({
        issues: [
          {
            code: "challenge-refused",
            message: `the TXT record _acme-challenge.a.example was refused: the DNS webhook answers ${status}: the zone of a.example [31mis frozen`,
          },
        ],
      });
    },
  );

  it("shows no private key that a refusal quotes", async () => {
    answerTo = (_, answer) =>
      answer.writeHead(400).end("cannot read -----BEGIN EC PRIVATE KEY-----\nMHcCAQEE");
    await expect(open(webhook.url).put("a.example", ["one"])).rejects.toThrow(
      "the DNS webhook answers 400: (a text with a private key, not shown)",
    );
  });

  it.each<[string, Answer]>([
    ["a refusal without a text", (_, answer) => void answer.writeHead(400).end()],
    ["500", (_, answer) => void answer.writeHead(500).end("an error")],
    ["503", (_, answer) => void answer.writeHead(503).end("busy")],
    ["429", (_, answer) => void answer.writeHead(429).end("slowly")],
    ["408", (_, answer) => void answer.writeHead(408).end("too late")],
    ["a connection that ends", (_, answer) => void answer.destroy()],
    [
      "half of an answer",
      (_, answer) =>
        void answer.writeHead(400, { "content-length": "9" }).write("half", () => answer.destroy()),
    ],
  ])("is unavailable by %s", async (_, answer) => {
    answerTo = answer;
    await expect(open(webhook.url).put("a.example", ["one"])).rejects.toBeInstanceOf(Unavailable);
    await expect(open(webhook.url).delete("a.example")).rejects.toBeInstanceOf(Unavailable);
  });

  it("gets no second signed request at the place of a redirect", async () => {
    answerTo = (_, answer) => answer.writeHead(307, { location: webhook.url }).end("there");
    await expect(open(webhook.url).put("a.example", ["one"])).rejects.toBeInstanceOf(Unavailable);
    expect(webhook.seen).toHaveLength(1);
  });

  it.each<[string, Answer]>([
    ["no answer comes", () => undefined],
    ["its answer does not end", (_, answer) => void answer.writeHead(200).write("x")],
  ])("is unavailable at the deadline when %s", async (_, answer) => {
    answerTo = answer;
    const late = open(webhook.url, 100).put("a.example", ["one"]);
    await expect(late).rejects.toThrow("does not answer in time");
    await expect(late).rejects.toBeInstanceOf(Unavailable);
  });

  it("has the first 4 KB of an endless text read, and 500 characters of it shown", async () => {
    answerTo = (_, answer) => {
      answer.writeHead(400);
      const write = (): void => void answer.write("é".repeat(10_000), () => setImmediate(write));
      write();
    };
    const refused = await open(webhook.url)
      .put("a.example", ["one"])
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RuleViolation);
    expect(String((refused as Error).message.split(": ").at(-1))).toHaveLength(500);
  });

  it("is unavailable while its secret is not stored, and gets no request", async () => {
    answerTo = (_, answer) => answer.writeHead(200).end();
    const records = createDnsWebhook({
      url: webhook.url,
      readSecret: async () => null,
      clock: { now: () => NOW },
    });
    await expect(records.put("a.example", ["one"])).rejects.toBeInstanceOf(Unavailable);
    expect(webhook.seen).toEqual([]);
  });

  it.each([
    ["too short", "0123456789"],
    ["empty", ""],
    ["with a blank", "0123456789 abcdef-of-tests"],
  ])("is unavailable while its stored secret is %s, without showing it", async (_, secret) => {
    const readSecret = webhookSecretIn({ read: async () => secret }, "/postern/webhook");
    const records = createDnsWebhook({ url: webhook.url, readSecret, clock: { now: () => NOW } });
    const failure = records.put("a.example", ["one"]);
    await expect(failure).rejects.toBeInstanceOf(Unavailable);
    await expect(failure).rejects.toThrow(
      /^the secret of the DNS webhook in \/postern\/webhook must be 16 to 512 printable ASCII characters without blanks$/,
    );
    expect(webhook.seen).toEqual([]);
  });

  it("is signed with the stored secret without the line end that an editor left", async () => {
    const secrets = new Map([["/postern/webhook", `${SECRET}\n`]]);
    const read = async (name: string): Promise<string | null> => secrets.get(name) ?? null;
    expect(await webhookSecretIn({ read }, "/postern/webhook")()).toBe(SECRET);
    expect(await webhookSecretIn({ read }, "/postern/other")()).toBeNull();
    expect(await webhookSecretIn({ read }, undefined)()).toBeNull();
  });

  it("has no secret in an error", async () => {
    answerTo = (_, answer) => answer.destroy();
    const error = await open(webhook.url)
      .put("a.example", ["one"])
      .catch((each: unknown) => each);
    expect(error).toBeInstanceOf(Unavailable);
    for (let each = error; each instanceof Error; each = each.cause)
      expect(`${each.message} ${each.stack} ${JSON.stringify(each)}`).not.toContain(SECRET);
  });
});
