/** What the edge reads from a ClientHello before OpenSSL sees it. */
export interface ClientHello {
  /** server_name as sent, one character an octet; null = none. Hostile: parse it before use. */
  readonly serverName: string | null;
  /** The newest version offered, as the two octets of the wire: 0x0304 = TLS 1.3. */
  readonly newestVersion: number;
  /** IANA numbers of supported_groups, as sent; empty = none, or a list that only OpenSSL may answer. */
  readonly groups: readonly number[];
}

/** What is no ClientHello. */
export interface BadHello {
  readonly kind: "bad";
  readonly why: "not-tls" | "malformed";
  /**
   * Description of the fatal alert that answers it (RFC 8446 section 6); null = the client sent an alert
   * itself.
   */
  readonly alert: number | null;
}

export type ClientHelloResult =
  | { readonly kind: "more" }
  | BadHello
  | { readonly kind: "hello"; readonly hello: ClientHello };

/** Octets on the wire, record headers included, after which no complete hello is waited for. */
export const MAX_CLIENT_HELLO_BYTES = 64 * 1024;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAX_RECORD_BYTES = 16_384;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_SUPPORTED_GROUPS = 10;
const EXTENSION_SUPPORTED_VERSIONS = 43;
/** No client offers as many; IANA knows fewer than 100. */
const MAX_GROUPS = 200;

const ALERT_RECORD = 21;
/** RFC 8446 section 6.2, each for what OpenSSL answers with it. */
const UNEXPECTED_MESSAGE = 10;
const RECORD_OVERFLOW = 22;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;
const PROTOCOL_VERSION = 70;

const MORE: ClientHelloResult = { kind: "more" };
const notTls = (alert: number | null): BadHello => ({ kind: "bad", why: "not-tls", alert });
const malformed = (alert: number): BadHello => ({ kind: "bad", why: "malformed", alert });

/**
 * Reads one ClientHello (RFC 8446 section 4.1.2) from a byte stream in any number of pieces. It may span
 * records and segments: a post-quantum key share alone crosses one MSS. Each octet is looked at once,
 * whatever the pieces.
 */
export class ClientHelloParser {
  readonly #header = Buffer.alloc(RECORD_HEADER_BYTES);
  #headerBytes = 0;
  #recordLeft = 0;
  readonly #parts: Buffer[] = [];
  #messageBytes = 0;
  /** Length of the message with its header; null = not known yet. */
  #expected: number | null = null;
  #total = 0;

