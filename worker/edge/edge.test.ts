import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import { untilIdle, untilStill } from "../../test/support/event-loop.ts";
import { gate } from "../../test/support/gate.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import { proxyV2, proxyV2For } from "../../test/support/proxy-headers.ts";
import { domainRecord, trustStoreId, network } from "../../test/support/records.ts";
import { recordingDelivery } from "../../test/support/recording-delivery.ts";
import { SmtpClient } from "../../test/support/smtp-client.ts";
import { msUntilProbe } from "../../test/support/tcp-timers.ts";
import {
  startTestEdge,
  type TestEdge,
  type TestEdgeOptions,
  trustStoreOf,
} from "../../test/support/test-edge.ts";

const settings = { domains: [domainRecord({ name: "a.example", mxHosts: ["mx.a.example"] })] };

async function start(options: TestEdgeOptions = {}): Promise<TestEdge> {
  const edge = await startTestEdge({ settings, ...options });
  onTestFinished(() => edge.stop());
  return edge;
}

async function greeted(edge: TestEdge, listener?: string): Promise<SmtpClient> {
  const client = await SmtpClient.connect(edge.port(listener));
  onTestFinished(() => client.close());
  expect(await client.reply()).toMatch(/^220 /);
  expect(await client.say("EHLO client.example")).toMatch(/^250/);
  return client;
}

async function atData(edge: TestEdge): Promise<SmtpClient> {
  const client = await greeted(edge);
  await client.say("MAIL FROM:<a@client.example>");
  await client.say("RCPT TO:<x@a.example>");
  expect(await client.say("DATA")).toMatch(/^354 /);
  return client;
}

describe("settings of a connection", () => {
  it("are those of its accept, to its end", async () => {
    const edge = await start();
    const open = await greeted(edge);
    edge.replace({
      revision: 18,
      domains: [domainRecord({ name: "a.example", server: { level: "require" } })],
    });
    await open.say("MAIL FROM:<a@client.example>");
    expect(await open.say("RCPT TO:<x@a.example>")).toMatch(/^250/);
    const fresh = await greeted(edge);
    expect(await fresh.say("MAIL FROM:<a@client.example>")).toMatch(/^530 5\.7\.0/);
    await open.say("QUIT");
    expect((await edge.record(0)).revision).toBe(17);
  });
});

it.runIf(process.platform === "linux")(
  "a client's silent connection is probed within a minute, before a firewall on its way forgets it",
  async () => {
    const edge = await start();
    const client = connect({ host: "127.0.0.1", port: edge.port() });
    onTestFinished(() => void client.destroy());
    await once(client, "data");
    const ports = { local: edge.port(), remote: client.localPort ?? 0 };
    await expect.poll(() => msUntilProbe(ports)).toBeLessThanOrEqual(60_000);
  },
);

