import type { Readable } from "node:stream";
import type { MailTransaction } from "../../core/delivery/delivery.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import { type ListenerSituation, mailNeedsStarttls } from "../../core/policy/listener.ts";
import type { LimitName } from "../config/limits.ts";
import type { SecureContexts } from "../tls/secure-contexts.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";
import { type AddressCommand, parseAddressCommand } from "../../core/smtp/address-command.ts";
import type { ClientGreeting } from "./client-command.ts";
import { ConnectionTls } from "./connection-tls.ts";
import { parseMailParameters } from "./mail-parameters.ts";
import { transferMessage, type TransferServices } from "./message-transfer.ts";
import { type DeliveryOptions, RecipientAdmission } from "./recipient-admission.ts";
import { type JudgingOptions, RecipientJudge } from "../../core/policy/recipient-judge.ts";
import { TransactionFacts } from "../../core/policy/transaction-facts.ts";
import { type CommandAnswer, RefusedGroup } from "./refusal-limits.ts";
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";
import { SessionLog } from "./session-log.ts";
import { Transaction } from "./transaction.ts";

/** What all sessions of an edge share, grouped by the part of a session that uses it. */
export interface SessionServices extends TransferServices {
  readonly judging: JudgingOptions;
  readonly delivery: DeliveryOptions;
  readonly contexts: SecureContexts;
  /** Domains with a listener of their own: row 1 on every other one. */
  readonly dedicatedDomains: ReadonlySet<DomainName>;
}

const asCommand = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "command" });
const asMessage = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "message" });
const asRecipient = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "recipient" });

/**
 * Meaning of one connection: its greeting, its transaction, and the answers to its commands. Knows no
 * sockets; the protocol's own state is smtp-server's.
 */
export class Session {
  readonly log: SessionLog;
  readonly connection: AcceptedConnection;
  readonly tls: ConnectionTls;
  readonly #services: SessionServices;
  readonly #admission: RecipientAdmission;
  readonly #refused = new RefusedGroup();
  #transaction: Transaction | null = null;
  #greeting: ClientGreeting | null = null;
  #messages = 0;

  constructor(connection: AcceptedConnection, services: SessionServices) {
    const { id, listener, clientAddress, clientPort, clientKey, snapshot } = connection;
    const { clock, judging, delivery, contexts, onEvent } = services;
    this.connection = connection;
    this.#services = services;
    this.log = new SessionLog({
      id,
      listener: listener.name,
      client: clientAddress,
      clientPort,
      startedAtMs: clock.now(),
      revision: snapshot.revision,
    });
    const parts = { connection, situation: () => this.#situation(), log: this.log, onEvent };
    const onTooMany = (): void => this.limitHit("maxChainVerificationsPerClient");
    const judge = new RecipientJudge({ ...judging, clientKey, onTooMany });
    this.tls = new ConnectionTls({ ...parts, contexts, trust: judging.trust });
    this.#admission = new RecipientAdmission({ ...parts, judge, delivery });
  }

  #situation(): ListenerSituation {
    const { snapshot, listener } = this.connection;
    const { dedicatedDomains, clock } = this.#services;
    return { snapshot, listener, dedicatedDomains, nowMs: clock.now() };
  }

  /** Whether a transaction is open: a drain lets it finish. */
  get inTransaction(): boolean {
    return this.#transaction !== null;
  }

  /**
   * At EHLO, HELO, RSET, a message's end, and the start of TLS, which has no greeting yet: everything known
   * from plaintext is forgotten then (RFC 3207 section 4.2).
   */
  reset(greeting: ClientGreeting | null): void {
    this.#transaction?.abort();
    this.#transaction = null;
    this.#refused.clear();
    this.#greeting = greeting;
    this.log.helo = greeting?.text ?? this.log.helo;
  }

  /** The answer to a command that was refused elsewhere, as it counts. */
  refused(verb: string, reply: SmtpReply, line: Buffer | null = null): CommandAnswer {
    return this.#refused.counted(asCommand(reply), verb, line);
  }

  mail(line: Buffer): CommandAnswer {
    const answer = this.#mail(line);
    if (answer.reply.code >= 400) return this.#refused.counted(answer, "MAIL", line);
    this.#refused.clear();
    return answer;
  }

