import { isIPv6 } from "node:net";

export interface ProxyV2 {
  /** 0 = LOCAL, 1 = PROXY. */
  readonly command?: number;
  readonly version?: number;
  /** Address family and transport as one octet: 0x11 TCP4, 0x21 TCP6, 0x00 UNSPEC. */
  readonly family?: number;
  readonly payload?: Buffer;
}

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** A PROXY v2 header with any fields. */
export function proxyV2({
  command = 1,
  version = 2,
  family = 0x11,
  payload = Buffer.alloc(0),
}: ProxyV2): Buffer {
  const length = Buffer.from([payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([SIGNATURE, Buffer.from([(version << 4) | command, family]), length, payload]);
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

/** The address block for a source and a made-up destination, both families. */
export function addressBlock(source: string, port: number): Buffer {
  if (!isIPv6(source)) {
    const octets = Buffer.from(source.split(".").map(Number));
    return Buffer.concat([octets, Buffer.from([10, 0, 0, 1]), u16(port), u16(25)]);
  }
  const [head = "", tail = ""] = source.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  const address = Buffer.concat([...before, ...zeros, ...after].map(u16));
  return Buffer.concat([address, Buffer.alloc(16, 1), u16(port), u16(25)]);
}

/** What a load balancer sends for a client. */
export function proxyV2For(source: string, port = 40_000, tlvs: Buffer = Buffer.alloc(0)): Buffer {
  const payload = Buffer.concat([addressBlock(source, port), tlvs]);
  return proxyV2({ family: isIPv6(source) ? 0x21 : 0x11, payload });
}
