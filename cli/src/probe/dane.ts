import { createHash, type X509Certificate } from "node:crypto";
import type { DnsClient } from "./dns-client.ts";
import { isFor } from "./presented-chain.ts";

/** A TLSA record that SMTP uses: of the usages DANE-TA and DANE-EE (RFC 7672 section 3.1). */
export interface TlsaRecord {
  readonly usage: 2 | 3;
  readonly selector: 0 | 1;
  readonly matching: 0 | 1 | 2;
  readonly data: Buffer;
}

export type TlsaResult =
  | { readonly kind: "none" }
  /** `isSecure`: validated by DNSSEC; others say nothing to a sender. */
  | { readonly kind: "found"; readonly records: readonly TlsaRecord[]; readonly isSecure: boolean }
  | { readonly kind: "failed"; readonly reason: string };

export async function findTlsa(dns: DnsClient, host: string, port: number): Promise<TlsaResult> {
  const result = await dns.query(`_${port}._tcp.${host}`, "TLSA");
  if (result.kind === "failed") return { kind: "failed", reason: `TLSA lookup: ${result.reason}` };
  if (result.kind !== "found") return { kind: "none" };
  const records = result.records.flatMap(({ data: { usage, selector, matchingType, certificate } }) =>
    (usage === 2 || usage === 3) && isOneOf([0, 1], selector) && isOneOf([0, 1, 2], matchingType)
      ? [{ usage, selector, matching: matchingType, data: Buffer.from(certificate) } as TlsaRecord]
      : [],
  );
  return { kind: "found", records, isSecure: result.isSecure };
}

const isOneOf = (values: readonly number[], value: number | undefined): boolean =>
  value !== undefined && values.includes(value);

/**
 * The first record that the chain fulfils; null = none of them.
 *
 * @param names the host and the domain, either of which DANE-TA takes (RFC 7672 section 3.2.2)
 */
export function matchingTlsa(
  records: readonly TlsaRecord[],
  chain: readonly X509Certificate[],
  { names, now }: { readonly names: readonly string[]; readonly now: number },
): TlsaRecord | null {
  const [leaf] = chain;
  if (leaf === undefined) return null;
  return (
    records.find((record) =>
      record.usage === 3
        ? // Neither name nor dates count (section 3.1.1).
          isOf(record, leaf)
        : names.some((name) => isFor(leaf, name)) && isAnchored(record, chain, now),
    ) ?? null
  );
}

/** Whether valid certificates lead from the server's to the one that the record is of (section 3.1.2). */
function isAnchored(record: TlsaRecord, chain: readonly X509Certificate[], now: number): boolean {
  for (const [index, certificate] of chain.entries()) {
    if (Date.parse(certificate.validFrom) > now || Date.parse(certificate.validTo) < now) return false;
    if (index > 0 && isOf(record, certificate)) return true;
    const issuer = chain[index + 1];
    if (issuer === undefined || !issuer.ca || !certificate.checkIssued(issuer)) return false;
    if (!certificate.verify(issuer.publicKey)) return false;
  }
  return false;
}

function isOf({ selector, matching, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const whole =
    selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" });
  if (matching === 0) return whole.equals(data);
  return createHash(matching === 1 ? "sha256" : "sha512")
    .update(whole)
    .digest()
    .equals(data);
}
