import type {
  DeliveryPhase,
  DeliveryReply,
  DeliveryTransaction,
  MailParameters,
  MailTransaction,
  NextHopRoute,
} from "../../core/delivery/delivery.ts";
import { isSafeAddress, isSourceRoute, mailboxText, type Mailbox } from "../../core/name/mailbox.ts";
import {
  brokenOff,
  type DeliveryRefusal,
  type Refusal,
  refused,
} from "../../core/delivery/delivery-refusals.ts";
import { DotStuffing } from "./dot-stuffing.ts";
import { sizeLimit } from "./extensions.ts";
import type { HopConnection } from "./hop-connection.ts";
import type { HopSession, NextHopLimits } from "./hop-session.ts";
import { type LmtpOutcome, lmtpRefusal, nextHopReply, passedBack } from "./passed-back.ts";
import type { SmtpReply } from "./reply-parser.ts";
import { NextHopTrouble, UnverifiedNextHop } from "./trouble.ts";
import { xforwardCommand } from "./xforward.ts";

export interface TransactionOptions {
  readonly kind: NextHopRoute["kind"];
  readonly mail: MailTransaction;
  readonly limits: NextHopLimits;
  /** Opens a session; tells of each connection. @throws NextHopTrouble */
  readonly open: (onConnection: (connection: HopConnection) => void) => Promise<HopSession>;
}

const ACCEPTED: DeliveryReply = { kind: "accepted" };

/** One mail transaction passed through to a next hop: a separate session, opened at the first recipient. */
export class HopTransaction implements DeliveryTransaction {
  readonly #options: TransactionOptions;
  /** The session with MAIL accepted, or the answer to every recipient. */
  #session: Promise<HopSession | DeliveryRefusal> | null = null;
  #connection: HopConnection | null = null;
  readonly #accepted: Mailbox[] = [];
  #isOver = false;

  constructor(options: TransactionOptions) {
    this.#options = options;
  }

