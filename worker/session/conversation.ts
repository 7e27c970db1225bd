/** One conversation with a client, and the wire that it is held over. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Limits } from "../config/limits.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import { type UpgradeOptions, upgradeToTls } from "../tls/tls-upgrade.ts";
import type { StarttlsOffer } from "./connection-tls.ts";
import { PromptDeadline } from "./deadlines.ts";
import { type MessageStream, receiveMessage } from "./message-reception.ts";
import { type CommandAnswer, type Counting, hasRefusedEnough, limitPassed } from "./refusal-limits.ts";
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";
import { type EndingLimit, LIMIT_REPLIES } from "./limit-replies.ts";
import type { Session } from "./session.ts";

/** Phase of a connection: `greeting` before the banner, `commands` when the client may send its next one. */
export type Phase = "greeting" | "commands" | "handshake" | "message" | "over";

/** The connection with its parser, as a conversation uses it. */
export interface Wire {
  readonly phase: Phase;
  /** Octets received so far. */
  readonly octetsRead: number;
  /** Writes lines of printable ASCII, each with its line end, where the client can receive them. */
  write(lines: string): void;
  /** Begins a message of at most so many octets; null = the connection is over. */
  startMessage(maxBytes: number): MessageStream | null;
  /** Lets the commands after a message run. */
  endMessage(): void;
  /** Ends the connection once everything written is read. */
  close(): void;
  /** Ends the connection now. */
  destroy(): void;
}

/** One running session, as the edge sees it. */
export interface RunningSession {
  /** Ends with `421 4.3.2` as soon as no transaction is open. */
  drain(): void;
  /** Ends now. */
  cut(): void;
}

export interface ConversationParts {
  readonly session: Session;
  readonly limits: Limits;
  readonly onEvent: EdgeEventSink;
  readonly onEnd: () => void;
}

/** For the last reply of a session that a drain cuts, in case the client does not read it. */
const CUT_LINGER_MS = 100;

/** Takes turns with one client: counts its commands, writes the answers, and ends at limits and drains. */
export class Conversation implements RunningSession {
  readonly session: Session;
  readonly limits: Limits;
  readonly #wire: Wire;
  readonly #onEvent: EdgeEventSink;
  readonly #onEnd: () => void;
  readonly #prompt: PromptDeadline;
  #abandonHandshake: (() => void) | null = null;
  /** A message from its 354 to its reply. */
  #receiving: Promise<void> | null = null;
  #draining = false;
  #ended = false;

  constructor(wire: Wire, { session, limits, onEvent, onEnd }: ConversationParts) {
    this.session = session;
    this.limits = limits;
    this.#wire = wire;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
    this.#prompt = new PromptDeadline(limits, (limit) => this.cutAt(limit));
  }

  /** The client's turn, unless a handshake or a message is on its way. */
  prompt(): void {
    const { phase } = this.#wire;
    if (phase === "over" || phase === "handshake" || phase === "message") return;
    if (this.#draining && !this.session.inTransaction) return this.#sayDraining();
    this.#prompt.ask();
  }

  /** A whole line has come. @returns whether to run it: at a limit the session ends instead. */
  accepts(): boolean {
    this.#prompt.answered();
    const { log } = this.session;
    switch (this.#wire.phase) {
      case "handshake":
        return true;
      case "greeting":
        this.cutAt("greetingDelayMs");
        return false;
      case "over":
        return false;
      default:
        log.commands += 1;
        if (log.commands <= this.limits.maxCommands) return true;
        this.cutAt("maxCommands");
        return false;
    }
  }

  mail(line: Buffer): void {
    try {
      if (hasRefusedEnough(this.session.log, this.limits)) this.cutAt("maxRefusedMessages");
      else this.#answer(this.session.mail(line));
    } catch (error) {
      this.#failed("mail", error);
    }
  }

  async rcpt(line: Buffer, done: () => void): Promise<void> {
    try {
      this.#answer(await this.session.rcpt(line));
    } catch (error) {
      this.#failed("rcpt", error);
    }
    done();
  }

  /** A fault of our own in one command: the client tries again, and other sessions are not affected. */
  #failed(where: string, error: unknown): void {
    this.#onEvent({ kind: "internal-error", where, error });
    this.say(REPLIES.internalError);
  }

  data(): void {
    const refusal = this.session.dataRefusal();
    if (refusal !== null) return this.#answer(refusal);
    const stream = this.#wire.startMessage(this.limits.maxMessageBytes);
    if (stream === null) return;
    this.#receiving = this.#receive(stream);
    this.say(REPLIES.sendMessage);
  }