describe("limits of connections", () => {
  it("answer 421 4.7.0 to one connection too many of a client, and forget those that are gone", async () => {
    const edge = await start({ limits: { maxConnectionsPerClient: 2 } });
    const first = await greeted(edge);
    await greeted(edge);
    const third = await SmtpClient.connect(edge.port());
    expect(await third.reply()).toMatch(/^421 4\.7\.0 /);
    expect(await third.reply()).toBe("closed");
    expect(edge.seen("limit-hit")).toMatchObject([{ limit: "maxConnectionsPerClient" }]);
    first.close();
    await expect.poll(() => edge.edge.stats().connections <= 1).toBe(true);
    await greeted(edge);
  });

  it("count an IPv6 client as its /64, and clients behind a proxy apart", async () => {
    const edge = await start({
      listeners: [{ proxyFrom: [network("127.0.0.0/8")] }],
      limits: { maxConnectionsPerClient: 1 },
    });
    const from = async (address: string): Promise<string> => {
      const client = await SmtpClient.connect(edge.port(), { first: proxyV2For(address) });
      onTestFinished(() => client.close());
      return client.reply();
    };
    expect(await from("2001:db8:0:1::1")).toMatch(/^220 /);
    expect(await from("2001:db8:0:1:ffff::2")).toMatch(/^421 4\.7\.0 /);
    expect(await from("2001:db8:0:2::1")).toMatch(/^220 /);
    expect(await from("::ffff:c000:201")).toMatch(/^220 /);
    expect(await from("192.0.2.1")).toMatch(/^421 4\.7\.0 /);
  });

  it("answer 421 4.3.2 to one connection too many in all", async () => {
    const edge = await start({
      listeners: [{ name: "one" }, { name: "two" }],
      limits: { maxConnections: 2 },
    });
    await greeted(edge, "one");
    await greeted(edge, "two");
    const third = await SmtpClient.connect(edge.port("two"));
    expect(await third.reply()).toMatch(/^421 4\.3\.2 /);
    expect(edge.seen("limit-hit")).toMatchObject([{ limit: "maxConnections", listener: "two" }]);
  });

  it("do not count who was turned away, even while it holds its connection", async () => {
    const edge = await start({ limits: { maxConnectionsPerClient: 1, maxConnections: 2 } });
    await greeted(edge);
    for (let times = 0; times < 3; times += 1) {
      const socket = connect({ port: edge.port(), host: "127.0.0.1", allowHalfOpen: true });
      onTestFinished(() => void socket.destroy());
      const [bytes] = await once(socket, "data");
      expect(String(bytes)).toMatch(/^421 4\.7\.0 /);
    }
    const other = await SmtpClient.connect(edge.port(), { localAddress: "127.0.0.2" });
    onTestFinished(() => other.close());
    expect(await other.reply()).toMatch(/^220 /);
  });

  it("let a load balancer's own checks through, counted apart and without a record", async () => {
    const edge = await start({
      listeners: [{ proxyFrom: [network("127.0.0.0/8")] }],
      limits: { maxConnectionsPerClient: 1 },
    });
    const local = proxyV2({ command: 0, family: 0 });
    for (let check = 0; check < 3; check += 1) {
      const client = await SmtpClient.connect(edge.port(), { first: local });
      onTestFinished(() => client.close());
      expect(await client.reply()).toMatch(/^220 /);
    }
    expect(edge.seen("health-check")).toHaveLength(3);
    expect(edge.seen("connection-accepted")).toEqual([]);
    await edge.edge.drain(0);
    expect(edge.seen("session-ended")).toEqual([]);
  });
});

describe("a session that ends", () => {
  it.each([
    ["closes at once", "", true],
    ["sends half a line", "EHL", false],
    ["sends an empty line", "\r\n", false],
    ["says QUIT", "QUIT\r\n", false],
  ])("is silent only when the client sent nothing: %s", async (_, sent, silent) => {
    const edge = await start();
    const client = await SmtpClient.connect(edge.port());
    expect(await client.reply()).toMatch(/^220 /);
    client.write(sent);
    client.socket.end();
    await edge.record();
    expect(edge.seen("session-ended")).toMatchObject([{ silent }]);
  });

  it("is not silent behind a proxy, which names the client, nor when we end it", async () => {
    const edge = await start({ listeners: [{ proxyFrom: [network("127.0.0.0/8")] }] });
    const client = await SmtpClient.connect(edge.port(), { first: proxyV2For("192.0.2.7") });
    expect(await client.reply()).toMatch(/^220 /);
    client.socket.end();
    await edge.record();
    const draining = await start();
    await (await SmtpClient.connect(draining.port())).reply();
    await draining.edge.drain(0);
    expect([edge, draining].map(({ seen }) => seen("session-ended")[0]?.silent)).toEqual([false, false]);
  });
});

