/**
 * The one file that knows smtp-server: its parser and its commands, with our clock, our limits and our TLS.
 */
/* oxlint-disable no-underscore-dangle -- smtp-server's own names */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { AcceptedConnection } from "./accepted-connection.ts";
import { type ClientGreeting, readCommand, readGreeting } from "./client-command.ts";
import { Conversation, type Phase, type RunningSession, type Wire } from "./conversation.ts";
import type { MessageStream } from "./message-reception.ts";
import { linesOfReply, REPLIES } from "../../core/smtp/replies.ts";
import { Session, type SessionServices } from "./session.ts";

export interface SmtpProtocol {
  /**
   * Speaks SMTP on an accepted socket.
   *
   * @param onEnd called once, when the socket is closed and no message of it is on its way any more.
   */
  open(socket: Socket, connection: AcceptedConnection, onEnd: () => void): RunningSession;
}

/**
 * smtp-server reads its options through `_server`; a connection points to the one that shows STARTTLS or does
 * not.
 */
interface Servers {
  readonly offering: SMTPServer;
  readonly withholding: SMTPServer;
}

/** Commands that are never offered: logins, claims of proxies, and the jokes of old sendmail. */
const DISABLED_COMMANDS = ["AUTH", "XCLIENT", "XFORWARD", "WIZ", "SHELL", "KILL", "HELP"];

export function createSmtpProtocol(services: SessionServices): SmtpProtocol {
  const { name, limits, onEvent } = services;
  const offering = new SMTPServer({
    name,
    size: limits.maxMessageBytes,
    maxCommandLength: limits.maxCommandBytes,
    disabledCommands: DISABLED_COMMANDS,
    authOptional: true,
    disableReverseLookup: true,
    hideREQUIRETLS: false,
    hideENHANCEDSTATUSCODES: false,
    heloResponse: "%s",
    logger: false,
  });
  // Made from a key pair that is public; every handshake here brings its own context.
  offering.secureContext.clear();
  offering.onConnect = (_session, callback) => callback();
  offering.on("error", () => undefined);
  const options = { ...offering.options, hideSTARTTLS: true };
  const withholding: SMTPServer = Object.create(offering, { options: { value: options } });
  const servers = { offering, withholding };
  return {
    open(socket, connection, onEnd) {
      const session = new Session(connection, services);
      const talk = (wire: Wire) => new Conversation(wire, { session, limits, onEvent, onEnd });
      const opened = new SmtpConnection(socket, { connection, servers, talk });
      opened.init();
      return opened.conversation;
    },
  };
}

interface ConnectionParts {
  readonly connection: AcceptedConnection;
  readonly servers: Servers;
  readonly talk: (wire: Wire) => Conversation;
}

type Callback = () => void;
type Parser = Exclude<SMTPConnection["_parser"], false>;

/** smtp-server's connection as a wire: its socket and parser, without its timers and its handshake. */
class SmtpWire extends SMTPConnection implements Wire {
  readonly conversation: Conversation;
  #greetingTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, { connection, servers, talk }: ConnectionParts) {
    super(servers.withholding, socket, {
      id: connection.id,
      remoteAddress: connection.clientAddress,
      remotePort: connection.clientPort,
      // Not used, and finding it out is a system call for each connection.
      localAddress: "0.0.0.0",
      localPort: 25,
    });
    this.conversation = talk(this);
    // A fault of the socket ends in 'close'; without a listener it would end the process.
    this.on("error", () => undefined);
  }

  get phase(): Phase {
    if (this._closing || this._closed) return "over";
    if (this._upgrading) return "handshake";
    if (this._dataStream) return "message";
    return this._ready ? "commands" : "greeting";
  }

  get octetsRead(): number {
    return this._socket.bytesRead;
  }

  write(lines: string): void {
    // While the handshake runs, an octet written here would stand in the middle of it.
    if (!this._upgrading && this._socket.writable) this._socket.write(lines, "latin1");
  }

  destroy(): void {
    this._socket.destroy();
  }

  override close(): void {
    this.conversation.stop();
    super.close();
  }

  override _onClose(): void {
    super._onClose();
    clearTimeout(this.#greetingTimer);
    void this.conversation.closed();
  }

  /** smtp-server's waits 100 ms for early talkers, whatever is set. */
  override init(): void {
    this._setListeners(() => {
      const { greetingDelayMs } = this.conversation.limits;
      if (greetingDelayMs === 0) return this.#greet();
      this.#greetingTimer = setTimeout(() => this.#greet(), greetingDelayMs);
    });
  }

  #greet(): void {
    const parser = this._parser;
    if (this.phase === "over" || parser === false) return;
    // Whole lines before the greeting are cut as they come; this is the beginning of one.
    if (parser._remainder !== "") return this.conversation.cutAt("greetingDelayMs");
    this.connectionReady(() => (parser.writableFinished ? this.close() : this.conversation.prompt()));
  }

  override _createParser(): ReturnType<SMTPConnection["_createParser"]> {
    const parser = super._createParser();
    // The parser's only error is a line that is too long. smtp-server's own listener finds the socket ended
    // then.
    parser.prependListener("error", () => this.conversation.cutAt("maxCommandBytes"));
    // Prepended: smtp-server's own listener runs the beginning of a line as a command, unless the connection
    // is closing.
    parser.prependListener("finish", () => this.#inputEnded(parser));
    return parser;
  }

  /** The client has closed its side, and everything that it sent before is answered. */
  #inputEnded(parser: Parser): void {
    // The plaintext parser ends when a handshake begins.
    if (parser !== this._parser || this.phase === "over") return;
    if (!this._ready)
      return parser._remainder === "" ? undefined : this.conversation.cutAt("greetingDelayMs");
    // A message without its dot: at once, since the close may have to wait for a client that reads no
    // replies.
    if (this._dataStream && parser._dataMode)
      this._dataStream.destroy(new Error("the client closed its side"));
    this.close();
  }

  /** smtp-server's idle timer starts again with every octet. Ours are absolute. */
  override _armTimeout(): void {}

  override _onError(): void {}

  startMessage(maxBytes: number): MessageStream | null {
    const parser = this._parser;
    if (parser === false) return null;
    const stream = parser.startDataMode(maxBytes);
    this._dataStream = stream;
    return stream;
  }

  /** The end of smtp-server's own handler of DATA. */
  endMessage(): void {
    this._dataStream = false;
    const parser = this._parser;
    if (this.phase === "over" || parser === false) return;
    this._resetSession();
    this.conversation.prompt();
    parser.continue();
  }

  /**
   * Replaces smtp-server's: its handshake takes one certificate and one set of options for all, and reads the
   * TLSSocket after a failure. What it does to the plaintext parser is kept step by step: nothing that was
   * pipelined in plaintext is ever dispatched (RFC 3207 section 6).
   */
  override upgrade(callback: Callback): void {
    const parser = this._parser;
    if (parser === false) return;
    this._socket.unpipe(parser);
    parser.isClosed = true;
    this._parser = this._createParser();
    this._upgrading = true;
    setImmediate(callback);
    this.conversation.handshake(this._socket, (socket) => this.#continueOn(socket));
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
    this._resetSession();
    socket.pipe(this._parser);
    this.conversation.prompt();
  }
}

