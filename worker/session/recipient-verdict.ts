import type { DomainName } from "../../core/name/domain-name.ts";
import type { ChainVerdict, ClientChainVerifier, ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import { decide, verdictWithoutSettings } from "../../core/policy/decide.ts";
import type { SessionFacts } from "../../core/policy/facts.ts";
import { type ListenerSituation, reachableDomain } from "../../core/policy/listener.ts";
import type { TrustResolver } from "../../core/policy/trust.ts";
import type { Verdict } from "../../core/policy/verdict.ts";
import type { DomainRecord } from "../../core/record/domain.ts";

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

export interface JudgeOptions {
  readonly trust: TrustResolver;
  readonly chainVerifier: ClientChainVerifier | null;
  readonly staleForMs: () => number;
  /** Whom the verifier counts: an IPv6 client is its /64. */
  readonly clientKey: string;
  /** The verifier does no more for this client now. */
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
    facts: SessionFacts,
    { domain, localPart }: NamedRecipient,
  ): Promise<JudgedRecipient> {
    const settings = domain === null ? "absent" : reachableDomain(situation, domain);
    if (settings === "absent" || settings === "unusable") {
      return { verdict: verdictWithoutSettings(settings, this.#options.staleForMs()), settings: null };
    }
    const trust = this.#options.trust.resolve(situation.snapshot, settings.tls.clientCertificate.trust);
    const question = { domain: settings, trust, facts, localPart, nowMs: situation.nowMs };
    const first = decide({ ...question, chain: null });
    if (first.kind === "verdict") return { verdict: first.verdict, settings };
    const second = decide({ ...question, chain: await this.#verify(facts, trust) });
    // A decision that asks twice for the same chain would be a fault in core; nobody is let in by it.
    if (second.kind === "chain-needed") throw new Error("the chain was judged and is needed still");
    return { verdict: second.verdict, settings };
  }

  #verify(facts: SessionFacts, trust: ResolvedTrust): Promise<ChainVerdict> {
    const { chainVerifier, clientKey, onTooMany } = this.#options;
    const chain = facts.tls?.peer?.chain;
    if (chainVerifier === null || chain === undefined) return Promise.resolve(NO_VERIFIER);
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
