/** Mailboxes and addresses as SMTP and the exceptions for one recipient read them (RFC 5321). */

import { type FormatCheck, checkPlainText } from "../plain-text.ts";
import { InvalidInput } from "../errors.ts";
import { type DomainName, toDomainName } from "./domain-name.ts";

/** A mailbox as it came in RCPT: the local part byte for byte (UTF-8), the domain canonical. */
export interface Mailbox {
  readonly localPart: string;
  readonly domain: DomainName;
}

/** RFC 5321 section 4.5.3.1.3 allows 256; EAI names in UTF-8 are longer. */
const LONGEST_ADDRESS = 1024;

/** `local@domain`, the local part byte for byte. */
export const mailboxText = ({ localPart, domain }: Mailbox): string => `${localPart}@${domain}`;

/**
 * RFC 5321 section 4.1.2 and RFC 6531 section 3.3, with dots anywhere: old appliances send
 * `name.@example.com`.
 */
const DOT_STRING = /^[\w!#$%&'*+/=?^`{|}~.\u0080-\u{10ffff}-]+$/u;
const QUOTED_STRING = /^"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"$/u;

/** A local part without quotes; null = neither a dot-string nor a quoted string. */
function localPartValue(localPart: string): string | null {
  if (DOT_STRING.test(localPart)) return localPart;
  return QUOTED_STRING.test(localPart) ? localPart.slice(1, -1).replace(/\\(.)/gu, "$1") : null;
}

/**
 * The shortest spelling of a local part: quotes and backslashes only where they are needed (RFC 5321 section
 * 4.1.2), upper and lower case as they came. Null = no local part.
 */
function canonicalLocalPart(localPart: string): string | null {
  const value = localPartValue(localPart);
  if (value === null || DOT_STRING.test(value)) return value;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Key by which two addresses are one mailbox: quoting and ASCII case do not matter, octets over 127 are
 * compared as they are (RFC 6531 section 3.2 leaves their normalisation to the mailbox's own server).
 *
 * @param mailbox with the canonical domain.
 */
export function mailboxKey(mailbox: string): string {
  const at = mailbox.lastIndexOf("@");
  const localPart = canonicalLocalPart(mailbox.slice(0, at)) ?? mailbox.slice(0, at);
  return `${localPart.replace(/[A-Z]/g, (letter) => letter.toLowerCase())}${mailbox.slice(at)}`;
}

/**
 * Whether an address may stand between angle brackets, in a command or a header field, as it is: whole UTF-8,
 * no control characters or other line ends, and no blank or bracket outside a quoted local part, which would
 * add parameters. What comes here was parsed before; this is the last wall before a wire or a file.
 */
export function isSafeAddress(address: string): boolean {
  if (address.length > LONGEST_ADDRESS || !address.isWellFormed()) return false;
  return (
    /^(?:"(?:[^"\\]|\\.)*"(?:@[^\s<>"]*)?|[^\s<>]*)$/u.test(address) && !/[\p{Cc}\u2028\u2029]/u.test(address)
  );
}

/**
 * Whether a local part hides another destination that some mail servers would relay to: `user%other`,
 * `other!user`, `"user@other"` (RFC 5321 section 3.6.1, Postfix allow_percent_hack and swap_bangpath). Our
 * caller was checked for the domain that is written, so such an address must not reach a server that trusts
 * us.
 */
export const isSourceRoute = ({ localPart }: Mailbox): boolean => /[%!@]/.test(localPart);

/** RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets. */
const MAX_MAILBOX_OCTETS = 254;

/** A mailbox as RFC 5321 section 4.1.2 writes it: A-label domain, quotes only where they are needed. */
export const checkMailbox: FormatCheck = (text) => {
  const at = text.lastIndexOf("@");
  const localPart = canonicalLocalPart(text.slice(0, Math.max(at, 0)));
  const domain = domainOfMailbox(text);
  const canonical = localPart === null || domain === null ? null : `${localPart}@${domain}`;
  if (canonical === null || !isSafeAddress(canonical) || Buffer.byteLength(canonical) > MAX_MAILBOX_OCTETS)
    throw new InvalidInput("is not a mailbox, such as tlsrpt@example.com");
  checkPlainText(canonical);
  if (canonical !== text)
    throw new InvalidInput(`must be written in canonical form: ${JSON.stringify(canonical)}`);
};

/** The domain of a mailbox; null = none. */
export const domainOfMailbox = (mailbox: string): DomainName | null =>
  toDomainName(mailbox.slice(mailbox.lastIndexOf("@") + 1));
