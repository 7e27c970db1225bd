import type { Mailbox } from "../../core/name/mailbox.ts";
import type { Readable } from "node:stream";
import type { DeliveryRoute, MailTransaction } from "../../core/delivery/delivery.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import { type ListenerSituation, mailNeedsTls, offersStarttls } from "../../core/policy/listener.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { SessionOptions } from "./session-context.ts";
import type { ClientCurves } from "../tls/groups.ts";
import { chooseTls } from "../tls/tls-choice.ts";
import type { LimitName } from "../config/limits.ts";
import type { ClientGreeting } from "./client-greeting.ts";
import { type AddressCommand, isRouted, parseAddressCommand, type Path } from "./address-command.ts";
import { deliveryFailed } from "./delivery-failure.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import { parseMailParameters } from "./mail-parameters.ts";
import { transferMessage } from "./message-transfer.ts";
import { type JudgedRecipient, type NamedRecipient, RecipientJudge } from "./recipient-judge.ts";
import { type CommandAnswer, RefusedGroup } from "./refused-group.ts";
import { passedBack, REPLIES, replyKey, type SmtpReply, verdictReply } from "./reply.ts";
import type { AcceptedConnection, SessionServices } from "./session-context.ts";
import { SessionLog } from "./session-log.ts";
import type { FailedHandshake, HandshakeTerms } from "../tls/tls-upgrade.ts";
import { Transaction } from "./transaction.ts";
import { TransactionFacts } from "./transaction-facts.ts";

/** Whether STARTTLS is there for this connection, and why not. */
export type StarttlsOffer = "offered" | "withheld" | "no-certificate";

interface Recipient extends NamedRecipient {
  /** For replies and logs: the domain as it is or was written. */
  readonly name: string;
}

const asCommand = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "command" });
const asMessage = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "message" });
const asRecipient = (reply: SmtpReply): CommandAnswer => ({ reply, countsAs: "recipient" });

/**
 * What one connection means: its facts, its transaction, its answers. Knows no sockets; the protocol's own state is
 * smtp-server's.
 */
export class Session {
  readonly log: SessionLog;
  readonly connection: AcceptedConnection;
  readonly #services: SessionServices;
  readonly #judge: RecipientJudge;
  #transaction: Transaction | null = null;
  #offer: StarttlsOffer | null = null;
  #tls: TlsFacts | null = null;
  #greeting: ClientGreeting | null = null;
  #messages = 0;
  readonly #refused = new RefusedGroup();

  constructor(connection: AcceptedConnection, services: SessionServices) {
    const { id, listener, clientAddress, clientPort, clientKey, snapshot } = connection;
    const { clock, trust, chainVerifier, staleForMs } = services.options;
    this.connection = connection;
    this.#services = services;
    const onTooMany = () => this.limitHit("maxChainVerificationsPerClient");
    this.#judge = new RecipientJudge({ trust, chainVerifier, staleForMs, clientKey, onTooMany });
    this.log = new SessionLog({
      id,
      listener: listener.name,
      client: clientAddress,
      clientPort,
      startedAtMs: clock.now(),
      revision: snapshot.revision,
    });
  }

