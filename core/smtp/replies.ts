/** Every SMTP reply of the edge, as tables: for verdicts, for commands, for limits. */
import type { DomainRecord } from "../record/domain.ts";
import type { Circumstance, Verdict, Reason } from "../policy/verdict.ts";
import { printable } from "./printable.ts";

/**
 * One SMTP reply: RFC 5321 section 4.2 code, and text that begins with an RFC 3463 code. Printable ASCII, one
 * line.
 */
export interface SmtpReply {
  readonly code: number;
  readonly text: string;
}

type Text = (place: { readonly domain: string; readonly settings: DomainRecord | null }) => string;
type Row = readonly [code: number, enhanced: string, text: Text];

interface ReasonReplies {
  readonly reject: Row;
  /** What `enforcement: defer` answers; null = the row knows no enforcement. */
  readonly defer: Row | null;
  /** Instead of `reject` when the fault is not the client's. */
  readonly circumstances: Readonly<Partial<Record<Circumstance, Row>>>;
}

const USE_TLS: Text = ({ domain }) => `${domain} accepts mail over TLS only; issue STARTTLS first`;
const NEWER_TLS: Text = ({ domain, settings }) =>
  `${domain} accepts mail over ${settings?.tls.server.minVersion ?? "TLSv1.2"} or newer only; use it`;
const SHOW_CERTIFICATE: Text = ({ domain }) =>
  `${domain} requires a client certificate; present one in the TLS handshake`;
const TRUSTED_CERTIFICATE: Text = ({ domain }) =>
  `${domain} does not trust this client certificate; present a valid one from a CA that it trusts`;
const OTHER_PURPOSE: Text = ({ domain }) =>
  `${domain} does not accept the key usage of this client certificate; present one for TLS clients`;
const OTHER_NAME: Text = ({ domain, settings }) =>
  settings?.tls.clientCertificate.names.match === "helo"
    ? `${domain} wants the EHLO name among the DNS names of the client certificate; present one that carries it`
    : `${domain} does not accept the DNS names of this client certificate; present one that it allows`;

/** The verdict table of semantics.md section 3 in words: the only place that turns a reason into a reply. */
export const VERDICT_REPLIES: Readonly<Record<Reason, ReasonReplies>> = {
  "relay-denied": {
    reject: [550, "5.7.1", ({ domain }) => `${domain} is not served here; check its MX records`],
    defer: null,
    circumstances: {
      stale: [
        451,
        "4.3.0",
        ({ domain }) => `${domain} is not known here and the settings may be out of date; try again later`,
      ],
    },
  },
  "settings-unusable": {
    reject: [451, "4.3.5", ({ domain }) => `settings of ${domain} cannot be read here; try again later`],
    defer: null,
    circumstances: {},
  },
  "tls-required": {
    // 530: RFC 3207 section 4 names it for a server that insists on STARTTLS.
    reject: [530, "5.7.0", USE_TLS],
    defer: [450, "4.7.1", USE_TLS],
    circumstances: {
      "tls-not-possible": [
        451,
        "4.7.5",
        ({ domain }) =>
          `${domain} accepts mail over TLS only, and TLS is not available here now; try again later`,
      ],
    },
  },
  "tls-too-old": { reject: [550, "5.7.1", NEWER_TLS], defer: [450, "4.7.1", NEWER_TLS], circumstances: {} },
  "client-certificate-missing": {
    reject: [550, "5.7.1", SHOW_CERTIFICATE],
    defer: [450, "4.7.1", SHOW_CERTIFICATE],
    circumstances: { "not-asked": [451, "4.7.1", askBySni] },
  },
  "client-certificate-untrusted": {
    reject: [550, "5.7.1", TRUSTED_CERTIFICATE],
    defer: [450, "4.7.1", TRUSTED_CERTIFICATE],
    circumstances: {
      "not-judged": [
        451,
        "4.7.5",
        ({ domain }) => `the client certificate could not be checked for ${domain}; try again later`,
      ],
    },
  },
  "client-certificate-purpose": {
    reject: [550, "5.7.1", OTHER_PURPOSE],
    defer: [450, "4.7.1", OTHER_PURPOSE],
    circumstances: {},
  },
  "client-certificate-name": {
    reject: [550, "5.7.1", OTHER_NAME],
    defer: [450, "4.7.1", OTHER_NAME],
    circumstances: {},
  },
};

function askBySni({ domain, settings }: Parameters<Text>[0]): string {
  const [host = domain] = settings?.mxHosts ?? [];
  return `${domain} requires a client certificate, which is not requested under this name; connect to ${host} and send it as SNI`;
}

/**
 * The reply to a refused or deferred recipient.
 *
 * @param recipientDomain as the client wrote it, when it is no domain name.
 * @param settings null in rows 1 and 2.
 */
export function verdictReply(
  verdict: Pick<Verdict, "outcome" | "reason" | "circumstance"> & { readonly reason: Reason },
  recipientDomain: string,
  settings: DomainRecord | null,
): SmtpReply {
  const replies = VERDICT_REPLIES[verdict.reason];
  const [code, enhanced, text] = rowFor(replies, verdict.circumstance, settings);
  return reply(code, enhanced, text({ domain: printable(recipientDomain), settings }));
}

