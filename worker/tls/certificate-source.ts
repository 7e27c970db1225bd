/** Server certificates and keys from the vault, checked and held in memory. */
import { BoundedMap } from "../../core/bounded-map.ts";
import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { CertificateRecord, MaterialReference } from "../../core/record/certificate.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import { type KeyVault, materialName } from "../../core/store/key-vault.ts";
import {
  decodeMaterial,
  type CertificateMaterial,
  type KeyMaterial,
} from "../../core/x509/serving-material.ts";
import { type Clock, timestamp } from "../../core/clock.ts";
import type {
  CertificateProblem,
  CertificateProblemReason,
  ServedCertificate,
} from "../../core/edge-report/edge-reports.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import { NotFound, Unavailable, Unreadable } from "../../core/errors.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import { failureCode, pairs } from "./tls-parameters.ts";

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
 * Loads server certificates from the vault, each version once. Material that does not load leaves the version
 * before it in service.
 */
export interface CertificateSource {
  /** The material to serve; null = none of this certificate ever loaded. Answers at once for what is held. */
  get(record: CertificateRecord): LoadedMaterial | null | Promise<LoadedMaterial | null>;
  /** What is held of these certificates, for the status. */
  served(records: Iterable<CertificateRecord>): readonly ServedCertificate[];
  /** Present versions of certificates of the settings that did not load when they were last tried. */
  problems(settings: Pick<Snapshot, "certificate">): readonly CertificateProblem[];
}

export interface CertificateSourceOptions {
  readonly vault: Pick<KeyVault, "get">;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
  /**
   * Node's `ciphers`, with the security level that the contexts will have: what loads here must load there.
   */
  readonly ciphers: string;
  /** How many certificates are held; each is 2 to 6 KB of PEM. */
  readonly capacity?: number;
}

const CAPACITY = 5_000;
/**
 * Material that did not load is tried again after this time: the vault may be back, and handshakes must not
 * storm it.
 */
const RETRY_AFTER_MS = 5_000;

interface LoadProblem {
  readonly reason: CertificateProblemReason;
  readonly problem: string;
}

interface Failure extends LoadProblem {
  readonly certificateId: CertificateId;
  readonly version: number;
  readonly atMs: number;
}

export function createCertificateSource(options: CertificateSourceOptions): CertificateSource {
  const { vault, clock, onEvent, ciphers, capacity = CAPACITY } = options;
  const loaded = new BoundedMap<CertificateId, LoadedMaterial>(capacity);
  const failures = new BoundedMap<CertificateId, Failure>(capacity);
  const loading = new Map<string, Promise<LoadedMaterial | null>>();

  async function load(record: IssuedCertificate): Promise<LoadedMaterial | null> {
    const { id, material } = record;
    try {
      const bytes = await vault.get(materialName(id, material.version), material.sha256);
      const named = { certificateId: id, version: material.version, ciphers };
      const fresh = checkMaterial(decodeMaterial(bytes), named);
      // A slow load of an older version must not replace a newer one.
      if ((loaded.peek(id)?.version ?? 0) <= material.version) loaded.set(id, fresh);
      if (failures.peek(id)?.version === material.version) {
        failures.delete(id);
        onEvent({ kind: "certificate-recovered", certificateId: id, version: material.version });
      }
      return fresh;
    } catch (error) {
      const problem = problemOf(error);
      failures.set(id, { certificateId: id, version: material.version, atMs: clock.now(), ...problem });
      const serves = loaded.peek(id)?.version ?? null;
      onEvent({
        kind: "certificate-problem",
        certificateId: id,
        version: material.version,
        ...problem,
        serves,
      });
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
    problems: (settings) => presentProblems(settings, failures.values(), loaded),
  };
}

/**
 * Failures of the versions that the settings name now: those of an earlier one, or of what was deleted, are
 * over.
 */
function presentProblems(
  settings: Pick<Snapshot, "certificate">,
  failures: Iterable<Failure>,
  loaded: BoundedMap<CertificateId, LoadedMaterial>,
): readonly CertificateProblem[] {
  const problems: CertificateProblem[] = [];
  for (const { certificateId, version, reason, problem } of failures) {
    if (settings.certificate(certificateId)?.material?.version !== version) continue;
    const serves = loaded.peek(certificateId)?.version ?? null;
    problems.push({ certificateId, version, reason, problem, serves });
  }
  return problems;
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
 * @throws when a key does not match its certificate, or either cannot be read. The error is not for logs: see
 *   `problemOf`.
 */
export function checkMaterial(
  { keys }: CertificateMaterial,
  {
    certificateId,
    version,
    ciphers,
  }: Pick<LoadedMaterial, "certificateId" | "version"> & { ciphers: string },
): LoadedMaterial {
  // ECDSA first: OpenSSL prefers it anyway, and the order is then the same everywhere.
  const ordered = keys.toSorted((a, b) => a.keyType.localeCompare(b.keyType));
  createSecureContext({ ...pairs(ordered), ciphers });
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

/** OpenSSL's and Node's messages may quote what they were given: only names and codes leave here. */
function problemOf(error: unknown): LoadProblem {
  if (error instanceof NotFound)
    return { reason: "key-missing", problem: "the key vault does not hold the key material" };
  if (error instanceof Unavailable)
    return { reason: "vault-unavailable", problem: "the key vault does not answer" };
  if (error instanceof Unreadable)
    return { reason: "key-unreadable", problem: "the key material cannot be read" };
  const code = failureCode(error);
  const shown = code === "" ? "" : ` (${code})`;
  if (/KEY_VALUES_MISMATCH|KEY_TYPE_MISMATCH/.test(code))
    return { reason: "key-mismatch", problem: `the private key is not that of the certificate${shown}` };
  return { reason: "context", problem: `OpenSSL does not load the certificate and its key${shown}` };
}
