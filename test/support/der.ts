/**
 * A DER writer for tests (ITU-T X.690): certificates no honest library would make, byte for byte.
 * It shares no code with the readers under test.
 */

/** One TLV: the tag octet, a definite length in the shortest form, the contents joined. */
export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOctets(body.length), body]);
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Buffer.from([0x80 | octets.length]), octets]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => tlv(0x30, ...items);
export const set = (...items: readonly Uint8Array[]): Buffer => tlv(0x31, ...items);
export const octetString = (content: Uint8Array): Buffer => tlv(0x04, content);
export const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0x00]));
export const utf8String = (text: string): Buffer => tlv(0x0c, Buffer.from(text, "utf8"));
export const nullValue = (): Buffer => tlv(0x05);
/** Context-specific and constructed: `[n] EXPLICIT`, or `[n] IMPLICIT SEQUENCE` without its own tag. */
export const explicit = (n: number, ...items: readonly Uint8Array[]): Buffer => tlv(0xa0 | n, ...items);
/** Context-specific and primitive: `[n] IMPLICIT` of a string. */
export const implicit = (n: number, content: Uint8Array): Buffer => tlv(0x80 | n, content);

export function integer(value: bigint | number): Buffer {
  const hex = value.toString(16);
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return tlv(0x02, (octets[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), octets]) : octets);
}

/** A BIT STRING; `unused` counts the bits of the last octet that do not belong to it. */
export const bitString = (content: Uint8Array, unused = 0): Buffer =>
  tlv(0x03, Buffer.from([unused]), content);

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const octets = [value & 0x7f];
  for (let left = value >>> 7; left > 0; left >>>= 7) octets.unshift(0x80 | (left & 0x7f));
  return octets;
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  const year = date.getUTCFullYear();
  if (year >= 1950 && year < 2050) return tlv(0x17, Buffer.from(digits.slice(2), "ascii"));
  return tlv(0x18, Buffer.from(digits, "ascii"));
}

/** PEM of a DER object: `CERTIFICATE`, `X509 CRL`. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/**
 * DER as BER with indefinite lengths (X.690 section 8.1.3.6), and OCTET STRINGs in two pieces: what some
 * programs write.
 */
export function indefinite(der: Uint8Array): Buffer {
  const [tag = 0, first = 0] = der;
  const countOctets = first < 0x80 ? 0 : first & 0x7f;
  const start = 2 + countOctets;
  const length = countOctets === 0 ? first : Buffer.from(der.subarray(2, start)).readUIntBE(0, countOctets);
  const content = der.subarray(start, start + length);
  const end = Buffer.from([0, 0]);
  // In PKCS #12 the only primitive [0] is encryptedContent, an OCTET STRING by an implicit tag.
  if ((tag === 0x04 || tag === 0x80) && content.length > 1) {
    const half = content.length >> 1;
    const pieces = [content.subarray(0, half), content.subarray(half)].map((piece) => octetString(piece));
    return Buffer.concat([Buffer.from([tag | 0x20, 0x80]), ...pieces, end]);
  }
  if ((tag & 0x20) === 0) return Buffer.from(der.subarray(0, start + length));
  const items: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const item = content.subarray(at);
    items.push(indefinite(item));
    at += encodedLength(item);
  }
  return Buffer.concat([Buffer.from([tag, 0x80]), ...items, end]);
}

function encodedLength(der: Uint8Array): number {
  const first = der[1] ?? 0;
  if (first < 0x80) return 2 + first;
  const octets = first & 0x7f;
  return 2 + octets + Buffer.from(der.subarray(2, 2 + octets)).readUIntBE(0, octets);
}