  #mail(line: Buffer): CommandAnswer {
    const session = { isSecure: this.tls.facts !== null, isOffered: this.tls.isOffered };
    if (mailNeedsStarttls(this.#situation(), session)) return asCommand(REPLIES.mailNeedsTls);
    if (this.#transaction !== null) return asCommand(REPLIES.nestedMail);
    const parsed = parseAddressCommand(line, "MAIL FROM");
    if (parsed.kind === "not-utf8") return asCommand(REPLIES.notUtf8);
    if (parsed.kind === "syntax" || parsed.path.kind === "postmaster") return asCommand(REPLIES.senderSyntax);
    const { maxMessageBytes } = this.#services.limits;
    const tls = this.tls.facts;
    const given = parseMailParameters(parsed.parameters, { secure: tls !== null, maxMessageBytes });
    if (given.kind === "refused")
      return given.reply === REPLIES.messageOverSize ? asMessage(given.reply) : asCommand(given.reply);
    if (!parsed.ascii && !given.parameters.smtpUtf8) return asCommand(REPLIES.needSmtpUtf8);
    const { path } = parsed;
    const senderDomainText = path.kind === "null" ? null : path.domain;
    const mail: MailTransaction = {
      reversePath: path.kind === "null" ? null : `${path.localPart}@${path.domain}`,
      parameters: given.parameters,
      client: { address: this.connection.clientAddress, helo: this.#greeting?.text ?? "" },
    };
    this.log.senderDomain = senderDomainText;
    const facts = new TransactionFacts({
      listener: this.connection.listener,
      clientAddress: this.connection.clientAddress,
      tlsPossible: tls !== null || this.tls.isOffered,
      tls,
      heloText: this.#greeting?.text ?? null,
      senderDomainText,
    });
    this.#transaction = new Transaction(mail, facts, this.#services.delivery.target);
    return asCommand(REPLIES.senderOk);
  }

  async rcpt(line: Buffer): Promise<CommandAnswer> {
    const transaction = this.#transaction;
    if (transaction === null) return this.refused("RCPT", REPLIES.needMail, line);
    const parsed = parseAddressCommand(line, "RCPT TO");
    const refusal = refusedSyntax(parsed, transaction);
    if (refusal !== null || parsed.kind !== "path") {
      transaction.refused += 1;
      return this.refused("RCPT", refusal ?? REPLIES.recipientSyntax, line);
    }
    this.#refused.clear();
    const isFull = transaction.accepted.length >= this.#services.limits.maxRecipients;
    if (isFull) this.limitHit("maxRecipients");
    const reply = isFull ? REPLIES.tooManyRecipients : await this.#admission.admit(parsed.path, transaction);
    if (reply.code >= 400) transaction.refused += 1;
    return asRecipient(reply);
  }

  /** Why DATA is refused; null = send the message. */
  dataRefusal(): CommandAnswer | null {
    const refusal = this.#dataRefusal();
    if (refusal !== null) return this.#refused.counted(refusal, "DATA", null);
    this.#refused.clear();
    return null;
  }

  #dataRefusal(): CommandAnswer | null {
    const transaction = this.#transaction;
    if (transaction === null) return asCommand(REPLIES.needMail);
    if (transaction.accepted.length === 0) {
      return transaction.refused > 0
        ? { reply: REPLIES.noValidRecipient, countsAs: "nothing" }
        : asCommand(REPLIES.needRecipient);
    }
    if (this.#services.budget.hasRoomFor(Math.max(1, transaction.mail.parameters.size ?? 1))) return null;
    this.limitHit("maxBytesInFlight");
    return asCommand(REPLIES.overBudget);
  }

  /**
   * Takes the message of the open transaction and ends it. Never rejects; the reply is for when its dot has
   * come.
   */
  async message(stream: Readable): Promise<SmtpReply> {
    const transaction = this.#transaction;
    if (transaction === null) return REPLIES.needMail;
    this.#transaction = null;
    this.#messages += 1;
    return transferMessage(stream, {
      id: `${this.connection.id}.${String(this.#messages)}`,
      transaction,
      connection: this.connection,
      greeting: this.#greeting,
      tls: this.tls.facts,
      services: this.#services,
      log: this.log,
    });
  }

  limitHit(limit: LimitName): void {
    this.#services.onEvent({ kind: "limit-hit", listener: this.connection.listener.name, limit });
  }

  /**
   * Writes the one record of this session.
   *
   * @param octets Octets received over the connection, a PROXY header included.
   */
  end(octets: number): void {
    if (this.connection.isHealthCheck) return;
    const { clock, onEvent } = this.#services;
    const record = this.log.record(clock.now());
    onEvent({ kind: "session-ended", record, silent: octets === 0 && record.end === "client-left" });
  }
}

/** Why a RCPT goes no further than its syntax. */
function refusedSyntax(parsed: AddressCommand, { mail }: Transaction): SmtpReply | null {
  if (parsed.kind === "not-utf8") return REPLIES.notUtf8;
  if (parsed.kind === "syntax" || parsed.path.kind === "null") return REPLIES.recipientSyntax;
  // DSN is not offered, and RCPT has no other parameters.
  if (parsed.parameters.length > 0) return REPLIES.parameterUnknown;
  return parsed.ascii || mail.parameters.smtpUtf8 ? null : REPLIES.needSmtpUtf8;
}
