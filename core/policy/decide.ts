/** The verdict for one recipient: all eight rows of semantics.md section 3. */
import { allowedNameAccepts } from "../name/domain-name.ts";
import { withException } from "./exception.ts";
import { mailboxKey, mailboxText, type Mailbox } from "../name/mailbox.ts";
import { isInAny, type Network, parseNetwork } from "../name/network.ts";
import type {
  ClientCertificateMode,
  DomainRecord,
  Enforcement,
  ExceptionMatch,
  MinVersion,
  TlsLevel,
} from "../record/domain.ts";
import { isInForce } from "../snapshot/domain-group.ts";
import type { ResolvedTrust } from "./chain-verifier.ts";
import { type ClientJudgement, judgeClient, nameAccepted } from "./client-judgement.ts";
import type { RecipientFacts, SessionFacts } from "./facts.ts";
import type { Circumstance, ClientCertificateResult, Verdict, Reason } from "./verdict.ts";

/** Settings of a recipient's domain, as its listener serves them under the connection's snapshot. */
export type RecipientSettings =
  /** No domain that is served on this listener. */
  | "absent"
  /** Served, and its settings were never readable here. */
  | "unusable"
  | {
      readonly domain: DomainRecord;
      /** Resolved from the domain's own trust stores. */
      readonly trust: ResolvedTrust;
    };

export type Decision =
  | { readonly kind: "verdict"; readonly verdict: Verdict }
  | { readonly kind: "chain-needed" };

/**
 * Decides about one recipient: the rows of semantics.md section 3, first failure wins.
 *
 * @returns `chain-needed` when the verdict depends on the client's chain under this domain's trust and
 *   neither a pin nor the handshake settles it; ask the ClientChainVerifier and call again with its answer.
 */
export function decide(settings: RecipientSettings, facts: RecipientFacts): Decision {
  if (settings === "absent") return verdictOf(notServed(facts.staleForMs));
  if (settings === "unusable") return verdictOf(SETTINGS_UNUSABLE);
  const { domain, trust } = settings;
  const question: Question = { ...facts, domain, trust };
  const client = judgePeer(question);
  switch (client.kind) {
    case "chain-needed":
      return client;
    case "not-judged":
      return verdictOf(judgeUnknown(question, client.detail));
    default:
      return verdictOf(judge(question, client));
  }
}

const verdictOf = (verdict: Verdict): Decision => ({ kind: "verdict", verdict });

/** From this age of the settings a missing domain may only be unknown here: row 1 defers. */
const STALE_AFTER_MS = 60_000;
const WITHOUT_SETTINGS = { exception: null, clientCertificate: "not-requested", detail: null } as const;

/** Row 1. */
function notServed(staleForMs: number): Verdict {
  const failed = { ...WITHOUT_SETTINGS, reason: "relay-denied" } as const;
  return staleForMs > STALE_AFTER_MS
    ? { ...failed, outcome: "defer", circumstance: "stale" }
    : { ...failed, outcome: "reject", circumstance: null };
}

/** Row 2. */
const SETTINGS_UNUSABLE: Verdict = {
  ...WITHOUT_SETTINGS,
  outcome: "defer",
  reason: "settings-unusable",
  circumstance: null,
};

/** Rows 3 to 8: a domain with settings, and what is known. */
type Question = Exclude<RecipientSettings, string> & RecipientFacts;

const ABSENT = { kind: "absent" } as const;
type Judged = Exclude<ClientJudgement, { kind: "chain-needed" | "not-judged" }> | typeof ABSENT;

function judgePeer({ domain, trust, session, nowMs, chain }: Question): ClientJudgement | typeof ABSENT {
  const peer = session.tls?.peer ?? null;
  if (peer === null) return ABSENT;
  const { tls } = domain;
  const inForce = tls.exceptions.filter((exception) => isInForce(exception, nowMs));
  const modes = [
    tls.clientCertificate.mode,
    ...inForce.map((exception) => exception.clientCertificateMode ?? "none"),
  ];
  const named = inForce.some(
    ({ match }) => match.clientName !== undefined && carries(peer.dnsNames, match.clientName),
  );
  // No rule depends on the certificate: it is not judged, so that a stranger cannot make us run the verifier.
  if (modes.every((mode) => mode === "none") && !named) return ABSENT;
  return judgeClient({ peer, settings: tls.clientCertificate, trust, nowMs, chain });
}

/**
 * The chain could not be judged: it might pass or not. Where both come to the same, that is the verdict;
 * where the answer depends on it, row 6 fails, and the fault is not the client's.
 */
function judgeUnknown(question: Question, detail: string): Verdict {
  const passed = judge(question, { kind: "passed", pinned: false });
  const failed = judge(question, { kind: "untrusted", detail });
  const clientCertificate = failed.clientCertificate === "not-requested" ? "not-requested" : "not-judged";
  if (passed.reason === failed.reason) return { ...failed, clientCertificate, detail };
  const failure: Failure = { reason: "client-certificate-untrusted", circumstance: "not-judged" };
  return {
    ...failed,
    ...answer(failure, question.domain.tls.enforcement),
    clientCertificate: "not-judged",
    detail,
  };
}

interface Rule {
  readonly level: TlsLevel;
  readonly minVersion: MinVersion;
  readonly mode: ClientCertificateMode;
  readonly exception: number | null;
}

