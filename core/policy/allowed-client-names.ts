/** Row 8 of the verdict: names of a client certificate beside the names that a domain allows. */
import { type DomainName, wildcardOf } from "../name/domain-name.ts";
import type { ClientCertificateSettings } from "../record/domain.ts";

/**
 * Whether an allowed name accepts a certificate's dNSName. An exact name matches itself only. `*.x` matches a
 * name one label under x, or the dNSName `*.x` itself; so a wildcard certificate matches only where the list
 * carries it.
 */
export function allowedNameAccepts(allowed: string, dnsName: string): boolean {
  if (allowed === dnsName) return true;
  return (
    allowed.startsWith("*.") && !dnsName.startsWith("*.") && wildcardOf(dnsName as DomainName) === allowed
  );
}

/**
 * Row 8: whether one of the certificate's dNSNames is accepted. `helo` compares with the EHLO name exactly.
 */
export function nameAccepted(
  names: ClientCertificateSettings["names"],
  dnsNames: readonly string[],
  helo: DomainName | null,
): boolean {
  switch (names.match) {
    case "any":
      return true;
    case "helo":
      return helo !== null && dnsNames.includes(helo);
    case "list":
      return dnsNames.some((dnsName) =>
        names.allowed.some((allowed) => allowedNameAccepts(allowed, dnsName)),
      );
    default:
      return names.match satisfies never;
  }
}
