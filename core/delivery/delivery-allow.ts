/** DELIVERY_ALLOW: next hops that the API may name although their addresses are not public. */
import { type NamePattern, parseNamePattern, toDomainName, wildcardOf } from "../name/domain-name.ts";
import { InvalidInput } from "../errors.ts";
import { canonicalAddress } from "../name/client-address.ts";
import { isInAny, type Network, parseNetwork } from "../name/network.ts";

/** `DELIVERY_ALLOW`: what next hops set through the API may resolve to beside public addresses. */
export interface DeliveryAllow {
  readonly networks: readonly Network[];
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
  const networks: Network[] = [];
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
  return addresses.every((address) => isInAny(address, allow.networks));
}

/** Null = no network and no address. */
function networkOf(entry: string, variable: string): Network | null {
  const network = parseNetwork(entry);
  const [base = "", bits] = entry.split("/");
  if (network === null || bits === undefined) return network;
  // An IPv4-mapped network: what its author takes it to match is not known.
  if (base.includes(":") && !network.includes(":")) return null;
  if (network.split("/")[0] !== canonicalAddress(base))
    throw refusal(variable, entry, "has host bits that are not zero");
  return network;
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
