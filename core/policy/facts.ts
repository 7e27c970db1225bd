import type { DomainName } from "../name/domain-name.ts";

/** What decides which domains a connection can reach. */
export interface ListenerView {
  readonly name: string;
  /** Serves this domain alone; null = shared. */
  readonly dedicatedTo: DomainName | null;
}

/** OpenSSL's word on the client's chain in the handshake, good only for the trust it was given. */
export interface HandshakeVerdict {
  /** The `ResolvedTrust.hash` that the context was built from; null = the context trusted nobody. */
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
  /** For the `Postern-TLS` header and the log: first dNSName, else the subject; printable ASCII. Identifies nobody. */
  readonly subjectName: string;
  readonly handshake: HandshakeVerdict;
}

export interface TlsFacts {
  /** As OpenSSL names it: `TLSv1.2`, `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  /** The name the client asked for, when it is a name at all. */
  readonly sni: DomainName | null;
  /** Whether this handshake asked for a client certificate. */
  readonly asked: boolean;
  /** Present only when a certificate was sent in this handshake and the session was not resumed. */
  readonly peer: PeerCertificate | null;
}

/** All that is known of a connection at RCPT. Facts only grow, and are reset after STARTTLS (RFC 3207 section 4.2). */
export interface SessionFacts {
  readonly listener: ListenerView;
  /** Canonical text of the client address: from the PROXY header where there is one, IPv4-mapped as IPv4. */
  readonly clientAddress: string;
  /** Whether this connection could have had TLS: false when STARTTLS was not offered or was answered 454. */
  readonly tlsPossible: boolean;
  readonly tls: TlsFacts | null;
  /** The EHLO name of the present state of the connection; null when it is a literal or no host name. */
  readonly helo: DomainName | null;
  /** Domain of MAIL FROM; null for `<>`. */
  readonly senderDomain: DomainName | null;
}
