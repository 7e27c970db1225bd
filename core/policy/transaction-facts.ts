/** Facts of one mail transaction, as its recipients are judged by them. */
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import type { ListenerView, SessionFacts, TlsFacts } from "./facts.ts";

export interface TransactionFactsParts {
  readonly listener: ListenerView;
  readonly clientAddress: string;
  readonly tlsPossible: boolean;
  readonly tls: TlsFacts | null;
  /** EHLO name and sender's domain as the client wrote them; null = none. */
  readonly heloText: string | null;
  readonly senderDomainText: string | null;
}

/**
 * Facts of one transaction. The two names are read when a rule asks for them first: most rules ask for
 * neither.
 */
export class TransactionFacts implements SessionFacts {
  readonly listener: ListenerView;
  readonly clientAddress: string;
  readonly tlsPossible: boolean;
  readonly tls: TlsFacts | null;
  readonly #heloText: string | null;
  readonly #senderDomainText: string | null;
  #helo: DomainName | null | undefined;
  #senderDomain: DomainName | null | undefined;

  constructor(parts: TransactionFactsParts) {
    this.listener = parts.listener;
    this.clientAddress = parts.clientAddress;
    this.tlsPossible = parts.tlsPossible;
    this.tls = parts.tls;
    this.#heloText = parts.heloText;
    this.#senderDomainText = parts.senderDomainText;
  }

  get helo(): DomainName | null {
    this.#helo ??= this.#heloText === null ? null : toDomainName(this.#heloText);
    return this.#helo;
  }

  get senderDomain(): DomainName | null {
    this.#senderDomain ??= this.#senderDomainText === null ? null : toDomainName(this.#senderDomainText);
    return this.#senderDomain;
  }
}
