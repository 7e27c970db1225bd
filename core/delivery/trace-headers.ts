/** Header fields that the edge puts on top of a message. */
import type { Mailbox } from "../name/mailbox.ts";
import type { DomainName } from "../name/domain-name.ts";
import { canonicalAddress } from "../name/client-address.ts";
import type { ClientCertificateResult } from "../policy/verdict.ts";

/**
 * The field that shows the next hop the TLS of the session. It is removed from every message that comes in.
 */
export const TLS_FIELD = "Postern-TLS";

/** Contents of a message's `Received:` (RFC 5321 section 4.4). Nothing in it needs to be clean. */
export interface ReceivedFacts {
  /** As the client gave it, an address literal with its brackets. */
  readonly helo: string;
  /** EHLO; false = HELO. */
  readonly extended: boolean;
  /** The proxied one where there is a proxy. */
  readonly clientAddress: string;
  /** Ours: SMTP_NAME. */
  readonly serverName: string;
  /** IANA's name of the cipher suite; null = plaintext. */
  readonly cipher: string | null;
  readonly smtpUtf8: boolean;
  readonly id: string;
  readonly recipients: readonly Mailbox[];
  readonly receivedAtMs: number;
}

/** Contents of `Postern-TLS:`. */
export interface TlsStatement {
  /** null = plaintext. */
  readonly tls: { readonly protocol: string; readonly cipher: string; readonly sni: string | null } | null;
  /** From `clientStatement`. */
  readonly client: ClientStatement;
  /**
   * A name out of the certificate; said only when `client` is `verified`, since a reader may look no further.
   */
  readonly subjectName: string | null;
  /** Of the snapshot that the verdict was made with. */
  readonly revision: number;
}

export type ClientStatement = ClientCertificateResult | "not-stated";

