/** PEM: blocks, labels and what damages them (RFC 7468). */

import type { Issue } from "../errors.ts";

/** One encapsulated object of a PEM text (RFC 7468). May be a private key: never shown, never logged. */
export interface PemBlock {
  /** `CERTIFICATE`, `EC PRIVATE KEY`, … */
  readonly label: string;
  /** null when the body is encrypted in the old way, by header fields (RFC 1421). */
  readonly der: Uint8Array | null;
  /** The block as OpenSSL reads it: lines of 64 characters, no blank ones. */
  readonly text: string;
}

export type PemCode = "not-pem" | "damaged-pem";

const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,40})-----$/;
/**
 * CR CR LF is what a file becomes that was converted twice. Bounded: a text of nothing but CR would be read
 * in square time.
 */
const LINE_END = /\r{0,3}\n|\r/;
const BOUNDARY_IN_LINE = /(-----(?:BEGIN|END) [A-Z0-9][A-Z0-9 ]{0,40}-----)/;
/**
 * Line ends, and what base64 has beside letters and digits, as strings of JSON, of shells and of programs
 * write them, twice over too. No block contains a backslash.
 */
const ESCAPE = /\\{1,4}(?:(?<letter>[nr/])|u00(?<hex>0[aAdD]|2[bBfF]|3[dD]))/g;
const ESCAPED: Readonly<Record<string, string>> = { n: "\n", r: "\r", "/": "/" };
/** Header fields of the old encryption (RFC 1421) that came onto one line with the body. */
const JOINED_HEADERS =
  /(Proc-Type: ?4,ENCRYPTED)\s{1,4}(DEK-Info: ?[A-Z0-9-]{1,40},[0-9A-Fa-f]{8,64})\s{1,4}/g;
