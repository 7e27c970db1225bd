/** Formats of single texts of a domain, and their patterns for JSON Schema. */

import type { FormatCheck } from "../plain-text.ts";
import { parseApiDelivery } from "../delivery/route.ts";
import { InvalidInput } from "../errors.ts";
import { parseNetwork } from "../name/network.ts";

/** Characters that no text of a document holds: see checkPlainText. */
const HIDING = String.raw`\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069`;

/**
 * Patterns for JSON Schema: they match every text that the check of the format takes, and tell callers most
 * of what it does not take. The check decides, since a pattern knows no canonical spelling.
 */
export const PATTERNS = {
  cidr: String.raw`^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}/(?:3[0-2]|[12]?[0-9])|[0-9a-f:]*::?[0-9a-f:]*/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))$`,
  timestamp: String.raw`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z$`,
  pin: "^sha256//[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$",
  nextHop: String.raw`^(?:smtps?|lmtp)://[a-z0-9.:\[\]-]+$`,
  mailbox: String.raw`^[^\r\n]+@[a-z0-9.-]+$`,
  labelName: "^[a-z0-9.-]{1,40}$",
  plainText: `^[^${HIDING}]*$`,
  /** A plain text that is not blank. */
  statement: `^[^${HIDING}]*[^${HIDING}\\s][^${HIDING}]*$`,
} as const;

/** An IPv4 or IPv6 network: RFC 5952 text, host bits zero. IPv4-mapped networks are written as IPv4. */
export const checkCidr: FormatCheck = (text) => {
  // Of a bare address it is the network of one host, which is what was meant.
  const canonical = parseNetwork(text);
  if (canonical === text) return;
  throw new InvalidInput(
    canonical === null
      ? "is not a network in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32"
      : `must be written in canonical form with host bits zero: ${JSON.stringify(canonical)}`,
  );
};

/** RFC 3339 section 5.6 in UTC, capital `T` and `Z`, at most nanoseconds. */
const DATE_TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?Z$/;

export const checkTimestamp: FormatCheck = (text) => {
  const seconds = DATE_TIME.exec(text)?.[1];
  const time = Date.parse(text);
  // V8 reads 30 February as 2 March and hour 24 as the next day, so the text is compared with what was read.
  if (seconds !== undefined && !Number.isNaN(time) && new Date(time).toISOString().startsWith(seconds))
    return;
  throw new InvalidInput("is not a time in UTC as RFC 3339 writes it, such as 2027-01-31T00:00:00Z");
};

const PIN = /^sha256\/\/([A-Za-z0-9+/]{43}=)$/;

/** `sha256//` and canonical base64 (RFC 4648 section 3.5: unused bits zero) of 32 octets. */
export const checkPin: FormatCheck = (text) => {
  const digest = PIN.exec(text)?.[1];
  if (digest !== undefined && Buffer.from(digest, "base64").toString("base64") === digest) return;
  throw new InvalidInput(
    "is not a pin: sha256// and the base64 of the SHA-256 of a SubjectPublicKeyInfo (44 characters)",
  );
};

/**
 * A next hop of the API: scheme, host, and a port where it is not the scheme's own; never credentials, path
 * or query. LMTP has no default port (RFC 2033 section 5 only forbids 25). The message never quotes the text,
 * which may hold a password.
 */
export const checkNextHop: FormatCheck = (text) => {
  const route = parseApiDelivery({ nextHop: text, tls: "require" });
  if (route.kind !== "smtp" && route.kind !== "smtps" && route.kind !== "lmtp")
    throw new InvalidInput("must be smtp://, smtps:// or lmtp://");
  const host = route.host.includes(":") ? `[${route.host}]` : route.host;
  const withoutPort = `${route.kind}://${host}`;
  if (text === `${withoutPort}:${route.port}` || (text === withoutPort && route.kind !== "lmtp")) return;
  throw new InvalidInput(
    text === withoutPort
      ? "needs a port: LMTP has no default port"
      : "must be scheme://host or scheme://host:port in canonical form, and nothing else",
  );
};
