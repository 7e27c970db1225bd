/** The PROXY header in front of a connection: read from a socket, and parsed. */
import { isIPv4, isIPv6, type Socket } from "node:net";
import { canonicalAddress } from "../../core/name/client-address.ts";

/** The client by a PROXY header (HAProxy's "The PROXY protocol", versions 1 and 2). */
export type ProxyHeader =
  /** The client behind the proxy. */
  | { readonly kind: "proxied"; readonly address: string; readonly port: number }
  /** Version 2 LOCAL: the proxy speaks for itself, a health check. */
  | { readonly kind: "local" }
  /** The proxy does not know the client (v1 UNKNOWN, v2 UNSPEC): the socket's own address stands. */
  | { readonly kind: "unknown" };

export type ProxyHeaderResult =
  | { readonly kind: "more" }
  | { readonly kind: "bad" }
  /** `length` octets of header; what follows belongs to the client. */
  | { readonly kind: "header"; readonly length: number; readonly header: ProxyHeader };

const MORE: ProxyHeaderResult = { kind: "more" };
const BAD: ProxyHeaderResult = { kind: "bad" };

const SIGNATURE_V2 = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const SIGNATURE_V1 = Buffer.from("PROXY ", "latin1");
const FIXED_V2_BYTES = 16;
/** Section 2.1: a v1 line is at most 107 octets, CRLF included. */
const MAX_V1_BYTES = 107;
/** Addresses and TLVs of v2; a network load balancer sends under 100. */
const MAX_V2_PAYLOAD_BYTES = 4_096;

const COMMAND_LOCAL = 0x20;
const COMMAND_PROXY = 0x21;
const FAMILY_UNSPEC = 0x00;
const FAMILY_TCP4 = 0x11;
const FAMILY_TCP6 = 0x21;

/** Reads the header at the start of a stream. Pure: call again with more bytes after `more`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (startsLike(bytes, SIGNATURE_V2)) return bytes.length < FIXED_V2_BYTES ? MORE : parseV2(bytes);
  if (startsLike(bytes, SIGNATURE_V1)) return parseV1(bytes);
  return BAD;
}

/**
 * Whether a stream that begins with these bytes can begin with a header; false for every HTTP request as soon
 * as it differs. What may is for `parseProxyHeader` to judge.
 */
const mayBeProxyHeader = (bytes: Buffer): boolean =>
  startsLike(bytes, SIGNATURE_V2) || startsLike(bytes, SIGNATURE_V1);

/** Whether the bytes are a prefix of the signature or begin with all of it. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

function parseV2(bytes: Buffer): ProxyHeaderResult {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const payloadBytes = bytes.readUInt16BE(14);
  if (payloadBytes > MAX_V2_PAYLOAD_BYTES) return BAD;
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) return BAD;
  const length = FIXED_V2_BYTES + payloadBytes;
  if (bytes.length < length) return MORE;
  if (command === COMMAND_LOCAL) return { kind: "header", length, header: { kind: "local" } };
  const header = addressV2(family, bytes.subarray(FIXED_V2_BYTES, length));
  return header === null ? BAD : { kind: "header", length, header };
}

/** Source address and port before the TLVs, which are skipped. */
function addressV2(family: number, payload: Buffer): ProxyHeader | null {
  switch (family) {
    case FAMILY_UNSPEC:
      return { kind: "unknown" };
    case FAMILY_TCP4:
      if (payload.length < 12) return null;
      return proxied(payload.subarray(0, 4).join("."), payload.readUInt16BE(8));
    case FAMILY_TCP6:
      if (payload.length < 36) return null;
      return proxied(textOfIPv6(payload.subarray(0, 16)), payload.readUInt16BE(32));
    default:
      return null;
  }
}

const textOfIPv6 = (octets: Buffer): string => octets.toString("hex").replace(/(.{4})(?!$)/g, "$1:");

function parseV1(bytes: Buffer): ProxyHeaderResult {
  // The first LF ends it one way or the other, so that the answer does not depend on where the bytes were
  // split.
  const lf = bytes.subarray(0, MAX_V1_BYTES).indexOf("\n");
  if (lf === -1) return bytes.length >= MAX_V1_BYTES ? BAD : MORE;
  const end = lf - 1;
  if (bytes[end] !== 0x0d) return BAD;
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = "", ...rest] = bytes
    .toString("latin1", 0, end)
    .split(" ");
  const length = end + 2;
  // Section 2.1: what follows UNKNOWN up to CRLF is ignored.
  if (family === "UNKNOWN") return { kind: "header", length, header: { kind: "unknown" } };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : null;
  if (isAddress === null || !isAddress(source) || !isAddress(destination) || rest.length > 0) return BAD;
  if (!isPort(sourcePort) || !isPort(destinationPort)) return BAD;
  const header = proxied(source, Number(sourcePort));
  return header === null ? BAD : { kind: "header", length, header };
}

const isPort = (text: string): boolean => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

function proxied(text: string, port: number): ProxyHeader | null {
  const address = text.includes("%") ? null : canonicalAddress(text);
  return address === null ? null : { kind: "proxied", address, port };
}

export type ProxyHeaderOutcome =
  | { readonly kind: "header"; readonly header: ProxyHeader }
  /** The stream begins with something else, all of which is unread again. */
  | { readonly kind: "absent" }
  | { readonly kind: "bad" }
  | { readonly kind: "timeout" }
  | { readonly kind: "closed" };

/**
 * Takes the PROXY header off a new socket and leaves everything after it unread. `done` is called once.
 *
 * @param deadlineMs Absolute, from this call.
 */
export function readProxyHeader(
  socket: Socket,
  deadlineMs: number,
  done: (outcome: ProxyHeaderOutcome) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => finish({ kind: "timeout" }), deadlineMs);
  const onClosed = (): void => finish({ kind: "closed" });

  function finish(outcome: ProxyHeaderOutcome): void {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    for (const event of ["end", "close", "error"]) socket.off(event, onClosed);
    done(outcome);
  }

  function onReadable(): void {
    for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      if (!mayBeProxyHeader(bytes)) {
        socket.unshift(bytes);
        return finish({ kind: "absent" });
      }
      const result = parseProxyHeader(bytes);
      if (result.kind === "bad") return finish(result);
      if (result.kind === "more") continue;
      if (bytes.length > result.length) socket.unshift(bytes.subarray(result.length));
      return finish(result);
    }
  }

  for (const event of ["end", "close", "error"]) socket.once(event, onClosed);
  socket.on("readable", onReadable);
}
