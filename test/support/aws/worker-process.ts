import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { z } from "zod";
import { type Bundle, buildBundle } from "../../../scripts/bundles.ts";
import { waitUntil } from "../peers/wait-until.ts";

type LogLine = Readonly<Record<string, unknown>>;

const startedSchema = z.object({
  listeners: z.array(z.object({ name: z.string(), port: z.number() })),
  health: z.object({ port: z.number() }),
});

let built: { readonly directory: string; readonly bundle: Promise<Bundle> } | null = null;

/** The worker's bundle, away from every package of the checkout: what it needs must be in it. */
export function workerBundle(): Promise<Bundle> {
  const directory = built?.directory ?? mkdtempSync(join(tmpdir(), "postern-worker-"));
  built ??= { directory, bundle: buildBundle("worker", directory) };
  return built.bundle;
}

// At the end of each test file that uses this module.
afterAll(() => {
  if (built !== null) rmSync(built.directory, { recursive: true, force: true });
  built = null;
});

/** The bundled worker as a separate process, with the variables that a task has and no others. */
export class WorkerProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null }>;
  readonly #directory: string;
  #log = "";
  #errors = "";

  /**
   * @param program the bundle, or a function that starts what runs it elsewhere, with a separate environment.
   */
  constructor(program: Bundle | (() => ChildProcess), environment: Readonly<Record<string, string>> = {}) {
    this.#directory = mkdtempSync(join(tmpdir(), "postern-task-"));
    this.child =
      typeof program === "function" ? program() : startBundle(program, this.#directory, environment);
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.ended = once(this.child, "close").then(([code]: unknown[]) => {
      rmSync(this.#directory, { recursive: true, force: true });
      return { code: typeof code === "number" ? code : null };
    });
  }

  get log(): readonly LogLine[] {
    const whole = this.#log.slice(0, this.#log.lastIndexOf("\n") + 1);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as LogLine);
  }

  get errors(): string {
    return this.#errors;
  }

  logged(event: string): Promise<LogLine> {
    return this.#wait(`the event ${event}`, () => this.log.find((line) => line["event"] === event));
  }

  /** Port of a listener: `mx` wants a PROXY header, `smtp` does not. */
  async port(name: "mx" | "smtp"): Promise<number> {
    const { listeners } = startedSchema.parse(await this.logged("started"));
    return listeners.find((listener) => listener.name === name)?.port ?? 0;
  }

  async healthPort(): Promise<number> {
    return startedSchema.parse(await this.logged("started")).health.port;
  }

  /** Waits until /ready says so. */
  async ready(holds: (ready: LogLine) => boolean, what: string): Promise<LogLine> {
    const port = await this.healthPort();
    return this.#wait(what, async () => {
      const ready = (await (await fetch(`http://127.0.0.1:${port}/ready`)).json()) as LogLine;
      return holds(ready) ? ready : undefined;
    });
  }

  inForce(revision: number): Promise<LogLine> {
    return this.ready((ready) => Number(ready["revision"]) >= revision, `revision ${revision} in force`);
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<{ readonly code: number | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended;
  }

  #wait<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return waitUntil(ask, { what, explain: () => `${this.#errors}\n${this.#log}` });
  }
}

function startBundle(
  { path }: Bundle,
  directory: string,
  environment: Readonly<Record<string, string>>,
): ChildProcess {
  return spawn(process.execPath, [path], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      // Its own, since a process that is killed leaves its temporary files behind.
      TMPDIR: directory,
      ...sdkEnvironment(),
      STORE: "dynamodb",
      SMTP_NAME: "gate.example",
      SMTP_HOST: "127.0.0.1",
      SMTP_PORT: "0",
      // As infra/worker-task.ts has it: mail comes through a load balancer, which says who the client is.
      SMTP_LISTENERS: JSON.stringify([
        { name: "mx", host: "127.0.0.1", port: 0, proxyProtocol: true, proxyFrom: ["127.0.0.1/32"] },
      ]),
      HEALTH_HOST: "127.0.0.1",
      HEALTH_PORT: "0",
      DATA_DIR: join(directory, "data"),
      SETTINGS_POLL_INTERVAL_MS: "100",
      LIMITS: '{"drainMs":5000}',
      ...environment,
    },
  });
}

/** Endpoints, region and credentials, as the SDK takes them. */
export const sdkEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith("AWS_") && value !== undefined ? [[name, value]] : [],
    ),
  );
