import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface FunctionOptions {
  readonly bundle: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its clock is ahead of this machine's by so much. */
  readonly aheadMs?: number;
}

/** A bundled function in a separate process, with the variables that Lambda gives it and no others. */
export class FunctionProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #said = "";

  private constructor({ bundle, environment, aheadMs = 0 }: FunctionOptions) {
    this.#child = fork(join(import.meta.dirname, "function-program.ts"), [bundle, String(aheadMs)], {
      execArgv: [],
      env: environment,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    this.#child.on("message", (message: Answer) => this.#take(message));
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the function ended with ${String(code)}\n${this.#said}`));
      this.#waiting.clear();
    });
  }

  static async start(options: FunctionOptions): Promise<FunctionProcess> {
    const started = new FunctionProcess(options);
    await started.#wait(0);
    return started;
  }

  /** @throws Error with what the function threw, and its log. */
  call(event: unknown): Promise<unknown> {
    this.#calls += 1;
    this.#child.send({ id: this.#calls, event });
    return this.#wait(this.#calls);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, "exit");
  }

  #wait(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #take({ id, answer, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(`${error}\n${this.#said}`));
  }
}
