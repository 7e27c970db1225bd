import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where a measured server listens. */
export interface ServerPorts {
  readonly smtpPort: number;
  readonly healthPort: number | null;
}

export interface Usage {
  /** User and system time since the start of the process. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** A server in a separate process, so that CPU and memory are measured for it alone. */
export interface MeasuredServer extends ServerPorts {
  readonly pid: number;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** A start that takes longer has failed; a million domains take less than this. */
const STARTS_WITHIN_MS = 180_000;

/**
 * The server's side: reports its address, replies to each message with its usage, and ends with its parent.
 */
export function serveParent(ports: ServerPorts): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    const usage: Usage = { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() };
    process.send?.(usage);
  });
  process.send?.(ports);
}

/** Starts `bench/<program>` and waits until it listens. */
export async function startServer(program: string, argv: readonly string[]): Promise<MeasuredServer> {
  const child = fork(join(import.meta.dirname, program), [...argv], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [],
  });
  const ports = (await answerOf(child, program)) as ServerPorts;
  return {
    ...ports,
    pid: child.pid ?? 0,
    async usage() {
      child.send("usage");
      return (await answerOf(child, program)) as Usage;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

function answerOf(child: ChildProcess, program: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(() => reject(new Error(`${program} does not answer`))),
      STARTS_WITHIN_MS,
    );
    const onMessage = (message: unknown): void => finish(() => resolve(message));
    const onExit = (): void => finish(() => reject(new Error(`${program} ended`)));
    function finish(settle: () => void): void {
      clearTimeout(timer);
      child.off("message", onMessage).off("exit", onExit);
      settle();
    }
    child.on("message", onMessage).on("exit", onExit);
  });
}

/** Memory of a process as Linux counts it, now and at its highest, in bytes. */
export function memoryOf(pid: number): { readonly rssBytes: number; readonly peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
  return { rssBytes: kilobytes("VmRSS") * 1024, peakBytes: kilobytes("VmHWM") * 1024 };
}
