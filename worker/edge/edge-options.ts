import type { KeyVault, CertificateMaterial } from "../../core/store/key-vault.ts";
import type { Clock } from "../../core/clock.ts";
import type { LongLines } from "../../core/delivery/line-ends.ts";
import type { DeliveryRoute, DeliveryTarget, Mailbox } from "../../core/delivery/delivery.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type {
  CertificateProblem,
  ReportedListener,
  ServedCertificate,
} from "../../core/edge-report/edge-reports.ts";
import type { ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import type { TrustResolver } from "../../core/policy/trust.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { Limits } from "../config/limits.ts";
import type { EdgeEventSink } from "../event/edge-event.ts";

/** One address to listen on. */
export interface EdgeListener {
  /** For logs, metrics and the status; unique among the edge's listeners. */
  readonly name: string;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Serves this domain alone; null = shared. */
  readonly dedicatedTo: DomainName | null;
  /**
   * Set = every connection begins with a PROXY header (v1 or v2) and only peers in one of these networks may send it;
   * an empty list lets nobody in. null = no PROXY header is understood.
   */
  readonly proxyFrom: readonly string[] | null;
}

export interface EdgeOptions {
  readonly listeners: readonly EdgeListener[];
  /** SMTP_NAME: banner, EHLO, `Received: by`. */
  readonly name: string;
  /** Where bare `<postmaster>` goes on a shared listener; null = it is refused there. */
  readonly postmaster: Mailbox | null;
  readonly limits: Limits;
  /** TLS_CIPHERS, OpenSSL's syntax, for TLS 1.2; null = AEAD suites only. */
  readonly ciphers: string | null;
  /** What a bare CR, a bare LF or a NUL in a message leads to: `550 5.6.0`, or the line ends are made CRLF and NUL is dropped. */
  readonly lineEnds: "refuse" | "normalise";
  /** What a line over 998 octets leads to: it is passed on unchanged, or `550 5.6.0`. */
  readonly longLines: LongLines;
  /** The settings in force for a new connection; null = none was ever held, and everybody hears 421. */
  readonly snapshot: () => Snapshot | null;
  /** For how long the store could not be read; 0 while all is well. */
  readonly staleForMs: () => number;
  readonly vault: Pick<KeyVault, "get">;
  /** The edge's own certificate; null = names without a certificate of the settings get no TLS. */
  readonly defaultCertificate: CertificateMaterial | null;
  readonly trust: TrustResolver;
  /** null = chains are judged in the handshake only; what that leaves open is `451 4.7.5`. */
  readonly chainVerifier: ClientChainVerifier | null;
  readonly delivery: DeliveryTarget;
  /** Where accepted mail of a domain goes: its own next hop or the edge's default. Equal routes are one transaction. */
  readonly routeOf: (domain: DomainRecord) => DeliveryRoute;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
}

/** Numbers of this moment. */
export interface EdgeStats {
  readonly connections: number;
  /** Octets of messages begun and not yet answered. */
  readonly bytesInFlight: number;
  readonly contexts: number;
  /** Certificates of the settings whose present version does not load. */
  readonly certificatesNotLoaded: number;
  /** Where its leaves end at different times, the first end; null = there is no default certificate. */
  readonly defaultCertificateNotAfterMs: number | null;
  readonly draining: boolean;
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
