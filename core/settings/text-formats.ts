import ipaddr from "ipaddr.js";
import { parseDomainName } from "../domain-name/domain-name.ts";
import { InvalidInput } from "../errors.ts";

/**
 * Formats of single fields of a domain. Each checks that a text is the one canonical spelling, so that what was
 * written is what is read back and what is compared.
 *
 * @throws InvalidInput with a sentence for people; where there is a canonical spelling, the message shows it.
 */
export type FormatCheck = (text: string) => void;

/** An IPv4 or IPv6 network: RFC 5952 text, host bits zero. IPv4-mapped networks are written as IPv4. */
export const checkCidr: FormatCheck = (text) => {
  const canonical = canonicalCidr(text);
  if (canonical === text) return;
  throw new InvalidInput(
    canonical === null
      ? "is not a network in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32"
      : `must be written in canonical form with host bits zero: ${JSON.stringify(canonical)}`,
  );
};

function canonicalCidr(text: string): string | null {
  // A bare address is shown as the network of one host, which is what was meant.
  const [address = "", bits, ...rest] = text.split("/");
  if (rest.length > 0 || address.includes("%") || !isAddress(address)) return null;
  const parsed = ipaddr.parse(address);
  const mapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress();
  const length = parsed.kind() === "ipv4" ? 32 : 128;
  const prefix = bits === undefined ? length : Number(/^\d{1,3}$/.exec(bits)?.[0] ?? Number.NaN);
  if (!(prefix <= length) || (mapped && prefix < 96)) return null;
  if (parsed instanceof ipaddr.IPv4)
    return `${ipaddr.IPv4.networkAddressFromCIDR(`${parsed.toString()}/${prefix}`).toString()}/${prefix}`;
  if (mapped) return canonicalCidr(`${parsed.toIPv4Address().toString()}/${prefix - 96}`);
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/${prefix}`).toString()}/${prefix}`;
}

/** ipaddr.js alone reads `010.0.0.1` as octal and `1` as an address; senders of such text mean something else. */
const isAddress = (text: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(text) || (text.includes(":") && ipaddr.IPv6.isValid(text));

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

const NEXT_HOP = /^(smtp|smtps|lmtp):\/\/([^/?#@\s[\]:]+|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?$/;
/** What resolvers read as an IPv4 address although it is no dotted quad: WHATWG URL, "ends in a number". */
const HEX_LAST_LABEL = /(?:^|\.)0x[0-9a-f]*$/;

/**
 * A next hop of the API: scheme, host, and a port where it is not the scheme's own. Never credentials, path or query.
 * The message never quotes the text, which may hold a password.
 */
export const checkNextHop: FormatCheck = (text) => {
  const [, scheme, host, port] = NEXT_HOP.exec(text) ?? [];
  if (scheme === undefined || host === undefined || Number(port ?? 1) > 65_535)
    throw new InvalidInput(
      "must be smtp://host, smtps://host or lmtp://host:port; a port may follow the host, and nothing else: no credentials, path or query",
    );
  if (scheme === "lmtp" && port === undefined)
    throw new InvalidInput("needs a port: LMTP has none of its own (RFC 2033)");
  checkNextHopHost(host);
};

function checkNextHopHost(host: string): void {
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return;
  if (host.startsWith("[")) {
    const literal = host.slice(1, -1);
    if (ipaddr.IPv6.isValid(literal) && ipaddr.IPv6.parse(literal).toString() === literal) return;
    throw new InvalidInput("has a host in brackets that is not an IPv6 address in canonical form (RFC 5952)");
  }
  if (HEX_LAST_LABEL.test(host))
    throw new InvalidInput("has a host that is neither a name nor an IP address");
  try {
    parseDomainName(host);
  } catch (error) {
    throw new InvalidInput(`has a host that cannot be taken: ${error instanceof Error ? error.message : ""}`);
  }
}

/** No text of ours holds control or format characters that hide or reorder it in a log or a terminal. */
export const checkPlainText: FormatCheck = (text) => {
  if (/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(text))
    throw new InvalidInput("holds control characters or characters that change the direction of text");
};
