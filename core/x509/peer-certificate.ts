/** The certificate that a TLS client presented. */

import { readCertificateFields, sha256Hex, spkiPinOf, type CertificateFields } from "./certificate-fields.ts";
import { distinguishedName } from "./distinguished-name.ts";

/** OpenSSL's word on the client's chain in the handshake, good only for the trust it was given. */
export interface HandshakeVerdict {
  /** The `ResolvedTrust.hash` that the context was built from; null = the context trusted no anchor. */
  readonly trustHash: string | null;
  readonly ok: boolean;
  /** Its last error, not its only one: `CERT_HAS_EXPIRED`. For the log. */
  readonly code: string | null;
}

/** A client's leaf certificate, parsed once after the handshake. */
export interface PeerCertificate {
  /** DER, leaf first, as sent. */
  readonly chain: readonly Uint8Array[];
  readonly spkiPin: string;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SAN dNSNames, canonical; wildcards as `*.x`; what is not a name is left out. Never the CN. */
  readonly dnsNames: readonly string[];
  readonly fingerprintSha256: string;
  /**
   * For the `Postern-TLS` header and the log: first dNSName, else the subject; printable ASCII. Not an
   * identity.
   */
  readonly subjectName: string;
  readonly handshake: HandshakeVerdict;
}

/**
 * Bounds of a client's chain: what is kept of it. `openssl verify -verify_depth 6` uses at most 8
 * certificates; the handshake itself takes up to 100 KB.
 */
export const PEER_CHAIN = { certificates: 10, bytes: 64 * 1024 } as const;

/**
 * Reads a client's leaf after the handshake, from DER alone: Node's text of a SAN can be forged with commas
 * and NULs. `chain` is cut at the bounds of PEER_CHAIN: a chain that needs more is then not valid.
 *
 * @param chain DER, the leaf first, as sent.
 * @returns null when there is no certificate, or the leaf cannot be read: the client is not identified. Never
 *   throws.
 */
export function readPeerCertificate(chain: readonly Uint8Array[]): Omit<PeerCertificate, "handshake"> | null {
  const kept = withinBounds(chain);
  const [leaf] = kept;
  if (leaf === undefined) return null;
  try {
    const fields = readCertificateFields(leaf);
    return {
      chain: kept,
      spkiPin: spkiPinOf(fields.spki),
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      dnsNames: fields.dnsNames,
      fingerprintSha256: sha256Hex(leaf),
      subjectName: subjectNameOf(fields),
    };
  } catch {
    // Bytes of a stranger: whatever went wrong, the connection lives on, without an identity.
    return null;
  }
}

function withinBounds(chain: readonly Uint8Array[]): readonly Uint8Array[] {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for (const certificate of chain.slice(0, PEER_CHAIN.certificates)) {
    bytes += certificate.length;
    if (bytes > PEER_CHAIN.bytes) break;
    kept.push(certificate);
  }
  return kept;
}

/** The name for people: the first dNSName, else the subject, printable ASCII. Not an identity. */
const subjectNameOf = (fields: CertificateFields): string =>
  fields.dnsNames[0] ?? distinguishedName(fields.subject, { characters: "ascii" });
