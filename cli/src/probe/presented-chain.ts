import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { patternMatches } from "./host-name.ts";

/** Certificates that are looked at: a server may send any number. */
const MAX_CERTIFICATES = 10;
const MAX_NAMES = 1_000;

/** The server's certificate and those that it sent above it. */
export function presentedChain(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(new X509Certificate(next.raw));
    // A self-signed certificate is its own issuer.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

/** DNS-IDs of a certificate. The common name is none (RFC 9525 section 6.3). */
export function dnsNamesOf({ subjectAltName }: X509Certificate): readonly string[] {
  return (subjectAltName ?? "")
    .split(", ")
    .slice(0, MAX_NAMES)
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice("DNS:".length));
}

/** Whether a certificate is for this host (RFC 9525). */
export const isFor = (certificate: X509Certificate, host: string): boolean =>
  dnsNamesOf(certificate).some((name) => patternMatches(name, host));
