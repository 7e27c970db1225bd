import { domainToASCII } from "node:url";

const LABEL = "(?!-)[a-z0-9_-]{1,63}(?<!-)";
const NAME = new RegExp(String.raw`^${LABEL}(?:\.${LABEL})*$`, "u");
const MAX_LENGTH = 253;

/** A host name in lower case, as A-labels and without its last dot; null = it is none. */
export function hostNameOf(text: string): string | null {
  const name = domainToASCII(text.replace(/\.$/u, "")).toLowerCase();
  return name.length <= MAX_LENGTH && NAME.test(name) ? name : null;
}

/**
 * Whether a DNS-ID of a certificate, or a pattern of an MTA-STS policy, is for this host: the same name, or
 * `*.` in place of its first label alone (RFC 9525 section 6.3, RFC 8461 section 4.1).
 */
export function patternMatches(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase().replace(/\.$/u, "");
  if (!wanted.startsWith("*.")) return wanted === host;
  const dot = host.indexOf(".");
  return dot > 0 && host.slice(dot + 1) === wanted.slice("*.".length);
}
