import { once } from "node:events";
import { connect, type Socket } from "node:net";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";

/** What the other side said, or that it left. */
export type Heard =
  | { readonly kind: "reply"; readonly lines: readonly string[] }
  | { readonly kind: "closed" };

/** A client that says exactly what a test tells it to, and hears whole replies. */
export class SmtpClient {
  #socket: Socket | TLSSocket;
  #buffer = "";
  #lines: string[] = [];
  readonly #heard: Heard[] = [];
  #wake: (() => void) | null = null;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  static async connect(
    port: number,
    options: { localAddress?: string; first?: Buffer } = {},
  ): Promise<SmtpClient> {
    const { localAddress, first } = options;
    const socket = connect({
      port,
      host: "127.0.0.1",
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const client = new SmtpClient(socket);
    await once(socket, "connect");
    if (first !== undefined) socket.write(first);
    return client;
  }

  get socket(): Socket | TLSSocket {
    return this.#socket;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  #listen(socket: Socket): void {
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => this.#take(bytes.toString("latin1")));
    socket.on("close", () => {
      this.#closed = true;
      this.#wake?.();
    });
    socket.on("end", () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  #take(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf("\r\n"); end !== -1; end = this.#buffer.indexOf("\r\n")) {
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 2);
      this.#lines.push(line);
      if (/^\d{3}-/.test(line)) continue;
      this.#heard.push({ kind: "reply", lines: this.#lines });
      this.#lines = [];
    }
    this.#wake?.();
  }

  /** The next whole reply. Rejects after `withinMs`: a test that never ends shows no failure. */
  async hear(withinMs = 60_000): Promise<Heard> {
    const over = Date.now() + withinMs;
    for (;;) {
      const next = this.#heard.shift();
      if (next !== undefined) return next;
      if (this.#closed) return { kind: "closed" };
      const left = over - Date.now();
      if (left <= 0) throw new Error(`heard nothing for ${String(withinMs)} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The next reply as text, lines joined by newlines; `closed` when there is none. */
  async reply(withinMs?: number): Promise<string> {
    const heard = await this.hear(withinMs);
    return heard.kind === "closed" ? "closed" : heard.lines.join("\n");
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  async say(line: string, withinMs?: number): Promise<string> {
    this.write(Buffer.from(`${line}\r\n`, "utf8"));
    return this.reply(withinMs);
  }

  /** Handshakes on this connection, after `220`. Rejects when the handshake fails. */
  async handshake(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const raw = this.#socket;
    raw.removeAllListeners("data");
    raw.removeAllListeners("end");
    const secure = tls.connect({ socket: raw, rejectUnauthorized: false, ...options });
    await once(secure, "secureConnect");
    this.#socket = secure;
    this.#listen(secure);
    return secure;
  }

  async startTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const answer = await this.say("STARTTLS");
    if (!answer.startsWith("220 ")) throw new Error(`STARTTLS: ${answer}`);
    return this.handshake(options);
  }

  /** Sends what is written and ends this side, in TLS with close_notify; replies are still heard. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
