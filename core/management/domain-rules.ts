/** Rules between the fields of one domain. */

import { withException } from "../policy/exception.ts";
import { mailboxKey, domainOfMailbox } from "../name/mailbox.ts";
import type { Issue } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { CAPS } from "../limits.ts";
import { isInForce } from "../snapshot/domain-group.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  type ClientCertificateMode,
  type ClientTrust,
  type DomainSettings,
  TLS_LEVELS,
  type TlsException,
} from "../record/domain.ts";
import { ACKNOWLEDGEABLE_CODES, isAcknowledgeable } from "../record/warning-code.ts";

/**
 * Rules between the fields of one domain: "Refused when written" of semantics.md section 1, without those
 * that ask for stored records (reference-rules.ts). Every issue is a 422 and points into the domain's
 * document.
 */
export function settingsIssues(settings: DomainSettings): Issue[] {
  const own = OWN_RULES.filter((rule) => rule.broken(settings));
  return [
    ...capIssues(settings),
    ...acknowledgementIssues(settings),
    ...own.map((rule) => ({ pointer: rule.pointer, code: rule.code, message: rule.message })),
    ...settings.tls.exceptions.flatMap((_, index) => exceptionIssues(settings, index, own)),
  ];
}

/** Which fields of an exception can break a rule; the pointer goes to the first that the exception sets. */
type ExceptionField = "clientCertificateMode" | "level";

interface OwnRule {
  readonly code: IssueCode;
  readonly broken: (settings: DomainSettings) => boolean;
  readonly pointer: string;
  readonly message: string;
  /** Empty = an exception changes nothing that this rule looks at. */
  readonly exceptionFields: readonly ExceptionField[];
  /** What to do instead where an exception breaks the rule. */
  readonly exceptionRemedy?: string;
}

const POINTER = {
  certificateId: "/tls/server/certificateId",
  minVersion: "/tls/server/minVersion",
  mode: "/tls/clientCertificate/mode",
  trust: "/tls/clientCertificate/trust",
  publicRoots: "/tls/clientCertificate/trust/publicRoots",
  allowed: "/tls/clientCertificate/names/allowed",
} as const;

const levelOf = ({ tls }: DomainSettings) => tls.server.level;
const modeOf = ({ tls }: DomainSettings) => tls.clientCertificate.mode;
const trustOf = ({ tls }: DomainSettings) => tls.clientCertificate.trust;
const namesOf = ({ tls }: DomainSettings) => tls.clientCertificate.names;

const OWN_RULES: readonly OwnRule[] = [
  {
    code: "client-certificate-without-tls",
    broken: (settings) => modeOf(settings) !== "none" && levelOf(settings) === "none",
    pointer: POINTER.mode,
    message: "a client certificate is shown in TLS, so a mode other than none needs a level other than none",
    exceptionFields: ["clientCertificateMode", "level"],
  },
  {
    code: "client-certificate-without-required-tls",
    broken: (settings) => modeOf(settings) === "require" && levelOf(settings) === "accept",
    pointer: POINTER.mode,
    message: "mode require needs level require: a sender in plaintext would bypass the certificate",
    exceptionFields: ["clientCertificateMode", "level"],
  },
  {
    code: "min-version-without-required-tls",
    broken: ({ tls }) => tls.server.minVersion === "TLSv1.3" && tls.server.level !== "require",
    pointer: POINTER.minVersion,
    message: "minVersion TLSv1.3 needs level require: plaintext would be taken and TLS 1.2 refused",
    exceptionFields: ["level"],
    exceptionRemedy:
      "set minVersion TLSv1.2 at the domain, or match a recipient, for which minVersion does not count",
  },
  {
    code: "certificate-without-hosts",
    broken: ({ tls, mxHosts }) => tls.server.certificateId !== null && mxHosts.length === 0,
    pointer: POINTER.certificateId,
    message: "a certificate belongs to MX hosts, and mxHosts is empty",
    exceptionFields: [],
  },
  {
    code: "client-certificate-without-hosts",
    broken: (settings) => modeOf(settings) !== "none" && settings.mxHosts.length === 0,
    pointer: POINTER.mode,
    message: "clients are asked for a certificate by the MX host they name, and mxHosts is empty",
    exceptionFields: ["clientCertificateMode"],
  },
  {
    code: "list-empty",
    broken: (settings) => namesOf(settings).match === "list" && namesOf(settings).allowed.length === 0,
    pointer: POINTER.allowed,
    message: "match list accepts only the names in allowed, and allowed is empty",
    exceptionFields: [],
  },
  {
    code: "public-roots-any-name",
    broken: (settings) => trustOf(settings).publicRoots && namesOf(settings).match === "any",
    pointer: POINTER.publicRoots,
    message: "everyone can have a certificate of a public CA, so publicRoots needs match helo or list",
    exceptionFields: [],
  },
  {
    code: "public-roots-helo-require",
    broken: (settings) =>
      trustOf(settings).publicRoots && namesOf(settings).match === "helo" && modeOf(settings) === "require",
    pointer: POINTER.publicRoots,
    message:
      "a client chooses both its EHLO name and its public certificate, so publicRoots with mode require needs match list",
    exceptionFields: ["clientCertificateMode"],
  },
  {
    code: "nothing-can-pass",
    broken: (settings) => modeOf(settings) === "require" && hasNoTrust(trustOf(settings)),
    pointer: POINTER.trust,
    message: "mode require needs something to trust: a trust store, a pin or public roots",
    exceptionFields: ["clientCertificateMode"],
  },
];

