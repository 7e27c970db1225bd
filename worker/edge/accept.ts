import type { EdgeListener } from "../config/listener-config.ts";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { canonicalAddress, clientKey } from "../../core/name/client-address.ts";
import { isInAny } from "../../core/name/network.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { LimitName } from "../config/limits.ts";
import type { AcceptRefusal, EdgeEventSink } from "../event/edge-event.ts";
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";
import type { RunningSession } from "../session/conversation.ts";
import type { SmtpProtocol } from "../session/smtp-connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { type ProxyHeaderOutcome, readProxyHeader } from "./proxy-protocol.ts";

export interface AcceptLoopOptions {
  readonly listener: EdgeListener;
  /** Shared by all listeners of the edge. */
  readonly connections: ConnectionLimits;
  readonly proxyHeaderMs: number;
  readonly protocol: SmtpProtocol;
  /** The settings that a new connection takes; null = there are none yet. */
  readonly snapshot: () => Snapshot | null;
  readonly onEvent: EdgeEventSink;
}

/** How long a client that is turned away may take to read why. */
const TURNED_AWAY_MS = 1_000;
/** Turned away at one time with a reason; beyond that a flood is cut without one. */
const MAX_TURNED_AWAY = 500;

interface Client {
  readonly address: string;
  readonly port: number;
  /** The load balancer itself: no client, and in no count of clients. */
  readonly isHealthCheck: boolean;
}

/**
 * A reply is written whole; with Nagle's algorithm it would wait for the ACK of the one before.
 *
 * Half-open: a client that has closed its side still gets its replies (RFC 9293 section 3.6), then the
 * session closes our side.
 *
 * Keep-alive: a client waits in silence for the reply to its dot while the next hop works, for longer than
 * firewalls remember a connection; security groups of AWS's newer hardware do so for 350 s. A minute of
 * silence sends a probe.
 */
const SOCKETS = {
  noDelay: true,
  allowHalfOpen: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
} as const;

/** One listening socket, and the way of a connection from its accept to its session. */
export class AcceptLoop {
  readonly #options: AcceptLoopOptions;
  readonly #server: Server;
  readonly #sessions = new Set<RunningSession>();
  /** Accepted, and still waiting for a PROXY header. */
  readonly #waiting = new Set<Socket>();
  readonly #turnedAway = new Set<Socket>();
  /** What `maxConnections` counts. */
  readonly #counted = new Set<Socket>();
  #draining = false;

  constructor(options: AcceptLoopOptions) {
    this.#options = options;
    this.#server = createServer(SOCKETS, (socket) => this.#accept(socket));
  }

  get sessions(): ReadonlySet<RunningSession> {
    return this.#sessions;
  }

  /** @returns the address as bound. @throws what the bind throws: the port is in use, or may not be bound. */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options.listener;
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    this.#server.on("error", (error) => {
      this.#options.onEvent({ kind: "internal-error", where: "listener", error });
    });
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new TypeError("not a TCP listener");
    return address;
  }

  /** Accepts no more connections; sessions end as soon as no transaction of theirs is open. */
  drain(): void {
    this.#draining = true;
    this.#server.close();
    for (const socket of this.#waiting) socket.destroy();
    for (const session of this.#sessions) session.drain();
  }

  cut(): void {
    for (const session of this.#sessions) session.cut();
    for (const socket of this.#turnedAway) socket.destroy();
  }

  #accept(socket: Socket): void {
    const { connections, listener, proxyHeaderMs } = this.#options;
    // What breaks a connection shows as 'close'.
    socket.on("error", () => undefined);
    if (this.#draining) return this.#refuse(socket, "draining", REPLIES.draining);
    if (!connections.tryOpen()) return this.#refuseAt(socket, "maxConnections", REPLIES.tooManyConnections);
    this.#counted.add(socket);
    socket.once("close", () => this.#uncount(socket));
    const address = canonicalAddress(socket.remoteAddress ?? "");
    // Closed between the accept of the kernel and this one.
    if (address === null) return void socket.destroy();
    const client: Client = { address, port: socket.remotePort ?? 0, isHealthCheck: false };
    if (listener.proxyFrom === null) return this.#open(socket, client);
    if (!isInAny(address, listener.proxyFrom)) {
      return this.#refuse(socket, "proxy-peer", null);
    }
    this.#waiting.add(socket);
    readProxyHeader(socket, proxyHeaderMs, (outcome) => {
      this.#waiting.delete(socket);
      this.#afterProxyHeader(socket, client, outcome);
    });
  }

  #uncount(socket: Socket): void {
    if (this.#counted.delete(socket)) this.#options.connections.close();
  }

  #afterProxyHeader(socket: Socket, proxy: Client, outcome: ProxyHeaderOutcome): void {
    switch (outcome.kind) {
      case "timeout":
        return this.#refuseAt(socket, "proxyHeaderMs", null);
      case "absent":
      case "bad":
        return this.#refuse(socket, "proxy-malformed", null);
      case "closed":
        return this.#refuse(socket, "proxy-closed", null);
      case "header":
        break;
      default:
        return outcome satisfies never;
    }
    const { header } = outcome;
    if (header.kind === "unknown") return this.#open(socket, proxy);
    if (header.kind === "local") return this.#open(socket, { ...proxy, isHealthCheck: true });
    this.#open(socket, { address: header.address, port: header.port, isHealthCheck: false });
  }

  #open(socket: Socket, { address, port, isHealthCheck }: Client): void {
    const { connections, listener, protocol, onEvent } = this.#options;
    const snapshot = this.#options.snapshot();
    if (snapshot === null) return this.#refuse(socket, "no-snapshot", REPLIES.noSettings);
    const key = clientKey(address);
    if (!isHealthCheck) {
      if (!connections.tryOpenFor(key)) {
        return this.#refuseAt(socket, "maxConnectionsPerClient", REPLIES.tooManyConnectionsOfClient);
      }
      socket.once("close", () => connections.closeFor(key));
    }
    onEvent({ kind: isHealthCheck ? "health-check" : "connection-accepted", listener: listener.name });
    const connection = {
      // Node keeps random bytes ahead for UUIDs; each call of randomBytes is a system call.
      id: randomUUID().replaceAll("-", ""),
      listener: { name: listener.name, dedicatedTo: listener.dedicatedTo },
      clientAddress: address,
      clientPort: port,
      clientKey: key,
      isHealthCheck,
      snapshot,
    };
    const session: RunningSession = protocol.open(socket, connection, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    if (this.#draining) session.drain();
  }

  #refuseAt(socket: Socket, limit: LimitName, reply: SmtpReply | null): void {
    this.#options.onEvent({ kind: "limit-hit", listener: this.#options.listener.name, limit });
    this.#turnAway(socket, reply);
  }

  #refuse(socket: Socket, why: AcceptRefusal, reply: SmtpReply | null): void {
    this.#options.onEvent({ kind: "connection-refused", listener: this.#options.listener.name, why });
    this.#turnAway(socket, reply);
  }

  /** Without a reply, or with too many hearing one already, the connection is just closed. */
  #turnAway(socket: Socket, reply: SmtpReply | null): void {
    // At once: one client that is turned away again and again must not take the places of others.
    this.#uncount(socket);
    if (reply === null || this.#turnedAway.size >= MAX_TURNED_AWAY) return void socket.destroy();
    this.#turnedAway.add(socket);
    socket.end(`${String(reply.code)} ${reply.text}\r\n`);
    // Closing with unread octets would reset the connection before the reply is read.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), TURNED_AWAY_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#turnedAway.delete(socket);
    });
  }
}
