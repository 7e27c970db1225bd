import { connect, type Socket } from "node:net";
import { NextHopTrouble } from "./trouble.ts";

/**
 * Connects to the first of these addresses that answers, in their order; each gets an equal part of the time that is
 * left. Takes addresses only, so nothing is looked up here.
 *
 * @throws NextHopTrouble
 */
export async function connectTcp(
  addresses: readonly string[],
  port: number,
  deadlineMs: number,
): Promise<Socket> {
  const deadline = performance.now() + deadlineMs;
  let last = new NextHopTrouble("no-connection", "connect", "no address");
  for (const [at, address] of addresses.entries()) {
    const share = (deadline - performance.now()) / (addresses.length - at);
    try {
      return await connectOnce(address, port, Math.max(share, 0));
    } catch (error) {
      if (!(error instanceof NextHopTrouble)) throw error;
      last = error;
    }
  }
  throw last;
}

function connectOnce(address: string, port: number, deadlineMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new NextHopTrouble(
          "no-connection",
          "timeout",
          `${address} port ${String(port)}: no connection in time`,
        ),
      );
    }, deadlineMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(
        new NextHopTrouble(
          "no-connection",
          "connect",
          `${address} port ${String(port)}: ${"code" in error ? String(error.code) : error.message}`,
        ),
      );
    });
  });
}
