import { X509Certificate } from "node:crypto";
import { readPem } from "./pem.ts";

/**
 * What of an exported chain goes out after the leaf: each certificate that issued the one before, in order, without a root at
 * its end, which clients have or do not trust. ACM's chain holds more: roots, and cross-signed ones.
 *
 * @returns PEM, empty when nothing continues the leaf.
 */
export function continuingChain(leafPem: string, chainPem: string): string {
  let last = new X509Certificate(leafPem);
  const kept: string[] = [];
  for (const { text } of readPem(chainPem, "/chainPem").blocks) {
    const next = new X509Certificate(text);
    if (!isIssued(last, next)) break;
    if (isIssued(next, next)) break;
    kept.push(next.toString());
    last = next;
  }
  return kept.join("");
}

const isIssued = (certificate: X509Certificate, by: X509Certificate): boolean =>
  certificate.checkIssued(by) && certificate.verify(by.publicKey);
