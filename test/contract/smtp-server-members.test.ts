/* oxlint-disable no-underscore-dangle -- smtp-server's own names, each held to what we rely on */
import { EventEmitter, once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { PassThrough, Writable } from "node:stream";
import { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { sourceFiles } from "../structure/source-files.ts";
import { usedMembers } from "../support/used-members.ts";

/**
 * The undocumented members of smtp-server that worker/session relies on: a row for each member that our code
 * names, found in our code itself. A new version that renames one or changes its behaviour fails here, by
 * name.
 */

const MAX_COMMAND = 100;
const OPTIONS = {
  name: "mx.example.net",
  disabledCommands: ["AUTH"],
  authOptional: true,
  disableReverseLookup: true,
  hideENHANCEDSTATUSCODES: false,
  maxCommandLength: MAX_COMMAND,
  logger: false as const,
};

/** A connection whose commands, errors and armed timers are recorded, as ours overrides them. */
class Recorded extends SMTPConnection {
  readonly calls: string[] = [];

  override _armTimeout(): void {
    this.calls.push("_armTimeout");
  }

  override _onError(error: Error): void {
    this.calls.push(`_onError ${error.message}`);
  }

  override _onCloseEvent(hadError?: boolean): void {
    this.calls.push("_onCloseEvent");
    super._onCloseEvent(hadError);
  }

  override _onClose(): void {
    this.calls.push("_onClose");
    super._onClose();
  }

  override _whenWritable(next: () => void): void {
    this.calls.push("_whenWritable");
    super._whenWritable(next);
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    this.calls.push(`send ${String(code)} ${String(context)}`);
    super.send(code, data, context);
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    this.calls.push(`handler_MAIL ${command.toString()}`);
    callback();
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    this.calls.push(`handler_RCPT ${command.toString()}`);
    callback();
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    this.calls.push(`handler_DATA ${command.toString()}`);
    callback();
  }

  override upgrade(callback: () => void): void {
    this.calls.push("upgrade");
    callback();
  }
}

interface Probe {
  readonly server: SMTPServer;
  readonly connection: Recorded;
  readonly socket: Socket;
  readonly client: Socket;
  /** Everything that the client has received, up to a line with this beginning. */
  hears(start: string): Promise<string>;
}

let listener: Server;
const open: Socket[] = [];

beforeAll(async () => {
  listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
});

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

afterAll(() => new Promise((resolve) => listener.close(resolve)));

async function start(): Promise<Probe> {
  const server = new SMTPServer(OPTIONS);
  server.onConnect = (_session, callback) => callback();
  const { port } = listener.address() as { readonly port: number };
  const accepted = once(listener, "connection") as Promise<[Socket]>;
  const client = connect(port, "127.0.0.1");
  const [socket] = await accepted;
  open.push(client, socket);
  client.on("error", () => undefined);
  let text = "";
  client.on("data", (bytes) => (text += bytes.toString("latin1")));
  const hears = async (begin: string): Promise<string> => {
    while (!text.split("\r\n").some((line) => line.startsWith(begin))) await once(client, "data");
    return text;
  };
  return { server, connection: new Recorded(server, socket), socket, client, hears };
}

/** Greeted, with one EHLO answered. */
async function greeted(): Promise<Probe> {
  const probe = await start();
  probe.connection._setListeners(() => probe.connection.connectionReady());
  await probe.hears("220 ");
  probe.client.write("EHLO Client.Example\r\n");
  await probe.hears("250 ");
  return probe;
}

function parserOf({ connection }: Probe) {
  if (connection._parser === false) throw new TypeError("the connection has no parser");
  return connection._parser;
}

const written = (parser: Writable, bytes: string): Promise<unknown> =>
  new Promise((resolve) => parser.write(bytes, resolve));

/** The text of a message and its stream, read to its end. */
async function message(probe: Probe, lines: string) {
  const parser = parserOf(probe);
  const stream = parser.startDataMode(10);
  const during = parser._dataMode;
  const write = written(parser, lines);
  const chunks = await stream.toArray();
  return { parser, stream, during, write, text: Buffer.concat(chunks as Buffer[]).toString() };
}

const handler = (name: "handler_MAIL" | "handler_RCPT" | "handler_DATA", line: string) => async () => {
  const { connection } = await greeted();
  const ended = await new Promise((resolve) => connection._onCommand(Buffer.from(line), () => resolve(true)));
  expect(ended).toBe(true);
  expect(connection.calls).toContain(`${name} ${line}`);
};

const MEMBERS: Readonly<Record<string, readonly [claim: string, expectIt: () => Promise<void>]>> = {
  _armTimeout: [
    "arms the idle timer of a new connection, and nothing else does",
    async () => {
      const { connection, socket } = await start();
      connection._setListeners(() => undefined);
      expect(connection.calls).toEqual(["_armTimeout"]);
      expect(socket.timeout ?? 0).toBe(0);
    },
  ],
  _closed: [
    "is true once the socket has closed",
    async () => {
      const { connection } = await greeted();
      expect(connection._closed).toBe(false);
      connection._onClose();
      expect(connection._closed).toBe(true);
    },
  ],
  _closing: [
    "is true from close() on",
    async () => {
      const { connection } = await greeted();
      expect(connection._closing).toBe(false);
      connection.close();
      expect(connection._closing).toBe(true);
    },
  ],
  _createParser: [
    "makes a parser that passes whole lines to _onCommand, and whose only error is a line that is too long",
    async () => {
      const { connection } = await start();
      const lines: string[] = [];
      connection._onCommand = (command, next) => {
        lines.push(command.toString());
        next?.();
      };
      const parser = connection._createParser();
      await written(parser, "NOOP\r\nRSET\n");
      expect(lines).toEqual(["NOOP", "RSET"]);
      const failed = once(parser, "error");
      parser.write("x".repeat(MAX_COMMAND + 1));
      expect(await failed).toEqual([expect.objectContaining({ message: "Command line too long" })]);
    },
  ],
  _dataMode: [
    "is true from startDataMode to the message's dot",
    async () => {
      const { during, parser } = await message(await greeted(), "a\r\n.\r\n");
      expect([during, parser._dataMode]).toEqual([true, false]);
    },
  ],
  _dataStream: [
    "is destroyed with the socket, when a message is not whole",
    async () => {
      const { connection } = await greeted();
      expect(connection._dataStream).toBe(false);
      const stream = new PassThrough();
      connection._dataStream = Object.assign(stream, { byteLength: 0, sizeExceeded: false });
      connection._onClose();
      expect(stream.destroyed).toBe(true);
    },
  ],
  _getEnhancedStatusCode: [
    "is the enhanced code of a reply, and none where the context is false",
    async () => {
      const { connection } = await greeted();
      expect(connection._getEnhancedStatusCode(500, "RCPT")).toMatch(/^5\.\d+\.\d+$/u);
      expect(connection._getEnhancedStatusCode(500, false)).toBe("");
    },
  ],
  _onClose: [
    "takes the parser away, closed",
    async () => {
      const probe = await greeted();
      const parser = parserOf(probe);
      probe.connection._onClose();
      expect([parser.isClosed, probe.connection._parser]).toEqual([true, false]);
    },
  ],
  _onCloseEvent: [
    "is called when the socket closes, and calls _onClose",
    async () => {
      const { connection, socket } = await greeted();
      const closed = once(socket, "close");
      socket.destroy();
      await closed;
      expect(connection.calls.slice(-2)).toEqual(["_onCloseEvent", "_onClose"]);
    },
  ],
  _onCommand: [
    "receives a line without its end, replies to unknown ones, and calls back",
    async () => {
      const { connection } = await greeted();
      connection.calls.length = 0;
      await new Promise<void>((resolve) => connection._onCommand(Buffer.from("XYZ a"), resolve));
      expect(connection.calls).toEqual(["send 500 XYZ", "_whenWritable"]);
    },
  ],
  _onError: [
    "is called with the socket's errors",
    async () => {
      const { connection, socket } = await greeted();
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.destroy(new Error("reset"));
      await closed;
      expect(connection.calls).toContain("_onError reset");
    },
  ],
  _parser: [
    "exists from the beginning and receives the bytes of the socket",
    async () => {
      const probe = await start();
      probe.connection._setListeners(() => undefined);
      probe.client.write("EHL");
      await once(probe.socket, "data");
      expect(parserOf(probe)._remainder).toBe("EHL");
    },
  ],
  _ready: [
    "is true from the greeting on; a command before it is answered with 421",
    async () => {
      const { connection, hears } = await start();
      expect(connection._ready).toBe(false);
      connection.connectionReady();
      expect(connection._ready).toBe(true);
      connection._ready = false;
      connection._onCommand(Buffer.from("NOOP"));
      expect(await hears("421 ")).toContain("You talk too soon");
    },
  ],
  _remainder: [
    "is the beginning of a line whose end has not come",
    async () => {
      const parser = parserOf(await greeted());
      expect(parser._remainder).toBe("");
      await written(parser, "NOOP\r\nRS");
      expect(parser._remainder).toBe("RS");
    },
  ],
  _resetSession: [
    "begins a transaction without envelope",
    async () => {
      const { connection } = await greeted();
      connection.session.envelope.rcptTo = [{ address: "b@example.com", args: {} }];
      connection._resetSession();
      expect(connection.session.envelope).toMatchObject({ mailFrom: false, rcptTo: [] });
    },
  ],
  _server: [
    "is where options are read: STARTTLS is offered by the server of the moment",
    async () => {
      const { connection, server, client, hears } = await greeted();
      expect(connection._server).toBe(server);
      expect(await hears("250 ")).toContain("STARTTLS");
      const options = { ...server.options, hideSTARTTLS: true };
      connection._server = Object.create(server, { options: { value: options } }) as SMTPServer;
      client.write("EHLO client.example\r\nVRFY a\r\n");
      expect((await hears("252 ")).match(/STARTTLS/gu)).toHaveLength(1);
    },
  ],
  _setListeners: [
    "calls back at once, with the socket piped to the parser",
    async () => {
      const probe = await start();
      let isCalled = false;
      probe.connection._setListeners(() => (isCalled = true));
      expect(isCalled).toBe(true);
      expect(parserOf(probe).listenerCount("unpipe")).toBeGreaterThan(0);
    },
  ],
  _socket: [
    "is where replies are written",
    async () => {
      const { connection, socket } = await greeted();
      expect(connection._socket).toBe(socket);
      const other = Object.assign(new PassThrough(), { readyState: "open" });
      connection._socket = other as unknown as Socket;
      connection.send(250, "Accepted", false);
      expect(String(other.read())).toBe("250 Accepted\r\n");
      connection._socket = socket;
    },
  ],
  _unrecognizedCommands: [
    "counts unknown commands and ends a session at ten, unless it is reset",
    async () => {
      const { connection } = await greeted();
      for (let count = 0; count < 20; count += 1) {
        connection._unrecognizedCommands = 0;
        connection._onCommand(Buffer.from("XYZ"));
      }
      expect([connection._unrecognizedCommands, connection._closing]).toEqual([1, false]);
      connection._unrecognizedCommands = 9;
      connection._onCommand(Buffer.from("XYZ"));
      expect(connection._closing).toBe(true);
    },
  ],
  _upgrading: [
    "lets no command run and no reply be written",
    async () => {
      const { connection } = await greeted();
      connection._upgrading = true;
      connection.calls.length = 0;
      await new Promise<void>((resolve) => connection._onCommand(Buffer.from("NOOP"), resolve));
      expect(connection.calls).toEqual(["_whenWritable"]);
    },
  ],
  _whenWritable: [
    "is called after each command and continues at once on a writable socket",
    async () => {
      const { connection } = await greeted();
      let isCalled = false;
      connection._whenWritable(() => (isCalled = true));
      expect(isCalled).toBe(true);
      expect(connection.calls.filter((call) => call === "_whenWritable")).toHaveLength(2);
    },
  ],
  close: [
    "ends the socket and closes the parser",
    async () => {
      const probe = await greeted();
      const parser = parserOf(probe);
      probe.connection.close();
      expect([probe.socket.writableEnded, parser.isClosed]).toEqual([true, true]);
    },
  ],
  connectionReady: [
    "greets and calls back, without a look-up where that is off",
    async () => {
      const { connection, hears } = await start();
      let isCalled = false;
      connection.connectionReady(() => (isCalled = true));
      expect(isCalled).toBe(true);
      expect(await hears("220 ")).toBe("220 mx.example.net ESMTP\r\n");
    },
  ],
  continue: [
    "lets the commands after a message run",
    async () => {
      const probe = await greeted();
      const { parser, write } = await message(probe, "a\r\n.\r\nVRFY a\r\n");
      expect(probe.connection.calls).not.toContain("send 252 VRFY");
      parser.continue();
      await write;
      expect(await probe.hears("252 ")).toContain("252 ");
    },
  ],
  "handler_*": [
    "are methods that are found by the command's name, for each command that repeats",
    async () => {
      const { connection } = await greeted();
      for (const name of ["MAIL", "RCPT", "DATA"] as const)
        expect(Reflect.get(SMTPConnection.prototype, `handler_${name}`)).toBeInstanceOf(Function);
      expect(connection._getHandler("NOOP")).toBe(SMTPConnection.prototype.handler_NOOP);
    },
  ],
  handler_DATA: ["gets DATA and calls back", handler("handler_DATA", "DATA")],
  handler_MAIL: ["gets MAIL and calls back", handler("handler_MAIL", "MAIL FROM:<a@client.example>")],
  handler_RCPT: ["gets RCPT and calls back", handler("handler_RCPT", "RCPT TO:<b@example.com>")],
  handler_EHLO: [
    "replies with the list of extensions and calls back",
    async () => {
      const { connection } = await greeted();
      connection.calls.length = 0;
      await new Promise<void>((resolve) => connection.handler_EHLO(Buffer.from("EHLO a.example"), resolve));
      expect(connection.calls).toEqual(["send 250 false"]);
    },
  ],
  handler_HELO: [
    "replies, calls back and stores the name",
    async () => {
      const { connection } = await greeted();
      await new Promise<void>((resolve) => connection.handler_HELO(Buffer.from("HELO a.example"), resolve));
      expect(connection.hostNameAppearsAs).toBe("a.example");
    },
  ],
  handler_QUIT: [
    "replies 221 and closes",
    async () => {
      const { connection, hears } = await greeted();
      connection.handler_QUIT(Buffer.from("QUIT"), () => undefined);
      expect(await hears("221 ")).toContain("221 2.0.0 ");
      expect(connection._closing).toBe(true);
    },
  ],
  handler_STARTTLS: [
    "replies 220 and upgrades; 503 on a connection with TLS",
    async () => {
      const { connection, hears } = await greeted();
      connection.handler_STARTTLS(Buffer.from("STARTTLS"), () => undefined);
      expect(await hears("220 2.0.0")).toContain("220 2.0.0");
      expect(connection.calls.at(-1)).toBe("upgrade");
      connection.secure = true;
      connection.handler_STARTTLS(Buffer.from("STARTTLS"), () => undefined);
      expect(connection.calls.at(-1)).toMatch(/^send 503 /u);
    },
  ],
  hostNameAppearsAs: [
    "is false before EHLO, then the client's name; without it commands of mail are answered with 503",
    async () => {
      const { connection } = await greeted();
      expect(connection.hostNameAppearsAs).toBe("client.example");
      connection.hostNameAppearsAs = false;
      connection._onCommand(Buffer.from("MAIL FROM:<a@client.example>"));
      expect(connection.calls.at(-1)).toMatch(/^send 503 /u);
    },
  ],
  init: [
    "is what greets, by itself only 100 ms later",
    async () => {
      const { connection } = await start();
      connection.init();
      expect([connection.calls, connection._ready]).toEqual([["_armTimeout"], false]);
    },
  ],
  isClosed: [
    "lets the parser accept bytes without running commands",
    async () => {
      const probe = await greeted();
      const parser = parserOf(probe);
      parser.isClosed = true;
      probe.connection.calls.length = 0;
      await written(parser, "NOOP\r\nRS");
      expect([probe.connection.calls, parser._remainder]).toEqual([[], ""]);
    },
  ],
  openingCommand: [
    "is EHLO or HELO, the last one received",
    async () => {
      const { connection } = await greeted();
      expect(connection.openingCommand).toBe("EHLO");
      connection._onCommand(Buffer.from("helo a.example"));
      expect(connection.openingCommand).toBe("HELO");
    },
  ],
  secure: [
    "is false on a connection that begins in plaintext",
    async () => {
      const { connection } = await start();
      expect(connection.secure).toBe(false);
    },
  ],
  send: [
    "writes a reply, and closes after 421",
    async () => {
      const { connection, hears } = await greeted();
      connection.send(421, "Bye", false);
      expect(await hears("421 ")).toContain("421 Bye\r\n");
      expect(connection._closing).toBe(true);
    },
  ],
  session: [
    "is true when the connection has TLS",
    async () => {
      const { connection } = await start();
      expect(connection.session.secure).toBe(false);
    },
  ],
  startDataMode: [
    "gives a message without its stuffed dots, and reports when it is over its size",
    async () => {
      const { stream, text } = await message(await greeted(), "..dot and more\r\n.\r\n");
      expect([text, stream.sizeExceeded]).toEqual([".dot and more\r\n", true]);
    },
  ],
  upgrade: [
    "replaces the parser and closes the one of plaintext",
    async () => {
      const probe = await greeted();
      const before = parserOf(probe);
      SMTPConnection.prototype.upgrade.call(probe.connection, () => undefined);
      expect(before.isClosed).toBe(true);
      expect(parserOf(probe)).not.toBe(before);
      expect(probe.connection._upgrading).toBe(true);
    },
  ],
};

describe("members of smtp-server that worker/ relies on", () => {
  it.each(Object.entries(MEMBERS).map(([name, [claim, expectIt]]) => ({ name, claim, expectIt })))(
    "$name $claim",
    ({ expectIt }) => expectIt(),
  );

  const code = sourceFiles("worker/**/*.ts").filter(({ path }) => !path.endsWith(".test.ts"));
  const byNode = (name: string): boolean => name in EventEmitter.prototype || name in Writable.prototype;
  const used = code.flatMap(({ text }) => usedMembers(text, "SMTPConnection"));

  it("are those that the code names, no more and no less", () => {
    const names = new Set(used.filter((name) => !byNode(name)));
    expect([...names].toSorted()).toEqual(Object.keys(MEMBERS).toSorted());
  });

  it.each([
    ["this._xClient", "_xClient"],
    ["connection?._rcptIndex", "_rcptIndex"],
    ['connection["_xForward"]', "_xForward"],
    ["connection[`handler_${verb}`]", "handler_*"],
    ['Reflect.get(connection, "_nextHandler")', "_nextHandler"],
    ["this.clientHostname", "clientHostname"],
    ["super.emitConnection", "emitConnection"],
    ["parser.dataBytes", "dataBytes"],
    ["(({ _canEmitConnection }: SMTPConnection) => _canEmitConnection)(this)", "_canEmitConnection"],
  ])("are found in %s", (expression, name) => {
    const text = `class Planted extends SMTPConnection { go() { return ${expression}; } }`;
    expect(usedMembers(text, "SMTPConnection")).toContain(name);
  });

  it("are found in a subclass of a subclass, without those that the first declares", () => {
    const text = `class First extends SMTPConnection { readonly mine = 1; }
      class Second extends First { go() { return [this.mine, this.clientHostname]; } }`;
    expect(usedMembers(text, "SMTPConnection")).toEqual(["clientHostname"]);
  });
});
