import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { addressBlock, proxyV2, proxyV2For } from "../../test/support/proxy-headers.ts";
import { waitUntil } from "../../test/support/peers/wait-until.ts";
import { type HealthServer, startHealthServer } from "./health-server.ts";
import { readinessOf } from "../telemetry/readiness.ts";
import type { HealthRefusal } from "./take-off-proxy-headers.ts";

const READY = { listeners: 1, revision: 3, staleForMs: 0, draining: false, chainVerifier: true };
const NEVER_MS = 60_000;

let server: HealthServer | null = null;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = null;
});

async function start(proxyHeaderMs = NEVER_MS): Promise<readonly HealthRefusal[]> {
  const refused: HealthRefusal[] = [];
  server = await startHealthServer({
    host: "127.0.0.1",
    port: 0,
    readiness: () => readinessOf(READY),
    metrics: () => "",
    proxyHeaderMs,
    onRefused: (why) => void refused.push(why),
  });
  return refused;
}

/** A connection to the health server, and all that came back on it. */
async function open(): Promise<{ readonly socket: Socket; heard(): string; closed(): Promise<string> }> {
  const socket = connect({ port: server?.port ?? 0, host: "127.0.0.1", noDelay: true });
  sockets.push(socket);
  let heard = "";
  socket.setEncoding("latin1").on("data", (text: string) => (heard += text));
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => void socket.once("close", () => resolve(heard)));
  await once(socket, "connect");
  return { socket, heard: () => heard, closed: () => closed };
}

const request = (path: string, connection = "close"): Buffer =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 10.0.0.9:8081\r\nConnection: ${connection}\r\n\r\n`);

/** One turn of the event loop and its reads, so that the next write is a separate segment. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function answerTo(...segments: readonly Buffer[]): Promise<string> {
  const { socket, closed } = await open();
  for (const segment of segments) {
    socket.write(segment);
    await turn();
    await turn();
  }
  return closed();
}

const LOCAL = proxyV2({ command: 0, family: 0 });
/** As AWS sends it: the identifier of a VPC endpoint, and a checksum. */
const TLVS = Buffer.from(
  `ea001701${Buffer.from("vpce-08d2bf15fac5001c9").toString("hex")}0300041a2b3c4d`,
  "hex",
);

const HEADERS: readonly (readonly [string, Buffer])[] = [
  ["LOCAL", LOCAL],
  ["LOCAL with addresses", proxyV2({ command: 0, payload: addressBlock("10.0.0.5", 1) })],
  ["PROXY for IPv4", proxyV2For("192.0.2.7")],
  ["PROXY for IPv6", proxyV2For("2001:db8::7")],
  ["PROXY with TLVs", proxyV2For("192.0.2.7", 40_000, TLVS)],
  ["PROXY of an unknown family", proxyV2({ family: 0 })],
  ["PROXY of the longest length", proxyV2For("192.0.2.7", 1, Buffer.alloc(4_084))],
  ["version 1", Buffer.from("PROXY TCP4 192.0.2.7 10.0.0.1 4711 8081\r\n")],
];

describe("/ready behind a proxy", () => {
  it.each(HEADERS)(
    "answers 200 after a header (%s) in the same segment and in one before",
    async (_kind, header) => {
      const refused = await start();
      expect(await answerTo(Buffer.concat([header, request("/ready")]))).toMatch(/^HTTP\/1\.1 200 /);
      expect(await answerTo(header, request("/ready"))).toMatch(/^HTTP\/1\.1 200 /);
      expect(refused).toEqual([]);
    },
  );

  it("answers 200 wherever header and request are cut into segments", async () => {
    await start();
    const bytes = Buffer.concat([proxyV2For("192.0.2.7", 40_000, TLVS), request("/ready")]);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect([cut, await answerTo(bytes.subarray(0, cut), bytes.subarray(cut))]).toEqual([
        cut,
        expect.stringMatching(/^HTTP\/1\.1 200 /),
      ]);
    }
  });

  it("answers 200 to header and request that come octet by octet", async () => {
    await start();
    const bytes = Buffer.concat([LOCAL, request("/ready")]);
    expect(await answerTo(...[...bytes].map((octet) => Buffer.of(octet)))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("takes the header of a connection once: requests after it are pipelined and kept alive without one", async () => {
    await start();
    const { socket, heard, closed } = await open();
    socket.write(Buffer.concat([LOCAL, request("/ready", "keep-alive"), request("/live", "keep-alive")]));
    await waitUntil(() => (heard().match(/HTTP\/1\.1 200 /g)?.length === 2 ? true : undefined), {
      what: "two answers",
    });
    socket.write(LOCAL);
    expect(await closed()).toMatch(/(?:HTTP\/1\.1 200 [\s\S]*){2}HTTP\/1\.1 400 /);
  });

  it("answers a peer that ends its side with the request", async () => {
    await start();
    const { socket, closed } = await open();
    socket.end(Buffer.concat([LOCAL, request("/ready")]));
    expect(await closed()).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("/ready without a proxy", () => {
  it("answers as ever, octet by octet too, and after an empty line", async () => {
    const refused = await start();
    expect(await answerTo(request("/ready"))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answerTo(...[...request("/live")].map((octet) => Buffer.of(octet)))).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    // RFC 9112 section 2.2; the signature begins with two of them.
    expect(await answerTo(Buffer.from("\r\n"), request("/ready"))).toMatch(/^HTTP\/1\.1 200 /);
    expect(
      await answerTo(Buffer.from("PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
    ).toMatch(/^HTTP\/1\.1 405 /);
    expect(refused).toEqual([]);
  });

  it("answers 400 to what is neither a header nor HTTP", async () => {
    await start();
    expect(await answerTo(Buffer.from([22, 3, 1, 2, 0]))).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("a connection to the health server", () => {
  it.each([
    ["of another version", proxyV2({ version: 1 })],
    ["of an unknown command", proxyV2({ command: 2 })],
    ["too short for its family", proxyV2({ payload: Buffer.alloc(4) })],
    ["longer than the bound", proxyV2({ payload: Buffer.alloc(4_097) })],
    ["of version 1 without addresses", Buffer.from("PROXY TCP4 \r\n")],
  ])("is closed without an answer after a header %s, with its reason", async (_what, header) => {
    const refused = await start();
    expect(await answerTo(Buffer.concat([header, request("/ready")]))).toBe("");
    expect(refused).toEqual(["proxy-malformed"]);
    expect(await answerTo(request("/ready"))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ["part of a header", LOCAL.subarray(0, 15)],
    ["nothing", Buffer.alloc(0)],
  ])("is closed at its time limit after %s", async (_what, bytes) => {
    const refused = await start(50);
    expect(await answerTo(bytes)).toBe("");
    expect(refused).toEqual(["proxy-timeout"]);
  });

  it("whose peer leaves amid the header is forgotten", async () => {
    const refused = await start();
    const { socket } = await open();
    socket.end(LOCAL.subarray(0, 15));
    await waitUntil(() => (refused.length > 0 ? true : undefined), { what: "its end" });
    expect(refused).toEqual(["proxy-closed"]);
  });

  it("that is reset amid the header, or held by its peer, keeps nothing from ending", async () => {
    const refused = await start();
    const [reset, held] = [await open(), await open()];
    reset.socket.write(LOCAL.subarray(0, 15));
    held.socket.write(LOCAL.subarray(0, 15));
    await turn();
    reset.socket.resetAndDestroy();
    await waitUntil(() => (refused.length > 0 ? true : undefined), { what: "the reset" });
    await server?.close();
    expect(await held.closed()).toBe("");
  });
});
