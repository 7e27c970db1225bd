import { describe, expect, it } from "vitest";
import {
  buildClientHello,
  captureClientHello,
  inRecordsOf,
  messageOf,
  record,
  serverNameExtension,
  supportedVersions,
} from "../../test/support/client-hellos.ts";
import {
  type ClientHelloResult,
  ClientHelloParser,
  MAX_CLIENT_HELLO_BYTES,
  versionName,
} from "./client-hello.ts";

function parse(...chunks: readonly Buffer[]): ClientHelloResult {
  const parser = new ClientHelloParser();
  let result: ClientHelloResult = { kind: "more" };
  for (const chunk of chunks) {
    result = parser.push(chunk);
    if (result.kind !== "more") return result;
  }
  return result;
}

const hello = (
  serverName: string | null,
  newestVersion: number,
  groups: unknown = expect.any(Array),
): unknown => ({ kind: "hello", hello: { serverName, newestVersion, groups } });

const octets = (bytes: Buffer): readonly Buffer[] => Array.from(bytes, (octet) => Buffer.from([octet]));

const real = await captureClientHello({ servername: "mx.example.com" });
const realTls12 = await captureClientHello({ servername: "mx.example.com", maxVersion: "TLSv1.2" });
const withoutName = await captureClientHello({});

describe("ClientHelloParser on hellos of a real client", () => {
  it.each([
    ["TLS 1.3", real, hello("mx.example.com", 0x0304)],
    ["TLS 1.2", realTls12, hello("mx.example.com", 0x0303)],
    ["no server name", withoutName, hello(null, 0x0304)],
  ])("reads %s", (_title, bytes, expected) => {
    expect(parse(bytes)).toEqual(expected);
  });

  it("reads every split into two segments", () => {
    for (let at = 1; at < real.length; at += 1) {
      expect(parse(real.subarray(0, at))).toEqual({ kind: "more" });
      expect(parse(real.subarray(0, at), real.subarray(at))).toEqual(hello("mx.example.com", 0x0304));
    }
  });

  it("reads one octet at a time", () => {
    expect(parse(...octets(real))).toEqual(hello("mx.example.com", 0x0304));
  });

  it.each([1, 2, 3, 4, 5, 100, 1000])(
    "reads records of %i octets, in one segment or octet by octet",
    (size) => {
      const cut = inRecordsOf(size, real);
      expect(parse(cut)).toEqual(hello("mx.example.com", 0x0304));
      expect(parse(...octets(cut))).toEqual(hello("mx.example.com", 0x0304));
    },
  );

  it("ignores what follows the hello in its segment", () => {
    expect(parse(Buffer.concat([real, Buffer.from("EHLO x\r\n")]))).toEqual(hello("mx.example.com", 0x0304));
  });
});

