/** Whether a next hop may be used, by the addresses of its name. */
import ipaddr from "ipaddr.js";
import { canonicalAddress } from "../name/client-address.ts";
import type { NextHopRoute } from "./delivery.ts";
import { type DeliveryAllow, isAllowed } from "./delivery-allow.ts";

/** A socket address that this deployment listens on, as the socket reports it. */
export interface Endpoint {
  /** `0.0.0.0` and `::` stand for every address of the machine. */
  readonly address: string;
  readonly port: number;
}

export interface NextHopFacts {
  readonly route: Pick<NextHopRoute, "host" | "port" | "setBy" | "tls" | "credentials">;
  /** All that the name resolved to, or the literal itself. */
  readonly addresses: readonly string[];
  readonly allow: DeliveryAllow;
  readonly ownListeners: readonly Endpoint[];
  /** Every address of this machine's interfaces. */
  readonly ownAddresses: readonly string[];
}

export type NextHopJudgement =
  | {
      readonly kind: "allowed";
      /** Canonical, in the order they came; connect to these and look nothing up again. */
      readonly addresses: readonly string[];
      /**
       * What holds on this connection: never looser than the route, and a password goes over verified TLS or
       * not at all.
       */
      readonly tls: NextHopRoute["tls"];
    }
  | {
      readonly kind: "refused";
      readonly cause: "lookup-failed" | "not-allowed" | "loop";
      readonly detail: string;
    };

/**
 * Whether a route may be used, from what its name resolved to. One forbidden address is enough to refuse: the
 * owner of the name chooses the order.
 */
export function judgeNextHop(facts: NextHopFacts): NextHopJudgement {
  const addresses = facts.addresses.map((address) => canonicalAddress(address));
  if (addresses.length === 0 || !addresses.every((address) => address !== null))
    return { kind: "refused", cause: "lookup-failed", detail: "the name has no usable address" };
  const own = addresses.find((address) => isOwnListener(address, facts));
  if (own !== undefined)
    return {
      kind: "refused",
      cause: "loop",
      detail: `${own} port ${String(facts.route.port)} is one of our listeners`,
    };
  const { setBy, tls, credentials } = facts.route;
  if (setBy === "operator")
    return { kind: "allowed", addresses, tls: credentials === null ? tls : "require" };
  // By the text that came: an IPv4-mapped address is judged as IPv4, which is where a connection to it goes.
  const isCovered = isAllowed(facts.allow, facts.route.host, addresses);
  const hidden = isCovered ? undefined : addresses.find((address) => !isPublicAddress(address));
  if (hidden !== undefined)
    return {
      kind: "refused",
      cause: "not-allowed",
      detail: `${hidden} is not public and not in DELIVERY_ALLOW`,
    };
  return { kind: "allowed", addresses, tls: isCovered ? tls : "require" };
}

/**
 * Azure's wire server: metadata and DHCP of the host behind a public address. Others are link-local or
 * private.
 */
const PUBLIC_BUT_METADATA = ["168.63.129.16"];
/** RFC 6052: an IPv4 address in the last 32 bits. */
const NAT64 = "64:ff9b::/96";
/** RFC 4291: the only global unicast space that is given out. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address belongs to the internet at large. Loopback, link-local (metadata), private, unique
 * local, CGNAT, multicast, reserved, documentation, 6to4 and Teredo do not; a NAT64 address is judged by the
 * IPv4 address inside.
 */
export function isPublicAddress(text: string): boolean {
  const canonical = canonicalAddress(text);
  if (canonical === null) return false;
  const address = ipaddr.parse(canonical);
  if (address instanceof ipaddr.IPv6) return isPublicV6(address);
  return address.range() === "unicast" && !PUBLIC_BUT_METADATA.includes(canonical);
}

function isPublicV6(address: ipaddr.IPv6): boolean {
  if (address.match(ipaddr.IPv6.parseCIDR(NAT64)))
    return isPublicAddress(new ipaddr.IPv4(address.toByteArray().slice(12)).toString());
  return address.range() === "unicast" && address.match(GLOBAL_UNICAST) && !isIsatap(address);
}

/** RFC 5214: the interface identifier 0:5efe or 200:5efe carries an IPv4 address to tunnel to. */
const isIsatap = ({ parts }: ipaddr.IPv6): boolean =>
  parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x200);

function isOwnListener(address: string, { route, ownListeners, ownAddresses }: NextHopFacts): boolean {
  const range = ipaddr.parse(address).range();
  // Connecting to the unspecified address reaches this machine.
  const isHere = range === "loopback" || range === "unspecified" || hasAddress(ownAddresses, address);
  return ownListeners.some(({ address: listening, port }) => {
    if (port !== route.port) return false;
    const bound = canonicalAddress(listening);
    if (bound === address) return true;
    const isWildcard = bound === null || ipaddr.parse(bound).range() === "unspecified";
    return isHere && (isWildcard || range === "unspecified");
  });
}

const hasAddress = (addresses: readonly string[], address: string): boolean =>
  addresses.some((own) => canonicalAddress(own) === address);
