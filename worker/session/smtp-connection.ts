/* oxlint-disable no-underscore-dangle -- smtp-server's own names; this file is the only one that knows them */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { Limits } from "../config/limits.ts";
import { type Counting, hasRefusedEnough, limitPassed } from "./answer-limits.ts";
import { type ClientGreeting, greetingOf } from "./client-greeting.ts";
import { readCommandLine } from "./command-line.ts";
import { PromptDeadline } from "./deadlines.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import { receiveMessage } from "./message-reception.ts";
import type { CommandAnswer } from "./refused-group.ts";
import { type EndingLimit, LIMIT_REPLIES, linesOfReply, REPLIES, type SmtpReply } from "./reply.ts";
import { Session, type StarttlsOffer } from "./session.ts";
import type { SessionServices } from "./session-context.ts";
import { smtpOptions } from "./smtp-options.ts";
import type { RunningSession, SmtpProtocol } from "./smtp-protocol.ts";
import { type UpgradeOptions, upgradeToTls } from "../tls/tls-upgrade.ts";

/** smtp-server reads its options through `_server`; a connection points to the one that shows STARTTLS or does not. */
interface Servers {
  readonly offering: SMTPServer;
  readonly withholding: SMTPServer;
}

/** The one place that knows smtp-server: its parser and commands, on sockets and with TLS of our own. */
export function createSmtpProtocol(services: SessionServices): SmtpProtocol {
  const offering = new SMTPServer(smtpOptions(services.options));
  // Made from a key pair that is public; every handshake here brings a context of its own.
  offering.secureContext.clear();
  offering.onConnect = (_session, callback) => callback();
  offering.on("error", () => undefined);
  const options = { ...offering.options, hideSTARTTLS: true };
  const withholding: SMTPServer = Object.create(offering, { options: { value: options } });
  const servers = { offering, withholding };
  return {
    open(socket, connection, onEnd) {
      const session = new Session(connection, services);
      const opened = new EdgeConnection(socket, { session, services, servers, onEnd });
      opened.init();
      return opened;
    },
  };
}

interface ConnectionParts {
  readonly session: Session;
  readonly services: SessionServices;
  readonly servers: Servers;
  readonly onEnd: () => void;
}

/** For the last reply of a session that a drain cuts: a client that does not read it is not waited for. */
const CUT_LINGER_MS = 100;
type Callback = () => void;
type Parser = Exclude<SMTPConnection["_parser"], false>;

class EdgeConnection extends SMTPConnection implements RunningSession {
  readonly #mail: Session;
  readonly #limits: Limits;
  readonly #onEvent: EdgeEventSink;
  readonly #servers: Servers;
  readonly #onEnd: () => void;
  readonly #prompt: PromptDeadline;
  #greeting: ClientGreeting | null = null;
  #greetingTimer: NodeJS.Timeout | undefined;
  #giveUpHandshake: (() => void) | null = null;
  /** A message from its 354 to its reply. */
  #receiving: Promise<void> | null = null;
  #draining = false;
  #ended = false;

  constructor(socket: Socket, { session, services, servers, onEnd }: ConnectionParts) {
    const { id, clientAddress, clientPort } = session.connection;
    super(servers.withholding, socket, {
      id,
      remoteAddress: clientAddress,
      remotePort: clientPort,
      // Nobody asks for it, and finding it out is a system call for each connection.
      localAddress: "0.0.0.0",
      localPort: 25,
    });
    this.#mail = session;
    this.#limits = services.options.limits;
    this.#onEvent = services.options.onEvent;
    this.#servers = servers;
    this.#onEnd = onEnd;
    this.#prompt = new PromptDeadline(this.#limits, (limit) => this.#cutAt(limit));
    // What goes wrong with a socket ends in 'close'; without a listener it would end the process.
    this.on("error", () => undefined);
  }