/** RFC 5322 section 2.1.1: fold over 78 characters, never reach 998. */
const FOLD_AT = 78;
/** RFC 5321 section 4.5.3.1.2 and 4.5.3.1.3; an address literal is shorter. */
const LONGEST_NAME = 255;
/** RFC 5322 section 3.2.3 atext, and RFC 6531's beyond ASCII: no controls, no blanks of any kind. */
const DOT_ATOM =
  /^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+(?:\.(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+)*$/i;
const INVISIBLE = /[\p{C}\p{Z}]/u;

/**
 * One `Received:` field, folded, with its CRLF. Printable ASCII; the recipient may bring UTF-8 under
 * SMTPUTF8.
 */
export function receivedHeader(facts: ReceivedFacts): string {
  const recipient = forClause(facts);
  const clauses = [
    `(Postern) with ${withProtocol(facts)}`,
    `id ${token(facts.id, "none")}`,
    ...(recipient === null ? [] : [`for ${recipient}`]),
    // RFC 8314 section 7.4 registers the clause; RFC 5321 puts registered clauses after "for".
    ...(facts.cipher === null ? [] : [`tls ${token(facts.cipher, "unknown")}`]),
  ];
  return fold([
    "Received:",
    "from",
    heloText(facts.helo),
    `(${addressLiteral(facts.clientAddress)})`,
    `by ${token(facts.serverName, "localhost")}`,
    ...clauses.slice(0, -1),
    `${clauses.at(-1) ?? ""};`,
    rfc5322Date(facts.receivedAtMs),
  ]);
}

/** One `Postern-TLS:` field, folded, with its CRLF; always printable ASCII. */
export function posternTlsHeader(statement: TlsStatement): string {
  const { tls, client, subjectName, revision } = statement;
  const subject = client === "verified" && subjectName !== null ? quoted(subjectName) : null;
  const pairs = [
    `version=${tls === null ? "none" : token(tls.protocol, "unknown")}`,
    ...(tls === null ? [] : [`cipher=${token(tls.cipher, "unknown")}`]),
    ...(tls === null || tls.sni === null ? [] : [`sni=${token(tls.sni, "unknown")}`]),
    `client=${client}`,
    ...(subject === null ? [] : [`subject=${subject}`]),
    `revision=${String(revision)}`,
  ];
  return fold([`${TLS_FIELD}:`, ...pairs.slice(0, -1).map((pair) => `${pair};`), ...pairs.slice(-1)]);
}

/**
 * What may be said of the client in a message for these recipients: a verdict belongs to a domain, so
 * recipients of several domains, or two verdicts, leave `not-stated`, which readers treat as unverified.
 */
export function clientStatement(
  recipients: readonly { readonly domain: DomainName; readonly clientCertificate: ClientCertificateResult }[],
): ClientStatement {
  const [first, ...others] = recipients;
  if (first === undefined) return "not-stated";
  const isOne = others.every(
    (other) => other.domain === first.domain && other.clientCertificate === first.clientCertificate,
  );
  return isOne ? first.clientCertificate : "not-stated";
}

/** `Tue, 24 Nov 2026 03:40:00 +0000`, RFC 5322 section 3.3. */
const rfc5322Date = (epochMs: number): string => new Date(epochMs).toUTCString().replace("GMT", "+0000");

/** RFC 3848, RFC 6531 section 4.3. There is no HELO with TLS in the registry: STARTTLS takes EHLO. */
function withProtocol({ extended, smtpUtf8, cipher }: ReceivedFacts): string {
  const security = cipher === null ? "" : "S";
  if (smtpUtf8) return `UTF8SMTP${security}`;
  return extended || cipher !== null ? `ESMTP${security}` : "SMTP";
}

/**
 * A name or a whole address literal as it is; of anything else the characters that no parser gives a meaning
 * to.
 */
function heloText(helo: string): string {
  const literal = /^\[(?:IPv6:)?([0-9a-f.:]{2,45})\]$/i.exec(helo)?.[1];
  const address = literal === undefined ? null : canonicalAddress(literal);
  return address === null ? token(helo, "unknown") : addressLiteral(address);
}

/** RFC 5321 section 4.1.3. */
function addressLiteral(text: string): string {
  const address = canonicalAddress(text);
  if (address === null) return "[0.0.0.0]";
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/** `for` is optional, so an address with anything to quote, or too long to be shown whole, is left out. */
function forClause({ recipients, smtpUtf8 }: ReceivedFacts): string | null {
  const [only, second] = recipients;
  if (only === undefined || second !== undefined) return null;
  const { localPart, domain } = only;
  const isText = localPart.length <= 64 && localPart.isWellFormed() && !INVISIBLE.test(localPart);
  if (!isText || !DOT_ATOM.test(localPart)) return null;
  if (!smtpUtf8 && !isAscii(localPart)) return null;
  return `<${localPart}@${domain}>`;
}

/** Letters, digits, dot, hyphen and underscore; `?` stands for each other character. */
function token(text: string, absent: string): string {
  return text === "" ? absent : text.slice(0, LONGEST_NAME).replace(/[^A-Za-z0-9._-]/g, "?");
}

/**
 * A quoted string without escapes: `"`, `\`, `%`, and all that is not printable ASCII go as %XX of UTF-8.
 *
 * @returns null for what is longer than a name can be: cut, it would be another name.
 */
function quoted(text: string): string | null {
  if (text.length > LONGEST_NAME) return null;
  const escaped = Array.from(Buffer.from(text, "utf8"), (octet) => {
    const character = String.fromCharCode(octet);
    if (/[\x20-\x7e]/.test(character) && !/["\\%]/.test(character)) return character;
    return `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  // Blanks go too: a fold must never be made inside.
  return `"${escaped.join("").replaceAll(" ", "%20")}"`;
}

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

/** Joins words with blanks, and breaks the line before a word that would pass column 78. */
function fold(words: readonly string[]): string {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + 1 + word.length > FOLD_AT) {
      lines.push(line);
      line = ` ${word}`;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return `${[...lines, line].join("\r\n")}\r\n`;
}
