import { readFile } from "node:fs/promises";

const KEEP_ALIVE = "02";

/**
 * Time until the kernel probes a silent connection, by proc_pid_net(5).
 *
 * @param ports of the connection's own end, and of the other one.
 * @returns milliseconds; null = no probe is planned, since something is still to be acknowledged or none was
 *   asked for.
 */
export async function msUntilProbe(ports: {
  readonly local: number;
  readonly remote: number;
}): Promise<number | null> {
  const table = await readFile("/proc/net/tcp", "utf8");
  const [, timer = ""] =
    table
      .split("\n")
      .map((line) => line.trim().split(/\s+/u))
      .filter(([, local, remote]) => ends(local, ports.local) && ends(remote, ports.remote))
      .map(([, , , , , until]) => until?.split(":") ?? [])
      .find(([kind]) => kind === KEEP_ALIVE) ?? [];
  return timer === "" ? null : Number.parseInt(timer, 16) * MS_OF_A_TICK;
}

/** The kernel tells hundredths of a second. */
const MS_OF_A_TICK = 10;

const ends = (address: string | undefined, port: number): boolean =>
  address?.endsWith(`:${port.toString(16).toUpperCase().padStart(4, "0")}`) === true;
