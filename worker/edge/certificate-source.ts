import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { CertificateRecord, MaterialReference } from "../../core/certificate/certificate.ts";
import type { CertificateId } from "../../core/certificate/ids.ts";
import {
  type CertificateMaterial,
  type KeyMaterial,
  type KeyVault,
  materialName,
} from "../../core/certificate/key-vault.ts";
import { decodeMaterial } from "../../core/certificate/serving-material.ts";
import { type Clock, timestamp } from "../../core/clock.ts";
import type { ServedCertificate } from "../../core/edge-report/edge-reports.ts";
import { NotFound, Unavailable, Unreadable } from "../../core/errors.ts";
import type { EdgeEventSink } from "../session/events.ts";
import { LruMap } from "./lru.ts";

/** Key pairs that were seen to load, with what the status shows of them. Secret. */
export interface LoadedMaterial {
  readonly certificateId: CertificateId | null;
  readonly version: number | null;
  /** Names the content: contexts are cached by it. */
  readonly key: string;
  readonly keys: readonly KeyMaterial[];
  readonly fingerprintsSha256: readonly string[];
  /** Epoch milliseconds; the earliest of the leaves. */
  readonly notAfterMs: number;
}

/**
 * Loads server certificates from the vault, each version once. Material that does not load leaves the version before it
 * in service.
 */
export interface CertificateSource {
  /** The material to serve; null = none of this certificate ever loaded. Answers at once for what is held. */
  get(record: CertificateRecord): LoadedMaterial | null | Promise<LoadedMaterial | null>;
  /** What is held of these certificates, for the status. */
  served(records: Iterable<CertificateRecord>): readonly ServedCertificate[];
}

export interface CertificateSourceOptions {
  readonly vault: Pick<KeyVault, "get">;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
  /** How many certificates are held; each is 2 to 6 KB of PEM. */
  readonly capacity?: number;
}

const CAPACITY = 5_000;
/** Material that did not load is tried again after this time: the vault may be back, and handshakes must not storm it. */
const RETRY_AFTER_MS = 5_000;

interface Failure {
  readonly version: number;
  readonly atMs: number;
  readonly problem: string;
}

export function createCertificateSource(options: CertificateSourceOptions): CertificateSource {
  const { vault, clock, onEvent, capacity = CAPACITY } = options;
  const loaded = new LruMap<CertificateId, LoadedMaterial>(capacity);
  const failures = new LruMap<CertificateId, Failure>(capacity);
  const loading = new Map<string, Promise<LoadedMaterial | null>>();

  async function load(record: IssuedCertificate): Promise<LoadedMaterial | null> {
    const { id, material } = record;
    try {
      const bytes = await vault.get(materialName(id, material.version), material.sha256);
      const fresh = checkMaterial(decodeMaterial(bytes), { certificateId: id, version: material.version });
      // A slow load of an older version must not replace a newer one.
      if ((loaded.peek(id)?.version ?? 0) <= material.version) loaded.set(id, fresh);
      return fresh;
    } catch (error) {
      const problem = problemOf(error);
      failures.set(id, { version: material.version, atMs: clock.now(), problem });
      onEvent({ kind: "certificate-problem", certificateId: id, problem });
      return loaded.peek(id) ?? null;
    }
  }

  function loadOnce(record: IssuedCertificate): Promise<LoadedMaterial | null> {
    const key = `${record.id}/${record.material.sha256}`;
    const running = loading.get(key);
    if (running !== undefined) return running;
    const started = load(record).finally(() => loading.delete(key));
    loading.set(key, started);
    return started;
  }

  const failedOf = (record: CertificateRecord): Failure | null => {
    const failure = failures.peek(record.id);
    return failure !== undefined && failure.version === record.material?.version ? failure : null;
  };

  return {
    get(record) {
      const held = loaded.get(record.id) ?? null;
      if (!isIssued(record)) return held;
      // A session with an older snapshot serves the newer version too: it is the same certificate.
      if (held !== null && (held.version ?? 0) >= record.material.version) return held;
      const failure = failedOf(record);
      if (failure !== null && Math.abs(clock.now() - failure.atMs) < RETRY_AFTER_MS) return held;
      return loadOnce(record);
    },
    served(records) {
      const served: ServedCertificate[] = [];
      for (const record of records) {
        const held = loaded.peek(record.id);
        if (held !== undefined) served.push(describe(held, failedOf(record)?.problem ?? null));
      }
      return served;
    },
  };
}

type IssuedCertificate = CertificateRecord & { readonly material: MaterialReference };
const isIssued = (record: CertificateRecord): record is IssuedCertificate => record.material !== null;

/** What the status shows of material; never the material. */
export function describe(material: LoadedMaterial, problem: string | null): ServedCertificate {
  const { certificateId, version, fingerprintsSha256, notAfterMs } = material;
  return { certificateId, version, fingerprintsSha256, notAfter: timestamp(notAfterMs), problem };
}

/**
 * Checks that key pairs load as OpenSSL will load them.
 *
 * @throws when a key does not match its certificate, or either cannot be read. The error is not for logs: see `problemOf`.
 */
export function checkMaterial(
  { keys }: CertificateMaterial,
  { certificateId, version }: Pick<LoadedMaterial, "certificateId" | "version">,
): LoadedMaterial {
  // ECDSA first: OpenSSL prefers it anyway, and the order is then the same everywhere.
  const ordered = keys.toSorted((a, b) => a.keyType.localeCompare(b.keyType));
  createSecureContext(pairs(ordered));
  const leaves = ordered.map((key) => new X509Certificate(key.certificateChainPem));
  const fingerprintsSha256 = leaves.map((leaf) => createHash("sha256").update(leaf.raw).digest("hex"));
  return {
    certificateId,
    version,
    key: createHash("sha256")
      .update(ordered.map((key) => key.certificateChainPem).join("\n"))
      .digest("hex"),
    keys: ordered,
    fingerprintsSha256,
    notAfterMs: Math.min(...leaves.map((leaf) => leaf.validToDate.getTime())),
  };
}

/** `key` and `cert` of TLS options: every pair side by side. */
export function pairs(keys: readonly KeyMaterial[]): { key: string[]; cert: string[] } {
  return {
    key: keys.map((key) => key.privateKeyPem),
    cert: keys.map((key) => key.certificateChainPem),
  };
}

/** OpenSSL's and Node's messages may quote what they were given: only names and codes leave here. */
function problemOf(error: unknown): string {
  if (error instanceof NotFound) return "the key material is gone";
  if (error instanceof Unavailable) return "the key vault does not answer";
  if (error instanceof Unreadable) return "the key material cannot be read";
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return `the key material does not load${/^[A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : ""}`;
}
