import type { DomainName } from "../name/domain-name.ts";
import type { ChainVerdict, ClientChainVerifier } from "./chain-verifier.ts";
import { decide, type RecipientSettings } from "./decide.ts";
import type { SessionFacts } from "./facts.ts";
import { type ListenerSituation, reachableDomain } from "./listener.ts";
import type { TrustResolver } from "./trust.ts";
import type { Verdict } from "./verdict.ts";
import type { DomainRecord } from "../record/domain.ts";

export interface JudgedRecipient {
  readonly verdict: Verdict;
  /** null in rows 1 and 2. */
  readonly settings: DomainRecord | null;
}

export interface NamedRecipient {
  /** null = what the client wrote is no domain name, so no domain here is meant. */
  readonly domain: DomainName | null;
  /** As written. */
  readonly localPart: string;
}

/** Means by which an edge judges recipients. */
export interface JudgingOptions {
  readonly trust: TrustResolver;
  /**
   * null = chains are judged in the handshake only; a chain that the handshake does not settle is answered
   * `451 4.7.5`.
   */
  readonly chainVerifier: ClientChainVerifier | null;
  /** Age of the settings: for how long the store could not be read; 0 while it can. */
  readonly staleForMs: () => number;
}

export interface JudgeOptions extends JudgingOptions {
  /** Client that the verifier counts: an IPv6 client is its /64. */
  readonly clientKey: string;
  /** Called when the verifier accepts no more questions of this client now. */
  readonly onTooMany: () => void;
}

const NO_VERIFIER: ChainVerdict = { kind: "not-judged", why: "there is no chain verifier here" };

/** Judges the recipients of one connection. Asks the verifier at most once for each trust. */
export class RecipientJudge {
  readonly #options: JudgeOptions;
  #answers: Map<string, Promise<ChainVerdict>> | null = null;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  async judge(
    situation: ListenerSituation,
    session: SessionFacts,
    { domain, localPart }: NamedRecipient,
  ): Promise<JudgedRecipient> {
    const settings = this.#settingsOf(situation, domain);
    const staleForMs = this.#options.staleForMs();
    const facts = { session, localPart, nowMs: situation.nowMs, staleForMs };
    const record = typeof settings === "string" ? null : settings.domain;
    const first = decide(settings, { ...facts, chain: null });
    if (first.kind === "verdict") return { verdict: first.verdict, settings: record };
    const second = decide(settings, { ...facts, chain: await this.#verify(session, settings) });
    // A decision that asks twice for the same chain would be a fault in core; it must not let a client in.
    if (second.kind === "chain-needed") throw new Error("the chain was judged and is needed still");
    return { verdict: second.verdict, settings: record };
  }

  #settingsOf(situation: ListenerSituation, name: DomainName | null): RecipientSettings {
    const domain = name === null ? "absent" : reachableDomain(situation, name);
    if (domain === "absent" || domain === "unusable") return domain;
    const trust = this.#options.trust.resolve(situation.snapshot, domain.tls.clientCertificate.trust);
    return { domain, trust };
  }

  #verify(session: SessionFacts, settings: RecipientSettings): Promise<ChainVerdict> {
    const { chainVerifier, clientKey, onTooMany } = this.#options;
    const chain = session.tls?.peer?.chain;
    if (chainVerifier === null || chain === undefined || typeof settings === "string")
      return Promise.resolve(NO_VERIFIER);
    const { trust } = settings;
    this.#answers ??= new Map();
    const known = this.#answers.get(trust.hash);
    if (known !== undefined) return known;
    const asked = chainVerifier.verify({ chain, trust, client: clientKey });
    this.#answers.set(trust.hash, asked);
    // What could not be judged now may be judged at the next recipient.
    const forget = (): unknown => this.#answers?.delete(trust.hash);
    asked.then((answer) => {
      if (answer.kind === "not-judged" && answer.tooMany === true) onTooMany();
      return answer.kind === "not-judged" && forget();
    }, forget);
    return asked;
  }
}