/** Under `enforcement: defer` the circumstance changes nothing: the column of the table has one answer. */
function rowFor(
  replies: ReasonReplies,
  circumstance: Circumstance | null,
  settings: DomainRecord | null,
): Row {
  if (settings?.tls.enforcement === "defer" && replies.defer !== null) return replies.defer;
  return (circumstance === null ? undefined : replies.circumstances[circumstance]) ?? replies.reject;
}

/** RFC 5321 section 4.5.3.1.5: 512 octets with code and CRLF. */
const MAX_TEXT = 500;

function reply(code: number, enhanced: string, text: string): SmtpReply {
  return { code, text: `${enhanced} ${text}`.slice(0, MAX_TEXT) };
}

/** All our other replies. */
export const REPLIES = {
  mailNeedsTls: reply(530, "5.7.0", "Must issue a STARTTLS command first"),
  starttlsUnavailable: reply(454, "4.7.0", "TLS is not available now; try again later"),
  starttlsWithheld: reply(502, "5.5.1", "STARTTLS is not offered here"),
  senderOk: reply(250, "2.1.0", "Ok"),
  recipientOk: reply(250, "2.1.5", "Ok"),
  senderSyntax: reply(501, "5.1.7", "Bad sender address syntax"),
  recipientSyntax: reply(501, "5.1.3", "Bad recipient address syntax"),
  parameterSyntax: reply(501, "5.5.4", "Bad parameter syntax"),
  parameterUnknown: reply(555, "5.5.4", "Parameter not recognized or not implemented"),
  messageOverSize: reply(552, "5.3.4", "The message is larger than this server takes"),
  unwantedArgument: reply(501, "5.5.4", "This command takes no argument"),
  nestedMail: reply(503, "5.5.1", "A mail transaction is open already"),
  needGreeting: reply(503, "5.5.1", "Send EHLO or HELO first"),
  needMail: reply(503, "5.5.1", "Send MAIL first"),
  needRecipient: reply(503, "5.5.1", "Send RCPT first"),
  noValidRecipient: reply(554, "5.5.1", "No valid recipients"),
  // RFC 6531 section 3.5.
  needSmtpUtf8: reply(553, "5.6.7", "Non-ASCII addresses need the parameter SMTPUTF8 of MAIL"),
  notUtf8: reply(553, "5.6.7", "The address is not valid UTF-8"),
  routedAddress: reply(
    550,
    "5.1.3",
    "Percent and bang routes are not passed on; write to the mailbox itself",
  ),
  noPostmaster: reply(
    550,
    "5.1.1",
    "No mailbox is set for bare postmaster; write to postmaster at your domain",
  ),
  tooManyRecipients: reply(452, "4.5.3", "Too many recipients; send the others in another transaction"),
  otherRoute: reply(452, "4.5.3", "This recipient has another route; send it in another transaction"),
  routeUnusable: reply(451, "4.3.5", "The next hop of this domain cannot be used; try again later"),
  overBudget: reply(452, "4.3.1", "Too much mail in progress; try again later"),
  internalError: reply(451, "4.3.0", "Internal error; try again later"),
  noSettings: reply(421, "4.3.2", "Not ready yet; try again later"),
  draining: reply(421, "4.3.2", "Shutting down; try again later"),
  tooManyConnections: reply(421, "4.3.2", "Too many connections; try again later"),
  tooManyConnectionsOfClient: reply(421, "4.7.0", "Too many connections from your address; try again later"),
  tooManyRefused: reply(421, "4.7.0", "Too many refused recipients"),
  tooManyRefusedMessages: reply(421, "4.7.0", "Too many refused messages"),
  tooManyErrors: reply(421, "4.7.0", "Too many errors"),
  tooManyCommands: reply(421, "4.7.0", "Too many commands in one session"),
  sendMessage: { code: 354, text: "End data with <CR><LF>.<CR><LF>" },
  earlyTalker: reply(421, "4.5.1", "You talk too soon"),
  commandTooLong: reply(421, "4.5.2", "Command line too long"),
  commandTimeout: reply(421, "4.4.2", "Timeout waiting for a command"),
  dataTimeout: reply(421, "4.4.2", "The message took too long"),
  dataTooSlow: reply(421, "4.4.2", "The message came too slowly"),
  sessionTimeout: reply(421, "4.4.2", "This session took too long; connect again"),
} as const satisfies Readonly<Record<string, SmtpReply>>;

/** `250` after the dot, with the id by which the operator finds the message. */
export const messageOk = (id: string): SmtpReply => reply(250, "2.0.0", `Ok: ${id}`);

/** What the next hop or the storage said: checked where it was made. */
export const passedBack = (code: number, text: string): SmtpReply => ({ code, text });

/**
 * A reply of smtp-server, with its line ends: RFC 5321 section 4.2.1.
 *
 * @param enhanced On every line; empty = none.
 */
export function linesOfReply(
  code: number,
  enhanced: string,
  data: string | readonly string[] | null | undefined,
): string {
  const lines = typeof data === "string" ? [data] : (data ?? [""]);
  const last = lines.length - 1;
  const start = enhanced === "" ? "" : `${enhanced} `;
  return lines
    .map((line, at) => `${String(code)}${at === last ? " " : "-"}${start}${printable(line)}\r\n`)
    .join("");
}

/** Code and enhanced code alone, as records and metrics show a reply: `550 5.7.1`. */
export function replyKey({ code, text }: SmtpReply): string {
  const enhanced = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/.exec(text)?.[0];
  return enhanced === undefined ? String(code) : `${String(code)} ${enhanced}`;
}
