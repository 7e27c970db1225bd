/** Client addresses: their one spelling, and the key that limits count by. */

import ipaddr from "ipaddr.js";

/**
 * One spelling for each client address: IPv4-mapped IPv6 as IPv4, IPv6 by RFC 5952, no zone.
 *
 * @returns null when the text is no IP address.
 */
export function canonicalAddress(text: string): string | null {
  if (DOTTED_QUAD.test(text)) return text;
  const address = parseAddress(text);
  return address === null ? null : address.toString();
}

/**
 * Whom limits count: an IPv4 address, or the /64 of an IPv6 address, since one client has all of it (RFC
 * 6177). What is no address counts as itself.
 */
export function clientKey(address: string): string {
  if (DOTTED_QUAD.test(address)) return address;
  const parsed = parseAddress(address);
  if (parsed === null || parsed.kind() === "ipv4") return address;
  return `${new ipaddr.IPv6([...parsed.toByteArray().slice(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).toString()}/64`;
}

/**
 * Four decimal parts as they are always written. Every connection and every header asks, so it does not go
 * through the parser.
 */
const DOTTED_QUAD = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** An address without its zone, IPv4-mapped as IPv4; null = no IP address. */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  const bare = text.replace(/%.*$/, "");
  if (!ipaddr.isValid(bare) || (ipaddr.IPv4.isValid(bare) && !ipaddr.IPv4.isValidFourPartDecimal(bare)))
    return null;
  return ipaddr.process(bare);
}
