/** The TLS context of an edge: suites, signatures, groups, anchors and CRLs, as OpenSSL takes them. */
import type { KeyMaterial } from "../../core/x509/serving-material.ts";
import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import type { EdgeContextContents, LoadAtEdge } from "../../core/management/load-at-edge.ts";
import { type ClientCurves, groupList } from "./groups.ts";

/** All there are in TLS 1.3. Without one of them in `ciphers`, Node turns TLS 1.3 off. */
const TLS13_SUITES = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
/** RFC 9325 section 4.2: AEAD and forward secrecy. Some old senders have none of them: TLS_CIPHERS widens. */
const TLS12_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * Signatures in handshakes, by the edge and by clients: the default of OpenSSL at level 2 without SHA-1,
 * SHA-224 and DSA (RFC 9155, RFC 9325 section 4.1). `?` = only where this OpenSSL knows it.
 */
const SIGNATURES = [
  "?mldsa65:?mldsa87:?mldsa44",
  "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:ed448",
  "?ecdsa_brainpoolP256r1tls13_sha256:?ecdsa_brainpoolP384r1tls13_sha384:?ecdsa_brainpoolP512r1tls13_sha512",
  "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512",
  "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512",
  "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512",
].join(":");

/** Node's `ciphers` from TLS_CIPHERS. Level 2 also sets what a client's certificate may be signed with. */
export function cipherList(ciphers: string | null): string {
  const tls12 = ciphers ?? TLS12_SUITES;
  const suites = /(?:^|:)TLS_/.test(tls12) ? tls12 : `${TLS13_SUITES}:${tls12}`;
  return suites.includes("@SECLEVEL=") ? suites : `${suites}:@SECLEVEL=2`;
}

export interface EdgeContextParts extends EdgeContextContents {
  readonly clientCurves: ClientCurves;
  /** As `cipherList` gives it. */
  readonly ciphers: string;
  readonly sessionIdContext: string;
}

/** The TLS context of a handshake at an edge. @throws when a key pair, an anchor or a CRL does not load. */
export function createEdgeContext(parts: EdgeContextParts): SecureContext {
  const { keys, anchorsPem, clientCurves, ciphers, sessionIdContext } = parts;
  // Node passes over an anchor that it cannot read: the context would then trust less than its hash names.
  for (const anchor of anchorsPem) void new X509Certificate(anchor);
  // One CRL for each entry; Node throws at one that it cannot read. Passed over, it would end revocation.
  const crl = [...parts.crlsPem];
  return createSecureContext({
    ...pairs(keys),
    // Never left out: undefined means the public roots, [] none.
    ca: [...anchorsPem],
    ...(crl.length === 0 ? {} : { crl }),
    allowPartialTrustChain: true,
    minVersion: "TLSv1.2",
    ciphers,
    ecdhCurve: groupList(clientCurves),
    sigalgs: SIGNATURES,
    // A resumed session has no client certificate and says `authorized` (nodejs/node#35317). Without a
    // context id, asking for a certificate cuts clients that come back with a session of old.
    secureOptions:
      constants.SSL_OP_NO_TICKET |
      constants.SSL_OP_NO_RENEGOTIATION |
      // Our order of groups, so that a curve for certificates is not used for key exchange.
      (clientCurves === "any" ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE : 0),
    sessionIdContext,
  });
}

/** `key` and `cert` of TLS options: every pair side by side. */
export function pairs(keys: readonly KeyMaterial[]): { key: string[]; cert: string[] } {
  return {
    key: keys.map((key) => key.privateKeyPem),
    cert: keys.map((key) => key.certificateChainPem),
  };
}

/** OpenSSL's code for people and logs. Its messages may quote what it was given: they are left out. */
export function failureCode(error: unknown): string {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return /^[A-Z0-9_]{1,60}$/.test(code) ? code : "";
}

/** @param ciphers TLS_CIPHERS of the edges; null = not set. */
export function loadAtEdgeWith(ciphers: string | null): LoadAtEdge {
  return (contents) => {
    try {
      const rest = {
        clientCurves: "key-exchange",
        ciphers: cipherList(ciphers),
        sessionIdContext: "",
      } as const;
      createEdgeContext({ ...contents, ...rest });
      return null;
    } catch (error) {
      return failureCode(error);
    }
  };
}
