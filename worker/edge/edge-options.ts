import type { SessionOptions } from "../session/session-context.ts";
import type { EdgeStats } from "../telemetry/metrics.ts";
import type { EdgeListener } from "../config/listener-config.ts";
import type { CertificateMaterial } from "../../core/x509/serving-material.ts";
import type { KeyVault } from "../../core/store/key-vault.ts";
import type {
  CertificateProblem,
  ReportedListener,
  ServedCertificate,
} from "../../core/edge-report/edge-reports.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";

/** What an edge is started with. */
export interface EdgeOptions extends SessionOptions {
  readonly listeners: readonly EdgeListener[];
  /** TLS_CIPHERS, OpenSSL's syntax, for TLS 1.2; null = AEAD suites only. */
  readonly ciphers: string | null;
  /** The settings in force for a new connection; null = none was ever held, and everybody hears 421. */
  readonly snapshot: () => Snapshot | null;
  readonly vault: Pick<KeyVault, "get">;
  /** The edge's own certificate; null = names without a certificate of the settings get no TLS. */
  readonly defaultCertificate: CertificateMaterial | null;
}

/** A running SMTP edge. */
export interface Edge {
  /** As bound: the port is the real one. */
  readonly listeners: readonly ReportedListener[];
  /**
   * Stops accepting, says `421 4.3.2` to idle sessions, lets transactions in flight finish, and resolves when every
   * connection is closed. After `graceMs` (the limit `drainMs` when left out) what is left is cut.
   */
  drain(graceMs?: number): Promise<void>;
  /**
   * Loads certificates of the settings in force that are not held yet, so that no handshake waits for the vault and the status shows
   * what serves. Call it when settings have changed; what does not load shows in `certificateProblems` and events.
   */
  prepare(): Promise<void>;
  /** Serves another default certificate from the next handshake on. @throws when it does not load; the one before serves on. */
  replaceDefaultCertificate(material: CertificateMaterial): void;
  /** What serves right now: the default certificate and every certificate of the settings that was loaded. */
  servedCertificates(): readonly ServedCertificate[];
  /** Certificates of the settings whose present version does not load, with the reason. */
  certificateProblems(): readonly CertificateProblem[];
  stats(): EdgeStats;
}
