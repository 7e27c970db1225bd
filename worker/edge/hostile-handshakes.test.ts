import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { captureClientHello, inRecordsOf, messageOf, record } from "../../test/support/client-hellos.ts";
import { CAS, presenting } from "../../test/support/client-kinds.ts";
import { domainRecord, trustStoreId } from "../../test/support/records.ts";
import { SmtpClient } from "../../test/support/smtp-client.ts";
import { startTestEdge, type TestEdge, trustStoreOf } from "../../test/support/test-edge.ts";

const hello = await captureClientHello({ servername: "mx.a.example" });
const hello12 = await captureClientHello({ servername: "mx.a.example", maxVersion: "TLSv1.2" });
const alert = Buffer.from([21, 3, 3, 0, 2, 2, 40]);
const noise = Buffer.alloc(200, 0xa5);

/** What a client sends after `220` instead of a handshake of good manners. */
const SHAPES: readonly (readonly [string, readonly Buffer[]])[] = [
  ["nothing", []],
  ["text", [Buffer.from("EHLO client.example\r\n")]],
  ["an alert at once", [alert]],
  ["half a hello", [hello.subarray(0, 100)]],
  ["a hello and nothing", [hello]],
  ["a hello and noise", [hello, noise]],
  ["a hello and an alert", [hello, alert]],
  ["a hello and text", [hello, Buffer.from("MAIL FROM:<a@b.example>\r\n")]],
  ["a hello twice", [hello, hello]],
  ["a TLS 1.2 hello and noise", [hello12, noise]],
  ["a TLS 1.2 hello and an alert", [hello12, alert]],
  ["a TLS 1.2 hello and a broken record", [hello12, Buffer.from([22, 3, 3, 0x40, 0xff])]],
  ["a hello of one-octet records and an alert", [inRecordsOf(1, hello), alert]],
  ["a hello with a broken body", [record(messageOf(hello).fill(0xff, 60, 90))]],
  ["another handshake message", [record(Buffer.from([16, 0, 0, 1, 0]))]],
];

/** For what happens after an event of the other side, however busy the machine is. */
const PATIENCE = { timeout: 60_000, interval: 5 };

async function afterStarttls(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  await client.reply();
  await client.say("EHLO client.example");
  expect(await client.say("STARTTLS")).toMatch(/^220 /);
  return client;
}

