/** The handshake on an accepted socket: from the ClientHello to the facts that are kept of it. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  readPeerCertificate,
  PEER_CHAIN,
  type HandshakeVerdict,
  type PeerCertificate,
} from "../../core/x509/peer-certificate.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import { sniName } from "../../core/policy/tls-choice.ts";
import { type BadHello, versionName } from "./client-hello.ts";
import { type ClientCurves, clientCurves } from "./groups.ts";
import { type ClientHelloOutcome, readClientHello } from "./read-client-hello.ts";
import type { ServingContext } from "./secure-contexts.ts";
import type { HandshakeFailure } from "../event/edge-event.ts";
import { surviveLeftovers } from "./tls-leftovers.ts";

/** What one handshake is done with. */
export interface HandshakeTerms {
  readonly serving: ServingContext | null;
  readonly ask: boolean;
}

export interface UpgradeOptions {
  readonly clientHelloMs: number;
  /** From now to the end of the handshake; absolute. */
  readonly handshakeMs: number;
  readonly termsFor: (
    sni: DomainName | null,
    curves: ClientCurves,
  ) => HandshakeTerms | Promise<HandshakeTerms>;
}

/** A handshake that did not come about; the sockets are destroyed. */
export interface FailedHandshake {
  readonly kind: "failed";
  readonly why: HandshakeFailure;
  /** Which deadline passed, when `why` is `timeout`. */
  readonly deadline: "clientHelloMs" | "handshakeMs" | null;
  readonly sni: DomainName | null;
  /** A server name was sent, if only one that is no name. */
  readonly named: boolean;
  readonly offered: string | null;
  readonly code: string | null;
}

export type UpgradeOutcome =
  | { readonly kind: "secured"; readonly socket: TLSSocket; readonly facts: TlsFacts }
  | FailedHandshake;

/**
 * Turns a plaintext socket without a reader into a TLS socket: reads the ClientHello, lets the caller choose
 * by its name, and makes the handshake. Calls `done` once.
 *
 * @returns a function that gives up at once, whatever the stage.
 */
export function upgradeToTls(
  raw: Socket,
  options: UpgradeOptions,
  done: (outcome: UpgradeOutcome) => void,
): () => void {
  const upgrade = new Upgrade(raw, options, done);
  upgrade.start();
  return () => upgrade.giveUp();
}

/** Nothing here reads a TLSSocket that has failed: its getters kill the process (Node 20.20 and 24.21). */
class Upgrade {
  readonly #raw: Socket;
  readonly #options: UpgradeOptions;
  readonly #done: (outcome: UpgradeOutcome) => void;
  readonly #timer: NodeJS.Timeout;
  #secureSocket: TLSSocket | null = null;
  #over = false;
  #sni: DomainName | null = null;
  #named = false;
  #offered: string | null = null;

  constructor(raw: Socket, options: UpgradeOptions, done: (outcome: UpgradeOutcome) => void) {
    this.#raw = raw;
    this.#options = options;
    this.#done = done;
    this.#timer = setTimeout(() => this.#fail("timeout", { deadline: "handshakeMs" }), options.handshakeMs);
  }

