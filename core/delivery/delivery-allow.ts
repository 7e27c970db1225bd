import ipaddr from "ipaddr.js";
import { type NamePattern, parseNamePattern, toDomainName, wildcardOf } from "../name/domain-name.ts";
import { InvalidInput } from "../errors.ts";
import { canonicalAddress, isInNetwork } from "../name/client-address.ts";

/** `DELIVERY_ALLOW`: what next hops set through the API may resolve to beside public addresses. */
export interface DeliveryAllow {
  /** CIDR, host bits zero. */
  readonly networks: readonly string[];
  /** Exact names, and `*.x` for one label under x. */
  readonly names: readonly NamePattern[];
}

export const NOTHING_ALLOWED: DeliveryAllow = { networks: [], names: [] };

/**
 * Parses a list of networks, addresses and names, separated by commas or blanks.
 *
 * @param variable where it came from: errors begin with it.
 * @throws InvalidInput naming the entry.
 */
export function parseDeliveryAllow(text: string, variable = "DELIVERY_ALLOW"): DeliveryAllow {
  const networks: string[] = [];
  const names: NamePattern[] = [];
  for (const entry of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const network = networkOf(entry, variable);
    if (network !== null) networks.push(network);
    else names.push(nameOf(entry, variable));
  }
  return { networks, names };
}

/** Whether the operator's list covers every one of these addresses, or the name they were looked up by. */
export function isAllowed(allow: DeliveryAllow, host: string, addresses: readonly string[]): boolean {
  const name = canonicalAddress(host) === null ? toDomainName(host) : null;
  if (name !== null && allow.names.some((known) => known === name || known === wildcardOf(name))) return true;
  return addresses.every((address) => allow.networks.some((network) => isInNetwork(address, network)));
}

/** Null = no network and no address. */
function networkOf(entry: string, variable: string): string | null {
  const address = canonicalAddress(entry);
  if (address !== null && !entry.includes("%"))
    return `${address}/${ipaddr.parse(address).kind() === "ipv4" ? "32" : "128"}`;
  const [base = "", bits = "", ...more] = entry.split("/");
  if (!/^\d{1,3}$/.test(bits) || more.length > 0 || !ipaddr.isValidCIDR(entry)) return null;
  if (ipaddr.IPv4.isValid(base) && !ipaddr.IPv4.isValidFourPartDecimal(base)) return null;
  const [network] = ipaddr.parseCIDR(entry);
  // Addresses are compared as IPv4 wherever they can be, so an IPv4-mapped network would never match.
  if (canonicalAddress(base) !== network.toString()) return null;
  const first = (network.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(entry);
  if (first.toString() !== network.toString())
    throw refusal(variable, entry, "has host bits that are not zero");
  return `${network.toString()}/${String(Number(bits))}`;
}

function nameOf(entry: string, variable: string): NamePattern {
  try {
    return parseNamePattern(entry);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw refusal(variable, entry, "is neither a network (CIDR), an address nor a lower-case name");
  }
}

const refusal = (variable: string, entry: string, problem: string): InvalidInput =>
  new InvalidInput(`${variable}: ${JSON.stringify(entry.slice(0, 100))} ${problem}`);