  async #receive(stream: MessageStream): Promise<void> {
    const reply = await receiveMessage(stream, {
      limits: this.limits,
      transfer: (whole) => this.session.message(whole),
      cutAt: (limit, cutReply) => this.cutAt(limit, cutReply),
      isOpen: () => this.#wire.phase !== "over",
    });
    this.#receiving = null;
    if (reply !== null) this.#answer({ reply, countsAs: "message" });
    this.#wire.endMessage();
  }

  /** Calls at once where there is a default certificate, else when one of the settings was looked for. */
  withOffer(decided: (offer: StarttlsOffer) => void): void {
    const offer = this.session.tls.offer();
    if (!(offer instanceof Promise)) return decided(offer);
    offer.then(decided).catch((error: unknown) => {
      this.#onEvent({ kind: "internal-error", where: "starttls", error });
      this.#wire.destroy();
    });
  }

  refuseStarttls(offer: Exclude<StarttlsOffer, "offered">): void {
    if (offer === "withheld") this.refuse("STARTTLS", REPLIES.starttlsWithheld, null);
    else this.#answer({ reply: REPLIES.starttlsUnavailable, countsAs: "nothing" });
  }

  handshake(raw: Socket, secured: (socket: TLSSocket) => void): void {
    const { tls } = this.session;
    const startedAt = performance.now();
    const termsFor: UpgradeOptions["termsFor"] = (sni, curves) => tls.terms(sni, curves);
    this.#abandonHandshake = upgradeToTls(raw, { ...this.limits, termsFor }, (outcome) => {
      this.#abandonHandshake = null;
      if (outcome.kind === "failed") return tls.failed(outcome);
      tls.secured(outcome.facts, performance.now() - startedAt);
      secured(outcome.socket);
    });
  }

  say({ code, text }: SmtpReply): void {
    this.#write(code, `${String(code)} ${text}\r\n`);
  }

  /** Answers a command that is refused before the session sees it. */
  refuse(verb: string, reply: SmtpReply, line: Buffer | null): void {
    this.#answer(this.session.refused(verb, reply, line));
  }

  /** Passes on a reply of smtp-server to the command `verb`. */
  passOn(verb: string, code: number, lines: string): void {
    if (code === 421) this.session.log.end("protocol");
    else if (code >= 400 && this.#isOverLimit(code, this.session.refused(verb, { code, text: "" }).countsAs))
      return;
    this.#write(code, lines);
  }

  #answer({ reply, countsAs }: CommandAnswer): void {
    if (!this.#isOverLimit(reply.code, countsAs)) this.say(reply);
  }

  #write(code: number, lines: string): void {
    this.#wire.write(lines);
    if (code === 421) this.#wire.close();
  }

  #isOverLimit(code: number, countsAs: Counting): boolean {
    const limit = limitPassed(this.session.log, this.limits, { code, countsAs });
    if (limit === null) return false;
    this.cutAt(limit);
    return true;
  }

  /** Ends the session at a limit. */
  cutAt(limit: EndingLimit, reply: SmtpReply = LIMIT_REPLIES[limit]): void {
    if (this.#wire.phase === "over") return;
    this.session.limitHit(limit);
    this.session.log.end("limit", limit);
    this.say(reply);
    this.#wire.close();
  }

  drain(): void {
    this.#draining = true;
    const { phase } = this.#wire;
    const isIdle = phase === "greeting" || (this.#prompt.waiting && phase !== "handshake");
    if (isIdle && !this.session.inTransaction) this.#sayDraining();
  }

  #sayDraining(): void {
    this.session.log.end("drained");
    this.say(REPLIES.draining);
  }

  cut(): void {
    this.session.log.end("drained");
    if (this.#abandonHandshake !== null) return this.#abandonHandshake();
    this.say(REPLIES.draining);
    setTimeout(() => this.#wire.destroy(), CUT_LINGER_MS).unref();
  }

  /** The connection closes: the client's turn is over. */
  stop(): void {
    this.#prompt.stop();
  }

  /** The connection has closed. A whole message may still be on its way, and the record has it. */
  async closed(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.stop();
    this.#abandonHandshake?.();
    this.session.reset(null);
    await this.#receiving;
    this.session.end(this.#wire.octetsRead);
    this.#onEnd();
  }
}
