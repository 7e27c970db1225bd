import type { Issue } from "../errors.ts";

/** One encapsulated object of a PEM text (RFC 7468). May be a private key: never shown, never logged. */
export interface PemBlock {
  /** `CERTIFICATE`, `EC PRIVATE KEY`, … */
  readonly label: string;
  /** null when the body is encrypted in the old way, by header fields (RFC 1421). */
  readonly der: Uint8Array | null;
  /** The block with its boundaries, for OpenSSL. */
  readonly text: string;
}

export type PemCode = "not-pem" | "damaged-pem";

const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,40})-----$/;
/** A line of a body. Outside a block it is what is left of a damaged one, not explanatory text. */
const BODY_LINE = /^[A-Za-z0-9+/]+={0,2}$/;
const STRAY_BODY_LINE = /^[A-Za-z0-9+/]{40,}={0,2}$/;
const HEADER_LINE = /^[A-Za-z-]+:/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Splits a PEM text into its blocks. Text between blocks is allowed (RFC 7468 section 5.2: `openssl` and CA bundles
 * write some), unless it looks like what is left of a block. Messages give line numbers and never quote the text,
 * which may be a key in the wrong field.
 */
export function readPem(
  text: string,
  pointer: string,
): { blocks: readonly PemBlock[]; issues: readonly Issue[] } {
  const blocks: PemBlock[] = [];
  const damaged = (
    line: number,
    what: string,
  ): { blocks: readonly PemBlock[]; issues: readonly Issue[] } => ({
    blocks,
    issues: [{ pointer, code: "damaged-pem" satisfies PemCode, message: `line ${String(line)}: ${what}` }],
  });
  let open: { label: string; body: string[] } | null = null;
  for (const [at, raw] of text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = raw.trim();
    const [, side, label = ""] = BOUNDARY.exec(line) ?? [];
    if (open === null) {
      const problem = outsideProblem(line, side);
      if (problem !== null) return damaged(at + 1, problem);
      if (side === "BEGIN") open = { label, body: [] };
    } else if (side === undefined) {
      open.body.push(line);
    } else {
      const block = side === "END" && label === open.label ? closed(open) : null;
      if (block === null) return damaged(at + 1, "the PEM block that ends here is damaged");
      blocks.push(block);
      open = null;
    }
  }
  if (open !== null) return damaged(text.split("\n").length, "the last PEM block has no END line");
  if (blocks.length > 0) return { blocks, issues: [] };
  return { blocks, issues: [{ pointer, code: "not-pem" satisfies PemCode, message: "holds no PEM block" }] };
}

function outsideProblem(line: string, side: string | undefined): string | null {
  if (side === "END") return "a PEM block ends that did not begin";
  if (side === "BEGIN") return null;
  if (line.includes("-----")) return "a BEGIN or END line must stand alone on its line";
  if (STRAY_BODY_LINE.test(line)) return "part of a PEM block outside its BEGIN and END lines";
  return CONTROL.test(line) ? "binary data between PEM blocks" : null;
}

function closed({ label, body }: { label: string; body: readonly string[] }): PemBlock | null {
  const text = [`-----BEGIN ${label}-----`, ...body, `-----END ${label}-----`, ""].join("\n");
  if (HEADER_LINE.test(body[0] ?? "")) return { label, der: null, text };
  const lines = body.filter((line) => line !== "");
  const base64 = lines.join("");
  const padded = lines.slice(0, -1).some((line) => line.endsWith("="));
  if (base64.length % 4 !== 0 || padded || !lines.every((line) => BODY_LINE.test(line))) return null;
  return base64 === "" ? null : { label, der: Buffer.from(base64, "base64"), text };
}

/** One object in PEM, lines of 64 characters. */
export function writePem(label: "CERTIFICATE" | "PRIVATE KEY" | "X509 CRL", der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

export const isCertificateLabel = (label: string): boolean =>
  label === "CERTIFICATE" || label === "X509 CERTIFICATE";
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
  ["TRUSTED CERTIFICATE", "a certificate in OpenSSL's own trusted form"],
  ["X509 CRL", "a CRL"],
  ["PUBLIC KEY", "a public key"],
  ["RSA PUBLIC KEY", "a public key"],
  ["PKCS7", "a PKCS #7 bundle"],
  ["CMS", "a PKCS #7 bundle"],
]);
