/** Variables of dns-01, which a deployment and its programs read by the same parsers. */

import ipaddr from "ipaddr.js";
import * as z from "zod";
import { type DomainName, toDomainName } from "../name/domain-name.ts";

/** A zone of Route 53 in which challenge records are published. */
export interface Route53Zone {
  readonly id: string;
  readonly domain: DomainName;
}

const MAX_ZONES = 100;
const MAX_RESOLVERS = 6;
const ZONE_ID = /^[A-Z0-9]{1,32}$/;

const entriesOf = (text: string): readonly string[] => text.split(",").map((entry) => entry.trim());

/** Form of `ROUTE53_ZONES`: `<zone id>:<domain>`, by comma. */
export const route53ZonesVariable = z.string().transform((text, context): readonly Route53Zone[] => {
  const entries = entriesOf(text);
  const zones = entries.map((entry): Route53Zone | null => {
    const [id = "", name = "", ...more] = entry.split(":");
    const domain = toDomainName(name);
    return more.length === 0 && ZONE_ID.test(id) && domain !== null ? { id, domain } : null;
  });
  const known = zones.filter((zone) => zone !== null);
  const domains = new Set(known.map(({ domain }) => domain));
  const problem =
    (known.length < zones.length && "must be <zone id>:<domain>, by comma, such as Z0ABCDEF:example.com") ||
    (domains.size < known.length && "must have each domain once") ||
    (known.length > MAX_ZONES && `must have at most ${MAX_ZONES} zones`);
  if (problem === false) return known;
  context.addIssue({ code: "custom", message: problem });
  return z.NEVER;
});

/** The zone of a name: of several that hold it the one with the longest domain. */
export function zoneOf(zones: readonly Route53Zone[], name: string): Route53Zone | null {
  const holding = zones.filter(({ domain }) => name === domain || name.endsWith(`.${domain}`));
  return holding.toSorted((a, b) => b.domain.length - a.domain.length)[0] ?? null;
}

/** Plain HTTP to another machine would show who asks for which certificate. */
function isWebhookUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== "" || password !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}

function isLoopback(hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  return (
    hostname === "localhost" || (ipaddr.isValid(address) && ipaddr.parse(address).range() === "loopback")
  );
}

/** Form of `DNS_WEBHOOK_URL`. */
export const dnsWebhookUrlVariable = z
  .string()
  .max(2_048, "must be at most 2048 characters")
  .refine(
    isWebhookUrl,
    "must be an https URL without credentials and fragment; http is allowed to this machine's loopback alone",
  );

/** Form of `DNS_WEBHOOK_SECRET`: its octets are the HMAC key. */
export const dnsWebhookSecretVariable = z
  .string()
  .regex(/^[\x21-\x7e]{16,512}$/, "must be 16 to 512 printable ASCII characters without blanks");

/** Form of `DNS_RESOLVERS`: addresses with or without a port, by comma, as node:dns takes them. */
export const dnsResolversVariable = z.string().transform((text, context): readonly string[] => {
  const resolvers = entriesOf(text);
  if (resolvers.length <= MAX_RESOLVERS && resolvers.every(isResolver)) return resolvers;
  context.addIssue({
    code: "custom",
    message: `must be 1 to ${MAX_RESOLVERS} addresses by comma, such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353`,
  });
  return z.NEVER;
});

function isResolver(text: string): boolean {
  if (ipaddr.IPv6.isValid(text)) return true;
  const { host = "", port = "53" } =
    /^(?<host>\[[^\]]+\]|[0-9.]+)(?::(?<port>[0-9]{1,5}))?$/.exec(text)?.groups ?? {};
  const isAddress = host.startsWith("[")
    ? ipaddr.IPv6.isValid(host.slice(1, -1))
    : ipaddr.IPv4.isValidFourPartDecimal(host);
  return isAddress && Number(port) >= 1 && Number(port) <= 65_535;
}
