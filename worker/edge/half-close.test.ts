import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMaildirDelivery } from "../../adapters/local/maildir.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { captureClientHello } from "../../test/support/client-hellos.ts";
import { startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import { gate } from "../../test/support/gate.ts";
import { createTarget } from "../../test/support/next-hop-delivery.ts";
import { proxyV2For } from "../../test/support/proxy-headers.ts";
import { issueServer } from "../../test/support/pki.ts";
import { certificateId, domainRecord, network } from "../../test/support/records.ts";
import { SmtpClient } from "../../test/support/smtp-client.ts";
import {
  memoryVault,
  startTestEdge,
  type TestEdge,
  type TestEdgeOptions,
} from "../../test/support/test-edge.ts";

const domain = { name: "a.example", mxHosts: ["mx.a.example"] };
const settings = { domains: [domainRecord(domain)] };

const EHLO = "EHLO client.example\r\n";
const ENVELOPE = "MAIL FROM:<a@client.example>\r\nRCPT TO:<x@a.example>\r\n";
const MESSAGE = "Subject: hi\r\n\r\nhello\r\n.\r\n";

async function start(options: TestEdgeOptions = {}): Promise<TestEdge> {
  const edge = await startTestEdge({ settings, ...options });
  onTestFinished(() => edge.stop());
  return edge;
}

async function connected(edge: TestEdge, first?: Buffer): Promise<SmtpClient> {
  const client = await SmtpClient.connect(edge.port(), first === undefined ? {} : { first });
  onTestFinished(() => client.close());
  return client;
}

async function greeted(edge: TestEdge): Promise<SmtpClient> {
  const client = await connected(edge);
  expect(await client.reply()).toMatch(/^220 /);
  expect(await client.say("EHLO client.example")).toMatch(/^250/);
  return client;
}

/** What other connections have sent has been read, once this one is answered: it came later. */
async function seenByServer(edge: TestEdge): Promise<void> {
  await greeted(edge);
}

/** Codes of all replies up to the end of the connection. */
async function repliesToTheEnd(client: SmtpClient): Promise<string> {
  const codes: string[] = [];
  for (let reply = await client.reply(); reply !== "closed"; reply = await client.reply())
    codes.push(reply.slice(0, 3));
  return codes.join(" ");
}

/** How a client begins its session, and how it ends its side. */
const WAYS = [
  ["in plaintext", async () => undefined, (client: SmtpClient) => client.halfClose()],
  ["in TLS 1.3", tls("TLSv1.3"), (client: SmtpClient) => client.halfClose()],
  ["in TLS 1.2", tls("TLSv1.2"), (client: SmtpClient) => client.halfClose()],
  ["in TLS 1.3 without close_notify", tls("TLSv1.3"), (_: SmtpClient, finish: () => void) => finish()],
  ["in TLS 1.2 without close_notify", tls("TLSv1.2"), (_: SmtpClient, finish: () => void) => finish()],
] as const;

function tls(version: "TLSv1.2" | "TLSv1.3") {
  return async (client: SmtpClient): Promise<void> => {
    await client.startTls({ servername: "mx.a.example", minVersion: version, maxVersion: version });
    expect(await client.say("EHLO client.example")).toMatch(/^250/);
  };
}

describe.each(WAYS)("a client that closes its side %s", (_, begin, end) => {
  /** A greeted client, and how its side ends. */
  async function begun(edge: TestEdge): Promise<{ client: SmtpClient; endSide: () => void }> {
    const client = await greeted(edge);
    const raw = client.socket;
    await begin(client);
    return { client, endSide: () => end(client, () => raw.end()) };
  }

  it("after its QUIT receives every reply and 221, and its message is delivered once", async () => {
    const edge = await start();
    const slow = gate();
    edge.delivery.onMessage = async () => {
      await slow.opened;
      return { kind: "accepted" };
    };
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}DATA\r\n`);
    expect([await client.reply(), await client.reply(), await client.reply()]).toMatchObject([
      expect.stringMatching(/^250 /),
      expect.stringMatching(/^250 /),
      expect.stringMatching(/^354 /),
    ]);
    client.write(`${MESSAGE}QUIT\r\n`);
    endSide();
    await seenByServer(edge);
    slow.open();
    expect(await repliesToTheEnd(client)).toBe("250 221");
    expect(edge.delivery.messages).toHaveLength(1);
    expect(edge.seen("message-accepted")).toHaveLength(1);
    expect(await edge.record()).toMatchObject({ messages: 1, end: "quit" });
  });

  it("without QUIT is ended after the last reply, and not at a deadline", async () => {
    const edge = await start();
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}NOOP\r\nNONSENSE\r\nRSET\r\n`);
    endSide();
    expect(await repliesToTheEnd(client)).toBe("250 250 250 500 250");
    expect(await edge.record()).toMatchObject({ end: "client-left", limit: null });
    expect(edge.edge.stats().connections).toBe(0);
  });

  it("while a next hop is asked about a recipient receives the answer, and those to all that it had sent", async () => {
    const edge = await start();
    const slow = gate();
    edge.delivery.onRecipient = async () => {
      await slow.opened;
      return { kind: "accepted" };
    };
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}RCPT TO:<y@a.example>\r\nEHLO again.example\r\nVRFY x\r\nQUIT\r\n`);
    endSide();
    expect(await client.reply()).toMatch(/^250 2\.1\.0/);
    await seenByServer(edge);
    slow.open();
    expect(await repliesToTheEnd(client)).toBe("250 250 250 252 221");
  });

  it("in the middle of a message delivers nothing, and is ended", async () => {
    const edge = await start();
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}DATA\r\nSubject: half\r\n\r\nhal\r\n.`);
    endSide();
    expect(await repliesToTheEnd(client)).toBe("250 250 354");
    expect(await edge.record()).toMatchObject({ messages: 0, end: "client-left" });
    expect(edge.delivery.messages).toEqual([]);
    expect(edge.seen("message-aborted")).toHaveLength(1);
    expect(edge.edge.stats().bytesInFlight).toBe(0);
  });

  it("in the middle of a message that is refused already is ended", async () => {
    const edge = await start();
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}DATA\r\nSubject: \0\r\n\r\nhal`);
    await expect.poll(() => edge.seen("message-refused").length === 1).toBe(true);
    endSide();
    expect(await repliesToTheEnd(client)).toBe("250 250 354");
    expect(await edge.record()).toMatchObject({ messages: 0, end: "client-left" });
  });

  it("in the middle of a command has said nothing with it", async () => {
    const edge = await start();
    const { client, endSide } = await begun(edge);
    client.write(`${ENVELOPE}RCPT TO:<y@a.example>`);
    endSide();
    expect(await repliesToTheEnd(client)).toBe("250 250");
    await edge.record();
    expect(edge.delivery.transactions).toMatchObject([{ recipients: [{ localPart: "x" }], aborted: true }]);
  });
});

describe("a client that closes its side", () => {
  it("before its first command has heard the greeting, and is ended", async () => {
    const edge = await start();
    const client = await connected(edge);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("220");
    expect(await edge.record()).toMatchObject({ end: "client-left" });
  });

  it("that sends everything at once receives every reply", async () => {
    const edge = await start();
    const client = await connected(edge);
    client.write(`${EHLO}${ENVELOPE}DATA\r\n${MESSAGE}QUIT\r\n`);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("220 250 250 250 354 250 221");
    expect(edge.delivery.messages).toHaveLength(1);
  });

  it("before a greeting that is delayed is greeted and ended", async () => {
    const edge = await start({ limits: { greetingDelayMs: 50 } });
    const client = await connected(edge);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("220");
    expect(await edge.record()).toMatchObject({ end: "client-left" });
  });

  it("before a greeting that is delayed, with the beginning of a line, talks too soon", async () => {
    const edge = await start({ limits: { greetingDelayMs: 60_000 } });
    const client = await connected(edge);
    client.write("EHLO");
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("421");
    expect(await edge.record()).toMatchObject({ end: "limit", limit: "greetingDelayMs" });
  });

  it.each([
    ["inside its PROXY header", proxyV2For("192.0.2.7").subarray(0, 10), ""],
    ["after its PROXY header", proxyV2For("192.0.2.7"), "220"],
    [
      "after its PROXY header and QUIT",
      Buffer.concat([proxyV2For("192.0.2.7"), Buffer.from("QUIT\r\n")]),
      "220 221",
    ],
    ["before its PROXY header", Buffer.alloc(0), ""],
  ])("%s is ended", async (_, first, replies) => {
    const edge = await start({
      listeners: [{ proxyFrom: [network("127.0.0.0/8")] }],
      limits: { proxyHeaderMs: 60_000 },
    });
    const client = await connected(edge, first);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe(replies);
    expect(edge.edge.stats().connections).toBe(0);
  });

  it("and reads no replies is ended at a deadline", async () => {
    const edge = await start({ limits: { commandMs: 200, maxCommands: 1_000_000 } });
    const client = await greeted(edge);
    client.socket.pause();
    client.write(EHLO.repeat(100_000));
    client.halfClose();
    await expect.poll(() => edge.seen("session-ended").length === 1).toBe(true);
    expect(await edge.record()).toMatchObject({ end: "limit", limit: "commandMs" });
    expect(edge.edge.stats().connections).toBe(0);
  });

  it("when it is turned away has heard why", async () => {
    const edge = await start({ limits: { maxConnections: 1 } });
    await greeted(edge);
    const client = await connected(edge);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("421");
  });
});

const hello = await captureClientHello({ servername: "mx.a.example" });

describe("a client that closes its side in a handshake", () => {
  it.each([
    ["right after STARTTLS", Buffer.alloc(0)],
    ["inside its ClientHello", hello.subarray(0, 100)],
    ["after its ClientHello", hello],
  ])("%s is ended at once", async (_, bytes) => {
    const edge = await start({ limits: { clientHelloMs: 60_000, handshakeMs: 60_000 } });
    const client = await greeted(edge);
    expect(await client.say("STARTTLS")).toMatch(/^220 /);
    client.write(bytes);
    client.halfClose();
    expect(await edge.record()).toMatchObject({ end: "handshake-failed" });
    expect(edge.seen("handshake-failed")).toMatchObject([{ why: "closed" }]);
    expect(edge.edge.stats().connections).toBe(0);
  });

  it("with STARTTLS behind a recipient that is judged still is ended at once", async () => {
    const edge = await start({ limits: { clientHelloMs: 60_000, handshakeMs: 60_000 } });
    const slow = gate();
    edge.delivery.onRecipient = async () => {
      await slow.opened;
      return { kind: "accepted" };
    };
    const client = await greeted(edge);
    client.write(`${ENVELOPE}STARTTLS\r\n`);
    client.halfClose();
    expect(await client.reply()).toMatch(/^250 2\.1\.0/);
    await seenByServer(edge);
    slow.open();
    expect(await repliesToTheEnd(client)).toBe("250 220");
    expect(await edge.record()).toMatchObject({ end: "handshake-failed" });
  });

  it("while its certificate is read from the vault is ended once it is there", async () => {
    const slow = gate();
    const vault = memoryVault();
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    const edge = await start({
      settings: {
        domains: [domainRecord({ ...domain, server: { certificateId: certificate.id } })],
        certificates: [certificate],
      },
      vault: { get: (name, sha256) => slow.opened.then(() => vault.get(name, sha256)) },
      limits: { clientHelloMs: 60_000, handshakeMs: 60_000 },
    });
    const client = await greeted(edge);
    expect(await client.say("STARTTLS")).toMatch(/^220 /);
    client.write(hello);
    client.halfClose();
    await seenByServer(edge);
    slow.open();
    expect(await edge.record()).toMatchObject({ end: "handshake-failed" });
    expect(edge.seen("handshake-failed")).toMatchObject([{ why: "closed", sni: "mx.a.example" }]);
  });
});

/** A slow next hop and the product's own deliveries. */
describe("a client that closes its side behind its dot and QUIT", () => {
  it("receives 250 once its message is in the maildir", async () => {
    const directory = await mkdtemp(join(tmpdir(), "postern-half-close-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const delivery = createMaildirDelivery({ clock: { now: () => Date.now() } });
    const edge = await start({ delivery, routeOf: () => parseOperatorDelivery(`maildir:${directory}`) });
    const client = await connected(edge);
    client.write(`${EHLO}${ENVELOPE}DATA\r\n${MESSAGE}QUIT\r\n`);
    client.halfClose();
    expect(await repliesToTheEnd(client)).toBe("220 250 250 250 354 250 221");
    expect(await readdir(join(directory, "new"))).toHaveLength(1);
  });

  it.each(["smtp", "lmtp"] as const)("receives 250 once a slow next hop has it, by %s", async (scheme) => {
    const slow = gate();
    const hop = await startFakeNextHop({
      lmtp: scheme === "lmtp",
      mail: (socket) => void slow.opened.then(() => socket.write("250 2.1.0 ok\r\n")),
      dot: () => (socket) => void slow.opened.then(() => socket.write("250 2.0.0 kept\r\n")),
    });
    onTestFinished(() => hop.close());
    const delivery = createTarget();
    onTestFinished(() => delivery.close());
    const edge = await start({
      delivery,
      routeOf: () => parseOperatorDelivery(`${scheme}://127.0.0.1:${String(hop.port)}`),
    });
    const client = await connected(edge);
    client.write(`${EHLO}${ENVELOPE}DATA\r\n${MESSAGE}QUIT\r\n`);
    client.halfClose();
    expect(await client.reply()).toMatch(/^220 /);
    await seenByServer(edge);
    slow.open();
    expect(await repliesToTheEnd(client)).toBe("250 250 250 354 250 221");
    expect(hop.mails).toHaveLength(1);
  });
});