  get #isOver(): boolean {
    return this._closing || this._closed;
  }

  /** smtp-server's waits 100 ms for early talkers, whatever is set. */
  override init(): void {
    this._setListeners(() => {
      const { greetingDelayMs } = this.#limits;
      if (greetingDelayMs === 0) return this.#greet();
      this.#greetingTimer = setTimeout(() => this.#greet(), greetingDelayMs);
    });
  }

  #greet(): void {
    const parser = this._parser;
    if (this.#isOver || parser === false) return;
    // Whole lines before the greeting are cut as they come; this is the beginning of one.
    if (parser._remainder !== "") return this.#cutAt("greetingDelayMs");
    this.connectionReady(() => (parser.writableFinished ? this.close() : this.#promptClient()));
  }

  override _createParser(): ReturnType<SMTPConnection["_createParser"]> {
    const parser = super._createParser();
    // The parser's only error is a line that is too long. smtp-server's own listener finds the socket ended then.
    parser.prependListener("error", () => this.#cutAt("maxCommandBytes"));
    // Prepended: smtp-server's own listener runs the beginning of a line as a command, unless the connection is closing.
    parser.prependListener("finish", () => this.#inputEnded(parser));
    return parser;
  }

  /** The client has closed its side, and everything that it sent before is answered. */
  #inputEnded(parser: Parser): void {
    // The plaintext parser ends when a handshake begins.
    if (parser !== this._parser || this.#isOver) return;
    if (!this._ready) return parser._remainder === "" ? undefined : this.#cutAt("greetingDelayMs");
    // A message without its dot: at once, since the close may have to wait for a client that reads no replies.
    if (this._dataStream && parser._dataMode)
      this._dataStream.destroy(new Error("the client closed its side"));
    this.close();
  }

  /** smtp-server's idle timer starts again with every octet. Ours are absolute. */
  override _armTimeout(): void {}

  override _onError(): void {}

  override _onCommand(command: Buffer, callback?: Callback): void {
    this.#prompt.answered();
    if (!this._upgrading) {
      if (!this._ready) return this.#cutAt("greetingDelayMs");
      this.#mail.log.commands += 1;
      if (this.#mail.log.commands > this.#limits.maxCommands) return this.#cutAt("maxCommands");
    }
    // It ends a session at ten of them. How many errors are too many is `maxErrors` alone.
    this._unrecognizedCommands = 0;
    const { line, frequent, argued } = readCommandLine(command);
    if (this._upgrading || (frequent ?? argued) === null) return super._onCommand(line, callback);
    // Past smtp-server's dispatch, which makes four strings and two log records of each line: a tenth of the CPU of a
    // session in plaintext.
    const done = (): void => this._whenWritable(callback ?? (() => undefined));
    if (argued !== null) this.#answer(this.#mail.refused(argued, REPLIES.unwantedArgument, line));
    else if (frequent !== null) {
      if (this.hostNameAppearsAs !== false) return this[`handler_${frequent}`](line, done);
      this.#answer(this.#mail.refused(frequent, REPLIES.needGreeting, line));
    }
    done();
  }

  /** Called after each command, when the next one may come. */
  override _whenWritable(next: Callback): void {
    this.#promptClient();
    super._whenWritable(next);
  }

  #promptClient(): void {
    if (this.#isOver || this._upgrading || this.#receiving !== null) return;
    if (this.#draining && !this.#mail.inTransaction) return this.#sayDraining();
    this.#prompt.ask();
  }

  /** smtp-server's own replies; its `send` writes none of them once the client has half-closed the connection. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    // It names the verb of unknown commands alone, and says `false` for EHLO and HELO.
    const verb = (context === false ? this.openingCommand || "" : context) ?? "";
    if (code === 421) this.#mail.log.end("protocol");
    else if (code >= 400 && this.#isOverLimit(code, this.#mail.refused(verb, { code, text: "" }).countsAs))
      return;
    this.#write(code, linesOfReply(code, this._getEnhancedStatusCode(code, context), data));
  }

  #say({ code, text }: SmtpReply): void {
    this.#write(code, `${String(code)} ${text}\r\n`);
  }

  /** @param lines Printable ASCII, each with its line end. */
  #write(code: number, lines: string): void {
    // While the handshake runs, an octet written here would stand in the middle of it.
    if (!this._upgrading && this._socket.writable) this._socket.write(lines, "latin1");
    if (code === 421) this.close();
  }

  #answer({ reply, countsAs }: CommandAnswer): void {
    if (!this.#isOverLimit(reply.code, countsAs)) this.#say(reply);
  }

  #isOverLimit(code: number, countsAs: Counting): boolean {
    const limit = limitPassed(this.#mail.log, this.#limits, { code, countsAs });
    if (limit === null) return false;
    this.#cutAt(limit);
    return true;
  }

  /** Ends the session at a limit. */
  #cutAt(limit: EndingLimit, reply: SmtpReply = LIMIT_REPLIES[limit]): void {
    if (this.#isOver) return;
    this.#mail.limitHit(limit);
    this.#mail.log.end("limit", limit);
    this.#say(reply);
    this.close();
  }

  override close(): void {
    this.#prompt.stop();
    super.close();
  }

  override _resetSession(): void {
    super._resetSession();
    this.#mail.reset(this.hostNameAppearsAs === false ? null : this.#greeting);
  }

  override handler_EHLO(command: Buffer, callback: Callback): void {
    this.#withOffer((offer) => {
      this._server = offer === "offered" ? this.#servers.offering : this.#servers.withholding;
      this.#greeting = greetingOf(command, true) ?? this.#greeting;
      super.handler_EHLO(command, callback);
    });
  }

  override handler_HELO(command: Buffer, callback: Callback): void {
    this.#withOffer(() => {
      this.#greeting = greetingOf(command, false) ?? this.#greeting;
      super.handler_HELO(command, callback);
    });
  }

  /** At once where there is a default certificate; else when one of the settings was looked for. */
  #withOffer(decided: (offer: StarttlsOffer) => void): void {
    const offer = this.#mail.starttlsOffer();
    if (!(offer instanceof Promise)) return decided(offer);
    offer.then(decided).catch((error: unknown) => {
      this.#onEvent({ kind: "internal-error", where: "starttls", error });
      this._socket.destroy();
    });
  }

  override handler_QUIT(command: Buffer, callback: Callback): void {
    this.#mail.log.end("quit");
    super.handler_QUIT(command, callback);
  }

  override handler_MAIL(command: Buffer, callback: Callback): void {
    try {
      if (hasRefusedEnough(this.#mail.log, this.#limits)) this.#cutAt("maxRefusedMessages");
      else this.#answer(this.#mail.mail(command));
    } catch (error) {
      this.#failed("mail", error);
    }
    callback();
  }

  /** A fault of ours in one command: the client comes again, everybody else is not concerned. */
  #failed(where: string, error: unknown): void {
    this.#onEvent({ kind: "internal-error", where, error });
    this.#say(REPLIES.internalError);
  }

  override handler_RCPT(command: Buffer, callback: Callback): void {
    void this.#rcpt(command, callback);
  }

  async #rcpt(command: Buffer, callback: Callback): Promise<void> {
    try {
      this.#answer(await this.#mail.rcpt(command));
    } catch (error) {
      this.#failed("rcpt", error);
    }
    callback();
  }

  override handler_DATA(_command: Buffer, callback: Callback): void {
    const parser = this._parser;
    const refusal = this.#mail.dataRefusal();
    if (refusal !== null) this.#answer(refusal);
    else if (parser !== false) {
      this.#receiving = this.#receive(parser);
      this.#say(REPLIES.sendMessage);
    }
    callback();
  }

  async #receive(parser: Parser): Promise<void> {
    const stream = (this._dataStream = parser.startDataMode(this.#limits.maxMessageBytes));
    const reply = await receiveMessage(stream, {
      limits: this.#limits,
      transfer: (whole) => this.#mail.message(whole),
      cutAt: (limit, cutReply) => this.#cutAt(limit, cutReply),
      isOpen: () => !this.#isOver,
    });
    this.#receiving = null;
    this._dataStream = false;
    if (reply === null) return;
    this.#answer({ reply, countsAs: "message" });
    // The end of smtp-server's own handler of DATA.
    this._resetSession();
    this.#promptClient();
    parser.continue();
  }

  override handler_STARTTLS(command: Buffer, callback: Callback): void {
    if (this.secure) return super.handler_STARTTLS(command, callback);
    this.#withOffer((offer) => {
      if (offer === "offered") return super.handler_STARTTLS(command, callback);
      if (offer === "withheld") this.#answer(this.#mail.refused("STARTTLS", REPLIES.starttlsWithheld));
      else this.#answer({ reply: REPLIES.starttlsUnavailable, countsAs: "nothing" });
      callback();
    });
  }

  /**
   * Replaces smtp-server's: its handshake takes one certificate and one set of options for all, and reads the TLSSocket
   * after a failure. What it does to the plaintext parser is kept step by step: nothing that was pipelined in plaintext
   * is ever dispatched (RFC 3207 section 6).
   */
  override upgrade(callback: Callback): void {
    const parser = this._parser;
    if (parser === false) return;
    this._socket.unpipe(parser);
    parser.isClosed = true;
    this._parser = this._createParser();
    this._upgrading = true;
    setImmediate(callback);
    const startedAt = performance.now();
    const termsFor: UpgradeOptions["termsFor"] = (sni, curves) => this.#mail.handshakeTerms(sni, curves);
    this.#giveUpHandshake = upgradeToTls(this._socket, { ...this.#limits, termsFor }, (outcome) => {
      this.#giveUpHandshake = null;
      if (outcome.kind === "failed") return this.#mail.handshakeFailed(outcome);
      this.#mail.secured(outcome.facts, performance.now() - startedAt);
      this.#continueOn(outcome.socket);
    });
  }

  #continueOn(socket: TLSSocket): void {
    socket.on("_tlsError", () => socket.destroy());
    socket.once("close", (hadError: boolean) => this._onCloseEvent(hadError));
    if (this._parser === false) return void socket.destroy();
    this._socket = socket;
    this._upgrading = false;
    this.session.secure = true;
    this.secure = true;
    // RFC 3207 section 4.2: what the client said in plaintext is forgotten.
    this.hostNameAppearsAs = false;
    this.openingCommand = false;
    this.#greeting = null;
    this._resetSession();
    socket.pipe(this._parser);
    this.#promptClient();
  }

  drain(): void {
    this.#draining = true;
    const isIdle = this.#prompt.waiting || !this._ready;
    if (isIdle && !this._upgrading && !this.#mail.inTransaction) this.#sayDraining();
  }

  #sayDraining(): void {
    this.#mail.log.end("drained");
    this.#say(REPLIES.draining);
  }

  cut(): void {
    this.#mail.log.end("drained");
    if (this.#giveUpHandshake !== null) return this.#giveUpHandshake();
    this.#say(REPLIES.draining);
    setTimeout(() => this._socket.destroy(), CUT_LINGER_MS).unref();
  }

  override _onClose(): void {
    super._onClose();
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#greetingTimer);
    this.#prompt.stop();
    this.#giveUpHandshake?.();
    this.#mail.reset(null);
    void this.#finish();
  }

  /** A message that came whole may still be on its way: it is not lost, and the record tells of it. */
  async #finish(): Promise<void> {
    await this.#receiving;
    this.#mail.end(this._socket.bytesRead);
    this.#onEnd();
  }
}
