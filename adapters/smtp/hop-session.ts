/** A session with a next hop, from the connection to the first MAIL. */

import type { Socket } from "node:net";
import type { DeliveryFailure, DeliveryPhase, NextHopRoute } from "../../core/delivery/delivery.ts";
import { type Extensions, NO_EXTENSIONS, offersAuthPlain, parseExtensions } from "./extensions.ts";
import { HopConnection } from "./hop-connection.ts";
import { nextHopReply, passedBack } from "./passed-back.ts";
import type { SmtpReply } from "./reply-parser.ts";
import { connectTcp } from "./tcp-connect.ts";
import { encrypt } from "./tls-handshake.ts";
import { NextHopTrouble, type Unverified, UnverifiedNextHop } from "./trouble.ts";

/** Milliseconds, absolute for each step (RFC 5321 section 4.5.3.2); the names are those of `LIMITS`. */
export interface NextHopLimits {
  /** The lookup, the TCP connection, the TLS handshake: each. */
  readonly nextHopConnectMs: number;
  /** Each reply, and each time the next hop takes no octets of a message. */
  readonly nextHopReplyMs: number;
  /** The replies to the dot. */
  readonly nextHopDotMs: number;
}

export interface SessionOptions {
  readonly route: NextHopRoute;
  /** Checked already. */
  readonly addresses: readonly string[];
  /** What the route asks for, as the address policy and the credentials leave it. */
  readonly tls: NextHopRoute["tls"];
  /** Our name in EHLO. */
  readonly name: string;
  readonly ca: readonly string[] | undefined;
  readonly limits: NextHopLimits;
  /** Whether the message cannot do without an extension: 8BITMIME, SMTPUTF8, REQUIRETLS. */
  readonly needsExtensions: boolean;
  /** Receives each connection when it begins, so that it can be ended from outside. */
  readonly onConnection: (connection: HopConnection) => void;
}

/** A connection that is ready for MAIL. */
export interface HopSession {
  readonly connection: HopConnection;
  readonly extensions: Extensions;
  /** Null = TLS with a verified certificate; else why it is none. */
  readonly unverified: Unverified | null;
}

/** Replies by which a server that knows HELO alone answers EHLO (RFC 5321 section 3.2 and 4.2.4). */
const UNKNOWN_COMMAND: ReadonlySet<number> = new Set([500, 501, 502, 504]);

/**
 * Connects, sends EHLO, begins TLS and authenticates. A refusal anywhere here is trouble between the next hop
 * and us.
 *
 * @throws NextHopTrouble; UnverifiedNextHop when `tls` is `require` and there is no verified TLS to be had.
 */
export async function openSession(options: SessionOptions): Promise<HopSession> {
  const { route, limits } = options;
  const socket = await connectTcp(options.addresses, route.port, limits.nextHopConnectMs);
  const isImplicit = route.kind === "smtps";
  const first = isImplicit ? await encrypted(socket, options) : plaintext(socket, options);
  const greeting = await first.connection.reply("greeting", limits.nextHopReplyMs);
  expectCode(first.connection, greeting, { code: 220, cause: "greeting-refused", phase: "greeting" });
  const greeted = await hello(first, options);
  const session = isImplicit ? greeted : await startTls(greeted, options);
  await authenticate(session, options);
  return session;
}

const NO_STARTTLS: Unverified = {
  cause: "starttls-missing",
  detail: "the next hop does not offer STARTTLS",
};

function plaintext(socket: Socket, { onConnection }: SessionOptions): HopSession {
  const connection = new HopConnection(socket);
  onConnection(connection);
  return { connection, extensions: NO_EXTENSIONS, unverified: NO_STARTTLS };
}

async function encrypted(socket: Socket, options: SessionOptions): Promise<HopSession> {
  const { route, ca, limits } = options;
  const inside = await encrypt(socket, { host: route.host, ca, deadlineMs: limits.nextHopConnectMs });
  const connection = new HopConnection(inside.socket);
  options.onConnection(connection);
  refuseUnverified({ connection, extensions: NO_EXTENSIONS, unverified: inside.unverified }, options);
  return { connection, extensions: NO_EXTENSIONS, unverified: inside.unverified };
}

