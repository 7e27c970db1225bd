/** All events of an edge, as one closed union. */
import type { CertificateProblem } from "../../core/edge-report/edge-reports.ts";
import type { DeliveryFailure, DeliveryPhase, DeliveryRoute } from "../../core/delivery/delivery.ts";
import type { Circumstance, ClientCertificateResult, Verdict, Reason } from "../../core/policy/verdict.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { LimitName } from "../config/limits.ts";
import type { SessionRecord } from "./session-record.ts";

/** Why a connection ended before a session began, other than by a limit. */
export const ACCEPT_REFUSALS = [
  /** The listener expects a PROXY header and the peer is not in `proxyFrom`. */
  "proxy-peer",
  "proxy-malformed",
  /** The peer left before its PROXY header was complete. */
  "proxy-closed",
  "no-snapshot",
  "draining",
] as const;
export type AcceptRefusal = (typeof ACCEPT_REFUSALS)[number];

/** Why a handshake did not come about. Closed, so that it can be a label of a metric. */
export const HANDSHAKE_FAILURES = [
  /** What came after 220 was no ClientHello at all. */
  "not-tls",
  /** A ClientHello that is malformed or over 64 KB. */
  "malformed",
  "no-shared-cipher",
  "version",
  /**
   * In TLS 1.2 the client presented a certificate on a curve that it does not offer, or that we do not take.
   */
  "client-curve",
  /** The client sent an alert: it did not like our certificate, most often. */
  "alert",
  "timeout",
  /** The client left without an alert. */
  "closed",
  "other",
] as const;
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/**
 * All events of an edge while it works. A closed list: metrics count by `kind` and the closed fields, logs
 * take what they need. Free text in it is escaped and bounded already.
 */
export type EdgeEvent =
  | { readonly kind: "connection-accepted"; readonly listener: string }
  /** A PROXY header with the command LOCAL: a load balancer's check, not a client. */
  | { readonly kind: "health-check"; readonly listener: string }
  | { readonly kind: "connection-refused"; readonly listener: string; readonly why: AcceptRefusal }
  /** A limit of worker/config/limits.ts was hit; `listener` is where. */
  | { readonly kind: "limit-hit"; readonly listener: string; readonly limit: LimitName }
  | {
      readonly kind: "handshake";
      readonly listener: string;
      readonly protocol: string;
      readonly cipher: string;
      readonly milliseconds: number;
      /** A client certificate was asked for, and one was sent. */
      readonly asked: boolean;
      readonly presented: boolean;
    }
  | {
      readonly kind: "handshake-failed";
      readonly listener: string;
      readonly session: string;
      readonly why: HandshakeFailure;
      /**
       * The MX host asked for when the settings know it; `unknown` = another name; null = none. Bounded by
       * the settings.
       */
      readonly sni: string | null;
      /** The newest version the client offered: `TLSv1.1`; null = not known. */
      readonly offered: string | null;
      /** OpenSSL's code, for the log: `ERR_SSL_NO_SHARED_CIPHER`. */
      readonly code: string | null;
    }
  | {
      readonly kind: "verdict";
      readonly listener: string;
      readonly outcome: Verdict["outcome"];
      readonly reason: Reason | null;
      readonly circumstance: Circumstance | null;
      readonly clientCertificate: ClientCertificateResult;
    }
  /** A message that was answered 250. */
  | {
      readonly kind: "message-accepted";
      readonly listener: string;
      readonly route: DeliveryRoute["kind"];
      /** As in `delivery-failed`. */
      readonly nextHop: string;
      readonly bytes: number;
      readonly recipients: number;
      /** From 354 to our reply. */
      readonly milliseconds: number;
    }
  /** A message refused by what is in it: code and enhanced code as answered, `552 5.3.4`. */
  | { readonly kind: "message-refused"; readonly listener: string; readonly reply: string }
  /** The client left, or was cut, between 354 and the dot. Nothing was delivered. */
  | { readonly kind: "message-aborted"; readonly listener: string; readonly session: string }
  | {
      readonly kind: "delivery-failed";
      readonly listener: string;
      /** `id` of the session's record. */
      readonly session: string;
      /** Domains of the recipients that it failed for, the first 10. */
      readonly domains: readonly DomainName[];
      readonly route: DeliveryRoute["kind"];
      /**
       * The route without credentials: `smtp://hop.example:587?tls=require`, `maildir:/path`,
       * `s3://bucket/prefix`.
       */
      readonly nextHop: string;
      readonly stage: "recipient" | "message";
      /** What the client received: 4xx or 5xx. */
      readonly outcome: "defer" | "reject";
      readonly cause: DeliveryFailure;
      /** null = no next hop took part. */
      readonly phase: DeliveryPhase | null;
      /** Code and enhanced code that the client received: `451 4.4.1`. */
      readonly reply: string;
      /** Code and enhanced code of the next hop; null = it sent none. */
      readonly nextHopReply: string | null;
      readonly detail: string | null;
    }
  | { readonly kind: "context"; readonly outcome: "hit" | "built" | "failed"; readonly cached: number }
  /**
   * Certificate material that does not load; what served before goes on serving. One at each attempt;
   * `isRepeated` = an attempt at this version had this reason before; absent = none had.
   */
  | ({ readonly kind: "certificate-problem"; readonly isRepeated?: true } & CertificateProblem)
  /** Material that did not load before does now. */
  | { readonly kind: "certificate-recovered"; readonly certificateId: string; readonly version: number }
  /** One at the end of each session, a connection that was refused included in none. */
  | {
      readonly kind: "session-ended";
      readonly record: SessionRecord;
      /**
       * The client left without an octet, a PROXY header included: most often a balancer that only connects.
       */
      readonly silent: boolean;
    }
  /** An error that no code expected: the session ends, the process goes on. */
  | { readonly kind: "internal-error"; readonly where: string; readonly error: unknown };

export type EdgeEventSink = (event: EdgeEvent) => void;
