/** A described session, judged step by step as an edge judges it: STARTTLS, handshake, MAIL, RCPT. */

import { RuleViolation } from "../errors.ts";
import type { ChainVerdict, ClientChainVerifier } from "../policy/chain-verifier.ts";
import { explain, type RowExplanation } from "../policy/explanation.ts";
import type { TlsFacts } from "../policy/facts.ts";
import { type ListenerSituation, mailNeedsStarttls, offersStarttls } from "../policy/listener.ts";
import { type JudgedRecipient, RecipientJudge } from "../policy/recipient-judge.ts";
import { chooseTls, sniName, type TlsChoice } from "../policy/tls-choice.ts";
import { TransactionFacts } from "../policy/transaction-facts.ts";
import type { TrustResolver } from "../policy/trust.ts";
import { REASONS } from "../policy/verdict.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { Mailbox } from "../name/mailbox.ts";
import { isRouted, type Path } from "../smtp/address-command.ts";
import { type Recipient, recipientOf, refusalOf } from "../smtp/recipient.ts";
import { REPLIES } from "../smtp/replies.ts";
import type { PeerCertificate } from "../x509/peer-certificate.ts";
import { commonRows, type Evaluation, judgedOutcome, type Outcome, refusedOutcome } from "./evaluation.ts";

/** What a client brings. */
export interface DescribedSession {
  /** Canonical. */
  readonly clientAddress: string;
  /** As in the ClientHello; undefined = none. */
  readonly sni: string | undefined;
  /** null = plaintext. */
  readonly protocol: string | null;
  readonly helo: string | undefined;
  /** null = the client has no certificate. */
  readonly peer: PeerCertificate | null;
  readonly sender: Path;
  readonly recipient: Path;
}

/** The edge that the session takes place at, as far as it matters. */
export interface JudgingEdge {
  readonly situation: ListenerSituation;
  readonly trust: TrustResolver;
  /** null = there is none here. */
  readonly chainVerifier: ClientChainVerifier | null;
  /** Moment that chains are judged at, in epoch milliseconds; null = now. */
  readonly atMs: number | null;
  /** Client that the verifier counts. */
  readonly clientKey: string;
  /** Whether there is a certificate for STARTTLS. */
  readonly hasCertificate: boolean;
  readonly postmaster: Mailbox | null;
  /** Whether mail of a domain without `delivery` goes to a next hop. */
  readonly passesOn: boolean;
  /** Names that the caller knows: others are as absent. */
  readonly knowsHost: (name: DomainName) => boolean;
  readonly knowsDomain: (name: DomainName) => boolean;
}

/** Of an evaluation, what follows from the session alone. */
export interface JudgedSession
  extends Pick<
    Evaluation,
    "verdict" | "command" | "reply" | "row" | "reason" | "exception" | "cases" | "explanation"
  > {
  /** null = in plaintext. */
  readonly choice: TlsChoice | null;
  /** null = the client presents none. */
  readonly peer: PeerCertificate | null;
  /** null = the recipient was not judged. */
  readonly judged: JudgedRecipient | null;
  /** Why the verifier gave no verdict on the chain; null = it did, or was not asked. */
  readonly open: string | null;
}

const VALID: ChainVerdict = { kind: "judged", valid: true, clientAuth: true, serverAuth: true, detail: null };
const INVALID: ChainVerdict = { ...VALID, valid: false };
const NO_VERIFIER = "this deployment has no chain verifier beside the API; edges judge the chain";

/** @throws RuleViolation (`starttls-not-offered`) for a session in TLS that cannot come about. */
export async function judgeSession(session: DescribedSession, edge: JudgingEdge): Promise<JudgedSession> {
  const { situation } = edge;
  const isOffered = offersStarttls(situation) && edge.hasCertificate;
  if (session.protocol !== null && !isOffered) throw notOffered(situation);
  const name = session.sni === undefined ? null : sniName(session.sni);
  const sni = name !== null && edge.knowsHost(name) ? name : null;
  const choice = session.protocol === null ? null : chooseTls(situation, sni, edge.trust);
  const peer = choice?.ask === true ? session.peer : null;
  const start = { choice, peer };
  const isSecure = session.protocol !== null;
  if (mailNeedsStarttls(situation, { isSecure, isOffered })) return { ...start, ...refusedAtMail() };

  const { protocol } = session;
  const tls: TlsFacts | null =
    choice === null || protocol === null ? null : { protocol, cipher: "", sni, asked: choice.ask, peer };
  const { sender } = session;
  const facts = new TransactionFacts({
    listener: situation.listener,
    clientAddress: session.clientAddress,
    tlsPossible: tls !== null || isOffered,
    tls,
    heloText: session.helo ?? null,
    senderDomainText: sender.kind === "mailbox" ? sender.domain : null,
  });
  const recipient = recipientOf(session.recipient, { ...situation.listener, postmaster: edge.postmaster });
  if (recipient === null) return { ...start, ...refusedBeforeVerdict() };
  return { ...start, ...(await judgeRecipient(recipient, facts, edge)) };
}