describe("a message", () => {
  it("is not delivered when its client leaves before the dot, and gives its octets back", async () => {
    const edge = await start();
    const client = await atData(edge);
    client.write("Subject: half\r\n\r\nhal");
    await expect.poll(() => edge.edge.stats().bytesInFlight > 0).toBe(true);
    client.socket.end();
    await expect.poll(() => edge.seen("message-aborted").length === 1).toBe(true);
    expect(edge.delivery.messages).toEqual([]);
    expect(edge.edge.stats().bytesInFlight).toBe(0);
    expect(await edge.record()).toMatchObject({ messages: 0, end: "client-left" });
  });

  it("is delivered once when its client resets the connection after the dot, and the record still has it", async () => {
    const delivery = recordingDelivery();
    const slow = gate();
    delivery.onMessage = async () => {
      await slow.opened;
      return { kind: "accepted" };
    };
    const edge = await start({ recording: delivery });
    const client = await atData(edge);
    client.write("Subject: whole\r\n\r\n.\r\n");
    await expect.poll(() => edge.edge.stats().bytesInFlight > 0).toBe(true);
    client.socket.resetAndDestroy();
    await expect.poll(() => edge.edge.stats().connections === 0).toBe(true);
    expect(edge.seen("session-ended")).toEqual([]);
    slow.open();
    expect(await edge.record()).toMatchObject({ messages: 1 });
    expect(delivery.messages).toHaveLength(1);
  });

  it("over the size limit is read on by 1 MB for the sake of the reply, and cut there", async () => {
    const edge = await start({ limits: { maxMessageBytes: 1_000 } });
    const client = await atData(edge);
    const line = `${"x".repeat(98)}\r\n`;
    const chunk = line.repeat(1_000);
    for (let sent = 0; sent < 3_000_000 && !client.socket.destroyed; sent += chunk.length) {
      if (!client.socket.write(chunk))
        await Promise.race([once(client.socket, "drain"), once(client.socket, "close")]);
    }
    expect(await client.reply()).toMatch(/^552 5\.3\.4 /);
    expect(await edge.record()).toMatchObject({ end: "limit", limit: "maxMessageBytes" });
    expect(edge.edge.stats().bytesInFlight).toBe(0);
  });

  it("counts against all sessions together", async () => {
    const edge = await start({ limits: { maxBytesInFlight: 300 } });
    const first = await atData(edge);
    first.write(`Subject: ${"x".repeat(250)}\r\n`);
    await expect.poll(() => edge.edge.stats().bytesInFlight > 200).toBe(true);
    const second = await atData(edge);
    second.write(`Subject: ${"y".repeat(100)}\r\n\r\n.\r\n`);
    expect(await second.reply()).toMatch(/^452 4\.3\.1 /);
    first.write("\r\n.\r\n");
    expect(await first.reply()).toMatch(/^250 /);
    expect(edge.edge.stats().bytesInFlight).toBe(0);
  });

  it("that a delivery accepts without having read it is not acknowledged", async () => {
    const delivery = recordingDelivery();
    const begin = delivery.begin.bind(delivery);
    delivery.begin = (route, mail) => ({
      ...begin(route, mail),
      message: async () => ({ kind: "accepted" }),
    });
    const edge = await start({ recording: delivery });
    const client = await atData(edge);
    client.write("Subject: hi\r\n\r\n.\r\n");
    expect(await client.reply()).toMatch(/^451 4\.3\.0 /);
    expect(edge.seen("internal-error")).toHaveLength(1);
    expect(await client.say("NOOP")).toMatch(/^250/);
  });

  it("waits in the client while the next hop is slow", async () => {
    const delivery = recordingDelivery();
    const slow = gate();
    const begin = delivery.begin.bind(delivery);
    delivery.begin = (route, mail) => {
      const transaction = begin(route, mail);
      return {
        ...transaction,
        message: async (message) => {
          await slow.opened;
          return transaction.message(message);
        },
      };
    };
    const edge = await start({ recording: delivery });
    const client = await atData(edge);
    const megabyte = `${"x".repeat(98)}\r\n`.repeat(10_000);
    for (let count = 0; count < 20; count += 1) client.write(megabyte);
    // The kernel's buffers are full, and the edge reads no more until the next hop does.
    const length = await untilStill(() => client.socket.writableLength);
    expect(length).toBeGreaterThan(10_000_000);
    slow.open();
    client.write("\r\n.\r\n");
    expect(await client.reply()).toMatch(/^250 /);
    expect(delivery.messages[0]?.content?.length).toBeGreaterThan(20_000_000);
  });

  it("is aborted at its next hop when the client leaves before DATA", async () => {
    const edge = await start();
    const client = await greeted(edge);
    await client.say("MAIL FROM:<a@client.example>");
    await client.say("RCPT TO:<x@a.example>");
    client.close();
    await expect.poll(() => edge.delivery.transactions[0]?.aborted === true).toBe(true);
  });

  it("leaves a next hop that is asked about a recipient when the client resets the connection", async () => {
    const delivery = recordingDelivery();
    const slow = gate();
    delivery.onRecipient = async () => {
      await slow.opened;
      return { kind: "accepted" };
    };
    const edge = await start({ recording: delivery });
    const client = await greeted(edge);
    await client.say("MAIL FROM:<a@client.example>");
    client.write("RCPT TO:<x@a.example>\r\nRCPT TO:<y@a.example>\r\n");
    await expect.poll(() => delivery.transactions.length).toBe(1);
    client.socket.resetAndDestroy();
    await edge.record();
    slow.open();
    // A second recipient would be offered by now.
    await untilIdle();
    expect(delivery.transactions).toMatchObject([{ aborted: true, recipients: [{ localPart: "x" }] }]);
  });
});