/** What stands around a block that is the value of a variable or of a member of JSON. */
const DECORATION =
  /^["'`]?[\s,;+}\])]{0,20}[{[(\s]{0,20}(?:export )?(?:["']?[\w.-]{1,64}["']?\s{0,9}[=:]\s{0,9})?["'`]?$/;
/** DOS ended a text file with it. */
const END_OF_FILE = /\u001a\s*$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** Outside a block, a line of a body is what is left of a damaged one, not explanatory text. */
const STRAY_BODY_LINE = /^[A-Za-z0-9+/]{40,}={0,2}$/;
/** A fingerprint in hexadecimal (SHA-1, SHA-2) or the base64 of a SHA-256, and a pin. */
const DIGEST =
  /^(?:(?=.*\d)[0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{16}|[0-9A-Fa-f]{24}|[0-9A-Fa-f]{56}|[0-9A-Fa-f]{88})?|[A-Za-z0-9+/]{43}=|sha256\/\/.*)$/;
const HEADER_LINE = /^[A-Za-z-]+:/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

interface PemText {
  readonly blocks: readonly PemBlock[];
  readonly issues: readonly Issue[];
}

/**
 * Splits a PEM text into its blocks, as tools and people write them (RFC 7468 section 2): any line ends and
 * lengths, blanks and blank lines everywhere, a BOM, text around the blocks, rulers of dashes; on one line,
 * and with line ends written as `\\n`, in quotes. Text that looks like what is left of a block is an issue.
 * Messages give line numbers and never quote the text, which may be a key in the wrong field.
 */
export function readPem(text: string, pointer: string): PemText {
  const blocks: PemBlock[] = [];
  const damaged = (line: number, what: string): PemText => ({
    blocks,
    issues: [{ pointer, code: "damaged-pem" satisfies PemCode, message: `line ${String(line)}: ${what}` }],
  });
  let open: { label: string; body: string[] } | null = null;
  const lines = text.replace(END_OF_FILE, "").split(LINE_END);
  for (const { line, number, isBeside } of meantLines(lines)) {
    const [, side, label = ""] = BOUNDARY.exec(line) ?? [];
    if (open === null) {
      const problem = outsideProblem(line, side, isBeside);
      if (problem !== null) return damaged(number, problem);
      if (side === "BEGIN") open = { label, body: [] };
    } else if (side === undefined) {
      open.body.push(unquoted(line));
    } else {
      const block = side === "END" && label === open.label ? closed(open) : null;
      if (block === null) return damaged(number, "the PEM block that ends here is damaged");
      blocks.push(block);
      open = null;
    }
  }
  if (open !== null) return damaged(lines.length, "the last PEM block has no END line");
  if (blocks.length > 0) return { blocks, issues: [] };
  return { blocks, issues: [{ pointer, code: "not-pem" satisfies PemCode, message: "holds no PEM block" }] };
}

const NOT_ALONE = "a BEGIN or END line must stand alone on its line";

interface MeantLine {
  readonly line: string;
  /** Of the line in the text, counted from 1. */
  readonly number: number;
  /** It shares its line with a boundary. */
  readonly isBeside: boolean;
}

function* meantLines(lines: readonly string[]): Generator<MeantLine> {
  let isOpen = false;
  for (const [at, raw] of lines.entries()) {
    for (const parts of meantBy(raw, isOpen)) {
      for (const line of parts) yield { line, number: at + 1, isBeside: parts.length > 1 };
      const last = parts.findLast((part) => BOUNDARY.test(part));
      if (last !== undefined) isOpen = last.startsWith("-----BEGIN");
    }
  }
}

/**
 * The lines that one line of the text stands for, each cut at its boundaries; more than one only where a
 * block is on it.
 */
function meantBy(raw: string, isOpen: boolean): readonly (readonly string[])[] {
  // A BOM is white space to trim(): files put together have them in the middle.
  const trimmed = raw.trim();
  if (!isOpen && (trimmed.startsWith("#") || !/-----(?:BEGIN|END) /.test(trimmed))) return [[trimmed]];
  const unescaped = trimmed
    .replace(ESCAPE, (_, letter: string | undefined, hex: string | undefined) =>
      letter === undefined ? String.fromCharCode(Number.parseInt(hex ?? "", 16)) : (ESCAPED[letter] ?? ""),
    )
    .replace(JOINED_HEADERS, "$1\n$2\n");
  const parted = unescaped.split(LINE_END).map((line) => line.split(BOUNDARY_IN_LINE));
  return parted.map((parts) => parts.map((part) => part.trim()).filter((part) => part !== ""));
}

/** A line of a body without the quotes of a program's source. */
const unquoted = (line: string): string => line.replace(/["'][\s,;+\\]{0,9}$/, "").replace(/^["']/, "");

function outsideProblem(line: string, side: string | undefined, isBeside: boolean): string | null {
  if (side === undefined && isBeside && !DECORATION.test(line)) return NOT_ALONE;
  if (side === "END") return "a PEM block ends that did not begin";
  if (side === "BEGIN" || line.startsWith("#")) return null;
  if (/-----(?:BEGIN|END) /.test(line)) return NOT_ALONE;
  if (STRAY_BODY_LINE.test(line) && !DIGEST.test(line))
    return "part of a PEM block outside its BEGIN and END lines";
  return CONTROL.test(line) ? "binary data between PEM blocks" : null;
}

function closed({ label, body }: { label: string; body: readonly string[] }): PemBlock | null {
  const lines = body.filter((line) => line !== "");
  const firstOfBody = lines.findIndex((line) => !HEADER_LINE.test(line));
  const headers = firstOfBody === -1 ? lines : lines.slice(0, firstOfBody);
  const base64 = lines.slice(headers.length).join("").replace(/\s+/g, "");
  if (base64.length % 4 !== 0 || !BASE64.test(base64)) return null;
  if (headers.some((line) => /^Proc-Type:.*ENCRYPTED/.test(line)))
    return { label, der: null, text: written(label, base64, [...headers, ""]) };
  return { label, der: Buffer.from(base64, "base64"), text: written(label, base64) };
}

function written(label: string, base64: string, headers: readonly string[] = []): string {
  const lines = base64.match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...headers, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** One object in PEM, lines of 64 characters. */
export const writePem = (
  label: "CERTIFICATE" | "CERTIFICATE REQUEST" | "PRIVATE KEY" | "X509 CRL",
  der: Uint8Array,
): string => written(label, Buffer.from(der).toString("base64"));

/** OpenSSL's form of a certificate with the uses that its owner trusts it for (`openssl x509 -trustout`). */
export const TRUSTED_LABEL = "TRUSTED CERTIFICATE";
const CERTIFICATE_LABELS = ["CERTIFICATE", "X509 CERTIFICATE", TRUSTED_LABEL];

export const isCertificateLabel = (label: string): boolean => CERTIFICATE_LABELS.includes(label);
export const isPrivateKeyLabel = (label: string): boolean => label.endsWith("PRIVATE KEY");

/** What a block is, for people. */
export function kindOf(label: string): string {
  if (isCertificateLabel(label)) return "a certificate";
  if (isPrivateKeyLabel(label)) return "a private key";
  return KINDS.get(label) ?? "another kind of object";
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ["CERTIFICATE REQUEST", "a certificate request (CSR)"],
  ["NEW CERTIFICATE REQUEST", "a certificate request (CSR)"],
  ["X509 CRL", "a CRL"],
  ["PUBLIC KEY", "a public key"],
  ["RSA PUBLIC KEY", "a public key"],
  ["PKCS7", "a PKCS #7 bundle"],
  ["CMS", "a PKCS #7 bundle"],
]);
