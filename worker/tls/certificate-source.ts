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
 * before it in service; where none is held, after a start, the latest retired version that loads is served.
 * Versions are told apart by the hash of their material: a rollback is a change as any
 * other. The version to serve is the one that the settings in force name, whatever revision they or their
 * records have: a restored store begins at a lower one.
 */
export interface CertificateSource {
  /**
   * The material to serve; null = none of this certificate ever loaded. Waits for the vault only where
   * nothing of the certificate is held: another version is loaded behind the handshakes, which are served the
   * one before until then.
   */
  get(record: CertificateRecord): LoadedMaterial | null | Promise<LoadedMaterial | null>;
  /** Resolves when the record's version is in service or does not load. Never rejects. */
  load(record: CertificateRecord): Promise<void>;
  /** `prepare` is waited for before material takes the place of another version. It must not reject. */
  beforeReplacement(prepare: (fresh: LoadedMaterial) => Promise<void>): void;
  /** What is held of these certificates, for the status. */
  served(records: Iterable<CertificateRecord>): readonly ServedCertificate[];
  /** Present versions of certificates of the settings that did not load when they were last tried. */
  problems(settings: Pick<Snapshot, "certificate">): readonly CertificateProblem[];
}

export interface CertificateSourceOptions {
  readonly vault: Pick<KeyVault, "get">;
  /** The certificate as the settings in force have it: sessions bring the records of older ones, too. */
  readonly inForce: Snapshot["certificate"];
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
  readonly sha256: string;
  readonly atMs: number;
  /** Reasons of all attempts at this version. */
  readonly reasons: ReadonlySet<CertificateProblemReason>;
}

interface Held {
  readonly material: LoadedMaterial;
  readonly sha256: string;
}

export const createCertificateSource = (options: CertificateSourceOptions): CertificateSource =>
  new VersionsOfVault(options);

class VersionsOfVault implements CertificateSource {
  readonly #options: CertificateSourceOptions;
  readonly #loaded: BoundedMap<CertificateId, Held>;
  readonly #failures: BoundedMap<CertificateId, Failure>;
  readonly #loading = new Map<string, Promise<LoadedMaterial | null>>();
  #prepare = async (_fresh: LoadedMaterial): Promise<void> => undefined;

  constructor(options: CertificateSourceOptions) {
    this.#options = options;
    const { capacity = CAPACITY } = options;
    this.#loaded = new BoundedMap(capacity);
    this.#failures = new BoundedMap(capacity);
  }

  get(record: CertificateRecord): LoadedMaterial | null | Promise<LoadedMaterial | null> {
    const held = this.#loaded.get(record.id)?.material ?? null;
    const wanted = this.#toLoad(record);
    if (wanted === null) return held;
    const started = this.#loadOnce(wanted);
    return held ?? started;
  }

  async load(record: CertificateRecord): Promise<void> {
    const wanted = this.#toLoad(record);
    if (wanted !== null) await this.#loadOnce(wanted);
  }

  beforeReplacement(prepare: (fresh: LoadedMaterial) => Promise<void>): void {
    this.#prepare = prepare;
  }

