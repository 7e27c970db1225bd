import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { pipeline } from "node:stream/promises";

/** A port of this machine that passes connections on. */
export interface ManyClients {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/**
 * Passes each connection on to `port` from another loopback address. To the API these are different clients:
 * it answers wrong tokens of one client with 429 after the first 30 in a minute.
 */
export async function manyClients(port: number): Promise<ManyClients> {
  let count = 0;
  const server = createServer((client) => {
    count++;
    const localAddress = `127.1.${(count >> 8) & 255}.${count & 255}`;
    const api = connect({ host: "127.0.0.1", port, localAddress });
    // A side that breaks off ends the other.
    void pipeline(client, api, client).catch(() => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