  start(): void {
    readClientHello(this.#raw, this.#options.clientHelloMs, (outcome) => this.#onHello(outcome));
  }

  /** RFC 8446 section 6.2: a fatal alert, then the close. */
  #refuse({ why, alert }: BadHello): void {
    if (alert !== null) sayAlert(this.#raw, alert);
    this.#fail(why, { lingers: alert !== null });
  }

  giveUp(): void {
    this.#fail("closed");
  }

  #fail(
    why: HandshakeFailure,
    {
      deadline = null,
      code = null,
      lingers = false,
    }: Partial<Pick<FailedHandshake, "deadline" | "code">> & { readonly lingers?: boolean } = {},
  ): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    // A TLSSocket must be torn down from above: destroying the socket under it in mid-handshake crashes Node.
    if (!lingers) (this.#secureSocket ?? this.#raw).destroy();
    const hello = { sni: this.#sni, named: this.#named, offered: this.#offered };
    this.#done({ kind: "failed", why, deadline, code, ...hello });
  }

  #onHello(outcome: ClientHelloOutcome): void {
    if (this.#over) return;
    if (outcome.kind === "bad") return this.#refuse(outcome);
    if (outcome.kind === "timeout") return this.#fail("timeout", { deadline: "clientHelloMs" });
    if (outcome.kind === "closed") return this.#fail("closed");
    const { serverName, newestVersion } = outcome.hello;
    this.#sni = serverName === null ? null : sniName(serverName);
    this.#named = serverName !== null;
    this.#offered = versionName(newestVersion);
    try {
      const terms = this.#options.termsFor(this.#sni, clientCurves(outcome.hello));
      if (!(terms instanceof Promise)) return this.#handshake(terms);
      terms.then((ready) => this.#handshake(ready)).catch((error: unknown) => this.#failAt(error));
    } catch (error) {
      this.#failAt(error);
    }
  }

  #failAt(error: unknown): void {
    this.#fail("other", { code: codeOf(error) });
  }

  #handshake(terms: HandshakeTerms): void {
    if (this.#over) return;
    if (this.#raw.destroyed) return this.#fail("closed");
    if (terms.serving === null) return this.#fail("other", { code: "NO_CERTIFICATE" });
    // A connection may be half-open, a handshake may not. The raw socket emits `end` when its end came before
    // this.
    const onEnd = (): void => this.#fail("closed");
    this.#raw.once("end", onEnd);
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: terms.serving.context,
      requestCert: terms.ask,
      // Refusing here would show a TLS 1.3 client a bare alert after its handshake: we ask, record, and
      // answer at RCPT.
      rejectUnauthorized: false,
    });
    this.#secureSocket = socket;
    surviveLeftovers(socket);
    const onError = (error: Error): void => this.#fail(failureOf(error), { code: codeOf(error) });
    // Stays for good: an 'error' without a listener would end the process.
    socket.on("error", onError);
    socket.once("_tlsError", onError);
    for (const event of ["end", "close"]) socket.once(event, onEnd);
    // once: with TLS 1.2 a renegotiation would come here again.
    socket.once("secure", () => this.#secured(socket, terms));
  }

  #secured(socket: TLSSocket, terms: HandshakeTerms): void {
    if (this.#over) return;
    const facts = factsOf(socket, this.#sni, terms);
    if (facts === null) return this.#fail("other", { code: "UNREADABLE" });
    this.#over = true;
    clearTimeout(this.#timer);
    this.#done({ kind: "secured", socket, facts });
  }
}

/** For the client to read the alert: closing with octets unread would reset the connection before. */
const ALERT_LINGER_MS = 1_000;

/**
 * Ends a connection with a fatal alert in plaintext (RFC 8446 section 5.1: a record of TLS 1.2 before the
 * version is known).
 */
function sayAlert(raw: Socket, description: number): void {
  raw.end(Buffer.from([21, 3, 3, 0, 2, 2, description]));
  raw.resume();
  const timer = setTimeout(() => raw.destroy(), ALERT_LINGER_MS);
  raw.once("close", () => clearTimeout(timer));
  raw.once("end", () => raw.destroySoon());
}

/** Everything that is ever needed of the handshake, read once, now that it has succeeded. */
function factsOf(socket: TLSSocket, sni: DomainName | null, { serving, ask }: HandshakeTerms): TlsFacts {
  const cipher = socket.getCipher();
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: cipher.standardName,
    sni,
    asked: ask,
    peer: peerOf(socket, serving?.trustHash ?? null),
  };
}

/**
 * A resumed session says `authorized` without a certificate (nodejs/node#35317): no certificate object, no
 * identity.
 */
function peerOf(socket: TLSSocket, trustHash: string | null): PeerCertificate | null {
  if (socket.isSessionReused()) return null;
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return null;
  const chain: Buffer[] = [];
  for (let next: typeof leaf | undefined = leaf; next !== undefined; next = next.issuerCertificate) {
    chain.push(next.raw);
    if (chain.length > PEER_CHAIN.certificates) break;
  }
  const read = readPeerCertificate(chain);
  return read === null ? null : { ...read, handshake: handshakeVerdict(socket, trustHash) };
}

/**
 * OpenSSL's verdict lies on the handle alone, where tls.Server reads it too. Where it is not, nothing was
 * verified.
 */
function handshakeVerdict(socket: TLSSocket, trustHash: string | null): HandshakeVerdict {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (!hasVerifyError(handle)) return { trustHash: null, ok: false, code: "UNAVAILABLE" };
  const error = handle.verifyError();
  return { trustHash, ok: error === null || error === undefined, code: codeOf(error) };
}

function hasVerifyError(handle: unknown): handle is { verifyError(): unknown } {
  return (
    typeof handle === "object" &&
    handle !== null &&
    "verifyError" in handle &&
    typeof handle.verifyError === "function"
  );
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const code = "code" in error && typeof error.code === "string" ? error.code : "UNKNOWN";
  return code.slice(0, 100);
}

/** OpenSSL's reason codes, by the words they have in common. */
const FAILURES: readonly (readonly [RegExp, HandshakeFailure])[] = [
  [/NO_SHARED_CIPHER/, "no-shared-cipher"],
  [/WRONG_CURVE/, "client-curve"],
  [
    /UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER|VERSION_TOO_LOW|UNKNOWN_PROTOCOL|INAPPROPRIATE_FALLBACK/,
    "version",
  ],
  [/ALERT/, "alert"],
  [/ECONNRESET|EPIPE|ECONNABORTED|SOCKET_CLOSED/, "closed"],
];

function failureOf(error: Error): HandshakeFailure {
  const code = codeOf(error) ?? "";
  return FAILURES.find(([pattern]) => pattern.test(code))?.[1] ?? "other";
}