/**
 * Commands on that wire: each goes to the conversation, or through smtp-server's handler, and is answered in
 * its turn.
 */
class SmtpConnection extends SmtpWire {
  readonly #servers: Servers;
  #greeting: ClientGreeting | null = null;

  constructor(socket: Socket, parts: ConnectionParts) {
    super(socket, parts);
    this.#servers = parts.servers;
  }

  override _onCommand(command: Buffer, callback: Callback = () => undefined): void {
    if (!this.conversation.accepts()) return;
    // It ends a session at ten of them. How many errors are too many is `maxErrors` alone.
    this._unrecognizedCommands = 0;
    const { line, frequent, argued } = readCommand(command);
    if (this._upgrading || (frequent ?? argued) === null) return super._onCommand(line, callback);
    // Past smtp-server's dispatch, which makes four strings and two log records of each line: a tenth of the
    // CPU of a session in plaintext.
    const done = (): void => this._whenWritable(callback);
    if (argued !== null) this.conversation.refuse(argued, REPLIES.unwantedArgument, line);
    else if (frequent !== null) {
      if (this.hostNameAppearsAs !== false) return this[`handler_${frequent}`](line, done);
      this.conversation.refuse(frequent, REPLIES.needGreeting, line);
    }
    done();
  }

  /** Called after each command, when the next one may come. */
  override _whenWritable(next: Callback): void {
    this.conversation.prompt();
    super._whenWritable(next);
  }

  /**
   * smtp-server's own replies; its `send` writes none of them once the client has half-closed the connection.
   */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    // It names the verb of unknown commands alone, and gives `false` for EHLO and HELO.
    const verb = (context === false ? this.openingCommand || "" : context) ?? "";
    this.conversation.passOn(
      verb,
      code,
      linesOfReply(code, this._getEnhancedStatusCode(code, context), data),
    );
  }

  override handler_EHLO(command: Buffer, callback: Callback): void {
    this.conversation.withOffer((offer) => {
      this._server = offer === "offered" ? this.#servers.offering : this.#servers.withholding;
      this.#greeting = readGreeting(command, true) ?? this.#greeting;
      super.handler_EHLO(command, callback);
    });
  }

  override handler_HELO(command: Buffer, callback: Callback): void {
    this.conversation.withOffer(() => {
      this.#greeting = readGreeting(command, false) ?? this.#greeting;
      super.handler_HELO(command, callback);
    });
  }

  override _resetSession(): void {
    super._resetSession();
    // Before the first EHLO, and after STARTTLS.
    if (this.hostNameAppearsAs === false) this.#greeting = null;
    this.conversation.session.reset(this.#greeting);
  }

  override handler_QUIT(command: Buffer, callback: Callback): void {
    this.conversation.session.log.end("quit");
    super.handler_QUIT(command, callback);
  }

  override handler_MAIL(command: Buffer, callback: Callback): void {
    this.conversation.mail(command);
    callback();
  }

  override handler_RCPT(command: Buffer, callback: Callback): void {
    void this.conversation.rcpt(command, callback);
  }

  override handler_DATA(_command: Buffer, callback: Callback): void {
    this.conversation.data();
    callback();
  }

  override handler_STARTTLS(command: Buffer, callback: Callback): void {
    if (this.secure) return super.handler_STARTTLS(command, callback);
    this.conversation.withOffer((offer) => {
      if (offer === "offered") return super.handler_STARTTLS(command, callback);
      this.conversation.refuseStarttls(offer);
      callback();
    });
  }
}
