/** One mail transaction. */
import type { Mailbox } from "../../core/name/mailbox.ts";
import type {
  DeliveryReply,
  DeliveryRoute,
  DeliveryTarget,
  DeliveryTransaction,
  MailTransaction,
} from "../../core/delivery/delivery.ts";
import { sameRoute } from "../../core/delivery/route.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { SessionFacts } from "../../core/policy/facts.ts";
import type { ClientCertificateResult } from "../../core/policy/verdict.ts";

/** A recipient that the next hop has taken, with what its domain made of the client's certificate. */
export interface AcceptedRecipient {
  readonly mailbox: Mailbox;
  readonly domain: DomainName;
  readonly clientCertificate: ClientCertificateResult;
}

/**
 * One mail transaction: from MAIL to the reply to the dot. It has one route, which the first recipient
 * chooses.
 */
export class Transaction {
  readonly mail: MailTransaction;
  readonly facts: SessionFacts;
  readonly #target: DeliveryTarget;
  readonly #accepted: AcceptedRecipient[] = [];
  #route: DeliveryRoute | null = null;
  #delivery: DeliveryTransaction | null = null;
  #over = false;
  /** Recipients that were refused or deferred, here or by the next hop. */
  refused = 0;

  constructor(mail: MailTransaction, facts: SessionFacts, target: DeliveryTarget) {
    this.mail = mail;
    this.facts = facts;
    this.#target = target;
  }

  /** Aborted, or its message handed over. */
  get isOver(): boolean {
    return this.#over;
  }

  get accepted(): readonly AcceptedRecipient[] {
    return this.#accepted;
  }

  get route(): DeliveryRoute | null {
    return this.#route;
  }

  /** The same mailbox, byte for byte: RFC 5321 lets a client name it twice, and one copy is enough. */
  has(mailbox: Mailbox): boolean {
    return this.#accepted.some(
      (known) => known.domain === mailbox.domain && known.mailbox.localPart === mailbox.localPart,
    );
  }

  /** Offers a recipient on its route. `other-route` = this transaction already has another one. */
  async offer(recipient: AcceptedRecipient, route: DeliveryRoute): Promise<DeliveryReply | "other-route"> {
    if (this.#route !== null && !sameRoute(this.#route, route)) {
      if (this.#accepted.length > 0) return "other-route";
      // No recipient was accepted on the first route, so it binds none.
      this.#delivery?.abort();
      this.#delivery = null;
    }
    this.#route = route;
    this.#delivery ??= this.#target.begin(route, this.mail);
    const reply = await this.#delivery.recipient(recipient.mailbox);
    if (reply.kind === "accepted") this.#accepted.push(recipient);
    return reply;
  }

  /** Hands the message over; ends the transaction. Only with an accepted recipient. */
  deliver(message: AsyncIterable<Uint8Array>): Promise<DeliveryReply> {
    if (this.#delivery === null) throw new Error("a message without a recipient");
    this.#over = true;
    return this.#delivery.message(message);
  }

  abort(): void {
    this.#over = true;
    this.#delivery?.abort();
  }
}
