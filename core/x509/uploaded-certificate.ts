/** Certificates of an uploaded bundle, parsed one by one. */

import { X509Certificate } from "node:crypto";
import type { Issue } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { readCertificateFields, type CertificateFields } from "./certificate-fields.ts";
import { contextTag, elementsOf, expectTag, TAG } from "./der.ts";
import { isCertificateLabel, kindOf, type PemBlock, TRUSTED_LABEL } from "./pem.ts";

/** One more than is taken, so that a certificate over the cap is known as such. */
const NAMES_READ = CAPS.certificateNames + 1;

/** A certificate of an upload, readable by OpenSSL and by us alike. */
export interface UploadedCertificate {
  readonly der: Uint8Array;
  readonly x509: X509Certificate;
  readonly fields: CertificateFields;
  /** The field it came in, and its place there, counted from 1. */
  readonly pointer: string;
  readonly position: number;
}

/** Turns the blocks of one field into certificates; a block that is none is an issue. */
export function readCertificates(
  blocks: readonly PemBlock[],
  pointer: string,
): { certificates: readonly UploadedCertificate[]; issues: readonly Issue[] } {
  const stranger = blocks.find((block) => !isCertificateLabel(block.label));
  if (stranger !== undefined) {
    const message = `holds ${kindOf(stranger.label)}; only certificates belong here`;
    return { certificates: [], issues: [{ pointer, code: "wrong-kind", message }] };
  }
  const certificates = blocks.map((block, at) => readCertificate(block, { pointer, position: at + 1 }));
  const unreadable = certificates.indexOf(null);
  if (unreadable === -1) return { certificates: certificates.filter((read) => read !== null), issues: [] };
  const message = `certificate ${String(unreadable + 1)} cannot be read: it is no X.509 certificate in DER`;
  return { certificates: [], issues: [{ pointer, code: "unreadable-certificate", message }] };
}

function readCertificate(
  block: PemBlock,
  place: Pick<UploadedCertificate, "pointer" | "position">,
): UploadedCertificate | null {
  if (block.der === null) return null;
  try {
    const der = block.label === TRUSTED_LABEL ? trustedParts(block.der).certificate : block.der;
    const x509 = new X509Certificate(der);
    return { ...place, der, x509, fields: readCertificateFields(der, NAMES_READ) };
  } catch {
    return null;
  }
}

/**
 * The certificate of OpenSSL's trusted form, and whether uses that it is trusted or rejected for follow it.
 * @throws MalformedDer
 */
function trustedParts(der: Uint8Array): { readonly certificate: Uint8Array; readonly namesUses: boolean } {
  const [certificate, uses] = elementsOf(der);
  const lists = uses === undefined ? [] : [...elementsOf(expectTag(uses, TAG.sequence).content)];
  return {
    certificate: expectTag(certificate, TAG.sequence).raw,
    namesUses: lists.some(({ tag }) => tag === TAG.sequence || tag === contextTag(0)),
  };
}

/** Whether the block limits what its certificate is to be trusted for. */
export function namesUses({ label, der }: PemBlock): boolean {
  try {
    return label === TRUSTED_LABEL && der !== null && trustedParts(der).namesUses;
  } catch {
    // It is no certificate at all: `readCertificates` says so.
    return false;
  }
}

/**
 * Whether `issuer` is a CA whose name, key and signature are on `certificate`. Says nothing of dates or
 * constraints.
 */
export function isIssuedBy(certificate: UploadedCertificate, issuer: UploadedCertificate): boolean {
  try {
    if (!issuer.x509.ca || !certificate.x509.checkIssued(issuer.x509)) return false;
    return certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    // A key or algorithm that OpenSSL does not know.
    return false;
  }
}
