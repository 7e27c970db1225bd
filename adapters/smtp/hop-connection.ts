import type { Socket } from "node:net";
import type { DeliveryFailure, DeliveryPhase } from "../../core/delivery/delivery.ts";
import { GarbledReply, ReplyParser, type SmtpReply } from "./reply-parser.ts";
import { NextHopTrouble } from "./trouble.ts";

/** How long QUIT and its reply may take; no caller waits for them. */
const QUIT_MS = 2000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: NextHopTrouble) => void;
}

/**
 * One connection to a next hop: commands, replies, message octets. Every wait has an absolute deadline, so a
 * server that drips octets gains nothing. After a failure everything that is called throws that same failure.
 */
export class HopConnection {
  readonly #socket: Socket;
  readonly #parser = new ReplyParser();
  /** Step that a failure is reported with. */
  #phase: DeliveryPhase = "greeting";
  #failure: NextHopTrouble | null = null;
  /** Who waits for a reply, or for room to write. */
  #waiter: Waiter | null = null;
  /** TLS has the socket now, and only TLS may destroy it. */
  #isDetached = false;

  /** @param socket connected; encrypted where TLS begins at once. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("drain", this.#wake);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("close", this.#onEnd);
    if (socket.destroyed) this.#onEnd();
  }

  /** Sends one line and reads its reply. @throws NextHopTrouble */
  async command(phase: DeliveryPhase, line: string, deadlineMs: number): Promise<SmtpReply> {
    this.#phase = phase;
    this.#refuseUnasked();
    // The last wall: no caller passes a line end on, and none could.
    if (/[\r\n\0]/.test(line)) throw new TypeError("a command must be one line");
    this.#socket.write(`${line}\r\n`, "utf8");
    return this.reply(phase, deadlineMs);
  }

  /** The next reply. @throws NextHopTrouble */
  async reply(phase: DeliveryPhase, deadlineMs: number): Promise<SmtpReply> {
    this.#phase = phase;
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const reply = this.#parser.take();
      if (reply !== null) return reply;
      await this.#wait(deadline - performance.now(), "no reply in time");
    }
  }

  /** A reply that came before the message was over; null when there is none. */
  early(): SmtpReply | null {
    return this.#parser.take();
  }

  /** Sends message octets and waits while the next hop takes none. @throws NextHopTrouble */
  async write(octets: Uint8Array, deadlineMs: number): Promise<void> {
    this.#phase = "message";
    if (this.#failure !== null) throw this.#failure;
    this.#socket.write(octets);
    const deadline = performance.now() + deadlineMs;
    while (this.#socket.writableNeedDrain && !this.#parser.hasReply)
      await this.#wait(deadline - performance.now(), "the next hop takes no octets");
  }

  /**
   * Gives the bare socket to a TLS handshake. Octets that came after the reply to STARTTLS were not protected
   * by it and would be read as if they were (CVE-2011-0411, from the other side).
   *
   * @throws NextHopTrouble
   */
  detach(): Socket {
    this.#refuseUnasked();
    this.#isDetached = true;
    this.#socket.pause();
    this.#socket.off("data", this.#onData);
    this.#socket.off("drain", this.#wake);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
    // Its error listener stays: whatever happens to the bare socket from now on, the process must live.
    return this.#socket;
  }

  /** @throws NextHopTrouble when the connection failed, or a reply arrived that no command asked for. */
  #refuseUnasked(): void {
    if (!this.#parser.isEmpty)
      this.#fail(this.#trouble("protocol", "a reply came that no command asked for"));
    if (this.#failure !== null) throw this.#failure;
  }

  /**
   * Ends the connection at once: what was not sent never is, and everything that is called throws this
   * trouble.
   */
  giveUp(trouble: NextHopTrouble): NextHopTrouble {
    this.#fail(trouble);
    return trouble;
  }

  /** Sends QUIT, without waiting for the answer. */
  quit(): void {
    if (this.#failure !== null) return;
    this.#socket.end("QUIT\r\n");
    setTimeout(() => this.#socket.destroy(), QUIT_MS).unref();
  }

  /** Calls back once, when the socket is closed; at once when TLS has it. */
  onceClosed(callback: () => void): void {
    if (this.#socket.closed || this.#isDetached) callback();
    else this.#socket.once("close", callback);
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#parser.feed(chunk);
    } catch (error) {
      if (!(error instanceof GarbledReply)) throw error;
      this.#fail(this.#trouble("protocol", error.message));
    }
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#fail(this.#trouble("dropped", "the next hop closed the connection"));
  };

  readonly #onError = (error: Error): void => {
    const code = "code" in error ? String(error.code) : error.message;
    this.#fail(this.#trouble("dropped", code));
  };

  readonly #wake = (): void => {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve();
  };

  #trouble(cause: DeliveryFailure, detail: string): NextHopTrouble {
    return new NextHopTrouble("bad-connection", { cause, phase: this.#phase, detail });
  }

  #fail(trouble: NextHopTrouble): void {
    if (this.#isDetached) return;
    this.#failure ??= trouble;
    this.#socket.destroy();
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.reject(this.#failure);
  }

  /** Until something happens on the socket. One at a time, as the protocol has it. */
  async #wait(ms: number, timeout: string): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const late = () => this.#fail(this.#trouble("timeout", timeout));
    if (ms <= 0) late();
    const timer = setTimeout(late, Math.max(ms, 0));
    try {
      await new Promise<void>((resolve, reject) => {
        if (this.#failure !== null) reject(this.#failure);
        this.#waiter = { resolve, reject };
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