/** The first exception in force whose keys all hold, or the domain's own rule. */
function ruleFor(question: Question, certificatePassed: boolean): Rule {
  const { domain, nowMs } = question;
  const { exceptions } = domain.tls;
  const index = exceptions.findIndex(
    (exception) => isInForce(exception, nowMs) && holds(exception.match, question, certificatePassed),
  );
  const exception = exceptions[index];
  const { server, clientCertificate } = (exception === undefined ? domain : withException(domain, exception))
    .tls;
  return {
    level: server.level,
    minVersion: server.minVersion,
    mode: clientCertificate.mode,
    exception: exception === undefined ? null : index,
  };
}

/** The network of each exception, parsed once: a snapshot keeps its records as they are. */
const NETWORKS = new WeakMap<ExceptionMatch, readonly Network[]>();

function networksOf(match: ExceptionMatch, clientCidr: string): readonly Network[] {
  const known = NETWORKS.get(match);
  if (known !== undefined) return known;
  const network = parseNetwork(clientCidr);
  const networks = network === null ? [] : [network];
  NETWORKS.set(match, networks);
  return networks;
}

function holds(match: ExceptionMatch, question: Question, certificatePassed: boolean): boolean {
  const { session, domain, localPart } = question;
  const { clientCidr, senderDomain, clientName, recipient } = match;
  if (!Object.values(match).some((value) => value !== undefined)) return false;
  if (recipient !== undefined && !isMailbox(recipient, { localPart, domain: domain.name })) return false;
  if (clientCidr !== undefined && !isInAny(session.clientAddress, networksOf(match, clientCidr)))
    return false;
  if (senderDomain !== undefined && session.senderDomain !== senderDomain) return false;
  if (clientName === undefined) return true;
  return certificatePassed && carries(session.tls?.peer?.dnsNames ?? [], clientName);
}

const isMailbox = (expected: string, recipient: Mailbox): boolean =>
  mailboxKey(expected) === mailboxKey(mailboxText(recipient));

const carries = (dnsNames: readonly string[], allowed: string): boolean =>
  dnsNames.some((dnsName) => allowedNameAccepts(allowed, dnsName));

interface Failure {
  readonly reason: Reason;
  readonly circumstance: Circumstance | null;
}

function judge(question: Question, client: Judged): Verdict {
  const { domain, session } = question;
  const rule = ruleFor(question, client.kind === "passed");
  const clientCertificate = clientResult(question, rule, client);
  const failure = serverFailure(rule, session) ?? clientFailure(rule, session, clientCertificate);
  return {
    ...answer(failure, domain.tls.enforcement),
    exception: rule.exception,
    clientCertificate,
    detail: "detail" in client && clientCertificate !== "not-requested" ? client.detail : null,
  };
}

/** Rows 3 and 4. */
function serverFailure(rule: Rule, session: SessionFacts): Failure | null {
  if (session.tls === null) {
    if (rule.level !== "require") return null;
    return { reason: "tls-required", circumstance: session.tlsPossible ? null : "tls-not-possible" };
  }
  if (rule.minVersion === "TLSv1.3" && session.tls.protocol !== "TLSv1.3")
    return { reason: "tls-too-old", circumstance: null };
  if (session.tls.protocol !== "TLSv1.2" && session.tls.protocol !== "TLSv1.3")
    return { reason: "tls-too-old", circumstance: null };
  return null;
}

type Judgeable = Exclude<ClientCertificateResult, "not-judged">;

/** What is recorded of the certificate under this rule: rows 5 to 8, whether or not they refuse. */
function clientResult({ domain, session }: Question, rule: Rule, client: Judged): Judgeable {
  if (rule.mode === "none") return "not-requested";
  switch (client.kind) {
    case "absent":
      return "none";
    case "untrusted":
    case "purpose":
      return client.kind;
    case "passed": {
      const dnsNames = session.tls?.peer?.dnsNames ?? [];
      const named = client.pinned || nameAccepted(domain.tls.clientCertificate.names, dnsNames, session.helo);
      return named ? "verified" : "name";
    }
    default:
      return client satisfies never;
  }
}

/** Rows 5 to 8. */
function clientFailure(rule: Rule, session: SessionFacts, result: Judgeable): Failure | null {
  if (rule.mode !== "require") return null;
  switch (result) {
    case "not-requested":
    case "verified":
      return null;
    case "none":
      return {
        reason: "client-certificate-missing",
        circumstance: session.tls?.asked === false ? "not-asked" : null,
      };
    case "untrusted":
      return { reason: "client-certificate-untrusted", circumstance: null };
    case "purpose":
      return { reason: "client-certificate-purpose", circumstance: null };
    case "name":
      return { reason: "client-certificate-name", circumstance: null };
    default:
      return result satisfies never;
  }
}

function answer(
  failure: Failure | null,
  enforcement: Enforcement,
): Pick<Verdict, "outcome" | "reason" | "circumstance"> {
  if (failure === null) return { outcome: "accept", reason: null, circumstance: null };
  if (enforcement === "observe") return { ...failure, outcome: "accept" };
  // Our own trouble never bounces a client's mail: a 5xx would.
  return {
    ...failure,
    outcome: enforcement === "defer" || failure.circumstance !== null ? "defer" : "reject",
  };
}