describe("an edge whose clients misbehave in the handshake", () => {
  let edge: TestEdge;
  /** Ends handshakes of clients that wait. A good handshake on a busy machine may take longer. */
  let impatient: TestEdge;

  beforeAll(async () => {
    const domain = domainRecord({
      name: "a.example",
      mxHosts: ["mx.a.example"],
      server: { level: "require" },
      clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
      trustStoreIds: [trustStoreId(1)],
    });
    const settings = {
      domains: [domain],
      trustStores: [trustStoreOf(trustStoreId(1), CAS.partner.rootPem)],
    };
    edge = await startTestEdge({ settings });
    impatient = await startTestEdge({ settings, limits: { clientHelloMs: 150, handshakeMs: 250 } });
  });

  afterAll(() => Promise.all([edge.stop(), impatient.stop()]));

  const endings = ["leaves in good order", "resets the connection", "waits"] as const;
  const cases = SHAPES.flatMap(([shape, pieces]) => endings.map((ending) => ({ shape, pieces, ending })));

  it.each(cases)("lives on after $shape from a client that $ending", async ({ pieces, ending }) => {
    const tried = ending === "waits" ? impatient : edge;
    // Counted before STARTTLS: its deadline runs while this client may be waiting for a turn to read the 220.
    const before = tried.seen("handshake-failed").length;
    const client = await afterStarttls(tried.port());
    for (const piece of pieces) client.write(piece);
    if (ending === "leaves in good order") client.socket.end();
    if (ending === "resets the connection") client.socket.resetAndDestroy();
    await vi.waitFor(() => expect(tried.seen("handshake-failed")).toHaveLength(before + 1), PATIENCE);
    client.close();
    expect(tried.seen("internal-error")).toEqual([]);
  });

  it("lives on when the connection breaks at any point of either side's handshake", async () => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      for (let cut = 1; cut < 3_000; cut += 307) {
        const client = await afterStarttls(edge.port());
        breakAfter(client, cut);
        const tried = client.handshake({ servername: "mx.a.example", maxVersion, ...presenting("good") });
        await tried.catch(() => undefined);
        client.close();
      }
    }
    await expectServed(edge);
  });

  it.each([
    ["noise", noise],
    ["a plaintext alert", alert],
    ["a broken record", Buffer.from([23, 3, 3, 0, 30, ...noise.subarray(0, 30)])],
    ["a record that is too long", Buffer.from([23, 3, 3, 0xff, 0xff])],
    ["a second hello", hello12],
  ])("lives on, and ends the session, when %s follows a good handshake", async (_title, bytes) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const client = await afterStarttls(edge.port());
      const raw = client.socket;
      const port = client.localPort;
      await client.handshake({ servername: "mx.a.example", maxVersion });
      await client.say("EHLO client.example");
      raw.write(bytes);
      expect(await endOf(client)).toBe("closed");
      // Sessions of other tests may still be ending.
      const its = (): number =>
        edge.seen("session-ended").filter((ended) => ended.record.clientPort === port).length;
      await vi.waitFor(() => expect(its()).toBe(1), PATIENCE);
    }
  });

  /** Alert records of level fatal, as RFC 8446 section 6 describes them. */
  const fatal = (description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, 2, description]);
  it.each([
    ["text", Buffer.from("EHLO client.example\r\n"), fatal(10)],
    ["another handshake message", record(Buffer.from([16, 0, 0, 1, 0])), fatal(10)],
    ["a record that is too long", Buffer.from([22, 3, 1, 0xff, 0xff]), fatal(22)],
    ["a hello that is cut", record(Buffer.from([1, 0, 0, 3, 3, 3, 0])), fatal(50)],
    [
      "a hello that is cut, and more",
      Buffer.concat([record(Buffer.from([1, 0, 0, 3, 3, 3, 0])), noise]),
      fatal(50),
    ],
    ["an alert", alert, Buffer.alloc(0)],
  ])("reads a fatal alert, and then the end, after %s", async (_title, bytes, expected) => {
    const client = await afterStarttls(edge.port());
    const { socket } = client;
    const heard: Buffer[] = [];
    let broken = false;
    socket.on("error", () => (broken = true));
    socket.on("data", (chunk: Buffer) => void heard.push(chunk));
    client.write(bytes);
    await once(socket, "end");
    expect(Buffer.concat(heard)).toEqual(expected);
    expect(broken).toBe(false);
    client.close();
  });

  it.each([
    ["SHA-1", "ECDSA+SHA1:RSA+SHA1", "refused"],
    ["SHA-224", "ECDSA+SHA224:RSA+SHA224", "refused"],
    ["SHA-256", "ECDSA+SHA256:RSA+SHA256", "served"],
    ["SHA-512", "ECDSA+SHA512", "served"],
  ])(
    "signs no key exchange with SHA-1 or SHA-224: a client of %s alone",
    async (_title, sigalgs, expected) => {
      const client = await afterStarttls(edge.port());
      const ciphers = "DEFAULT:@SECLEVEL=0";
      const tried = client.handshake({ servername: "mx.a.example", maxVersion: "TLSv1.2", sigalgs, ciphers });
      const outcome = await tried.then(
        () => "served",
        () => "refused",
      );
      client.close();
      expect(outcome).toBe(expected);
    },
  );

  it("still serves", async () => {
    await expectServed(edge);
    expect([...edge.seen("internal-error"), ...impatient.seen("internal-error")]).toEqual([]);
  });
});

/** Resets the connection instead of writing beyond so many octets. */
function breakAfter({ socket }: SmtpClient, octets: number): void {
  const write = socket.write.bind(socket);
  let sent = 0;
  const cutting = (chunk: Uint8Array, ...rest: never[]): boolean => {
    sent += chunk.length;
    if (sent <= octets) return write(chunk, ...rest);
    socket.resetAndDestroy();
    return false;
  };
  Object.assign(socket, { write: cutting });
}

async function endOf(client: SmtpClient): Promise<string> {
  try {
    return await client.reply();
  } finally {
    client.close();
  }
}

async function expectServed(edge: TestEdge): Promise<void> {
  const client = await afterStarttls(edge.port());
  const secure = await client.handshake({ servername: "mx.a.example", ...presenting("good") });
  expect(await client.say("EHLO client.example")).toMatch(/^250-/);
  await client.say("MAIL FROM:<a@client.example>");
  expect(await client.say("RCPT TO:<x@a.example>")).toMatch(/^250 /);
  secure.end();
  await once(secure, "close");
}
