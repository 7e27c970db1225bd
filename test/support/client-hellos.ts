import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import tls, { type ConnectionOptions } from "node:tls";

/** The first flight of a real TLS client of this Node, byte for byte. */
export async function captureClientHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const received = new Promise<Buffer>((resolve) => {
    server.once("connection", (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (bytes) => {
        socket.destroy();
        resolve(bytes);
      });
    });
  });
  const raw = connect(port, "127.0.0.1");
  const client = tls.connect({ socket: raw, rejectUnauthorized: false, ...options });
  client.on("error", () => undefined);
  try {
    return await received;
  } finally {
    client.destroy();
    server.close();
  }
}

/** Cuts the handshake message in TLS records into records of `size` octets. */
export function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = messageOf(hello);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) records.push(record(message.subarray(at, at + size)));
  return Buffer.concat(records);
}

/** The handshake message in a flight of handshake records. */
export function messageOf(flight: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < flight.length; ) {
    const length = flight.readUInt16BE(at + 3);
    parts.push(flight.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(parts);
}

export const record = (fragment: Buffer): Buffer =>
  Buffer.concat([Buffer.from([22, 3, 1]), u16(fragment.length), fragment]);

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

export interface BuiltHello {
  /** Type and content; absent = no extensions at all. */
  readonly extensions?: readonly (readonly [number, Buffer])[];
  readonly legacyVersion?: number;
  readonly sessionId?: Buffer;
}

/** A ClientHello message in one record, with any extensions. */
export function buildClientHello({
  extensions,
  legacyVersion = 0x0303,
  sessionId = Buffer.alloc(0),
}: BuiltHello): Buffer {
  const body = Buffer.concat([
    u16(legacyVersion),
    Buffer.alloc(32, 7),
    Buffer.from([sessionId.length]),
    sessionId,
    vector16(Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    ...(extensions === undefined
      ? []
      : [
          vector16(
            Buffer.concat(extensions.map(([type, data]) => Buffer.concat([u16(type), vector16(data)]))),
          ),
        ]),
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += 16_384) records.push(record(message.subarray(at, at + 16_384)));
  return Buffer.concat(records);
}

/** Content of server_name with one host_name. */
export function serverNameExtension(name: string, type = 0): readonly [number, Buffer] {
  const entry = Buffer.concat([Buffer.from([type]), vector16(Buffer.from(name, "latin1"))]);
  return [0, vector16(entry)];
}

export function supportedVersions(...versions: readonly number[]): readonly [number, Buffer] {
  return [43, Buffer.concat([Buffer.from([versions.length * 2]), ...versions.map(u16)])];
}