describe("a recipient whose client certificate is still being verified", () => {
  const ca = makeCa();

  /** RCPT has been said in TLS, and its chain is with the verifier. */
  async function verifying() {
    const asked = gate();
    const answer = gate();
    const chainVerifier: ClientChainVerifier = {
      available: true,
      async verify() {
        asked.open();
        await answer.opened;
        return { kind: "judged", valid: true, clientAuth: true, serverAuth: false, detail: null };
      },
    };
    const asking = domainRecord({
      name: "a.example",
      mxHosts: ["mx.a.example"],
      clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
      trustStoreIds: [trustStoreId(1)],
    });
    const edge = await start({
      settings: { domains: [asking], trustStores: [trustStoreOf(trustStoreId(1), ca.rootPem)] },
      chainVerifier,
    });
    const client = await greeted(edge);
    const { bundlePem: cert, privateKeyPem: key } = issueClient({ names: ["client.example"], ca });
    const raw = client.socket;
    // Without SNI no trust goes into the handshake.
    await client.startTls({ cert, key, servername: "" });
    await client.say("EHLO client.example");
    await client.say("MAIL FROM:<a@client.example>");
    client.write("RCPT TO:<x@a.example>\r\nRCPT TO:<y@a.example>\r\nDATA\r\n");
    await asked.opened;
    return { edge, client, raw, answer };
  }

  it("is accepted once the certificate is found valid", async () => {
    const { client, edge, answer } = await verifying();
    expect(edge.delivery.transactions).toEqual([]);
    answer.open();
    expect([await client.reply(), await client.reply(), await client.reply()]).toMatchObject([
      expect.stringMatching(/^250 2\.1\.5 /u),
      expect.stringMatching(/^250 2\.1\.5 /u),
      expect.stringMatching(/^354 /u),
    ]);
  });

  it("is dropped when the client resets the connection, and nothing is opened at the next hop", async () => {
    const { edge, raw, answer } = await verifying();
    raw.resetAndDestroy();
    await edge.record();
    answer.open();
    await untilIdle();
    expect(edge.delivery.transactions).toEqual([]);
    expect(edge.seen("internal-error")).toEqual([]);
  });
});

describe("a drain", () => {
  it("says 421 4.3.2 to idle sessions, in TLS and in plaintext, and turns new ones away", async () => {
    const edge = await start();
    const plain = await greeted(edge);
    const secure = await greeted(edge);
    await secure.startTls({ servername: "mx.a.example" });
    await secure.say("EHLO client.example");
    const drained = edge.edge.drain();
    expect(await plain.reply()).toMatch(/^421 4\.3\.2 /);
    expect(await secure.reply()).toMatch(/^421 4\.3\.2 /);
    plain.close();
    secure.close();
    await drained;
    await expect(SmtpClient.connect(edge.port())).rejects.toThrow(/ECONNREFUSED/);
    expect(edge.seen("session-ended").map(({ record }) => record.end)).toEqual(["drained", "drained"]);
  });

  it("lets a transaction in flight finish, its message included, and then says 421", async () => {
    const edge = await start();
    const client = await greeted(edge);
    await client.say("MAIL FROM:<a@client.example>");
    const drained = edge.edge.drain();
    expect(await client.say("RCPT TO:<x@a.example>")).toMatch(/^250 /);
    expect(await client.say("DATA")).toMatch(/^354 /);
    client.write("Subject: last\r\n\r\n.\r\n");
    expect(await client.reply()).toMatch(/^250 /);
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
    await drained;
    expect(edge.delivery.messages).toHaveLength(1);
  });

  it("ends what is left when its time is over", async () => {
    const edge = await start();
    const client = await atData(edge);
    client.write("Subject: never ends\r\n");
    await edge.edge.drain(100);
    expect(await edge.record()).toMatchObject({ end: "drained" });
    expect(edge.delivery.messages).toEqual([]);
  });

  it("ends a handshake that hangs", async () => {
    const edge = await start();
    const client = await greeted(edge);
    await client.say("STARTTLS");
    client.write(Buffer.from([22, 3, 1]));
    await edge.edge.drain(50);
    expect(await client.reply()).toBe("closed");
  });
});

describe("a start", () => {
  it("binds nothing when one of its listeners cannot be bound", async () => {
    const taken = await start();
    const port = taken.port();
    await expect(
      startTestEdge({ settings, listeners: [{ name: "free" }, { name: "taken", port }] }),
    ).rejects.toThrow(/EADDRINUSE/);
  });
});