async function hello(session: HopSession, options: SessionOptions): Promise<HopSession> {
  const verb = options.route.kind === "lmtp" ? "LHLO" : "EHLO";
  const line = `${verb} ${options.name}`;
  const reply = await session.connection.command("hello", line, options.limits.nextHopReplyMs);
  if (UNKNOWN_COMMAND.has(reply.code) && mayUseHelo(session, options)) return helo(session, options);
  expectCode(session.connection, reply, { code: 250, cause: "greeting-refused", phase: "hello" });
  return { ...session, extensions: parseExtensions(reply) };
}

/**
 * RFC 5321 section 2.2.1: a client must fall back, and nothing may be lost by that which only EHLO can give.
 */
function mayUseHelo({ unverified }: HopSession, { route, tls, needsExtensions }: SessionOptions): boolean {
  const needsTls = tls === "require" && unverified !== null;
  return route.kind !== "lmtp" && route.credentials === null && !needsTls && !needsExtensions;
}

async function helo(session: HopSession, options: SessionOptions): Promise<HopSession> {
  const line = `HELO ${options.name}`;
  const reply = await session.connection.command("hello", line, options.limits.nextHopReplyMs);
  expectCode(session.connection, reply, { code: 250, cause: "greeting-refused", phase: "hello" });
  return { ...session, extensions: NO_EXTENSIONS };
}

/** RFC 3207: what was learned in plaintext is forgotten, and asked again inside. */
async function startTls(session: HopSession, options: SessionOptions): Promise<HopSession> {
  const { connection, extensions } = session;
  if (!extensions.has("STARTTLS")) {
    refuseUnverified(session, options);
    return session;
  }
  const reply = await connection.command("starttls", "STARTTLS", options.limits.nextHopReplyMs);
  expectCode(connection, reply, { code: 220, cause: "starttls-refused", phase: "starttls" });
  return hello(await encrypted(connection.detach(), options), options);
}

/**
 * AUTH PLAIN (RFC 4616), only where a password is safe. The reply is not logged: it may repeat the password.
 */
async function authenticate(session: HopSession, { route, limits }: SessionOptions): Promise<void> {
  const { connection, extensions, unverified } = session;
  if (route.credentials === null) return;
  if (unverified !== null || !offersAuthPlain(extensions)) {
    connection.quit();
    const lack = unverified ?? {
      cause: "auth-missing" as const,
      detail: "the next hop does not offer AUTH PLAIN",
    };
    throw new NextHopTrouble("no-connection", { ...lack, phase: "auth" });
  }
  const { user, password } = route.credentials;
  const secret = Buffer.from(`\0${user}\0${password}`, "utf8").toString("base64");
  const reply = await connection.command("auth", `AUTH PLAIN ${secret}`, limits.nextHopReplyMs);
  if (reply.code === 235) return;
  connection.quit();
  const said = nextHopReply(reply);
  throw new NextHopTrouble("no-connection", {
    cause: "auth-refused",
    phase: "auth",
    nextHopReply: said,
    detail: `AUTH was answered ${said}`,
  });
}

function refuseUnverified({ connection, unverified }: HopSession, { tls }: SessionOptions): void {
  if (tls === "opportunistic" || unverified === null) return;
  throw connection.giveUp(new UnverifiedNextHop(unverified));
}

interface Expected {
  readonly code: number;
  readonly cause: DeliveryFailure;
  readonly phase: DeliveryPhase;
}

function expectCode(connection: HopConnection, reply: SmtpReply, { code, cause, phase }: Expected): void {
  if (reply.code === code) return;
  connection.quit();
  // Its text is logged, since no recipient has been named to the next hop yet.
  const detail = `${phase} was answered ${String(reply.code)} ${passedBack(reply).text}`;
  const told = { phase, nextHopReply: nextHopReply(reply), detail };
  throw new NextHopTrouble("no-connection", { cause: reply.code < 400 ? "protocol" : cause, ...told });
}
