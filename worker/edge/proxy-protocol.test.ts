import { describe, expect, it } from "vitest";
import { addressBlock, proxyV2, proxyV2For } from "../../test/support/proxy-headers.ts";
import { parseProxyHeader, type ProxyHeader } from "./proxy-protocol.ts";

const proxied = (address: string, port: number): ProxyHeader => ({ kind: "proxied", address, port });
const tlv = Buffer.from("ea000d0176706365 2d31323334353637 38".replaceAll(" ", ""), "hex");
const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, "latin1");

const GOOD: readonly (readonly [string, Buffer, ProxyHeader])[] = [
  ["v2 TCP4", proxyV2For("192.0.2.7", 4711), proxied("192.0.2.7", 4711)],
  ["v2 TCP4 with TLVs", proxyV2For("192.0.2.7", 4711, tlv), proxied("192.0.2.7", 4711)],
  ["v2 TCP6", proxyV2For("2001:db8::7", 4711), proxied("2001:db8::7", 4711)],
  ["v2 TCP6 with an IPv4-mapped client", proxyV2For("::ffff:c000:207", 1), proxied("192.0.2.7", 1)],
  ["v2 LOCAL", proxyV2({ command: 0, family: 0 }), { kind: "local" }],
  [
    "v2 LOCAL with addresses to ignore",
    proxyV2({ command: 0, payload: addressBlock("192.0.2.7", 1) }),
    { kind: "local" },
  ],
  ["v2 UNSPEC", proxyV2({ family: 0 }), { kind: "unknown" }],
  ["v2 UNSPEC with TLVs", proxyV2({ family: 0, payload: tlv }), { kind: "unknown" }],
  ["v2 of the longest length", proxyV2For("192.0.2.7", 1, Buffer.alloc(4_084)), proxied("192.0.2.7", 1)],
  ["v1 TCP4", line("PROXY TCP4 192.0.2.7 10.0.0.1 4711 25"), proxied("192.0.2.7", 4711)],
  ["v1 TCP6", line("PROXY TCP6 2001:DB8::7 ::1 4711 25"), proxied("2001:db8::7", 4711)],
  ["v1 UNKNOWN", line("PROXY UNKNOWN"), { kind: "unknown" }],
  ["v1 UNKNOWN with text to ignore", line("PROXY UNKNOWN ffff::1 ffff::2 65535 65535"), { kind: "unknown" }],
];

describe("parseProxyHeader", () => {
  it.each(GOOD)("reads %s", (_title, bytes, header) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: "header", length: bytes.length, header });
  });

  it.each(GOOD)(
    "asks for more at every cut of %s, and leaves what follows alone",
    (_title, bytes, header) => {
      for (let at = 0; at < bytes.length; at += 1)
        expect(parseProxyHeader(bytes.subarray(0, at))).toEqual({ kind: "more" });
      const more = Buffer.concat([bytes, Buffer.from("EHLO client.example\r\n")]);
      expect(parseProxyHeader(more)).toEqual({ kind: "header", length: bytes.length, header });
    },
  );

  it.each([
    ["an SMTP command", line("EHLO client.example")],
    ["a ClientHello", Buffer.from([22, 3, 1, 2, 0])],
    ["v2 of version 1", proxyV2({ version: 1 })],
    ["v2 of version 3", proxyV2({ version: 3, payload: addressBlock("192.0.2.7", 1) })],
    ["a v2 command that does not exist", proxyV2({ command: 2, payload: addressBlock("192.0.2.7", 1) })],
    ["v2 UDP", proxyV2({ family: 0x12, payload: addressBlock("192.0.2.7", 1) })],
    ["v2 of a unix socket", proxyV2({ family: 0x31, payload: Buffer.alloc(216) })],
    ["v2 TCP4 that is too short", proxyV2({ payload: addressBlock("192.0.2.7", 1).subarray(0, 11) })],
    [
      "v2 TCP6 that is too short",
      proxyV2({ family: 0x21, payload: addressBlock("2001:db8::7", 1).subarray(0, 35) }),
    ],
    ["v1 with a bare LF before its end", line("PROXY UNKNOWN \nwhat follows")],
    ["v1 without CR", Buffer.from("PROXY TCP4 192.0.2.7 10.0.0.1 4711 25\n")],
    ["v1 with a family that does not exist", line("PROXY UDP4 192.0.2.7 10.0.0.1 4711 25")],
    ["v1 with an IPv6 client as TCP4", line("PROXY TCP4 2001:db8::7 10.0.0.1 4711 25")],
    ["v1 with an octet of 256", line("PROXY TCP4 192.0.2.256 10.0.0.1 4711 25")],
    ["v1 with leading zeros", line("PROXY TCP4 192.0.02.7 10.0.0.1 4711 25")],
    ["v1 with a zone", line("PROXY TCP6 fe80::1%eth0 ::1 4711 25")],
    ["v1 with a port over 65535", line("PROXY TCP4 192.0.2.7 10.0.0.1 65536 25")],
    ["v1 with a signed port", line("PROXY TCP4 192.0.2.7 10.0.0.1 +1 25")],
    ["v1 with two spaces", line("PROXY TCP4  192.0.2.7 10.0.0.1 4711 25")],
    ["v1 with one field more", line("PROXY TCP4 192.0.2.7 10.0.0.1 4711 25 x")],
    ["v1 with one field less", line("PROXY TCP4 192.0.2.7 10.0.0.1 4711")],
    ["v1 in lower case", line("proxy TCP4 192.0.2.7 10.0.0.1 4711 25")],
    ["v1 of 108 octets", line(`PROXY UNKNOWN ${"x".repeat(92)}`)],
  ])("refuses %s", (_title, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: "bad" });
  });

  it("refuses a v2 length over the bound as soon as it is known", () => {
    const bytes = proxyV2({ payload: Buffer.alloc(4_097) });
    expect(parseProxyHeader(bytes.subarray(0, 16))).toEqual({ kind: "bad" });
  });
});
