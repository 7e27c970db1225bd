import { isIP } from "node:net";
import { expect, it } from "vitest";
import { parseProxyHeader, type ProxyHeaderResult } from "../../worker/edge/proxy-protocol.ts";
import { proxyV2, proxyV2For } from "../support/proxy-headers.ts";
import { fuzz, type SeededRandom } from "../support/seeded-random.ts";

/** A header of version 2: 16 octets and at most 4,096 of addresses and TLVs. */
const MAX_HEADER_BYTES = 4_112;

const NAME = "test/fuzz/proxy-protocol.test.ts";

const SEEDS: readonly Buffer[] = [
  proxyV2For("192.0.2.7"),
  proxyV2For("2001:db8::7", 1, Buffer.alloc(40, 3)),
  proxyV2({ command: 0, family: 0 }),
  Buffer.from("PROXY TCP4 192.0.2.7 10.0.0.1 4711 25\r\n"),
  Buffer.from("PROXY TCP6 2001:db8::7 ::1 4711 25\r\n"),
  Buffer.from("PROXY UNKNOWN\r\n"),
];

function mutate(random: SeededRandom): Buffer {
  const bytes = Buffer.concat([random.pick(SEEDS), random.bytes(random.below(20))]);
  for (let count = random.below(4); count > 0; count -= 1) {
    bytes[random.below(bytes.length)] = random.pick([random.below(256), 0x20, 0x0d, 0x0a, 0x30]);
  }
  return bytes.subarray(0, random.below(4) === 0 ? random.below(bytes.length) : bytes.length);
}

/** The answer when the bytes come in pieces: the first that is not `more`. */
function inPieces(random: SeededRandom, bytes: Buffer): ProxyHeaderResult {
  for (let length = 0; length < bytes.length; length += 1 + random.below(8)) {
    const result = parseProxyHeader(bytes.subarray(0, length));
    if (result.kind !== "more") return result;
  }
  return parseProxyHeader(bytes);
}

it("gives the same result in pieces as in one part, with a valid address, within its bound", async () => {
  await fuzz(NAME, 10_000, (random) => {
    const bytes = mutate(random);
    const whole = parseProxyHeader(bytes);
    expect(inPieces(random, bytes)).toEqual(whole);
    const header = whole.kind === "header" ? whole : null;
    expect(header?.length ?? 0).toBeLessThanOrEqual(Math.min(bytes.length, MAX_HEADER_BYTES));
    if (header?.header.kind === "proxied") expect(isIP(header.header.address)).not.toBe(0);
  });
});
