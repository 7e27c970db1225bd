import { constants, createHash, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import type { CertificateRecord } from "../../core/certificate/certificate.ts";
import type { CertificateMaterial } from "../../core/certificate/key-vault.ts";
import type { CertificateProblem, ServedCertificate } from "../../core/edge-report/edge-reports.ts";
import type { ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import type { Snapshot } from "../../core/settings/snapshot-view.ts";
import type { EdgeEventSink } from "../session/events.ts";
import {
  type CertificateSource,
  checkMaterial,
  describe,
  type LoadedMaterial,
  pairs,
} from "./certificate-source.ts";
import { type ClientCurves, groupList } from "./groups.ts";
import { LruMap } from "./lru.ts";
import type { TlsChoice } from "./tls-choice.ts";

/** What one context is made of. */
export interface ContextChoice extends TlsChoice {
  readonly clientCurves: ClientCurves;
}

/** A context ready for a handshake, and the trust that its verdict will be good for. */
export interface ServingContext {
  readonly context: SecureContext;
  /** null = it trusts nobody: OpenSSL's verdict says nothing. */
  readonly trustHash: string | null;
}

/** Certificates of the settings; a snapshot is one. Looked through only where there is no default certificate. */
export type Certificates = Pick<Snapshot, "certificates">;

export interface SecureContexts {
  /**
   * The context for a choice: the chosen certificate, else the default, else the first of `others` that loads; null = none.
   * Answers at once for what is held.
   */
  get(choice: ContextChoice, others: Certificates): ServingContext | null | Promise<ServingContext | null>;
  /** Whether any of these, or the default certificate, can serve: without one STARTTLS is not offered. */
  usable(others: Certificates): boolean | Promise<boolean>;
  /** Loads what is not held, up to what can be held. */
  prepare(records: Iterable<CertificateRecord>): Promise<void>;
  served(records: Iterable<CertificateRecord>): readonly ServedCertificate[];
  problems(settings: Pick<Snapshot, "certificate">): readonly CertificateProblem[];
  /** New handshakes get this one. @throws when it does not load; the one before serves on. */
  replaceDefault(material: CertificateMaterial): void;
  readonly size: number;
}

export interface SecureContextsOptions {
  readonly source: CertificateSource;
  readonly defaultCertificate: CertificateMaterial | null;
  /** OpenSSL's list for TLS 1.2; null = AEAD suites with forward secrecy. */
  readonly ciphers: string | null;
  readonly onEvent: EdgeEventSink;
  readonly capacity?: number;
}

/** 25-33 KB each: room for 5,000 hot names. */
const CAPACITY = 5_000;

/** Certificates loaded ahead of their first use. */
const PREPARED = 1_000;

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
 * Signatures in handshakes, ours and those of clients: what OpenSSL takes by itself at level 2 without SHA-1, SHA-224 and DSA
 * (RFC 9155, RFC 9325 section 4.1). `?` = only where this OpenSSL knows it.
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

/**
 * One context for each MX host, certificate version and trust, built at its first use and kept; never one for each
 * connection (1-2 ms). No context resumes a session.
 */
export function createSecureContexts(options: SecureContextsOptions): SecureContexts {
  const { source, defaultCertificate, onEvent, capacity = CAPACITY } = options;
  const ciphers = cipherList(options.ciphers);
  const cache = new LruMap<string, ServingContext>(capacity);
  let fallback =
    defaultCertificate === null
      ? null
      : checkMaterial(defaultCertificate, { certificateId: null, version: null, ciphers });

  function contextOf(choice: ContextChoice, material: LoadedMaterial): ServingContext {
    const key = cacheKey(choice, material);
    const held = cache.get(key);
    if (held !== undefined) {
      onEvent({ kind: "context", outcome: "hit", cached: cache.size });
      return held;
    }
    const built = build({ key, material, ciphers, ...choice });
    cache.set(key, built);
    onEvent({ kind: "context", outcome: "built", cached: cache.size });
    return built;
  }

  function build(parts: ContextParts): ServingContext {
    if (parts.trust !== null) {
      try {
        return { context: createContext(parts), trustHash: parts.trust.hash };
      } catch {
        // Anchors or CRLs that do not load: the certificate serves on, the chain is judged afterwards, by nobody's trust.
        onEvent({ kind: "context", outcome: "failed", cached: cache.size });
      }
    }
    return { context: createContext({ ...parts, trust: null }), trustHash: null };
  }

  function serve(
    choice: ContextChoice,
    material: LoadedMaterial | null,
    others: Certificates,
  ): ServingContext | null | Promise<ServingContext | null> {
    const serving = material ?? fallback;
    if (serving !== null) return contextOf(choice, serving);
    return firstThatLoads(source, others).then((other) => (other === null ? null : contextOf(choice, other)));
  }

  return {
    get size() {
      return cache.size;
    },
    get(choice, others) {
      if (choice.certificate === null) return serve(choice, null, others);
      const material = source.get(choice.certificate);
      if (material instanceof Promise) return material.then((loaded) => serve(choice, loaded, others));
      return serve(choice, material, others);
    },
    usable(others) {
      return fallback !== null || firstThatLoads(source, others).then((found) => found !== null);
    },
    prepare: (records) => loadAhead(source, records),
    replaceDefault(material) {
      fallback = checkMaterial(material, { certificateId: null, version: null, ciphers });
    },
    served(records) {
      const own = fallback === null ? [] : [describe(fallback, null)];
      return [...own, ...source.served(records)];
    },
    problems: (settings) => source.problems(settings),
  };
}

/** One at a time: a change of settings must not take the event loop or the vault by storm. */
async function loadAhead(source: CertificateSource, records: Iterable<CertificateRecord>): Promise<void> {
  let left = PREPARED;
  for (const record of records) {
    if (left <= 0) return;
    left -= 1;
    await source.get(record);
  }
}

/** An edge without a default certificate serves one of the settings rather than none. */
async function firstThatLoads(
  source: CertificateSource,
  others: Certificates,
): Promise<LoadedMaterial | null> {
  for (const record of others.certificates()) {
    const material = await source.get(record);
    if (material !== null) return material;
  }
  return null;
}

/** Names that share the default certificate and trust nobody share a context: nothing in it is theirs. */
function cacheKey(choice: ContextChoice, material: LoadedMaterial): string {
  const isDefault = material.certificateId === null && choice.trust === null;
  return `${isDefault ? "" : (choice.host ?? "")} ${material.key} ${choice.trust?.hash ?? ""} ${choice.clientCurves}`;
}

interface ContextParts {
  readonly key: string;
  readonly material: LoadedMaterial;
  readonly trust: ResolvedTrust | null;
  readonly clientCurves: ClientCurves;
  readonly ciphers: string;
}

/** @throws when any anchor or CRL does not load. */
function createContext({ key, material, trust, clientCurves, ciphers }: ContextParts): SecureContext {
  // Node passes over an anchor that it cannot read: the context would then trust less than its hash says.
  for (const anchor of trust?.anchorsPem ?? []) void new X509Certificate(anchor);
  // One CRL for each entry; Node throws at one that it cannot read. Passed over, it would end revocation.
  const crl = [...(trust?.crlsPem ?? [])];
  return createSecureContext({
    ...pairs(material.keys),
    // Never left out: undefined means the public roots. [] is nobody.
    ca: [...(trust?.anchorsPem ?? [])],
    ...(crl.length === 0 ? {} : { crl }),
    allowPartialTrustChain: true,
    minVersion: "TLSv1.2",
    ciphers,
    ecdhCurve: groupList(clientCurves),
    sigalgs: SIGNATURES,
    // A resumed session has no client certificate and says `authorized` (nodejs/node#35317). Without a context id,
    // asking for a certificate cuts clients that come back with a session of old.
    secureOptions:
      constants.SSL_OP_NO_TICKET |
      constants.SSL_OP_NO_RENEGOTIATION |
      // Our order of groups, so that a curve for certificates is not used for key exchange.
      (clientCurves === "any" ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE : 0),
    sessionIdContext: createHash("sha256").update(key).digest("hex").slice(0, 32),
  });
}
