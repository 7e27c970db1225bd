/** Networks in CIDR notation: the one parser, and whether an address lies in them. */

import ipaddr from "ipaddr.js";
import { parseAddress } from "./client-address.ts";

/**
 * An IPv4 or IPv6 network in canonical CIDR notation: RFC 5952 text, host bits zero, an IPv4-mapped network
 * as IPv4.
 */
export type Network = string & { readonly __brand: "Network" };

/**
 * The network that a text in CIDR notation is in, with host bits set to zero; an address is a network of one
 * host.
 *
 * @returns null for any other text, such as `10/8`, `010.0.0.0/8` (octal to some) or an address with a zone.
 */
export function parseNetwork(text: string): Network | null {
  const [address = "", bits, ...rest] = text.split("/");
  if (rest.length > 0 || address.includes("%") || !isAddress(address)) return null;
  const parsed = ipaddr.parse(address);
  const mapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress();
  const length = parsed.kind() === "ipv4" ? 32 : 128;
  const prefix = bits === undefined ? length : Number(/^\d{1,3}$/.exec(bits)?.[0] ?? Number.NaN);
  if (!(prefix <= length) || (mapped && prefix < 96)) return null;
  if (mapped) return parseNetwork(`${parsed.toIPv4Address().toString()}/${prefix - 96}`);
  const family = parsed.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  const first = family.networkAddressFromCIDR(`${parsed.toString()}/${prefix}`);
  return `${first.toString()}/${prefix}` as Network;
}

/**
 * ipaddr.js alone reads `010.0.0.1` as octal and `1` as an address; senders of such text mean something else.
 */
const isAddress = (text: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(text) || (text.includes(":") && ipaddr.IPv6.isValid(text));

/** Parsed lists: every connection asks, and the lists stay the same objects. */
const RANGES = new WeakMap<readonly Network[], ReturnType<typeof ipaddr.parseCIDR>[]>();

/**
 * Whether an address lies in one of the networks; an IPv4-mapped address as IPv4. False when it is no IP
 * address.
 */
export function isInAny(address: string, networks: readonly Network[]): boolean {
  const parsed = parseAddress(address);
  if (parsed === null) return false;
  let ranges = RANGES.get(networks);
  if (ranges === undefined) {
    ranges = networks.map((each) => ipaddr.parseCIDR(each));
    RANGES.set(networks, ranges);
  }
  return ranges.some(([first, bits]) => first.kind() === parsed.kind() && parsed.match(first, bits));
}

/** Whether every address of one network lies in the other. False for anything that is no network. */
export function isSubnetOf(inner: string, outer: string): boolean {
  const [narrow, wide] = [parseNetwork(inner), parseNetwork(outer)];
  if (narrow === null || wide === null) return false;
  return bitsOf(narrow) >= bitsOf(wide) && isInAny(narrow.slice(0, narrow.indexOf("/")), [wide]);
}

const bitsOf = (cidr: Network): number => Number(cidr.slice(cidr.indexOf("/") + 1));
