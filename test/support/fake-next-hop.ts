import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";

/**
 * What a scripted server does at one point: sends lines (the code of each may lie), says nothing (HANG),
 * closes the socket (DROP), or whatever a function does with it.
 */
export type Step = string | ((socket: Socket) => void);

export const HANG = "HANG";
export const DROP = "DROP";

type StepFor = (address: string) => Step;

interface FakeScript {
  readonly greeting?: Step;
  /** Keywords with parameters; a second list is offered inside TLS. */
  readonly extensions?: readonly string[];
  readonly extensionsInTls?: readonly string[];
  readonly ehlo?: Step;
  readonly helo?: Step;
  readonly starttls?: Step;
  readonly auth?: Step;
  readonly xforward?: Step;
  readonly mail?: Step;
  /** By the address between the angle brackets. */
  readonly rcpt?: string | StepFor;
  readonly data?: Step;
  /** After so many octets of the message, once. */
  readonly duringData?: { readonly octets: number; readonly step: Step };
  /** After the dot; for LMTP by recipient. */
  readonly dot?: string | StepFor;
}

export interface FakeNextHopOptions extends FakeScript {
  readonly lmtp?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Asks the client for a certificate, and takes any or none. */
  readonly requestsCertificate?: boolean;
  /** TLS before the greeting. */
  readonly implicitTls?: boolean;
}

export interface FakeMail {
  readonly reversePath: string;
  readonly recipients: readonly string[];
  /** Latin-1, dots unstuffed. */
  readonly content: string;
  /** Whether TLS protected it. */
  readonly isEncrypted: boolean;
}

/**
 * A mail server for tests: obeys its script, records what it hears, and keeps a message only when its dot
 * came.
 */
export interface FakeNextHop {
  readonly port: number;
  /** Every command line of every connection, in order. */
  readonly commands: readonly string[];
  readonly mails: readonly FakeMail[];
  /** Sockets that are open now. */
  readonly open: number;
  /** Connections that came so far. */
  readonly connections: number;
  /** SNI of each handshake that had one. */
  readonly serverNames: readonly string[];
  /** When every connection of the client's is closed. */
  allClosed(): Promise<void>;
  close(): Promise<void>;
}

interface Shared {
  readonly options: FakeNextHopOptions;
  readonly commands: string[];
  readonly mails: FakeMail[];
  readonly serverNames: string[];
}