type Decided = Omit<JudgedSession, "choice" | "peer">;

const notOffered = ({ listener }: ListenerSituation): RuleViolation =>
  new RuleViolation([
    {
      pointer: "/protocol",
      code: "starttls-not-offered",
      message: `listener ${listener.name} does not offer STARTTLS under these settings, so the session stays in plaintext: leave protocol out`,
    },
  ]);

const AT_MAIL =
  "level require: MAIL is refused in plaintext, because every domain of this listener requires TLS";
const NOT_REACHED = "not reached: MAIL is refused before a recipient is named";

function refusedAtMail(): Decided {
  const explanation = REASONS.map((reason, at): RowExplanation => {
    const isRow3 = reason === "tls-required";
    const facts = isRow3 ? { protocol: null, starttlsOffered: true } : {};
    return {
      row: at + 1,
      reason,
      passed: isRow3 ? false : null,
      text: isRow3 ? AT_MAIL : NOT_REACHED,
      facts,
    };
  });
  const row = REASONS.indexOf("tls-required") + 1;
  const outcome = { ...refusedOutcome("tls-required", REPLIES.mailNeedsTls), row };
  return { ...outcome, command: "MAIL", cases: null, judged: null, open: null, explanation };
}

function refusedBeforeVerdict(): Decided {
  const text = "not reached: bare postmaster names no mailbox on this listener";
  const explanation = REASONS.map((reason, at) => ({ row: at + 1, reason, passed: null, text, facts: {} }));
  const outcome = refusedOutcome("no-postmaster", REPLIES.noPostmaster);
  return { ...outcome, command: "RCPT", cases: null, judged: null, open: null, explanation };
}

/** What one answer of the verifier leads to. */
interface Judged {
  readonly judged: JudgedRecipient;
  readonly outcome: Outcome;
  readonly explanation: readonly RowExplanation[];
}

async function judgeRecipient(
  recipient: Recipient,
  session: TransactionFacts,
  edge: JudgingEdge,
): Promise<Decided> {
  const known = recipient.domain !== null && edge.knowsDomain(recipient.domain);
  const named = { ...recipient, domain: known ? recipient.domain : null };
  const moment = edge.atMs === null ? {} : { atMs: edge.atMs };
  let open: string | null = null;
  const judgeBy = async (chainVerifier: Pick<ClientChainVerifier, "verify">): Promise<Judged> => {
    const judge = new RecipientJudge({
      trust: edge.trust,
      chainVerifier: { available: true, ...chainVerifier },
      staleForMs: () => 0,
      clientKey: edge.clientKey,
      onTooMany: () => undefined,
    });
    const judged = await judge.judge(edge.situation, session, named);
    const { verdict, settings } = judged;
    const explanation = explain({ recipientDomain: recipient.name, settings, session, verdict });
    return { judged, explanation, outcome: outcomeOf(judged, recipient, edge) };
  };
  const asked = await judgeBy({
    verify: async (question) => {
      const answer =
        edge.chainVerifier === null
          ? ({ kind: "not-judged", why: NO_VERIFIER } as const)
          : await edge.chainVerifier.verify({ ...question, ...moment });
      if (answer.kind === "not-judged" && answer.isFinal !== true) open = answer.why;
      return answer;
    },
  });
  const decided = { ...asked.outcome, command: "RCPT", cases: null, judged: asked.judged, open } as const;
  if (open === null) return { ...decided, explanation: asked.explanation };
  const valid = await judgeBy({ verify: async () => VALID });
  const invalid = await judgeBy({ verify: async () => INVALID });
  const explanation = commonRows(valid.explanation, invalid.explanation);
  if (isSameOutcome(valid.outcome, invalid.outcome)) return { ...decided, ...valid.outcome, explanation };
  return {
    ...decided,
    verdict: "not-evaluated",
    reply: null,
    row: null,
    reason: null,
    exception: null,
    cases: { valid: valid.outcome, invalid: invalid.outcome },
    explanation,
  };
}

function outcomeOf(judged: JudgedRecipient, recipient: Recipient, { passesOn }: JudgingEdge): Outcome {
  const refusal = refusalOf(judged, recipient.name);
  if (refusal !== null) return judgedOutcome(judged, refusal);
  // A domain's own delivery is always a next hop.
  const isPassedOn = passesOn || (judged.settings?.delivery ?? null) !== null;
  if (isPassedOn && isRouted(recipient.localPart))
    return refusedOutcome("routed-address", REPLIES.routedAddress);
  return judgedOutcome(judged, REPLIES.recipientOk);
}

const isSameOutcome = (a: Outcome, b: Outcome): boolean =>
  a.reply.line === b.reply.line && a.reason === b.reason && a.exception?.index === b.exception?.index;
