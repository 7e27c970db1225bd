import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { msUntilProbe } from "../../test/support/tcp-timers.ts";
import { connectTcp } from "./tcp-connect.ts";

it.runIf(process.platform === "linux")(
  "a silent connection to a next hop sends a probe within a minute, before a load balancer forgets it",
  async () => {
    const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = await connectTcp(["127.0.0.1"], (server.address() as AddressInfo).port, 10_000);
    try {
      const ports = { local: socket.localPort ?? 0, remote: socket.remotePort ?? 0 };
      await expect.poll(() => msUntilProbe(ports)).toBeLessThanOrEqual(60_000);
    } finally {
      socket.destroy();
      server.close();
    }
  },
);
