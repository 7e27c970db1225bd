/**
 * A strict reader of DER (ITU-T X.690): definite lengths in their shortest form, one-octet tags, nothing
 * after the end. Certificates come from strangers, and Node shows a SAN only as text in which a comma or NUL
 * can forge a name.
 */

/** The bytes are not DER, or not of the shape asked for. Caught by every reader that others call. */
export class MalformedDer extends Error {
  override readonly name = "MalformedDer";
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[n]` constructed: an EXPLICIT tag, or an IMPLICIT one over a SEQUENCE. */
export const contextTag = (n: number): number => 0xa0 | n;

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
}

/** The element that starts at `at`. @throws MalformedDer */
function readElement(bytes: Uint8Array, at: number): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new MalformedDer("truncated");
  if ((tag & 0x1f) === 0x1f) throw new MalformedDer("tag of more than one octet");
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthOctets;
  const end = start + (lengthOctets === 0 ? first : longLength(bytes.subarray(at + 2, start), lengthOctets));
  if (end > bytes.length) throw new MalformedDer("truncated");
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) };
}

function longLength(octets: Uint8Array, count: number): number {
  // 0x80 alone is BER's indefinite length; 3 octets reach 16 MB, more than anything read here.
  if (count < 1 || count > 3 || octets.length !== count) throw new MalformedDer("length");
  const length = octets.reduce((value, octet) => value * 256 + octet, 0);
  if (length < 0x80 || length < 256 ** (count - 1)) throw new MalformedDer("length not in its shortest form");
  return length;
}

/**
 * The elements one after the other that fill `content`. @throws MalformedDer, at the latest at the bad one.
 */
export function* elementsOf(content: Uint8Array): Generator<DerElement, void, undefined> {
  for (let at = 0; at < content.length; ) {
    const element = readElement(content, at);
    yield element;
    at += element.raw.length;
  }
}

/** The one element that the bytes are, with this tag. @throws MalformedDer */
export function readDer(bytes: Uint8Array, tag: number): DerElement {
  const element = readElement(bytes, 0);
  if (element.raw.length !== bytes.length) throw new MalformedDer("bytes after the end");
  return expectTag(element, tag);
}

/** @throws MalformedDer when the element is absent or of another tag. */
export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag !== tag) throw new MalformedDer(`no element with tag ${String(tag)}`);
  return element;
}

/** Dotted text of an OBJECT IDENTIFIER. @throws MalformedDer */
export function readOid(element: DerElement | undefined): string {
  const octets = expectTag(element, TAG.objectIdentifier).content;
  // 32 octets are more than any known identifier has, and keep every arc a safe integer below.
  if (octets.length === 0 || octets.length > 32) throw new MalformedDer("object identifier");
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of octets) {
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new MalformedDer("object identifier");
    if (octet >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join(".");
}

/** A non-negative INTEGER of at most 6 octets; a larger one comes back as Infinity. @throws MalformedDer */
export function readSmallInteger(element: DerElement | undefined): number {
  const octets = expectTag(element, TAG.integer).content;
  if (octets.length === 0 || (octets[0] ?? 0) >= 0x80) throw new MalformedDer("integer");
  return octets.length > 6 ? Infinity : octets.reduce((value, octet) => value * 256 + octet, 0);
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Epoch milliseconds of a Time in the two forms that RFC 5280 section 4.1.2.5 allows. @throws MalformedDer
 */
export function readTime(element: DerElement | undefined): number {
  const utc = element?.tag === TAG.utcTime;
  const { content } = utc ? element : expectTag(element, TAG.generalizedTime);
  const parts = (utc ? UTC_TIME : GENERALIZED_TIME).exec(Buffer.from(content).toString("latin1"));
  if (parts === null) throw new MalformedDer("time");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number);
  const fullYear = utc ? year + (year < 50 ? 2000 : 1900) : year;
  const date = new Date(0);
  date.setUTCFullYear(fullYear, month - 1, day);
  date.setUTCHours(hour, minute, second);
  if (
    date.getUTCMonth() !== month - 1 ||
    date.getUTCDate() !== day ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  ) {
    throw new MalformedDer("time");
  }
  return date.getTime();
}
