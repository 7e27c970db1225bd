import type { DomainName } from "../../core/name/domain-name.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import { type ListenerSituation, offersStarttls } from "../../core/policy/listener.ts";
import type { TrustResolver } from "../../core/policy/trust.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import type { ClientCurves } from "../tls/groups.ts";
import type { SecureContexts } from "../tls/secure-contexts.ts";
import { chooseTls } from "../../core/policy/tls-choice.ts";
import type { FailedHandshake, HandshakeTerms } from "../tls/tls-upgrade.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";
import type { SessionLog } from "./session-log.ts";

/** Whether STARTTLS is offered on a connection, and why not. */
export type StarttlsOffer = "offered" | "withheld" | "no-certificate";

export interface ConnectionTlsParts {
  readonly connection: AcceptedConnection;
  readonly situation: () => ListenerSituation;
  readonly contexts: SecureContexts;
  readonly trust: TrustResolver;
  readonly log: SessionLog;
  readonly onEvent: EdgeEventSink;
}

/**
 * TLS of one connection: whether it is offered, the terms of the handshake, and the facts of the handshake.
 */
export class ConnectionTls {
  readonly #parts: ConnectionTlsParts;
  #offer: StarttlsOffer | null = null;
  #facts: TlsFacts | null = null;

  constructor(parts: ConnectionTlsParts) {
    this.#parts = parts;
  }

  /** null = the session is in plaintext. */
  get facts(): TlsFacts | null {
    return this.#facts;
  }

  /** Whether the client could still ask for TLS; false before the first `offer`. */
  get isOffered(): boolean {
    return this.#offer === "offered";
  }

  /** Decided at the first EHLO, HELO or STARTTLS and kept. */
  offer(): StarttlsOffer | Promise<StarttlsOffer> {
    if (this.#offer !== null) return this.#offer;
    const { situation, contexts, connection } = this.#parts;
    const settle = (usable: boolean): StarttlsOffer => {
      this.#offer = usable ? "offered" : "no-certificate";
      return this.#offer;
    };
    if (!offersStarttls(situation())) return (this.#offer = "withheld");
    const usable = contexts.usable(connection.snapshot);
    return usable instanceof Promise ? usable.then(settle) : settle(usable);
  }

  /** Terms of the handshake, by the name that the client asks for. */
  terms(sni: DomainName | null, curves: ClientCurves): HandshakeTerms | Promise<HandshakeTerms> {
    const { situation, contexts, connection, trust } = this.#parts;
    const choice = chooseTls(situation(), sni, trust);
    const { ask } = choice;
    const terms = { ...choice, clientCurves: ask ? curves : ("key-exchange" as const) };
    const serving = contexts.get(terms, connection.snapshot);
    return serving instanceof Promise ? serving.then((ready) => ({ serving: ready, ask })) : { serving, ask };
  }

  secured(facts: TlsFacts, milliseconds: number): void {
    const { connection, log, onEvent } = this.#parts;
    this.#facts = facts;
    log.tls = facts;
    const { protocol, cipher, asked, peer } = facts;
    onEvent({
      kind: "handshake",
      listener: connection.listener.name,
      protocol,
      cipher,
      milliseconds,
      asked,
      presented: peer !== null,
    });
  }

  failed({ why, deadline, sni, named, offered, code }: FailedHandshake): void {
    const { connection, log, onEvent } = this.#parts;
    const listener = connection.listener.name;
    const known = sni !== null && connection.snapshot.host(sni) !== undefined;
    const label = known ? sni : named ? "unknown" : null;
    onEvent({
      kind: "handshake-failed",
      listener,
      session: connection.id,
      why,
      sni: label,
      offered,
      code,
    });
    if (deadline !== null) onEvent({ kind: "limit-hit", listener, limit: deadline });
    log.end(deadline === null ? "handshake-failed" : "limit", deadline);
  }
}
