/** The rows of the verdict table in plain English: why each passed or failed for one recipient. */
import type { DomainRecord } from "../record/domain.ts";
import { withException } from "./exception.ts";
import type { SessionFacts } from "./facts.ts";
import { type Reason, REASONS, type Verdict } from "./verdict.ts";

export type FactValue = string | number | boolean | null;

/** One row of semantics.md section 3 for one recipient. */
export interface RowExplanation {
  /** 1 to 8. */
  readonly row: number;
  readonly reason: Reason;
  /** null = not reached: an earlier row failed. */
  readonly passed: boolean | null;
  readonly text: string;
  /** What the row was judged by; empty when it was not reached. */
  readonly facts: Readonly<Record<string, FactValue>>;
}

/** What `decide` was asked, and what it returned. */
export interface Decided {
  /** The recipient's domain as it is, or as the client wrote it. */
  readonly recipientDomain: string;
  /** null in rows 1 and 2. */
  readonly settings: DomainRecord | null;
  readonly session: SessionFacts;
  readonly verdict: Verdict;
}

/** A domain with settings, under the exception that applied. */
interface Ruled extends Omit<Decided, "settings"> {
  readonly rule: DomainRecord;
}

type Facts = RowExplanation["facts"];

interface Row<Asked> {
  readonly facts: (asked: Asked) => Facts;
  readonly passed: (asked: Asked) => string;
  readonly failed: (asked: Asked) => string;
}

/** Rows that are judged without the settings of the domain. */
const WITHOUT_SETTINGS = {
  "relay-denied": {
    facts: ({ recipientDomain, session, verdict }) => ({
      domain: recipientDomain,
      listener: session.listener.name,
      dedicatedTo: session.listener.dedicatedTo,
      served: verdict.reason !== "relay-denied",
    }),
    passed: ({ recipientDomain, session }) =>
      `${recipientDomain} is served on listener ${session.listener.name}`,
    failed: ({ recipientDomain, session }) =>
      session.listener.dedicatedTo === null
        ? `no domain ${recipientDomain} is served on listener ${session.listener.name}`
        : `listener ${session.listener.name} serves ${session.listener.dedicatedTo} alone`,
  },
  "settings-unusable": {
    facts: ({ settings }) => ({ readable: settings !== null, revision: settings?.revision ?? null }),
    passed: () => "the settings of the domain can be read",
    failed: () => "the stored settings of the domain cannot be read, and no earlier version is known here",
  },
} as const satisfies Partial<Record<Reason, Row<Decided>>>;

type RuledReason = Exclude<Reason, keyof typeof WITHOUT_SETTINGS>;

const protocolOf = ({ session }: Ruled): string => session.tls?.protocol ?? "plaintext";
const modeOf = ({ rule }: Ruled) => rule.tls.clientCertificate.mode;
const peerOf = ({ session }: Ruled) => session.tls?.peer ?? null;
const namesOf = (names: readonly string[]): string => (names.length === 0 ? "none" : names.join(", "));
const because = (detail: string | null): string => (detail === null ? "" : `: ${detail}`);

/** Mode `none`, or no certificate: rows 6 to 8 have nothing to judge. */
function nothingToJudge(ruled: Ruled): string | null {
  if (modeOf(ruled) === "none") return "mode none: no client certificate is judged";
  return peerOf(ruled) === null ? `mode ${modeOf(ruled)}: there is no certificate to judge` : null;
}

const unjudgedOr =
  (text: (ruled: Ruled) => string) =>
  (ruled: Ruled): string =>
    nothingToJudge(ruled) ?? text(ruled);

const certificateFacts = (ruled: Ruled): Facts => ({
  mode: modeOf(ruled),
  clientCertificate: ruled.verdict.clientCertificate,
  detail: ruled.verdict.detail,
});

