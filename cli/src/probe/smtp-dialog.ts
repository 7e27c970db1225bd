import type { Socket } from "node:net";
import { onAbort } from "./within.ts";

/** A reply of a server (RFC 5321 section 4.2). */
export interface Reply {
  readonly code: number;
  /** Texts of its lines. */
  readonly lines: readonly string[];
}

/** The server does not speak SMTP, or has closed the connection. */
class DialogError extends Error {
  override readonly name = "DialogError";
}

/** Longer than RFC 5321 section 4.5.3.1.5 asks for, and bounded. */
const MAX_LINE = 2_000;
const MAX_LINES = 100;
const LINE = /^(?<code>[2-5]\d{2})(?<more>[ -]|$)(?<text>.*)$/u;

/** Commands and replies on one connection, until it is upgraded to TLS. */
export class SmtpDialog {
  readonly #socket: Socket;
  #received = "";
  #failure: Error | null = null;
  #wake: () => void = () => undefined;
  readonly #stop: () => void;

  /** @param signal ends the connection */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    const onData = (chunk: Buffer): void => {
      this.#received += chunk.toString("latin1");
      if (this.#received.length > MAX_LINE * MAX_LINES)
        this.#fail(new DialogError("the server sends without end"));
      this.#wake();
    };
    const onClose = (): void => this.#fail(new DialogError("the server closed the connection"));
    const onError = (error: Error): void => this.#fail(error);
    socket.on("data", onData).on("close", onClose).on("error", onError);
    const stopListening = onAbort(signal, (reason) => this.#fail(reason));
    this.#stop = () => {
      stopListening();
      socket.off("data", onData).off("close", onClose);
    };
  }

  /** Bytes that were received beside replies that were read. */
  get unread(): number {
    return this.#received.length;
  }

  /** Gives the socket to TLS. */
  release(): Socket {
    this.#stop();
    return this.#socket;
  }

  async command(line: string): Promise<Reply> {
    this.#socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** @throws DialogError if it is none, or the reason that ended the connection. */
  async reply(): Promise<Reply> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.#line();
      const { code = "", more = "", text = "" } = LINE.exec(line)?.groups ?? {};
      if (code === "") throw new DialogError(`this is no reply of SMTP: ${line.slice(0, 80)}`);
      lines.push(text);
      if (more !== "-") return { code: Number(code), lines };
      if (lines.length >= MAX_LINES) throw new DialogError(`a reply has more than ${MAX_LINES} lines`);
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf("\n");
      if (end > MAX_LINE || (end < 0 && this.#received.length > MAX_LINE))
        throw new DialogError(`a line has more than ${MAX_LINE} characters`);
      if (end >= 0) {
        const line = this.#received.slice(0, end).replace(/\r$/u, "");
        this.#received = this.#received.slice(end + 1);
        return line;
      }
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#wake();
  }
}

/** A reply on one line. */
export const replyText = ({ code, lines }: Reply): string => `${code} ${lines[0] ?? ""}`.trimEnd();
