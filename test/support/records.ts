import { type Network, parseNetwork } from "../../core/name/network.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import { type CertificateId, createIdSource, type TrustStoreId } from "../../core/name/ids.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import { type DomainName, parseDomainName } from "../../core/name/domain-name.ts";
import type { DomainRecord, TlsSettings } from "../../core/record/domain.ts";

/**
 * Builders of stored records: everything at its default (semantics.md section 1), and what a test is about on
 * top.
 */

/** A moment that every built record has, well before any test runs. */
export const BUILT_AT = "2026-11-24T12:00:00.000Z";

export const name = (text: string): DomainName => parseDomainName(text);

/** The nth certificate id of a test; always the same, and they sort by `n`. */
export const certificateId = (n: number): CertificateId => idSource(n).certificate();
export const trustStoreId = (n: number): TrustStoreId => idSource(n).trustStore();

const idSource = (n: number) =>
  createIdSource(
    () => Date.parse(BUILT_AT) + n,
    (count) => new Uint8Array(count).fill(n % 256),
  );

/** What a domain has that names nothing. */
export const DEFAULT_TLS: TlsSettings = {
  server: { level: "accept", certificateId: null, minVersion: "TLSv1.2" },
  clientCertificate: {
    mode: "none",
    trust: { publicRoots: false, trustStoreIds: [], pins: [] },
    names: { match: "helo", allowed: [] },
    purpose: "clientAuthOrServerAuth",
  },
  enforcement: "reject",
  exceptions: [],
};

export interface DomainParts extends Partial<Omit<DomainRecord, "name" | "mxHosts" | "tls">> {
  readonly name?: string;
  readonly mxHosts?: readonly string[];
  readonly server?: Partial<TlsSettings["server"]>;
  readonly clientCertificate?: Partial<TlsSettings["clientCertificate"]>;
  readonly trustStoreIds?: readonly TrustStoreId[];
  readonly enforcement?: TlsSettings["enforcement"];
  readonly exceptions?: TlsSettings["exceptions"];
}

/** `domainRecord({ name: "a.example", mxHosts: ["mx.a.example"], server: { level: "require" } })` */
export function domainRecord(parts: DomainParts = {}): DomainRecord {
  const {
    name: text,
    mxHosts,
    server,
    clientCertificate,
    trustStoreIds,
    enforcement,
    exceptions,
    ...rest
  } = parts;
  const trust = clientCertificate?.trust ?? DEFAULT_TLS.clientCertificate.trust;
  return {
    account: "default",
    revision: 1,
    createdAt: BUILT_AT,
    updatedAt: BUILT_AT,
    updatedBy: "test",
    delivery: null,
    acknowledgedWarnings: [],
    labels: {},
    ...rest,
    name: name(text ?? "example.com"),
    mxHosts: (mxHosts ?? []).map(name),
    tls: {
      server: { ...DEFAULT_TLS.server, ...server },
      clientCertificate: {
        ...DEFAULT_TLS.clientCertificate,
        ...clientCertificate,
        trust: { ...trust, trustStoreIds: trustStoreIds ?? trust.trustStoreIds },
      },
      enforcement: enforcement ?? DEFAULT_TLS.enforcement,
      exceptions: exceptions ?? DEFAULT_TLS.exceptions,
    },
  };
}

/** A record without material behind it: what a store sees. */
export function certificateRecord(parts: Partial<CertificateRecord> = {}): CertificateRecord {
  return {
    id: certificateId(1),
    account: "default",
    label: null,
    labels: {},
    source: "pem",
    names: ["mx.example.com"],
    keys: [
      {
        keyType: "ecdsa-p256",
        fingerprintSha256: "ab".repeat(32),
        spkiPin: `sha256//${Buffer.alloc(32, 7).toString("base64")}`,
        notBefore: "2026-01-01T00:00:00.000Z",
        notAfter: "2036-01-01T00:00:00.000Z",
      },
    ],
    material: { version: 1, sha256: "cd".repeat(32) },
    revision: 1,
    createdAt: BUILT_AT,
    updatedAt: BUILT_AT,
    updatedBy: "test",
    ...parts,
  };
}

export function trustStoreRecord(parts: Partial<TrustStoreRecord> = {}): TrustStoreRecord {
  return {
    id: trustStoreId(1),
    account: "default",
    label: null,
    labels: {},
    contentSha256: "ef".repeat(32),
    anchors: [
      {
        subject: "CN=Example Root",
        fingerprintSha256: "01".repeat(32),
        notBefore: "2026-01-01T00:00:00.000Z",
        notAfter: "2036-01-01T00:00:00.000Z",
      },
    ],
    crls: [],
    previous: [],
    revision: 1,
    createdAt: BUILT_AT,
    updatedAt: BUILT_AT,
    updatedBy: "test",
    ...parts,
  };
}

/** @throws TypeError for a text that is no network. */
export function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed === null) throw new TypeError(`${text} is no network`);
  return parsed;
}