  /** Takes the next piece. After anything but `more` the parser is done. */
  push(chunk: Buffer): ClientHelloResult {
    let at = 0;
    while (at < chunk.length) {
      if (this.#recordLeft === 0) {
        const verdict = this.#pushHeaderOctet(chunk[at] ?? 0);
        if (verdict !== null) return verdict;
        at += 1;
        this.#total += 1;
        continue;
      }
      const part = chunk.subarray(at, at + this.#recordLeft);
      at += part.length;
      this.#recordLeft -= part.length;
      this.#total += part.length;
      const result = this.#pushFragment(part);
      if (result !== MORE) return result;
    }
    return this.#total >= MAX_CLIENT_HELLO_BYTES ? malformed(ILLEGAL_PARAMETER) : MORE;
  }

  /**
   * Judges each octet of a record header as it comes, so that a client which waits for an answer is not
   * waited for.
   */
  #pushHeaderOctet(octet: number): ClientHelloResult | null {
    const place = this.#headerBytes;
    if (place === 0 && octet !== HANDSHAKE_RECORD)
      return notTls(octet === ALERT_RECORD ? null : UNEXPECTED_MESSAGE);
    if (place === 1 && octet !== 3) return notTls(PROTOCOL_VERSION);
    this.#header[place] = octet;
    this.#headerBytes += 1;
    if (this.#headerBytes < RECORD_HEADER_BYTES) return null;
    this.#headerBytes = 0;
    this.#recordLeft = this.#header.readUInt16BE(3);
    // RFC 8446 section 5.1: handshake fragments of length 0 are not allowed.
    if (this.#recordLeft === 0) return malformed(UNEXPECTED_MESSAGE);
    return this.#recordLeft > MAX_RECORD_BYTES ? malformed(RECORD_OVERFLOW) : null;
  }

  #pushFragment(part: Buffer): ClientHelloResult {
    this.#parts.push(part);
    this.#messageBytes += part.length;
    if (this.#expected === null) {
      if (this.#messageBytes < MESSAGE_HEADER_BYTES) return MORE;
      const head = this.#take();
      if (head[0] !== CLIENT_HELLO) return notTls(UNEXPECTED_MESSAGE);
      this.#expected = MESSAGE_HEADER_BYTES + head.readUIntBE(1, 3);
      if (this.#expected > MAX_CLIENT_HELLO_BYTES) return malformed(ILLEGAL_PARAMETER);
    }
    if (this.#messageBytes < this.#expected) return MORE;
    const hello = parseBody(this.#take().subarray(MESSAGE_HEADER_BYTES, this.#expected));
    return typeof hello === "number" ? malformed(hello) : { kind: "hello", hello };
  }

  #take(): Buffer {
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(this.#parts);
    this.#parts.splice(0, this.#parts.length, whole);
    return whole;
  }
}

/** A window on bytes that reads nothing beyond its end: every read answers null there, and stays there. */
class Window {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get empty(): boolean {
    return this.#at === this.#bytes.length;
  }
  number(octets: 1 | 2): number | null {
    const bytes = this.bytes(octets);
    return bytes === null ? null : bytes.readUIntBE(0, octets);
  }
  bytes(count: number): Buffer | null {
    if (this.#bytes.length - this.#at < count) return null;
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  /** A vector with its length before it (RFC 8446 section 3.4). */
  vector(lengthOctets: 1 | 2): Buffer | null {
    const length = this.number(lengthOctets);
    return length === null ? null : this.bytes(length);
  }
}

/** The hello, or the alert that answers it. */
function parseBody(body: Buffer): ClientHello | number {
  const window = new Window(body);
  const legacyVersion = window.number(2);
  const random = window.bytes(32);
  const sessionId = window.vector(1);
  const cipherSuites = window.vector(2);
  const compression = window.vector(1);
  if (legacyVersion === null || random === null || sessionId === null || cipherSuites === null)
    return DECODE_ERROR;
  if (compression === null || sessionId.length > 32) return DECODE_ERROR;
  if (cipherSuites.length === 0) return ILLEGAL_PARAMETER;
  if (window.empty) return { serverName: null, newestVersion: legacyVersion, groups: [] };
  const extensions = window.vector(2);
  if (extensions === null || !window.empty) return DECODE_ERROR;
  return parseExtensions(extensions, legacyVersion);
}

function parseExtensions(bytes: Buffer, legacyVersion: number): ClientHello | number {
  const window = new Window(bytes);
  const seen = new Set<number>();
  let serverName: string | null = null;
  let newestVersion = legacyVersion;
  let groups: readonly number[] = [];
  while (!window.empty) {
    const type = window.number(2);
    const data = window.vector(2);
    // A second server_name could make us choose by one and OpenSSL by the other.
    if (type === null || data === null) return DECODE_ERROR;
    if (seen.has(type)) return ILLEGAL_PARAMETER;
    seen.add(type);
    if (type === EXTENSION_SERVER_NAME) {
      serverName = parseServerName(data);
      if (serverName === null) return DECODE_ERROR;
    }
    if (type === EXTENSION_SUPPORTED_GROUPS) groups = parseGroups(data);
    if (type === EXTENSION_SUPPORTED_VERSIONS) {
      const newest = parseSupportedVersions(data);
      if (newest === null) return DECODE_ERROR;
      newestVersion = newest;
    }
  }
  return { serverName, newestVersion, groups };
}

/**
 * RFC 6066 section 3, and like OpenSSL exactly one host_name. An empty one is taken, as OpenSSL takes it: it
 * names no host.
 */
function parseServerName(data: Buffer): string | null {
  const window = new Window(data);
  const list = window.vector(2);
  if (list === null || !window.empty) return null;
  const entry = new Window(list);
  const type = entry.number(1);
  const name = entry.vector(2);
  if (type !== 0 || name === null || !entry.empty) return null;
  return name.toString("latin1");
}

function parseSupportedVersions(data: Buffer): number | null {
  const window = new Window(data);
  const list = window.vector(1);
  if (list === null || !window.empty || list.length === 0 || list.length % 2 !== 0) return null;
  let newest = 0;
  for (let at = 0; at < list.length; at += 2) {
    const version = list.readUInt16BE(at);
    if (!isGrease(version)) newest = Math.max(newest, version);
  }
  return newest;
}

/** RFC 8422 section 5.1.1. What is wrong with a list is for OpenSSL to answer. */
function parseGroups(data: Buffer): readonly number[] {
  const list = new Window(data).vector(2);
  if (list === null || list.length % 2 !== 0) return [];
  const count = Math.min(list.length / 2, MAX_GROUPS);
  return Array.from({ length: count }, (_, at) => list.readUInt16BE(2 * at));
}

/** RFC 8701: 0x0a0a, 0x1a1a, … are sent to be ignored. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

const VERSION_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0300, "SSLv3"],
  [0x0301, "TLSv1"],
  [0x0302, "TLSv1.1"],
  [0x0303, "TLSv1.2"],
  [0x0304, "TLSv1.3"],
]);

/** As OpenSSL writes it; null for a number that is no version: it goes into labels of metrics. */
export const versionName = (version: number): string | null => VERSION_NAMES.get(version) ?? null;