describe("ClientHelloParser on built hellos", () => {
  it("reads a hello without extensions, as old clients send it", () => {
    expect(parse(buildClientHello({ legacyVersion: 0x0301 }))).toEqual(hello(null, 0x0301));
  });

  it.each([
    ["as sent, GREASE too", Buffer.from([0, 6, 0xfa, 0xfa, 0, 26, 0, 29]), [0xfafa, 26, 29]],
    ["none of an empty list", Buffer.from([0, 0]), []],
    ["none of a list that is cut", Buffer.from([0, 9, 0, 26]), []],
    ["none of an odd number of octets", Buffer.from([0, 3, 0, 26, 0]), []],
    ["no more than 200", Buffer.concat([Buffer.from([0x10, 0]), Buffer.alloc(0x1000)]), Array(200).fill(0)],
  ])("reads supported_groups, %s", (_title, data, groups) =>
    expect(parse(buildClientHello({ extensions: [[10, data]] }))).toEqual(hello(null, 0x0303, groups)),
  );

  it("takes the newest version and passes over GREASE", () => {
    const bytes = buildClientHello({ extensions: [supportedVersions(0xfafa, 0x0303, 0x0304, 0x0301)] });
    expect(parse(bytes)).toEqual(hello(null, 0x0304));
  });

  it("hands a hostile name on octet by octet", () => {
    const bytes = buildClientHello({ extensions: [serverNameExtension("a\0b\r\n\xff")] });
    expect(parse(bytes)).toEqual(hello("a\0b\r\n\xff", 0x0303));
  });

  it("reads a hello of nearly 64 KB over several records", () => {
    const padding: readonly [number, Buffer] = [21, Buffer.alloc(65_000)];
    const bytes = buildClientHello({ extensions: [padding, serverNameExtension("mx.example.com")] });
    expect(bytes.length).toBeLessThan(MAX_CLIENT_HELLO_BYTES);
    expect(parse(bytes)).toEqual(hello("mx.example.com", 0x0303));
  });

  it("takes an empty name, which names no host", () => {
    const emptyName: readonly [number, Buffer] = [0, Buffer.from([0, 3, 0, 0, 0])];
    expect(parse(buildClientHello({ extensions: [emptyName] }))).toEqual(hello("", 0x0303));
  });

  const longer = Buffer.concat([Buffer.from([1, 1, 0, 0]), Buffer.alloc(100)]);
  const twoNames: readonly [number, Buffer] = [0, Buffer.from([0, 8, 0, 0, 1, 97, 0, 0, 1, 98])];
  it.each([
    ["a message over 64 KB", 47, record(longer)],
    ["a record of length 0", 10, Buffer.from([22, 3, 1, 0, 0])],
    ["a record over 16 KB", 22, Buffer.from([22, 3, 1, 0x40, 1])],
    [
      "the same extension twice",
      47,
      buildClientHello({ extensions: [serverNameExtension("a"), serverNameExtension("b")] }),
    ],
    ["two names", 50, buildClientHello({ extensions: [twoNames] })],
    ["a name of another type", 50, buildClientHello({ extensions: [serverNameExtension("a", 1)] })],
    [
      "an empty server_name, which only servers send",
      50,
      buildClientHello({ extensions: [[0, Buffer.alloc(0)]] }),
    ],
    ["an odd list of versions", 50, buildClientHello({ extensions: [[43, Buffer.from([3, 3, 4, 3])]] })],
    ["a session id over 32 octets", 50, buildClientHello({ sessionId: Buffer.alloc(33), extensions: [] })],
    [
      "no cipher suites",
      47,
      record(
        Buffer.concat([Buffer.from([1, 0, 0, 39, 3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 0, 1, 0])]),
      ),
    ],
    ["a body that ends early", 50, record(Buffer.from([1, 0, 0, 3, 3, 3, 0]))],
  ])("refuses %s, with alert %i", (_title, alert, bytes) => {
    expect(parse(bytes)).toEqual({ kind: "bad", why: "malformed", alert });
  });

  it.each([
    ["an SMTP command", 10, Buffer.from("EHLO example.com\r\n")],
    ["an alert", null, Buffer.from([21, 3, 1, 0, 2, 2, 40])],
    ["an SSLv2 hello", 10, Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ["another handshake message", 10, record(Buffer.from([2, 0, 0, 1, 0]))],
    ["a record of another major version", 70, Buffer.from([22, 2, 0])],
  ])("says at once that %s is not TLS, with alert %s", (_title, alert, bytes) => {
    expect(parse(bytes)).toEqual({ kind: "bad", why: "not-tls", alert });
  });

  it("refuses a length inside the hello that points beyond its end, wherever it stands", () => {
    const message = messageOf(buildClientHello({ extensions: [serverNameExtension("mx.example.com")] }));
    const outcomes = Array.from(message.subarray(6), (octet, index) => {
      const broken = Buffer.from(message);
      broken[index + 6] = octet ^ 0xff;
      return parse(record(broken)).kind;
    });
    expect(new Set(outcomes)).toEqual(new Set(["bad", "hello"]));
  });

  it("stops at 64 KB of records that never complete a hello", () => {
    const parser = new ClientHelloParser();
    let fed = 0;
    let result: ClientHelloResult = parser.push(record(Buffer.from([1, 0, 0xff, 0xf0])));
    while (result.kind === "more") {
      fed += 6;
      result = parser.push(record(Buffer.from([0])));
    }
    expect(result).toEqual({ kind: "bad", why: "malformed", alert: 47 });
    expect(fed).toBeLessThanOrEqual(MAX_CLIENT_HELLO_BYTES);
  });
});

describe("versionName", () => {
  it.each([
    [0x0304, "TLSv1.3"],
    [0x0301, "TLSv1"],
    [0x7777, null],
  ])("names %i as %s", (version, name) => expect(versionName(version)).toBe(name));
});
