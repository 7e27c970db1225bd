import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface EdgeFiles {
  readonly database: string;
  readonly vault: string;
  readonly pollIntervalMs: number;
}

/** A worker in a separate process, on a settings file that it shares with others. */
export class EdgeProcess {
  readonly id: string;
  readonly #child: ChildProcess;

  private constructor(id: string, child: ChildProcess) {
    this.id = id;
    this.#child = child;
  }

  /** Resolves when its first settings are in force. */
  static async start({ database, vault, pollIntervalMs }: EdgeFiles): Promise<EdgeProcess> {
    const child = fork(
      join(import.meta.dirname, "edge-program.ts"),
      [database, vault, String(pollIntervalMs)],
      { execArgv: [] },
    );
    const [id] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(([code]: unknown[]) => {
        throw new Error(`the edge ended with ${String(code)}`);
      }),
    ])) as unknown[];
    return new EdgeProcess(String(id), child);
  }

  /** SIGSTOP: it neither polls nor reports. */
  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  continue(): void {
    this.#child.kill("SIGCONT");
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.continue();
    this.#child.disconnect();
    await ended;
  }
}