  async recipient(mailbox: Mailbox): Promise<DeliveryReply> {
    if (!this.#canPassOn(mailbox)) return refused("bad-address", "message");
    this.#session ??= this.#begin();
    const session = await this.#session;
    if ("kind" in session) return session;
    return answerOf(async () => {
      const refusal = await this.#ask(session, "recipient", `RCPT TO:<${mailboxText(mailbox)}>`);
      if (refusal === null) this.#accepted.push(mailbox);
      return refusal;
    });
  }

  async message(message: AsyncIterable<Uint8Array>): Promise<DeliveryReply> {
    const session = await this.#session;
    if (this.#isOver || session === null || "kind" in session || this.#accepted.length === 0)
      return refused("message-broke-off", "message");
    this.#isOver = true;
    return answerOf(async () => {
      const refusal = (await this.#ask(session, "data", "DATA")) ?? (await this.#send(session, message));
      session.connection.quit();
      return refusal;
    });
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection?.giveUp(ABORTED);
  }

  async #begin(): Promise<HopSession | DeliveryRefusal> {
    const { mail, open } = this.#options;
    try {
      const session = await open((connection) => {
        this.#connection = connection;
        if (this.#isOver) connection.giveUp(ABORTED);
      });
      const refusal = lackOf(session, mail.parameters) ?? (await this.#startMail(session));
      if (refusal === null) return session;
      session.connection.quit();
      return refusal;
    } catch (error) {
      if (error instanceof UnverifiedNextHop && mail.parameters.requireTls)
        return { ...error.reply, ...refused("no-requiretls", error.reply.cause, { detail: error.message }) };
      return troubleOf(error);
    }
  }

  async #startMail(session: HopSession): Promise<DeliveryRefusal | null> {
    const { mail } = this.#options;
    const xforward = xforwardCommand(session.extensions, mail.client);
    // A next hop that offers XFORWARD and then refuses it takes the mail without.
    if (xforward !== null) await this.#ask(session, "mail", xforward);
    return this.#ask(session, "mail", mailCommand(session, mail));
  }

  /** Sends the message and its end. Without the end, nothing that was sent is a message. */
  async #send(session: HopSession, message: AsyncIterable<Uint8Array>): Promise<DeliveryRefusal | null> {
    const { connection } = session;
    const stuffing = new DotStuffing();
    try {
      for await (const octets of stuffing.over(message)) {
        await connection.write(octets, this.#options.limits.nextHopReplyMs);
        const early = connection.early();
        if (early !== null) return this.#refusalBeforeEnd(session, early);
      }
      await connection.write(stuffing.end(), this.#options.limits.nextHopReplyMs);
    } catch (error) {
      connection.giveUp(ABORTED);
      if (!(error instanceof NextHopTrouble)) return brokenOff(error);
      const early = connection.early();
      if (early === null) throw error;
      return this.#refusalBeforeEnd(session, early);
    }
    return this.#options.kind === "lmtp" ? this.#lmtpAnswers(session) : this.#smtpAnswer(session);
  }

  /** A server may refuse a message before its end and close; it cannot accept one that it does not have. */
  #refusalBeforeEnd({ connection }: HopSession, reply: SmtpReply): DeliveryRefusal {
    const trouble = new NextHopTrouble("bad-connection", {
      cause: "protocol",
      phase: "message",
      nextHopReply: nextHopReply(reply),
      detail: `${String(reply.code)} came before the end of the message`,
    });
    connection.giveUp(trouble);
    // LMTP answers each recipient: one early reply leaves the others open.
    if (reply.code < 400 || reply.code === 530 || this.#options.kind === "lmtp") return trouble.reply;
    return { ...passedBack(reply), phase: "message" };
  }

  async #smtpAnswer({ connection }: HopSession): Promise<DeliveryRefusal | null> {
    const reply = await connection.reply("dot", this.#options.limits.nextHopDotMs);
    return refusalIn(connection, reply, "dot");
  }

  async #lmtpAnswers({ connection }: HopSession): Promise<DeliveryRefusal | null> {
    const deadline = performance.now() + this.#options.limits.nextHopDotMs;
    const outcomes: LmtpOutcome[] = [];
    for (const mailbox of this.#accepted) {
      const reply = await connection.reply("dot", deadline - performance.now());
      if (reply.code < 400) refusalIn(connection, reply, "dot");
      outcomes.push({ mailbox, reply });
    }
    return lmtpRefusal(outcomes);
  }

  async #ask(
    { connection }: HopSession,
    phase: DeliveryPhase,
    line: string,
  ): Promise<DeliveryRefusal | null> {
    const reply = await connection.command(phase, line, this.#options.limits.nextHopReplyMs);
    return refusalIn(connection, reply, phase);
  }

  #canPassOn(mailbox: Mailbox): boolean {
    if (!isSafeAddress(mailboxText(mailbox))) return false;
    if (!isSafeAddress(this.#options.mail.reversePath ?? "")) return false;
    return this.#options.kind === "lmtp" || !isSourceRoute(mailbox);
  }
}

const ABORTED = new NextHopTrouble("bad-connection", {
  cause: "message",
  detail: "the transaction was given up",
});

const isFine = (code: number, phase: DeliveryPhase): boolean =>
  phase === "data" ? code === 354 : code < 300;

/** What the parameters of MAIL ask for and this next hop cannot do; nothing is converted. */
function lackOf({ extensions, unverified }: HopSession, parameters: MailParameters): DeliveryRefusal | null {
  const limit = sizeLimit(extensions);
  const lacks: readonly (readonly [Refusal, boolean])[] = [
    ["no-requiretls", parameters.requireTls && (unverified !== null || !extensions.has("REQUIRETLS"))],
    ["no-8bitmime", parameters.body === "8BITMIME" && !extensions.has("8BITMIME")],
    ["no-smtputf8", parameters.smtpUtf8 && !extensions.has("SMTPUTF8")],
    ["over-next-hop-size", limit !== null && parameters.size !== null && parameters.size > limit],
  ];
  const [lack] = lacks.find(([, isLacking]) => isLacking) ?? [];
  if (lack === undefined) return null;
  const cause = lack === "no-requiretls" && unverified !== null ? unverified : NO_EXTENSION;
  return refused(lack, cause.cause, { phase: "mail", detail: cause.detail });
}

const NO_EXTENSION = {
  cause: "extension-missing",
  detail: "the next hop does not offer what the message needs",
} as const;

/** MAIL with the client's parameters, each only where it is offered (RFC 1870, 6152, 6531, 8689). */
function mailCommand({ extensions }: HopSession, { reversePath, parameters }: MailTransaction): string {
  const { size, body, smtpUtf8, requireTls } = parameters;
  return [
    `MAIL FROM:<${reversePath ?? ""}>`,
    ...(size !== null && extensions.has("SIZE") ? [`SIZE=${String(size)}`] : []),
    ...(body !== null && extensions.has("8BITMIME") ? [`BODY=${body}`] : []),
    ...(smtpUtf8 ? ["SMTPUTF8"] : []),
    ...(requireTls ? ["REQUIRETLS"] : []),
  ].join(" ");
}

/**
 * What a reply comes to: null where it is fine, the next hop's refusal to pass back, or trouble.
 *
 * @throws NextHopTrouble for 530, which is between the next hop and us, and for an answer to another
 *   question.
 */
function refusalIn(
  connection: HopConnection,
  reply: SmtpReply,
  phase: DeliveryPhase,
): DeliveryRefusal | null {
  if (isFine(reply.code, phase)) return null;
  const said = nextHopReply(reply);
  const told = { phase, nextHopReply: said, detail: `${phase} was answered ${said}` };
  if (reply.code === 530)
    throw connection.giveUp(new NextHopTrouble("no-connection", { cause: "auth-refused", ...told }));
  if (reply.code < 400)
    throw connection.giveUp(new NextHopTrouble("bad-connection", { cause: "protocol", ...told }));
  return { ...passedBack(reply), phase };
}

/** Turns trouble into its reply; null is accepted. */
async function answerOf(work: () => Promise<DeliveryRefusal | null>): Promise<DeliveryReply> {
  try {
    return (await work()) ?? ACCEPTED;
  } catch (error) {
    return troubleOf(error);
  }
}

function troubleOf(error: unknown): DeliveryRefusal {
  if (error instanceof NextHopTrouble) return error.reply;
  const detail = error instanceof Error ? error.message : "unknown error";
  return refused("bad-connection", "protocol", { detail });
}
