/** Domain names and name patterns, and which name a certificate or pattern covers. */

import { domainToASCII, domainToUnicode } from "node:url";
import { InvalidInput } from "../errors.ts";

/** A lower-case A-label domain or host name without a trailing dot (RFC 5890 section 2.3.2.1). */
export type DomainName = string & { readonly __brand: "DomainName" };

/** LDH labels of RFC 1123 section 2.1, 253 octets in all (RFC 1035 section 2.3.4). */
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** RFC 3696 section 2: a top-level label is never all digits, so no IPv4 literal is a name. */
const NUMERIC_LAST_LABEL = /(?:^|\.)\d+$/;

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
/**
 * Pattern of a name for JSON Schema, beside a maximum of 253 characters: without look-ahead, which generators
 * of data and code in other languages do not know. Every name matches; A-labels are judged further.
 */
export const NAME_PATTERN = `^(?:${LABEL}\\.)*(?:[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|[0-9]{1,62}[a-z]|[0-9]{1,61}[a-z-][a-z0-9-]{0,60}[a-z0-9])$`;
/**
 * What IDNA 2008 lets into a U-label (RFC 5892 sections 2.1 and 2.6): letters, marks, digits, hyphen and the
 * contextual characters. Node's domainToASCII follows UTS #46, which also passes symbols and emoji.
 */
// oxlint-disable-next-line no-misleading-character-class -- the joiners are meant one by one: this is a set, not a text.
const U_LABEL = /^[\p{Ll}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d-]+$/u;

/**
 * The canonical form of a name that came over the wire or from a certificate, or null when it is not a host
 * name. Upper case and U-labels are folded, one trailing dot is dropped; an IP literal is not a name.
 */
export function toDomainName(text: string): DomainName | null {
  if (text.length > 1024) return null;
  const name = (text.endsWith(".") ? text.slice(0, -1) : text).toLowerCase();
  if (isAscii(name)) return isDomainName(name) ? name : null;
  const ascii = domainToASCII(name);
  // UTS #46 drops and maps characters (soft hyphen, U+0085, full-width letters, U+3002): two spellings that
  // look alike would be one domain. IDNA 2008 maps nothing, so only what comes back as it went in is a
  // U-label.
  if (domainToUnicode(ascii) !== name.normalize("NFC")) return null;
  return isDomainName(ascii) ? ascii : null;
}

/**
 * A text with blanks or a label of more than 63 characters may be a private key in the wrong field: it is not
 * quoted.
 */
const COULD_BE_MEANT = /^(?=.{0,253}$)[^\s.]{0,63}(?:\.[^\s.]{0,63})*$/u;

/**
 * Parses a name that an operator stores. Only the canonical form is taken, so that what was written is what
 * is read back.
 *
 * @throws InvalidInput when it is another spelling (the message shows the canonical one) or not a host name
 *   at all.
 */
export function parseDomainName(text: string): DomainName {
  if (isDomainName(text)) return text;
  const canonical = toDomainName(text);
  throw new InvalidInput(
    canonical === null
      ? `${COULD_BE_MEANT.test(text) ? JSON.stringify(text) : "this text"} is not a domain name`
      : `${JSON.stringify(text)} must be written as a lower-case A-label name without a trailing dot: ${JSON.stringify(canonical)}`,
  );
}

function isDomainName(text: string): text is DomainName {
  if (!HOST_NAME.test(text) || NUMERIC_LAST_LABEL.test(text)) return false;
  return !text.includes("xn--") || hasOnlyValidALabels(text);
}

function hasOnlyValidALabels(text: string): boolean {
  // An invalid A-label comes back empty; one that is not in normal form comes back as something else.
  if (domainToASCII(text) !== text) return false;
  return text.split(".").every((label) => !label.startsWith("xn--") || isULabel(domainToUnicode(label)));
}

const isULabel = (label: string): boolean => !isAscii(label) && U_LABEL.test(label);

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

/** A name as an allow list or a certificate carries it: exact, or `*.` before a name. */
export type NamePattern = DomainName | (`*.${string}` & { readonly __brand: "NamePattern" });

/** @throws InvalidInput when the text is neither a canonical name nor `*.` and one. */
export function parseNamePattern(text: string): NamePattern {
  if (!text.startsWith("*.")) return parseDomainName(text);
  return `*.${parseDomainName(text.slice(2))}` as NamePattern;
}

/**
 * Whether a dNSName in a server certificate covers a host (RFC 9525 section 6.3): equal, or a wildcard that
 * stands for exactly one left-most label.
 */
export function coversHost(pattern: string, host: DomainName): boolean {
  return pattern === host || pattern === wildcardOf(host);
}

/** The one wildcard that can match `name`: `a.b.example` has `*.b.example`; a single label has none. */
export function wildcardOf(name: DomainName): string | null {
  const dot = name.indexOf(".");
  return dot === -1 ? null : `*${name.slice(dot)}`;
}

/**
 * Whether an allowed name accepts a certificate's dNSName. An exact name matches itself only. `*.x` matches a
 * name one label under x, or the dNSName `*.x` itself; so a wildcard certificate matches only where the list
 * carries it.
 */
export function allowedNameAccepts(allowed: string, dnsName: string): boolean {
  if (allowed === dnsName) return true;
  return (
    allowed.startsWith("*.") && !dnsName.startsWith("*.") && wildcardOf(dnsName as DomainName) === allowed
  );
}