/** Nothing that could make a client's chain valid is named. */
export const hasNoTrust = ({ publicRoots, trustStoreIds, pins }: ClientTrust): boolean =>
  !publicRoots && trustStoreIds.length === 0 && pins.length === 0;

const LIST_CAPS: readonly (readonly [string, number, (settings: DomainSettings) => number])[] = [
  ["/mxHosts", CAPS.mxHosts, (settings) => settings.mxHosts.length],
  ["/tls/exceptions", CAPS.exceptions, (settings) => settings.tls.exceptions.length],
  [POINTER.allowed, CAPS.allowedNames, (settings) => namesOf(settings).allowed.length],
  [`${POINTER.trust}/pins`, CAPS.pins, (settings) => trustOf(settings).pins.length],
  [
    `${POINTER.trust}/trustStoreIds`,
    CAPS.trustStoreIds,
    (settings) => trustOf(settings).trustStoreIds.length,
  ],
];

const capIssues = (settings: DomainSettings): Issue[] =>
  LIST_CAPS.filter(([, cap, count]) => count(settings) > cap).map(([pointer, cap]) => ({
    pointer,
    code: "too-many",
    message: `holds more than ${cap} entries`,
  }));

const acknowledgementIssues = ({ acknowledgedWarnings }: DomainSettings): Issue[] =>
  acknowledgedWarnings.flatMap((code, index) =>
    isAcknowledgeable(code)
      ? []
      : {
          pointer: `/acknowledgedWarnings/${index}`,
          code: "not-acknowledgeable",
          message: `${code} is shown as long as it holds; only ${ACKNOWLEDGEABLE_CODES.join(", ")} can be acknowledged`,
        },
  );

function exceptionIssues(settings: DomainSettings, index: number, ownBroken: readonly OwnRule[]): Issue[] {
  // Beyond the cap nothing is looked at: comparing each exception with each later one is bounded by it.
  if (index >= CAPS.exceptions) return [];
  const exception = settings.tls.exceptions[index];
  if (exception === undefined) return [];
  const pointer = `/tls/exceptions/${index}`;
  const overlaid = withException(settings, exception);
  const refused = OWN_RULES.filter((rule) => !ownBroken.includes(rule) && rule.broken(overlaid)).map(
    (rule) => ({
      pointer: `${pointer}/${rule.exceptionFields.find((field) => exception[field] !== undefined) ?? "match"}`,
      code: rule.code,
      message: `under this exception: ${[rule.message, ...remedies(rule, exception, modeOf(settings))].join("; ")}`,
    }),
  );
  return [
    ...emptyMatch(exception, pointer),
    ...otherDomain(settings, exception, pointer),
    ...refused,
    ...loosenedBySender(settings, index),
  ];
}

const remedies = (rule: OwnRule, exception: TlsException, mode: ClientCertificateMode): string[] => [
  ...(needsMode(rule, exception)
    ? [`it keeps the domain's mode ${mode}, so name clientCertificateMode too`]
    : []),
  ...(rule.exceptionRemedy === undefined ? [] : [rule.exceptionRemedy]),
];

/** An exception that changes the level alone, against a rule between level and mode. */
const needsMode = ({ exceptionFields }: OwnRule, { level, clientCertificateMode }: TlsException): boolean =>
  exceptionFields.includes("clientCertificateMode") &&
  exceptionFields.includes("level") &&
  level !== undefined &&
  clientCertificateMode === undefined;

/**
 * Exceptions whose `expiresAt` has passed when they are written. One that was stored before is kept, whatever
 * its reason says now: a domain must not be locked, or what was read be refused, because time went on.
 */
