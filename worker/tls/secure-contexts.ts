import type { CertificateMaterial } from "../../core/x509/serving-material.ts";
import { BoundedMap } from "../../core/bounded-map.ts";
import { createHash } from "node:crypto";
import type { SecureContext } from "node:tls";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { CertificateProblem, ServedCertificate } from "../../core/edge-report/edge-reports.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";
import {
  type CertificateSource,
  checkMaterial,
  describe,
  type LoadedMaterial,
} from "./certificate-source.ts";
import { cipherList, createEdgeContext } from "./tls-parameters.ts";
import type { ClientCurves } from "./groups.ts";
import type { TlsChoice } from "../../core/policy/tls-choice.ts";

/** What one context is made of. */
export interface ContextChoice extends TlsChoice {
  readonly clientCurves: ClientCurves;
}

/** A context ready for a handshake, and the trust that its verdict will be good for. */
export interface ServingContext {
  readonly context: SecureContext;
  /** null = it trusts no anchor: OpenSSL's verdict has no meaning. */
  readonly trustHash: string | null;
}

/**
 * Certificates of the settings; a snapshot is one. Looked through only where there is no default certificate.
 */
export type Certificates = Pick<Snapshot, "certificates">;

export interface SecureContexts {
  /**
   * The context for a choice: the chosen certificate, else the default, else the first of `others` that
   * loads; null = none. Answers at once for what is held.
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
  /** End of the default certificate; null = there is none. */
  defaultNotAfterMs(): number | null;
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

/** Contexts of a new version that are built before it is in service: 0.1 s, in pieces of 1-2 ms. */
const BUILT_AHEAD = 64;

/** Certificates loaded ahead of their first use. */
const PREPARED = 1_000;

/**
 * One context for each MX host, certificate version and trust, built at its first use and kept; never one for
 * each connection (1-2 ms). No context resumes a session.
 */
export function createSecureContexts(options: SecureContextsOptions): SecureContexts {
  const { source, defaultCertificate, onEvent, capacity = CAPACITY } = options;
  const ciphers = cipherList(options.ciphers);
  const cache = new ContextCache({ capacity, ciphers, onEvent });
  let fallback =
    defaultCertificate === null
      ? null
      : checkMaterial(defaultCertificate, { certificateId: null, version: null, ciphers });

  source.beforeReplacement((fresh) => cache.buildAhead(fresh));

  function serve(
    choice: ContextChoice,
    material: LoadedMaterial | null,
    others: Certificates,
  ): ServingContext | null | Promise<ServingContext | null> {
    const serving = material ?? fallback;
    if (serving !== null) return cache.of(choice, serving);
    return firstThatLoads(source, others).then((other) => (other === null ? null : cache.of(choice, other)));
  }

  return {
    get size() {
      return cache.size;
    },
    defaultNotAfterMs: () => fallback?.notAfterMs ?? null,
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

/** Contexts by what they are made of. */
class ContextCache {
  readonly #cached: BoundedMap<string, CachedContext>;
  readonly #ciphers: string;
  readonly #onEvent: EdgeEventSink;

  constructor(options: Pick<SecureContextsOptions, "onEvent"> & { capacity: number; ciphers: string }) {
    this.#cached = new BoundedMap(options.capacity);
    this.#ciphers = options.ciphers;
    this.#onEvent = options.onEvent;
  }

  get size(): number {
    return this.#cached.size;
  }

  of(choice: ContextParts["choice"], material: LoadedMaterial): ServingContext {
    const key = cacheKey(choice, material);
    const held = this.#cached.get(key);
    if (held !== undefined) {
      this.#note("hit");
      return held.serving;
    }
    const { host, trust, clientCurves } = choice;
    const serving = this.#build({ key, material, ciphers: this.#ciphers, choice });
    this.#cached.set(key, { serving, material, choice: { host, trust, clientCurves } });
    this.#note("built");
    return serving;
  }

  /**
   * Builds what handshakes of the certificate use now, the latest used first, before the material is in
   * service. What is used less is built at its first use.
   */
  async buildAhead(fresh: LoadedMaterial): Promise<void> {
    const { certificateId } = fresh;
    const used = [...this.#cached.values()].filter(
      ({ material }) => material.certificateId === certificateId,
    );
    const choices = new Map(used.toReversed().map(({ choice }) => [cacheKey(choice, fresh), choice]));
    for (const [key, choice] of [...choices].slice(0, BUILT_AHEAD)) {
      if (this.#cached.peek(key) === undefined) this.of(choice, fresh);
      // Sessions come between two of them.
      await new Promise((resume) => void setImmediate(resume));
    }
  }

  #build(parts: ContextParts): ServingContext {
    const { trust } = parts.choice;
    if (trust !== null) {
      try {
        return { context: createContext(parts), trustHash: trust.hash };
      } catch {
        // Anchors or CRLs that do not load: the certificate serves on, the chain is judged after the
        // handshake.
        this.#note("failed");
      }
    }
    const choice = { ...parts.choice, trust: null };
    return { context: createContext({ ...parts, choice }), trustHash: null };
  }

  #note(outcome: "hit" | "built" | "failed"): void {
    this.#onEvent({ kind: "context", outcome, cached: this.size });
  }
}

/** One at a time: a change of settings must not take the event loop or the vault by storm. */
async function loadAhead(source: CertificateSource, records: Iterable<CertificateRecord>): Promise<void> {
  let left = PREPARED;
  for (const record of records) {
    if (left <= 0) return;
    left -= 1;
    await source.load(record);
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

/** Names that share the default certificate and have no trust share a context: nothing in it differs. */
function cacheKey(choice: ContextParts["choice"], material: LoadedMaterial): string {
  const isDefault = material.certificateId === null && choice.trust === null;
  return `${isDefault ? "" : (choice.host ?? "")} ${material.key} ${choice.trust?.hash ?? ""} ${choice.clientCurves}`;
}

interface ContextParts {
  readonly key: string;
  readonly material: LoadedMaterial;
  readonly choice: Pick<ContextChoice, "host" | "trust" | "clientCurves">;
  readonly ciphers: string;
}

interface CachedContext extends Pick<ContextParts, "material" | "choice"> {
  readonly serving: ServingContext;
}

/** @throws when any anchor or CRL does not load. */
function createContext({ key, material, choice, ciphers }: ContextParts): SecureContext {
  const { trust, clientCurves } = choice;
  return createEdgeContext({
    keys: material.keys,
    anchorsPem: trust?.anchorsPem ?? [],
    crlsPem: trust?.crlsPem ?? [],
    clientCurves,
    ciphers,
    sessionIdContext: createHash("sha256").update(key).digest("hex").slice(0, 32),
  });
}
