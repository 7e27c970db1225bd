import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

export interface SmtpReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** No step of a local server takes longer; a person does not wait longer. */
const REPLY_TIMEOUT_MS = 30_000;

/** The client's side of one SMTP session, shown line by line as it happens. */
export class SmtpDialog {
  readonly #print: (line: string) => void;
  #socket: Socket;
  #received = "";

  private constructor(socket: Socket, print: (line: string) => void) {
    this.#socket = socket;
    this.#print = print;
    this.#follow(socket);
  }

  /** @throws when the connection is refused, or no greeting arrives. */
  static async connect(
    at: { readonly host: string; readonly port: number },
    print: (line: string) => void,
  ): Promise<SmtpDialog> {
    const socket = connectTcp(at);
    await once(socket, "connect");
    const dialog = new SmtpDialog(socket, print);
    await dialog.#reply();
    return dialog;
  }

  async command(text: string): Promise<SmtpReply> {
    this.#print(`C: ${text}`);
    this.#socket.write(`${text}\r\n`);
    return this.#reply();
  }

  /** Sends a message after 354: lines without line ends. */
  async message(lines: readonly string[]): Promise<SmtpReply> {
    this.#print(`C: (${lines.length} lines of message)`);
    this.#print("C: .");
    const stuffed = lines.map((line) => (line.startsWith(".") ? `.${line}` : line));
    this.#socket.write([...stuffed, ".", ""].join("\r\n"));
    return this.#reply();
  }

  /**
   * After 220 to STARTTLS.
   *
   * @returns what was agreed, and null or the reason why the certificate is not trusted.
   */
  async startTls(options: { readonly servername: string; readonly ca: string }): Promise<string | null> {
    const plain = this.#socket;
    plain.removeAllListeners("data");
    const socket = connectTls({ socket: plain, ...options, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    this.#socket = socket;
    this.#follow(socket);
    this.#print(`   (${describeTls(socket)})`);
    return socket.authorized ? null : String(socket.authorizationError);
  }

  end(): void {
    this.#socket.end();
  }

  #follow(socket: Socket): void {
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.#received += text;
      socket.emit("received");
    });
    // What breaks shows as a reply that does not come.
    socket.on("error", () => socket.emit("received"));
    socket.on("close", () => socket.emit("received"));
  }

  async #reply(): Promise<SmtpReply> {
    const deadline = AbortSignal.timeout(REPLY_TIMEOUT_MS);
    const lines: string[] = [];
    for (;;) {
      const end = this.#received.indexOf("\n");
      if (end === -1) {
        if (this.#socket.destroyed) throw new Error("the server closed the connection");
        await once(this.#socket, "received", { signal: deadline });
        continue;
      }
      const line = this.#received.slice(0, end).trimEnd();
      this.#received = this.#received.slice(end + 1);
      this.#print(`S: ${line}`);
      lines.push(line);
      if (!/^\d{3}-/.test(line)) return { code: Number(line.slice(0, 3)), lines };
    }
  }
}

function describeTls(socket: TLSSocket): string {
  return `${socket.getProtocol() ?? "TLS"}, ${socket.getCipher().name}`;
}
