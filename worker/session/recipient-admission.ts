import type { DeliveryRoute, DeliveryTarget } from "../../core/delivery/delivery.ts";
import type { Mailbox } from "../../core/name/mailbox.ts";
import type { ListenerSituation } from "../../core/policy/listener.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";
import { isRouted, type Path } from "../../core/smtp/address-command.ts";
import { deliveryFailed } from "./delivery-failure.ts";
import type { JudgedRecipient, RecipientJudge } from "../../core/policy/recipient-judge.ts";
import { isNextHop, type Recipient, recipientOf, refusalOf } from "../../core/smtp/recipient.ts";
import { passedBack, REPLIES, replyKey, type SmtpReply } from "../../core/smtp/replies.ts";
import type { SessionLog } from "./session-log.ts";
import type { Transaction } from "./transaction.ts";

/** Where accepted mail goes. */
export interface DeliveryOptions {
  readonly target: DeliveryTarget;
  /**
   * Where accepted mail of a domain goes: its own next hop or the edge's default. Equal routes are one
   * transaction.
   */
  readonly routeOf: (domain: DomainRecord) => DeliveryRoute;
  /** Where bare `<postmaster>` goes on a shared listener; null = it is refused there. */
  readonly postmaster: Mailbox | null;
}

export interface AdmissionParts {
  readonly connection: AcceptedConnection;
  readonly situation: () => ListenerSituation;
  readonly judge: RecipientJudge;
  readonly delivery: Pick<DeliveryOptions, "routeOf" | "postmaster">;
  readonly log: SessionLog;
  readonly onEvent: EdgeEventSink;
}

/**
 * Admits recipients of one connection: each is named, judged by its domain's settings, and offered to its
 * delivery.
 */
export class RecipientAdmission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** The reply to a RCPT with this path. */
  async admit(path: Path, transaction: Transaction): Promise<SmtpReply> {
    const { connection, situation, judge, log, onEvent } = this.#parts;
    const { postmaster } = this.#parts.delivery;
    const recipient = recipientOf(path, { ...connection.listener, postmaster });
    if (recipient === null) return REPLIES.noPostmaster;
    const judged = await judge.judge(situation(), transaction.facts, recipient);
    const { verdict } = judged;
    const { outcome, reason, circumstance, clientCertificate } = verdict;
    const listener = connection.listener.name;
    onEvent({ kind: "verdict", listener, outcome, reason, circumstance, clientCertificate });
    const reply = refusalOf(judged, recipient.name) ?? (await this.#offer(transaction, recipient, judged));
    log.recipient(recipient.name, verdict, replyKey(reply));
    return reply;
  }

  async #offer(
    transaction: Transaction,
    { domain, localPart }: Recipient,
    { verdict, settings }: JudgedRecipient,
  ): Promise<SmtpReply> {
    // The client may have left, and aborted the transaction, while the chain was judged.
    if (domain === null || settings === null || transaction.isOver) return REPLIES.internalError;
    const mailbox: Mailbox = { localPart, domain };
    if (transaction.has(mailbox)) return REPLIES.recipientOk;
    const route = this.#routeOf(settings);
    if (route === null) return REPLIES.routeUnusable;
    if (isNextHop(route) && isRouted(localPart)) return REPLIES.routedAddress;
    const { clientCertificate } = verdict;
    const reply = await transaction.offer({ mailbox, domain, clientCertificate }, route);
    if (reply === "other-route") return REPLIES.otherRoute;
    if (reply.kind === "accepted") return REPLIES.recipientOk;
    const { connection, onEvent } = this.#parts;
    onEvent(deliveryFailed({ connection, route, stage: "recipient", domains: [domain], reply }));
    return passedBack(reply.code, reply.text);
  }

  #routeOf(settings: DomainRecord): DeliveryRoute | null {
    try {
      return this.#parts.delivery.routeOf(settings);
    } catch (error) {
      this.#parts.onEvent({ kind: "internal-error", where: "route", error });
      return null;
    }
  }
}
