import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const HEADER_BYTES = 5;
const isTls = (octets: Buffer): boolean => octets[1] === 3 && [20, 21, 22, 23].includes(octets[0] ?? 0);

/**
 * A relay to `port` that passes on what the client sends one TLS record at a time, each when the one before
 * was read.
 */
export async function startRecordRelay(port: number): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const edge = connect({ port, host: "127.0.0.1", noDelay: true });
    for (const socket of [client, edge]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    edge.on("close", () => client.destroy());
    client.on("close", () => edge.destroy());
    edge.pipe(client);
    let sent = Promise.resolve();
    let waiting = Buffer.alloc(0);
    client.on("data", (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      for (let piece = next(); piece !== null; piece = next()) {
        const octets = piece;
        sent = sent.then(() => passOn(edge, octets));
      }
    });
    const next = (): Buffer | null => {
      if (waiting.length === 0) return null;
      const whole = !isTls(waiting)
        ? waiting.length
        : waiting.length < HEADER_BYTES
          ? Infinity
          : HEADER_BYTES + waiting.readUInt16BE(3);
      if (waiting.length < whole) return null;
      const piece = waiting.subarray(0, whole);
      waiting = waiting.subarray(whole);
      return piece;
    };
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/**
 * The other end is in this process: what is in its socket is read before the second turn of the event loop.
 */
async function passOn(edge: Socket, octets: Buffer): Promise<void> {
  await new Promise<void>((resolve) => void edge.write(octets, () => resolve()));
  for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
}
