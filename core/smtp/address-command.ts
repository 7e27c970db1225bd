/** The argument of MAIL and RCPT: its path and its parameters, byte for byte. */

/** The path of MAIL or RCPT as it came (RFC 5321 section 4.1.2), source routes dropped. */
export type Path =
  | { readonly kind: "null" }
  /** `<postmaster>` without a domain. */
  | { readonly kind: "postmaster" }
  | {
      readonly kind: "mailbox";
      /** Byte for byte, quotes included. */
      readonly localPart: string;
      /** As written: a name in any spelling, or an address literal in brackets. */
      readonly domain: string;
    };

export type AddressCommand =
  | { readonly kind: "syntax" }
  /** Octets over 127 that are no UTF-8. */
  | { readonly kind: "not-utf8" }
  | {
      readonly kind: "path";
      readonly path: Path;
      /** False = SMTPUTF8 is needed. */
      readonly ascii: boolean;
      /** As written: xtext is not decoded, so nothing can be smuggled through it. */
      readonly parameters: readonly string[];
    };

const SYNTAX: AddressCommand = { kind: "syntax" };

/** RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets. */
const MAX_PATH_OCTETS = 254;
/** ASCII controls; a tab may stand between parameters. */
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
/**
 * C1 controls, zero-width and bidirectional marks: addresses that look like others, and NEL, which ends lines
 * elsewhere.
 */
const INVISIBLE = /[\u0080-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const SOURCE_ROUTE = /^@[^\s,:@"]+(?:,@[^\s,:@"]+)*:/;
/**
 * Dot-string, with dots anywhere: old appliances send `name.@example.com`, and what a mailbox is the next hop
 * knows.
 */
const DOT_STRING = /^[\w!#$%&'*+/=?^`{|}~.\u0080-\u{10ffff}-]+$/u;
const QUOTED_STRING = /^"(?:[^"\\]|\\.)*"$/su;
const DOMAIN = /^[^\s"<>()\\,;:@[\]]+$/;
const LITERAL = /^\[[^\s"<>()\\,;@[\]]+\]$/;

/**
 * Parses `MAIL FROM:` or `RCPT TO:` from the line as it came, without its line end. smtp-server's own parser
 * merges, decodes and lower-cases, and knows no quoted local parts with `@` or blanks.
 */
export function parseAddressCommand(line: Buffer, verb: "MAIL FROM" | "RCPT TO"): AddressCommand {
  const text = line.toString("latin1");
  const colon = text.indexOf(":");
  if (text.slice(0, colon).trimEnd().toUpperCase() !== verb || CONTROL.test(text)) return SYNTAX;
  const rest = text.slice(colon + 1).trim();
  const end = endOfPath(rest);
  if (end === -1) return SYNTAX;
  const raw = Buffer.from(rest.slice(1, end), "latin1");
  const after = rest.slice(end + 1);
  if (raw.length > MAX_PATH_OCTETS || (after !== "" && !/^[ \t]/.test(after))) return SYNTAX;
  const pathText = decode(raw);
  if (pathText === null) return { kind: "not-utf8" };
  const path = parsePath(pathText);
  if (path === null) return SYNTAX;
  return { kind: "path", path, ascii: raw.every((octet) => octet < 128), parameters: words(after) };
}

const words = (text: string): readonly string[] => text.split(/[ \t]+/).filter((word) => word !== "");

/** Position of the `>` that ends the path, or -1. Inside a quoted string it ends nothing. */
function endOfPath(text: string): number {
  if (!text.startsWith("<")) return -1;
  let quoted = false;
  for (let at = 1; at < text.length; at += 1) {
    const character = text[at];
    if (quoted && character === "\\") at += 1;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === ">") return at;
    else if (!quoted && (character === "<" || character === " " || character === "\t")) return -1;
  }
  return -1;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(raw: Buffer): string | null {
  try {
    return UTF8.decode(raw);
  } catch {
    return null;
  }
}

function parsePath(text: string): Path | null {
  if (text === "") return { kind: "null" };
  const mailbox = text.replace(SOURCE_ROUTE, "");
  if (INVISIBLE.test(mailbox)) return null;
  if (mailbox.toLowerCase() === "postmaster") return { kind: "postmaster" };
  // The last one: everything before it belongs to the local part.
  const at = mailbox.lastIndexOf("@");
  const localPart = mailbox.slice(0, Math.max(at, 0));
  const domain = mailbox.slice(at + 1);
  if (at === -1 || !(DOMAIN.test(domain) || LITERAL.test(domain))) return null;
  return DOT_STRING.test(localPart) || QUOTED_STRING.test(localPart)
    ? { kind: "mailbox", localPart, domain }
    : null;
}

/**
 * Old routes inside a local part: a next hop may read them as an order to relay (`user%elsewhere`,
 * `elsewhere!user`).
 */
export const isRouted = (localPart: string): boolean => /[%!@]/.test(localPart);
