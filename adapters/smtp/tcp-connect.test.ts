import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { connectTcp } from "./tcp-connect.ts";

/** proc_pid_net(5): what the kernel waits for on a connection from this port; `02` = to send a keep-alive probe. */
async function timerOf(localPort: number): Promise<string | undefined> {
  const port = localPort.toString(16).toUpperCase().padStart(4, "0");
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n");
  const line = lines
    .map((text) => text.trim().split(/\s+/u))
    .find(([, local]) => local?.endsWith(`:${port}`));
  return line?.[5];
}

it.runIf(process.platform === "linux")(
  "a silent connection to a next hop sends a probe within a minute, before a load balancer forgets it",
  async () => {
    const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = await connectTcp(["127.0.0.1"], (server.address() as AddressInfo).port, 10_000);
    try {
      // 02 as soon as nothing is to be sent any more, with hundredths of a second until the probe.
      await expect.poll(() => timerOf(socket.localPort ?? 0)).toMatch(/^02:/u);
      const [, ticks = ""] = ((await timerOf(socket.localPort ?? 0)) ?? "").split(":");
      expect(Number.parseInt(ticks, 16)).toBeLessThanOrEqual(6_000);
    } finally {
      socket.destroy();
      server.close();
    }
  },
);