export async function startFakeNextHop(options: FakeNextHopOptions = {}): Promise<FakeNextHop> {
  const shared: Shared = { options, commands: [], mails: [], serverNames: [] };
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    new FakeSession(shared).begin(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    commands: shared.commands,
    mails: shared.mails,
    serverNames: shared.serverNames,
    get open() {
      return sockets.size;
    },
    get connections() {
      return connections;
    },
    async allClosed() {
      // Not events.once(), which rejects when the client resets the connection.
      const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      await Promise.all(closed);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

class FakeSession {
  readonly #shared: Shared;
  #socket: Socket | null = null;
  #isEncrypted = false;
  /** Latin-1. */
  #input = "";
  #mode: "commands" | "data" | "dead" = "commands";
  #reversePath = "";
  #recipients: string[] = [];
  #dataOctets = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  begin(socket: Socket): void {
    const { implicitTls = false, greeting = "220 fake.example ESMTP" } = this.#shared.options;
    if (!implicitTls) {
      this.#attach(socket);
      this.#do(greeting);
      return;
    }
    this.#encrypt(socket, () => {
      this.#do(greeting);
    });
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#input += chunk.toString("latin1");
      this.#read();
    });
  }

  #encrypt(socket: Socket, then: () => void): void {
    const { tls, requestsCertificate = false } = this.#shared.options;
    if (tls === undefined) throw new Error("the fake next hop was given no certificate");
    socket.removeAllListeners("data");
    const encrypted = new TLSSocket(socket, {
      isServer: true,
      requestCert: requestsCertificate,
      rejectUnauthorized: false,
      secureContext: createSecureContext(tls),
      SNICallback: (name, done) => {
        this.#shared.serverNames.push(name);
        done(null, undefined);
      },
    });
    encrypted.on("error", () => undefined);
    this.#isEncrypted = true;
    this.#attach(encrypted);
    encrypted.once("secure", then);
  }

  #do(step: Step): void {
    const socket = this.#socket;
    if (socket === null) return;
    if (typeof step === "function") step(socket);
    else if (step === DROP) socket.destroy();
    else if (step !== HANG) socket.write(`${step}\r\n`);
    if (step === HANG || step === DROP) this.#mode = "dead";
  }

  #read(): void {
    while (this.#mode === "commands") {
      const end = this.#input.indexOf("\r\n");
      if (end === -1) return;
      const line = this.#input.slice(0, end);
      this.#input = this.#input.slice(end + 2);
      this.#shared.commands.push(line);
      this.#command(line);
    }
    if (this.#mode === "data") this.#readData();
  }

  #command(line: string): void {
    const { options } = this.#shared;
    const verb = (/^[A-Z]+/i.exec(line)?.[0] ?? "").toUpperCase();
    switch (verb) {
      case "EHLO":
      case "LHLO":
        return this.#do(options.ehlo ?? this.#ehloReply());
      case "HELO":
        return this.#do(options.helo ?? "250 fake.example");
      case "STARTTLS":
        return this.#startTls();
      case "AUTH":
        return this.#do(options.auth ?? "235 2.7.0 ok");
      case "XFORWARD":
        return this.#do(options.xforward ?? "250 2.0.0 ok");
      case "MAIL":
        this.#reversePath = /<(.*)>/.exec(line)?.[1] ?? "";
        return this.#do(options.mail ?? "250 2.1.0 ok");
      case "RCPT":
        return this.#rcpt(/<(.*)>/.exec(line)?.[1] ?? "");
      case "DATA":
        return this.#data();
      case "QUIT":
        this.#mode = "dead";
        this.#socket?.end("221 2.0.0 bye\r\n");
        return undefined;
      default:
        return this.#do("500 5.5.1 what");
    }
  }

  #ehloReply(): string {
    const { extensions = ["8BITMIME", "SMTPUTF8", "SIZE 100000000"], extensionsInTls } = this.#shared.options;
    const offered = (this.#isEncrypted ? extensionsInTls : undefined) ?? extensions;
    const lines = ["fake.example", ...offered];
    return lines.map((line, at) => `250${at === lines.length - 1 ? " " : "-"}${line}`).join("\r\n");
  }

  #startTls(): void {
    const { starttls = "220 2.0.0 go" } = this.#shared.options;
    const socket = this.#socket;
    this.#do(starttls);
    if (socket !== null && typeof starttls === "string" && starttls.startsWith("220"))
      this.#encrypt(socket, () => undefined);
  }

  #rcpt(address: string): void {
    const { rcpt = "250 2.1.5 ok" } = this.#shared.options;
    const step = typeof rcpt === "function" ? rcpt(address) : rcpt;
    if (typeof step === "string" && step.startsWith("25")) this.#recipients.push(decoded(address));
    this.#do(step);
  }

  #data(): void {
    const { data = "354 go" } = this.#shared.options;
    if (typeof data === "string" && data.startsWith("354")) this.#mode = "data";
    this.#do(data);
  }

  #readData(): void {
    const { duringData } = this.#shared.options;
    if (
      duringData !== undefined &&
      this.#dataOctets < duringData.octets &&
      this.#input.length >= duringData.octets
    ) {
      this.#dataOctets = this.#input.length;
      this.#do(duringData.step);
    }
    const isEmpty = this.#input.startsWith(".\r\n");
    const end = isEmpty ? -2 : this.#input.indexOf("\r\n.\r\n");
    if (end === -1 || this.#mode === "dead") return;
    const content = isEmpty ? "" : this.#input.slice(0, end + 2);
    this.#input = this.#input.slice(end + 5);
    this.#mode = "commands";
    this.#shared.mails.push({
      reversePath: this.#reversePath,
      recipients: this.#recipients,
      content: content.replace(/(^|\r\n)\./g, "$1"),
      isEncrypted: this.#isEncrypted,
    });
    this.#answerDot();
    this.#recipients = [];
    this.#read();
  }

  #answerDot(): void {
    const { lmtp = false, dot = "250 2.0.0 kept" } = this.#shared.options;
    const stepFor = (address: string): Step => (typeof dot === "function" ? dot(address) : dot);
    const answered = lmtp ? this.#recipients : this.#recipients.slice(0, 1);
    for (const address of answered) if (this.#mode !== "dead") this.#do(stepFor(address));
  }
}

const decoded = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");
