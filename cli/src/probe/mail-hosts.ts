import type { DnsClient } from "./dns-client.ts";
import { hostNameOf } from "./host-name.ts";

/** The hosts that take the mail of a domain, the most preferred first. */
export type MailHosts =
  | { readonly kind: "found"; readonly hosts: readonly string[]; readonly isSecure: boolean }
  /** No MX record: the domain itself (RFC 5321 section 5.1). */
  | { readonly kind: "implicit"; readonly hosts: readonly string[]; readonly isSecure: boolean }
  /** `MX 0 .`: the domain takes no mail (RFC 7505). */
  | { readonly kind: "null-mx" }
  | { readonly kind: "failed"; readonly reason: string };

/** Hosts that are looked at: a domain may name any number. */
const MAX_HOSTS = 20;

export async function findMailHosts(dns: DnsClient, domain: string): Promise<MailHosts> {
  const result = await dns.query(domain, "MX");
  if (result.kind === "failed") return { kind: "failed", reason: `MX lookup: ${result.reason}` };
  if (result.kind === "no-such-name") return { kind: "failed", reason: "the domain does not exist" };
  if (result.kind === "none") return { kind: "implicit", hosts: [domain], isSecure: result.isSecure };
  const records = result.records
    .map(({ data: { preference = 0, exchange } }) => ({ preference, exchange }))
    .toSorted((one, other) => one.preference - other.preference);
  const isNull = records.some(({ exchange }) => exchange === "." || exchange === "");
  if (isNull && records.length === 1) return { kind: "null-mx" };
  if (isNull)
    return { kind: "failed", reason: "a null MX stands beside other MX records (RFC 7505 section 3)" };
  const hosts = [...new Set(records.map(({ exchange }) => hostNameOf(exchange)))];
  const names = hosts.filter((host) => host !== null);
  if (names.length < hosts.length) return { kind: "failed", reason: "an MX record does not name a host" };
  return { kind: "found", hosts: names.slice(0, MAX_HOSTS), isSecure: result.isSecure };
}
