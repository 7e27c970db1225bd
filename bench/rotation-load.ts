import { setTimeout as pause } from "node:timers/promises";
import { KEY_CLIENTS, type LoadedSession, shownLeaf } from "../test/support/handshake-load.ts";

/*
 * The load generator of rotation.ts: `rotation-load.ts <port> <name> <sessions a second>`. Sessions begin at
 * their times, whether or not earlier ones have ended (an open loop: a slow server gets no less load).
 * It answers the one message of its parent with the sessions.
 */

export interface PacedSession extends LoadedSession {
  /** How much later than planned this process began it. */
  readonly lateMs: number;
}

const [port, servername, rate] = process.argv.slice(2);
const now = (): number => performance.timeOrigin + performance.now();
const sessions: PacedSession[] = [];
const open = new Set<Promise<void>>();
const over = new AbortController();

async function session(client: (typeof KEY_CLIENTS)[number], lateMs: number): Promise<void> {
  const since = now();
  const { kind } = client;
  try {
    const shown = await shownLeaf(Number(port), { ...client, servername: servername ?? "" });
    sessions.push({ since, lateMs, failure: null, ...shown });
  } catch (error) {
    const failed = { fingerprint: null, failure: String(error), handshakeMs: Number.NaN };
    sessions.push({ since, lateMs, kind, ...failed });
  }
}

async function run(): Promise<void> {
  const startedAt = now();
  for (let count = 0; !over.signal.aborted; count += 1) {
    const dueAt = startedAt + (count * 1000) / Number(rate);
    await pause(Math.max(0, dueAt - now()));
    const client = KEY_CLIENTS[count % KEY_CLIENTS.length];
    if (client === undefined) throw new Error("no clients");
    const running = session(client, now() - dueAt).finally(() => open.delete(running));
    open.add(running);
  }
}

const ended = run();
process.on("disconnect", () => process.exit(0));
process.on("message", () => {
  over.abort();
  void ended.then(() => Promise.all(open)).then(() => process.send?.(sessions));
});
process.send?.("ready");