/** Rows under the rule that holds for the session: the domain's own, or under the exception that applied. */
const UNDER_RULE: Readonly<Record<RuledReason, Row<Ruled>>> = {
  "tls-required": {
    facts: (ruled) => ({
      level: ruled.rule.tls.server.level,
      protocol: ruled.session.tls?.protocol ?? null,
      starttlsOffered: ruled.session.tlsPossible,
      exception: ruled.verdict.exception,
    }),
    passed: (ruled) =>
      ruled.session.tls === null
        ? `level ${ruled.rule.tls.server.level} accepts mail in plaintext`
        : `level ${ruled.rule.tls.server.level}: the session uses ${protocolOf(ruled)}`,
    failed: ({ session }) =>
      session.tlsPossible
        ? "level require: the session is in plaintext, although STARTTLS is offered"
        : "level require: the session is in plaintext, and STARTTLS is not offered here",
  },
  "tls-too-old": {
    facts: (ruled) => ({
      minVersion: ruled.rule.tls.server.minVersion,
      protocol: ruled.session.tls?.protocol ?? null,
    }),
    passed: (ruled) =>
      ruled.session.tls === null
        ? "minVersion applies to sessions in TLS, and this one is in plaintext"
        : `${protocolOf(ruled)} is not older than minVersion ${ruled.rule.tls.server.minVersion}`,
    failed: (ruled) => `${protocolOf(ruled)} is older than minVersion ${ruled.rule.tls.server.minVersion}`,
  },
  "client-certificate-missing": {
    facts: (ruled) => ({
      mode: modeOf(ruled),
      requested: ruled.session.tls?.asked ?? false,
      presented: peerOf(ruled) !== null,
    }),
    passed: (ruled) => {
      if (peerOf(ruled) !== null) return `mode ${modeOf(ruled)}: the client presented a certificate`;
      return modeOf(ruled) === "none"
        ? "mode none: no client certificate is needed"
        : `mode ${modeOf(ruled)}: a client without a certificate is accepted`;
    },
    failed: ({ session }) =>
      session.tls?.asked === false
        ? "mode require: the client presented no certificate, because none was requested under this SNI"
        : "mode require: the client presented no certificate",
  },
  "client-certificate-untrusted": {
    facts: (ruled) => ({ ...certificateFacts(ruled), ...trustFacts(ruled) }),
    passed: unjudgedOr((ruled) => {
      const { clientCertificate, detail } = ruled.verdict;
      if (clientCertificate === "untrusted")
        return `mode ${modeOf(ruled)} refuses nothing; the chain is not valid for this domain's trust${because(detail)}`;
      if (clientCertificate === "not-judged")
        return `mode ${modeOf(ruled)} refuses nothing; the chain could not be judged${because(detail)}`;
      return "the chain is valid for this domain's trust, or the leaf is pinned";
    }),
    failed: ({ verdict }) =>
      verdict.circumstance === "not-judged"
        ? `the chain could not be judged${because(verdict.detail)}`
        : `the chain is not valid for this domain's trust${because(verdict.detail)}`,
  },
  "client-certificate-purpose": {
    facts: (ruled) => ({ ...certificateFacts(ruled), purpose: ruled.rule.tls.clientCertificate.purpose }),
    passed: unjudgedOr((ruled) => {
      const { purpose } = ruled.rule.tls.clientCertificate;
      const { clientCertificate } = ruled.verdict;
      if (clientCertificate === "purpose")
        return `mode ${modeOf(ruled)} refuses nothing; the key usage is not ${purpose}`;
      return clientCertificate === "verified" || clientCertificate === "name"
        ? `the key usage is accepted by purpose ${purpose}, or the leaf is pinned`
        : "the key usage of a chain that is not valid is not judged";
    }),
    failed: (ruled) =>
      `the key usage is not accepted by purpose ${ruled.rule.tls.clientCertificate.purpose}${because(ruled.verdict.detail)}`,
  },
  "client-certificate-name": {
    facts: (ruled) => {
      const { names } = ruled.rule.tls.clientCertificate;
      return {
        ...certificateFacts(ruled),
        match: names.match,
        allowed: namesOf(names.allowed),
        helo: ruled.session.helo,
        dnsNames: namesOf(peerOf(ruled)?.dnsNames ?? []),
      };
    },
    passed: unjudgedOr((ruled) => {
      const { clientCertificate } = ruled.verdict;
      if (clientCertificate === "name") return `mode ${modeOf(ruled)} refuses nothing; ${nameProblem(ruled)}`;
      return clientCertificate === "verified"
        ? `a DNS name of the certificate is accepted by match ${ruled.rule.tls.clientCertificate.names.match}, or the leaf is pinned`
        : "the names of a chain that is not valid are not judged";
    }),
    failed: (ruled) => nameProblem(ruled),
  },
};

const trustFacts = ({ rule }: Ruled): Facts => {
  const { publicRoots, trustStoreIds, pins } = rule.tls.clientCertificate.trust;
  return { publicRoots, trustStores: trustStoreIds.length, pins: pins.length };
};

function nameProblem(ruled: Ruled): string {
  const { match, allowed } = ruled.rule.tls.clientCertificate.names;
  const carried = `the certificate has the DNS names ${namesOf(peerOf(ruled)?.dnsNames ?? [])}`;
  if (match !== "helo") return `${carried}, and ${namesOf(allowed)} are allowed`;
  const { helo } = ruled.session;
  return helo === null
    ? `${carried}, and the EHLO name is no host name`
    : `${carried}, and not the EHLO name ${helo}`;
}

/** One line for each row of the verdict table, in order. */
export function explain(decided: Decided): readonly RowExplanation[] {
  const failedAt = decided.verdict.reason === null ? REASONS.length : REASONS.indexOf(decided.verdict.reason);
  return REASONS.map((reason, at) => {
    const row = at + 1;
    if (at > failedAt) return { row, reason, passed: null, text: "not reached", facts: {} };
    return { row, reason, ...explainRow(reason, decided, at < failedAt) };
  });
}

function explainRow(
  reason: Reason,
  decided: Decided,
  passed: boolean,
): Pick<RowExplanation, "passed" | "text" | "facts"> {
  const worded = <Asked>(row: Row<Asked>, asked: Asked) => ({
    passed,
    text: passed ? row.passed(asked) : row.failed(asked),
    facts: row.facts(asked),
  });
  if (isWithoutSettings(reason)) return worded(WITHOUT_SETTINGS[reason], decided);
  const { settings, ...rest } = decided;
  // decide fails row 1 or 2 for a domain without settings, so no later row is reached.
  if (settings === null) throw new TypeError(`row ${reason} was reached without settings`);
  return worded(UNDER_RULE[reason], { ...rest, rule: ruleOf(settings, decided.verdict) });
}

const isWithoutSettings = (reason: Reason): reason is keyof typeof WITHOUT_SETTINGS =>
  Object.hasOwn(WITHOUT_SETTINGS, reason);

/** The domain under the exception that applied. */
function ruleOf(domain: DomainRecord, { exception }: Verdict): DomainRecord {
  const applied = exception === null ? undefined : domain.tls.exceptions[exception];
  return applied === undefined ? domain : { ...domain, ...withException(domain, applied) };
}
