import { X509Certificate } from "node:crypto";
import type { Issue } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { readCertificateFields, type CertificateFields } from "./certificate-fields.ts";
import { isCertificateLabel, kindOf, type PemBlock } from "./pem.ts";

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
    const x509 = new X509Certificate(block.der);
    return { ...place, der: block.der, x509, fields: readCertificateFields(block.der, NAMES_READ) };
  } catch {
    return null;
  }
}

/** Whether `issuer` is a CA whose name, key and signature are on `certificate`. Says nothing of dates or constraints. */
export function isIssuedBy(certificate: UploadedCertificate, issuer: UploadedCertificate): boolean {
  try {
    if (!issuer.x509.ca || !certificate.x509.checkIssued(issuer.x509)) return false;
    return certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    // A key or algorithm that OpenSSL does not know.
    return false;
  }
}
