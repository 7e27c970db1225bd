import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { httpUrl } from "../../local/running.ts";
import { waitUntil } from "../support/peers/wait-until.ts";

const ROOT = join(import.meta.dirname, "../..");

export type LogLine = Readonly<Record<string, unknown>>;

const address = z.object({ host: z.string(), port: z.number() });
const startedSchema = z.object({
  pid: z.number(),
  api: address,
  smtp: address,
  health: address,
  listeners: z.array(z.object({ name: z.string(), port: z.number() })),
});
export type Started = z.output<typeof startedSchema>;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<PosternProcess>();

/** Ends the processes that a failed test left running. */
export async function endAll(): Promise<void> {
  for (const postern of running) await postern.end("SIGKILL");
}

/** `node local/main.ts` as a separate process, on free ports. */
export class PosternProcess {
  readonly child: ChildProcess;
  readonly dataDir: string;
  readonly ended: Promise<ProcessEnd>;
  #screen = "";
  #log = "";

  constructor(dataDir: string, env: Readonly<Record<string, string>> = {}, options: readonly string[] = []) {
    this.dataDir = dataDir;
    // Its own, since a process that is killed leaves its temporary files behind.
    const temporary = mkdtempSync(join(tmpdir(), "postern-e2e-tmp-"));
    this.child = spawn(process.execPath, [join(ROOT, "local/main.ts"), ...options], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"],
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
        TMPDIR: temporary,
        API_PORT: "0",
        SMTP_PORT: "0",
        HEALTH_PORT: "0",
        SMTP_NAME: "gate.example",
        DATA_DIR: dataDir,
        SETTINGS_POLL_INTERVAL_MS: "100",
        ...env,
      },
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#screen += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    running.add(this);
    this.ended = once(this.child, "close").then(([code, signal]) => {
      running.delete(this);
      rmSync(temporary, { recursive: true, force: true });
      return { code, signal };
    });
  }

  get screen(): string {
    return this.#screen;
  }

  /** All that was written to standard error; every line must be one JSON object. */
  get log(): readonly LogLine[] {
    const whole = this.#log.slice(0, this.#log.lastIndexOf("\n") + 1);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as LogLine);
  }

  logged(event: string): Promise<LogLine> {
    return this.#wait(`the event ${event}`, () => this.log.find((line) => line["event"] === event));
  }

  async started(): Promise<Started> {
    const started = startedSchema.parse(await this.logged("started"));
    await this.#wait("the first screen", () => (this.#screen.includes("Ctrl-C") ? true : undefined));
    return started;
  }

  get token(): string {
    return readFileSync(join(this.dataDir, "api-token"), "utf8").trim();
  }

  /** Messages in the maildir, whole files. */
  get messages(): readonly string[] {
    return globSync(join(this.dataDir, "mail/new/*")).map((path) => readFileSync(path, "utf8"));
  }

  async api(methodAndPath: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const [method = "", path = ""] = methodAndPath.split(" ");
    const { api } = await this.started();
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return fetch(`${httpUrl(api)}${path}`, {
      method,
      body: body === undefined ? null : JSON.stringify(body),
      headers: { authorization: `Bearer ${this.token}`, "content-type": type, ...headers },
    });
  }

  /** Sets the level of a new or existing domain. @returns the revision. */
  async setLevel(name: string, level: "none" | "accept" | "require"): Promise<number> {
    const tls = { server: { level } };
    const there = (await this.api(`GET /v1/domains/${name}`)).status === 200;
    const answer = there
      ? await this.api(`PUT /v1/domains/${name}/tls`, tls, { "if-match": "*" })
      : await this.api(`PUT /v1/domains/${name}`, { tls });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return Number(/\d+/.exec(answer.headers.get("etag") ?? "")?.[0]);
  }

  async inForce(revision: number): Promise<void> {
    await this.ready((ready) => Number(ready["revision"]) >= revision, `revision ${revision} in force`);
  }

  /** Waits until the body of /ready matches, for any status. */
  async ready(holds: (ready: LogLine) => boolean, what: string): Promise<void> {
    const { health } = await this.started();
    await this.#wait(what, async () => {
      const ready = (await (await fetch(`${httpUrl(health)}/ready`)).json()) as LogLine;
      return holds(ready) ? true : undefined;
    });
  }

  /** One sample of /metrics. */
  async metric(name: string): Promise<number | undefined> {
    const { health } = await this.started();
    const page = await (await fetch(`${httpUrl(health)}/metrics`)).text();
    const line = page.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<ProcessEnd> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended;
  }

  #wait<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return waitUntil(ask, { what, explain: () => `${this.#screen}\n${this.#log}` });
  }
}

/** Runs `use` with a process on a directory; ends the process in any case. */
export async function withPostern<T>(
  dataDir: string,
  use: (postern: PosternProcess) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const postern = new PosternProcess(dataDir, env);
  try {
    return await use(postern);
  } finally {
    await postern.end("SIGKILL");
  }
}

export const newDataDir = (): string => mkdtempSync(join(tmpdir(), "postern-e2e-"));