  get #options(): SessionOptions {
    return this.#services.options;
  }

  get #situation(): ListenerSituation {
    const { snapshot, listener } = this.connection;
    const { dedicatedDomains, options } = this.#services;
    return { snapshot, listener, dedicatedDomains, nowMs: options.clock.now() };
  }

  /** Whether a transaction is open: a drain lets it finish. */
  get inTransaction(): boolean {
    return this.#transaction !== null;
  }

  /** Decided at the first EHLO, HELO or STARTTLS and kept. */
  starttlsOffer(): StarttlsOffer | Promise<StarttlsOffer> {
    if (this.#offer !== null) return this.#offer;
    const settle = (usable: boolean): StarttlsOffer => {
      this.#offer = usable ? "offered" : "no-certificate";
      return this.#offer;
    };
    if (!offersStarttls(this.#situation)) return (this.#offer = "withheld");
    const usable = this.#services.contexts.usable(this.connection.snapshot);
    return usable instanceof Promise ? usable.then(settle) : settle(usable);
  }

  /** What the handshake is done with, by the name the client asks for. */
  handshakeTerms(sni: DomainName | null, curves: ClientCurves): HandshakeTerms | Promise<HandshakeTerms> {
    const choice = chooseTls(this.#situation, sni, this.#options.trust);
    const { ask } = choice;
    const terms = { ...choice, clientCurves: ask ? curves : ("key-exchange" as const) };
    const serving = this.#services.contexts.get(terms, this.connection.snapshot);
    return serving instanceof Promise ? serving.then((ready) => ({ serving: ready, ask })) : { serving, ask };
  }

  /** RFC 3207 section 4.2: everything known from plaintext is forgotten, by the `reset` that follows. */
  secured(facts: TlsFacts, milliseconds: number): void {
    this.#tls = facts;
    this.log.tls = facts;
    const { protocol, cipher, asked, peer } = facts;
    this.#emit({
      kind: "handshake",
      listener: this.connection.listener.name,
      protocol,
      cipher,
      milliseconds,
      asked,
      presented: peer !== null,
    });
  }

  handshakeFailed({ why, deadline, sni, named, offered, code }: FailedHandshake): void {
    const { id: session, listener } = this.connection;
    const known = sni !== null && this.connection.snapshot.host(sni) !== undefined;
    const label = known ? sni : named ? "unknown" : null;
    this.#emit({
      kind: "handshake-failed",
      listener: listener.name,
      session,
      why,
      sni: label,
      offered,
      code,
    });
    if (deadline !== null) this.limitHit(deadline);
    this.log.end(deadline === null ? "handshake-failed" : "limit", deadline);
  }

  /** EHLO, HELO, RSET, a message's end, and the start of TLS, which has no greeting yet. */
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
    if (this.#tls === null && this.#offer === "offered" && mailNeedsTls(this.#situation)) {
      return asCommand(REPLIES.mailNeedsTls);
    }
    if (this.#transaction !== null) return asCommand(REPLIES.nestedMail);
    const parsed = parseAddressCommand(line, "MAIL FROM");
    if (parsed.kind === "not-utf8") return asCommand(REPLIES.notUtf8);
    if (parsed.kind === "syntax" || parsed.path.kind === "postmaster") return asCommand(REPLIES.senderSyntax);
    const { maxMessageBytes } = this.#options.limits;
    const given = parseMailParameters(parsed.parameters, { secure: this.#tls !== null, maxMessageBytes });
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
      tlsPossible: this.#tls !== null || this.#offer === "offered",
      tls: this.#tls,
      heloText: this.#greeting?.text ?? null,
      senderDomainText,
    });
    this.#transaction = new Transaction(mail, facts, this.#options.delivery);
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
    const answer = await this.#recipient(parsed.path, transaction);
    if (answer.code >= 400) transaction.refused += 1;
    return asRecipient(answer);
  }

  async #recipient(path: Path, transaction: Transaction): Promise<SmtpReply> {
    if (transaction.accepted.length >= this.#options.limits.maxRecipients) {
      this.limitHit("maxRecipients");
      return REPLIES.tooManyRecipients;
    }
    const recipient = this.#resolve(path);
    if (recipient === null) return REPLIES.noPostmaster;
    const judged = await this.#judge.judge(this.#situation, transaction.facts, recipient);
    const { verdict, settings } = judged;
    const { outcome, reason, circumstance, clientCertificate } = verdict;
    const listener = this.connection.listener.name;
    this.#emit({ kind: "verdict", listener, outcome, reason, circumstance, clientCertificate });
    const reply =
      outcome !== "accept" && reason !== null
        ? verdictReply({ ...verdict, reason }, recipient.name, settings)
        : await this.#offerTo(transaction, recipient, judged);
    this.log.recipient(recipient.name, verdict, replyKey(reply));
    return reply;
  }

  /** Bare postmaster belongs to the domain of a dedicated listener, and to the operator on a shared one. */
  #resolve(path: Path): Recipient | null {
    if (path.kind === "mailbox") {
      const domain = toDomainName(path.domain);
      return { name: domain ?? path.domain, domain, localPart: path.localPart };
    }
    const { dedicatedTo } = this.connection.listener;
    if (dedicatedTo !== null) return { name: dedicatedTo, domain: dedicatedTo, localPart: "postmaster" };
    const { postmaster } = this.#options;
    return postmaster === null ? null : { name: postmaster.domain, ...postmaster };
  }

  async #offerTo(
    transaction: Transaction,
    { domain, localPart }: Recipient,
    { verdict, settings }: JudgedRecipient,
  ): Promise<SmtpReply> {
    // The client may have left, and aborted the transaction, while the chain was judged.
    if (domain === null || settings === null || transaction !== this.#transaction)
      return REPLIES.internalError;
    const mailbox: Mailbox = { localPart, domain };
    if (transaction.has(mailbox)) return REPLIES.recipientOk;
    const route = this.#routeOf(settings);
    if (route === null) return REPLIES.routeUnusable;
    const isNextHop = route.kind === "smtp" || route.kind === "smtps" || route.kind === "lmtp";
    if (isNextHop && isRouted(localPart)) return REPLIES.routedAddress;
    const { clientCertificate } = verdict;
    const reply = await transaction.offer({ mailbox, domain, clientCertificate }, route);
    if (reply === "other-route") return REPLIES.otherRoute;
    if (reply.kind === "accepted") return REPLIES.recipientOk;
    this.#emit(
      deliveryFailed({ connection: this.connection, route, stage: "recipient", domains: [domain], reply }),
    );
    return passedBack(reply.code, reply.text);
  }

  #routeOf(settings: DomainRecord): DeliveryRoute | null {
    try {
      return this.#options.routeOf(settings);
    } catch (error) {
      this.#emit({ kind: "internal-error", where: "route", error });
      return null;
    }
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

  /** Takes the message of the open transaction and ends it. Never rejects; the reply is for when its dot has come. */
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
      tls: this.#tls,
      services: this.#services,
      log: this.log,
    });
  }

  limitHit(limit: LimitName): void {
    this.#emit({ kind: "limit-hit", listener: this.connection.listener.name, limit });
  }

  /**
   * Writes the one record of this session.
   *
   * @param octets What came over the connection, a PROXY header included.
   */
  end(octets: number): void {
    if (this.connection.isHealthCheck) return;
    const record = this.log.record(this.#options.clock.now());
    this.#emit({ kind: "session-ended", record, silent: octets === 0 && record.end === "client-left" });
  }

  #emit(event: EdgeEvent): void {
    this.#options.onEvent(event);
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
