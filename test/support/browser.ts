/** Pages in a real browser: Debian's Chromium, over the DevTools protocol. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findProgram } from "./peers/installed-peers.ts";

/** What a page has done beside its work. */
export interface PageReport {
  /** URLs that it asked for. */
  readonly requested: readonly string[];
  /** What the browser refused, errors of scripts and entries of the console that are errors. */
  readonly complaints: readonly string[];
}

type Params = Readonly<Record<string, unknown>>;
interface Message extends Params {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Params;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

/** No service of a vendor is asked: with these, Chromium sends nothing by itself. */
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-sync",
  "--no-first-run",
  "--no-default-browser-check",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  "--remote-debugging-port=0",
  "about:blank",
];

export class Browser {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Set<(message: Message) => void>();
  #sent = 0;

  private constructor(child: ChildProcess, directory: string, socket: WebSocket) {
    this.#process = child;
    this.#directory = directory;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(String(data)) as Message));
  }

  static async start(): Promise<Browser> {
    const program = findProgram("chromium");
    if (program === undefined) throw new Error("chromium is not installed");
    const directory = mkdtempSync(join(tmpdir(), "postern-browser-"));
    // It writes below HOME and TMPDIR, and what it leaves there must go with it.
    const env = { PATH: process.env["PATH"], HOME: directory, TMPDIR: directory, XDG_RUNTIME_DIR: directory };
    const args = [...ARGUMENTS, `--user-data-dir=${join(directory, "profile")}`];
    const child = spawn(program, args, { env, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    if (child.stderr === null) throw new Error("chromium has no standard error");
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /DevTools listening on (ws:\S+)/u.exec(line)?.[1];
      if (url === undefined) continue;
      const socket = new WebSocket(url);
      await once(socket, "open");
      return new Browser(child, directory, socket);
    }
    throw new Error("chromium ended before it listened");
  }

  /** Opens a page and reports what it does from its first request on. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, String(sessionId));
    await page.go(url);
    return page;
  }

  async send(method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    this.#sent += 1;
    const id = this.#sent;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(
      JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }),
    );
    const { error, result = {} } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  on(listener: (message: Message) => void): void {
    this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    const ended = once(this.#process, "exit");
    // The whole group: Chromium is several processes.
    if (this.#process.pid !== undefined) process.kill(-this.#process.pid, "SIGKILL");
    await ended;
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 20 });
  }

  #receive(message: Message): void {
    const resolve = this.#waiting.get(message.id ?? 0);
    this.#waiting.delete(message.id ?? 0);
    resolve?.(message);
    for (const listener of this.#listeners) listener(message);
  }
}

export class Page {
  readonly #browser: Browser;
  readonly #session: string;
  readonly #requested: string[] = [];
  readonly #complaints: string[] = [];

  constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
    browser.on((message) => {
      if (message.sessionId === session) this.#note(message.method ?? "", message.params ?? {});
    });
  }

  async go(url: string): Promise<void> {
    for (const domain of ["Page", "Runtime", "Network", "Log", "Audits"])
      await this.#browser.send(`${domain}.enable`, {}, this.#session);
    await this.#browser.send("Page.navigate", { url }, this.#session);
  }

  /** Value of an expression, which may be a promise. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#browser.send(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true, userGesture: true },
      this.#session,
    );
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value?: unknown }).value;
  }

  /** Keys typed into the focused element, as a user would. */
  async type(text: string): Promise<void> {
    await this.#browser.send("Input.insertText", { text }, this.#session);
  }

  report(): PageReport {
    return { requested: [...this.#requested], complaints: [...this.#complaints] };
  }

  #note(method: string, params: Params): void {
    const request = params["request"] as { readonly url: string } | undefined;
    if (method === "Network.requestWillBeSent" && request !== undefined) this.#requested.push(request.url);
    const isError = JSON.stringify(params).includes('"level":"error"') || params["type"] === "error";
    const isComplaint =
      method === "Runtime.exceptionThrown" ||
      (method === "Audits.issueAdded" && JSON.stringify(params).includes("ContentSecurityPolicyIssue")) ||
      (isError && (method === "Log.entryAdded" || method === "Runtime.consoleAPICalled"));
    if (isComplaint) this.#complaints.push(JSON.stringify(params).slice(0, 500));
  }
}