  served(records: Iterable<CertificateRecord>): readonly ServedCertificate[] {
    const served: ServedCertificate[] = [];
    for (const record of records) {
      const held = this.#loaded.peek(record.id);
      if (held !== undefined) served.push(describe(held.material, this.#failureOf(record)?.problem ?? null));
    }
    return served;
  }

  problems(settings: Pick<Snapshot, "certificate">): readonly CertificateProblem[] {
    return presentProblems(settings, this.#failures.values(), this.#loaded);
  }

  /** null = nothing is to be loaded for this certificate now. */
  #toLoad(record: CertificateRecord): IssuedCertificate | null {
    const held = this.#loaded.peek(record.id);
    const present = this.#options.inForce(record.id);
    // A session of older settings is served what is in force: it is the same certificate.
    const wanted = present !== undefined && isIssued(present) ? present : record;
    if (!isIssued(wanted) || held?.sha256 === wanted.material.sha256) return null;
    // What the settings in force do not name takes the place of nothing.
    if (held !== undefined && wanted !== present) return null;
    const failure = this.#failureOf(wanted);
    const isRecent = failure !== null && Math.abs(this.#options.clock.now() - failure.atMs) < RETRY_AFTER_MS;
    return isRecent ? null : wanted;
  }

  /** Whether the settings in force name another version by now. */
  #isOver({ id, material }: IssuedCertificate): boolean {
    const present = this.#options.inForce(id)?.material ?? null;
    return present !== null && present.sha256 !== material.sha256;
  }

  #loadOnce(record: IssuedCertificate): Promise<LoadedMaterial | null> {
    const key = `${record.id}/${record.material.sha256}`;
    const running = this.#loading.get(key);
    if (running !== undefined) return running;
    const started = this.#load(record).finally(() => this.#loading.delete(key));
    this.#loading.set(key, started);
    return started;
  }

  async #load(record: IssuedCertificate): Promise<LoadedMaterial | null> {
    const { id, material } = record;
    const { version, sha256 } = material;
    try {
      const fresh = await this.#checked(id, material);
      if (this.#loaded.peek(id) !== undefined) await this.#prepare(fresh);
      // A slow load for older settings must not replace what those in force name.
      const held = this.#loaded.peek(id);
      if (held !== undefined && this.#isOver(record)) return held.material;
      this.#loaded.set(id, { material: fresh, sha256 });
      if (this.#failureOf(record) !== null) {
        this.#failures.delete(id);
        this.#options.onEvent({ kind: "certificate-recovered", certificateId: id, version });
      }
      return fresh;
    } catch (error) {
      const problem = problemOf(error);
      if (problem.reason !== "vault-unavailable") await this.#loadRetired(record);
      this.#fail(record, problem);
      return this.#loaded.peek(id)?.material ?? null;
    }
  }

  /** @throws as the vault; when it does not load. */
  async #checked(
    certificateId: CertificateId,
    { version, sha256 }: MaterialReference,
  ): Promise<LoadedMaterial> {
    const { vault, ciphers } = this.#options;
    const bytes = await vault.get(materialName(certificateId, version), sha256);
    return checkMaterial(decodeMaterial(bytes), { certificateId, version, ciphers });
  }

  /** Where nothing of the certificate is held: senders that verify would reject the default certificate. */
  async #loadRetired({ id, retired = [] }: IssuedCertificate): Promise<void> {
    for (const version of retired) {
      if (this.#loaded.peek(id) !== undefined) return;
      try {
        const material = await this.#checked(id, version);
        if (this.#loaded.peek(id) === undefined) this.#loaded.set(id, { material, sha256: version.sha256 });
      } catch (error) {
        // The next attempt begins anew; the others would wait as long.
        if (error instanceof Unavailable) return;
      }
    }
  }

  #fail(record: IssuedCertificate, problem: LoadProblem): void {
    // The failure of the version in force must not be forgotten for it.
    if (this.#isOver(record)) return;
    const { clock, onEvent } = this.#options;
    const { id: certificateId, material } = record;
    const { version, sha256 } = material;
    const before = this.#failureOf(record)?.reasons ?? new Set();
    const repeated = before.has(problem.reason) ? { isRepeated: true as const } : {};
    const reasons = new Set([...before, problem.reason]);
    const failed = { certificateId, version, sha256, atMs: clock.now(), reasons, ...problem };
    this.#failures.set(certificateId, failed);
    const serves = this.#loaded.peek(certificateId)?.material.version ?? null;
    onEvent({ kind: "certificate-problem", certificateId, version, ...problem, serves, ...repeated });
  }

  #failureOf(record: CertificateRecord): Failure | null {
    const failure = this.#failures.peek(record.id);
    return failure !== undefined && failure.sha256 === record.material?.sha256 ? failure : null;
  }
}

/**
 * Failures of the versions that the settings name now: those of an earlier one, or of what was deleted, are
 * over.
 */
function presentProblems(
  settings: Pick<Snapshot, "certificate">,
  failures: Iterable<Failure>,
  loaded: BoundedMap<CertificateId, Held>,
): readonly CertificateProblem[] {
  const problems: CertificateProblem[] = [];
  for (const { certificateId, version, sha256, reason, problem } of failures) {
    if (settings.certificate(certificateId)?.material?.sha256 !== sha256) continue;
    const serves = loaded.peek(certificateId)?.material.version ?? null;
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
