/** What is known of a connection, its transaction and a recipient when the recipient is judged. */
import type { PeerCertificate } from "../x509/peer-certificate.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { ChainVerdict } from "./chain-verifier.ts";

/** What decides which domains a connection can reach. */
export interface ListenerView {
  readonly name: string;
  /** Serves this domain alone; null = shared. */
  readonly dedicatedTo: DomainName | null;
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

/**
 * All that is known of a connection and its transaction at RCPT. Facts only grow, and are reset after
 * STARTTLS (RFC 3207 section 4.2).
 */
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

/** All that is known when one recipient is judged. */
export interface RecipientFacts {
  readonly session: SessionFacts;
  /** The recipient's local part as the client wrote it. */
  readonly localPart: string;
  readonly nowMs: number;
  /** Age of the settings: for how long the store could not be read; 0 while it can. */
  readonly staleForMs: number;
  /** The verifier's answer for this chain and trust; null = not asked. */
  readonly chain: ChainVerdict | null;
}
