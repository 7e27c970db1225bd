/** The port that judges a client's chain under a domain's trust, and its questions and answers. */

/** What may vouch for clients of one domain, resolved from its trust stores. */
export interface ResolvedTrust {
  /**
   * SHA-256 over anchors and CRLs, lower-case hex: two trusts with one hash judge alike. Pins are not part of
   * it.
   */
  readonly hash: string;
  /** PEM of every anchor; empty = no client is trusted. Public roots are spelled out here. */
  readonly anchorsPem: readonly string[];
  /** PEM of every CRL, one in each: Node's `crl` reads only the first of a text. */
  readonly crlsPem: readonly string[];
  /**
   * PEM of the anchors that carry no CRLs where others do: the trust stores that hold them have none, so
   * their clients are not checked for revocation. Empty when `crlsPem` is.
   */
  readonly exemptPem: readonly string[];
  /** A trust store's content could not be loaded: nothing can be judged, and nothing is accepted. */
  readonly unusable: boolean;
}

/** What is known of a client's chain under one trust. */
export type ChainVerdict =
  | {
      readonly kind: "judged";
      /** Row 6: path, dates, signatures, constraints and revocation, whatever the purpose. */
      readonly valid: boolean;
      /** Row 7: which purposes the whole path lets pass. Meaningless when not valid. */
      readonly clientAuth: boolean;
      /**
       * Looked at only when `clientAuth` is false: a certificate for clients is accepted under either
       * setting.
       */
      readonly serverAuth: boolean;
      /** OpenSSL's names of what failed, for the log: `unable to get local issuer certificate`. */
      readonly detail: string | null;
    }
  | {
      readonly kind: "not-judged";
      readonly why: string;
      /** This client has had as many verifications as it may have now; the edge counts it. */
      readonly tooMany?: true;
      /** Every try ends so: it depends on the chain and the trust alone. */
      readonly isFinal?: true;
    };

export interface ChainQuestion {
  /** DER, the leaf first, as the client sent them. */
  readonly chain: readonly Uint8Array[];
  readonly trust: ResolvedTrust;
  /** Canonical client address, an IPv6 client as its /64: verifications are limited for each. */
  readonly client: string;
  /** Moment at which dates are judged, in epoch milliseconds; absent = now. */
  readonly atMs?: number;
}

/**
 * Judges a client's chain under a trust that the handshake did not use. Never accepts when it could not run.
 * Every implementation passes test/contract/client-chain-verifier.contract.ts.
 */
export interface ClientChainVerifier {
  /** Never rejects: what went wrong is `not-judged`. */
  verify(question: ChainQuestion): Promise<ChainVerdict>;
  /** False when no question can be answered (no `openssl` command); shown at start and in /ready. */
  readonly available: boolean;
}