export function expiredExceptionIssues(
  settings: DomainSettings,
  { current, nowMs }: { readonly current: DomainSettings | null; readonly nowMs: number },
): Issue[] {
  const kept = new Set(current?.tls.exceptions.map(exceptionKey));
  return settings.tls.exceptions.flatMap((exception, index) => {
    const { expiresAt } = exception;
    if (expiresAt === undefined || isInForce(exception, nowMs) || kept.has(exceptionKey(exception)))
      return [];
    const message = `must be in the future: ${expiresAt} has passed, so the exception would never apply`;
    return { pointer: `/tls/exceptions/${index}/expiresAt`, code: "expires-in-past", message };
  });
}

/** All of an exception apart from its reason. */
const exceptionKey = ({ match, level, clientCertificateMode, expiresAt }: TlsException): string =>
  JSON.stringify([
    match.clientCidr,
    match.senderDomain,
    match.clientName,
    match.recipient,
    level,
    clientCertificateMode,
    expiresAt,
  ]);

const matchKeys = ({ match }: TlsException): string[] =>
  Object.entries(match).flatMap(([key, value]) => (value === undefined ? [] : key));

function emptyMatch(exception: TlsException, pointer: string): Issue[] {
  if (matchKeys(exception).length > 0) return [];
  const message =
    "an exception needs a clientCidr, a senderDomain, a clientName or a recipient; an empty match would be everyone";
  return [{ pointer: `${pointer}/match`, code: "match-empty", message }];
}

/** A recipient of another domain is never judged by this one: the exception would match no mail. */
function otherDomain(settings: DomainSettings, { match }: TlsException, pointer: string): Issue[] {
  if (match.recipient === undefined || domainOfMailbox(match.recipient) === settings.name) return [];
  return [
    {
      pointer: `${pointer}/match/recipient`,
      code: "recipient-of-other-domain",
      message: `must be a mailbox of ${settings.name}`,
    },
  ];
}

/**
 * MAIL FROM is unauthenticated: everyone can take an exception that only it opens. So such an exception must
 * be as strict as the domain, and as every later exception that it would hide from a sender who claims its
 * domain. With a recipient it may be looser than the domain, as the recipient alone may be, but not than an
 * exception that it would hide.
 */
function loosenedBySender(settings: DomainSettings, index: number): Issue[] {
  const exception = settings.tls.exceptions[index];
  if (exception?.match.senderDomain === undefined) return [];
  const { recipient } = exception.match;
  const proven = matchKeys(exception).filter((key) => key !== "senderDomain" && key !== "recipient");
  if (proven.length > 0) return [];
  const claimed = withException(settings, exception);
  const own = recipient === undefined ? [{ rule: settings, text: "the domain's own" }] : [];
  const others = [...own, ...hiddenBy(settings, index)];
  return STRICTNESS.flatMap(({ field, rank }) => {
    const stricter = others.find(({ rule }) => rank(claimed) < rank(rule));
    if (stricter === undefined) return [];
    return {
      pointer: `/tls/exceptions/${index}/${exception[field] === undefined ? "match/senderDomain" : field}`,
      code: "sender-domain-loosens",
      message: `senderDomain is unauthenticated: alone it may only make the rule stricter, and this ${field} is looser than ${stricter.text}`,
    };
  });
}

const STRICTNESS: readonly {
  readonly field: ExceptionField;
  readonly rank: (settings: DomainSettings) => number;
}[] = [
  { field: "level", rank: (settings) => TLS_LEVELS.indexOf(levelOf(settings)) },
  { field: "clientCertificateMode", rank: (settings) => CLIENT_CERTIFICATE_MODES.indexOf(modeOf(settings)) },
];

/** Later exceptions that one recipient could match too: it has one senderDomain and one mailbox. */
function hiddenBy(settings: DomainSettings, index: number): { rule: DomainSettings; text: string }[] {
  const { senderDomain, recipient } = settings.tls.exceptions[index]?.match ?? {};
  return settings.tls.exceptions.slice(0, CAPS.exceptions).flatMap((later, position) => {
    const disjoint =
      (later.match.senderDomain !== undefined && later.match.senderDomain !== senderDomain) ||
      (later.match.recipient !== undefined &&
        recipient !== undefined &&
        mailboxKey(later.match.recipient) !== mailboxKey(recipient));
    if (position <= index || disjoint) return [];
    return {
      rule: withException(settings, later),
      text: `that of exception ${position}, which must then stand before it`,
    };
  });
}
