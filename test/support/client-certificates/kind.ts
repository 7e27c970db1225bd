import { createHash } from "node:crypto";
import type { ResolvedTrust } from "../../../core/policy/chain-verifier.ts";
import { pem } from "../der.ts";
import { issueClient, makeCa, type IssuedCertificate, type IssueOptions, type TestCa } from "../pki.ts";

/** What a client may present, under which trust, and what is right to say of it. */
export interface ClientCertificateKind {
  /** Unique; a noun phrase. */
  readonly name: string;
  /** DER, leaf first, as the client sends them. */
  readonly chain: readonly Uint8Array[];
  /** The chain in PEM, and the leaf's key: `cert` and `key` of a TLS client. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
  readonly trust: ResolvedTrust;
  /** The trust as the domain's trust stores hold it. */
  readonly stores: readonly TrustStorePem[];
  /** Row 6. */
  readonly valid: boolean;
  /** Row 7, `none` when no purpose passes; null when not valid. */
  readonly purpose: "clientAuth" | "serverAuth" | "none" | null;
  /** Row 8: what a name list is compared with. */
  readonly dnsNames: readonly string[];
  /**
   * Whether a TLS handshake under this trust says OK: it asks for clientAuth. null = it hangs on OpenSSL's
   * order.
   */
  readonly handshakeOk: boolean | null;
}

/** One trust store in PEM, each certificate and each CRL apart. */
export interface TrustStorePem {
  readonly anchorsPem: readonly string[];
  readonly crlsPem: readonly string[];
}

export interface Present {
  /** The leaf, its key, and the chain that is sent unless `chain` says otherwise. */
  readonly leaf: IssuedCertificate;
  readonly chain?: readonly Uint8Array[];
  /** Default: the shared root. */
  readonly anchors?: readonly Pick<TestCa, "certificatePem">[];
  readonly crls?: readonly string[];
  /** Replaces `anchors` and `crls`: several trust stores of one domain. */
  readonly stores?: readonly TrustStorePem[];
  /** Default: NAME. */
  readonly dnsNames?: readonly string[];
  /**
   * Where Node's TLS says something else than `openssl verify` for clientAuth; the reason stands beside it.
   */
  readonly handshakeOk?: boolean | null;
}

export const NAME = "client.example";

/** PEM of anchors and CRLs as a domain's trust; the hash says all of it. */
export function trustOf(anchorsPem: readonly string[], crlsPem: readonly string[] = []): ResolvedTrust {
  const hash = createHash("sha256")
    .update(JSON.stringify([anchorsPem, crlsPem]))
    .digest("hex");
  return { hash, anchorsPem, crlsPem, exemptPem: [], unusable: false };
}

/** The trust of several stores together. */
export function trustOfStores(stores: readonly TrustStorePem[]): ResolvedTrust {
  const listed = stores.some(({ crlsPem }) => crlsPem.length > 0);
  const unlisted = stores.filter(({ crlsPem }) => crlsPem.length === 0);
  return {
    ...trustOf(
      stores.flatMap(({ anchorsPem }) => anchorsPem),
      stores.flatMap(({ crlsPem }) => crlsPem),
    ),
    exemptPem: listed ? unlisted.flatMap(({ anchorsPem }) => anchorsPem) : [],
  };
}

function kind(
  name: string,
  verdict: Pick<ClientCertificateKind, "valid" | "purpose">,
  present: Present,
): ClientCertificateKind {
  const { leaf, chain = leaf.chain, anchors = [root], crls = [], dnsNames = [NAME] } = present;
  const single = { anchorsPem: anchors.map(({ certificatePem }) => certificatePem), crlsPem: crls };
  const stores = present.stores ?? [single];
  return {
    name,
    chain,
    chainPem: chain.map((der) => pem("CERTIFICATE", der)).join(""),
    privateKeyPem: leaf.privateKeyPem,
    trust: trustOfStores(stores),
    stores,
    dnsNames,
    handshakeOk: present.handshakeOk === undefined ? verdict.purpose === "clientAuth" : present.handshakeOk,
    ...verdict,
  };
}

/** Valid, for a client. */
export const good = (name: string, present: Present): ClientCertificateKind =>
  kind(name, { valid: true, purpose: "clientAuth" }, present);
/** Valid, and only `purpose` passes. */
export const valid = (
  name: string,
  purpose: "serverAuth" | "none",
  present: Present,
): ClientCertificateKind => kind(name, { valid: true, purpose }, present);
/** Not valid, whatever its purpose. */
export const bad = (name: string, present: Present): ClientCertificateKind =>
  kind(name, { valid: false, purpose: null }, present);

/** The CAs that most kinds share. */
export const root = makeCa({ name: "Root" });
export const intermediate = makeCa({ name: "Intermediate", parent: root });
export const stranger = makeCa({ name: "Stranger" });

/** A client's leaf, under the intermediate unless told otherwise. */
export const client = (options: Partial<IssueOptions> = {}): IssuedCertificate =>
  issueClient({ names: [NAME], ca: intermediate, ...options });
