/** Limits of a trust anchor: whom its certificate may vouch for. */

import { contextTag, elementsOf, expectTag, readDer, readOid, TAG } from "./der.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

/** Use of a client certificate, by its extended key usages. */
export const CLIENT_USAGES = ["clientAuth", "serverAuth"] as const;

/** Limits of an anchor that is no CA, or a CA that may not issue for both usages. */
export interface AnchorLimits {
  /** False = it passes as the client's own certificate only, and vouches for no other. */
  readonly isCa: boolean;
  /** Usages that its extended key usages allow. */
  readonly usages: readonly (typeof CLIENT_USAGES)[number][];
  /** dNSNames of one that is no CA; null = a CA, or too many to keep. */
  readonly dnsNames: readonly string[] | null;
}

const BASIC_CONSTRAINTS = "2.5.29.19";
/**
 * keyUsage and Netscape's certificate type: OpenSSL takes either for the mark of a CA where basicConstraints
 * is absent.
 */
const OLD_CA_MARKS = ["2.5.29.15", "2.16.840.1.113730.1.1"];

const ANY_USAGE = "2.5.29.37.0";
const USAGES = { clientAuth: "1.3.6.1.5.5.7.3.2", serverAuth: "1.3.6.1.5.5.7.3.1" } as const;

/** Names kept of an anchor that is not a CA: with 200 anchors the record stays within a DynamoDB item. */
const NAMES_KEPT = 5;

/**
 * Limits of a certificate as an anchor, as `openssl verify -partial_chain` applies them (measured with
 * OpenSSL 3.0: a certificate that is not a CA is accepted as the client's own and fails as an issuer, with
 * error 26 or 32).
 *
 * @returns undefined for a CA that may issue for clients and servers. What is doubtful counts as unlimited.
 */
export function anchorLimits(certificate: UploadedCertificate): AnchorLimits | undefined {
  const { x509, fields } = certificate;
  const isCa = x509.ca || isOldCa(certificate);
  // Node shows extended key usages under this name; undefined = no such extension, so every purpose.
  const ids = x509.keyUsage ?? [ANY_USAGE];
  const allows = (usage: keyof typeof USAGES): boolean =>
    ids.includes(ANY_USAGE) || ids.includes(USAGES[usage]);
  const usages = (["clientAuth", "serverAuth"] as const).filter(allows);
  if (isCa && usages.length === 2) return undefined;
  const { dnsNames } = fields;
  return { isCa, usages, dnsNames: isCa || dnsNames.length > NAMES_KEPT ? null : dnsNames };
}

/**
 * A CA without basicConstraints, which `X509Certificate.ca` does not show: a self-issued certificate of
 * version 1, or an old mark.
 */
function isOldCa({ der, fields }: UploadedCertificate): boolean {
  const [toBeSigned] = elementsOf(readDer(der, TAG.sequence).content);
  const parts = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)];
  if (parts[0]?.tag !== contextTag(0)) return Buffer.compare(fields.subject, fields.issuer) === 0;
  const extensions = parts.find(({ tag }) => tag === contextTag(3));
  if (extensions === undefined) return false;
  const ids = [...elementsOf(readDer(extensions.content, TAG.sequence).content)].map((extension) => {
    const [id] = elementsOf(expectTag(extension, TAG.sequence).content);
    return readOid(id);
  });
  return !ids.includes(BASIC_CONSTRAINTS) && OLD_CA_MARKS.some((id) => ids.includes(id));
}
