import type { EdgeEventSink } from "../event/edge-event.ts";
import type { Limits } from "../config/limits.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { TrustResolver } from "../../core/policy/trust.ts";
import type { ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import type { Mailbox } from "../../core/name/mailbox.ts";
import type { DeliveryRoute, DeliveryTarget } from "../../core/delivery/delivery.ts";
import type { LongLines } from "../../core/delivery/line-ends.ts";
import type { Clock } from "../../core/clock.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { ListenerView } from "../../core/policy/facts.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { SecureContexts } from "../tls/secure-contexts.ts";
import type { ByteBudget } from "./byte-budget.ts";

/** What sessions need of an edge. */
export interface SessionOptions {
  /** SMTP_NAME: banner, EHLO, `Received: by`. */
  readonly name: string;
  /** Where bare `<postmaster>` goes on a shared listener; null = it is refused there. */
  readonly postmaster: Mailbox | null;
  readonly limits: Limits;
  /** What a bare CR, a bare LF or a NUL in a message leads to: `550 5.6.0`, or the line ends are made CRLF and NUL is dropped. */
  readonly lineEnds: "refuse" | "normalise";
  /** What a line over 998 octets leads to: it is passed on unchanged, or `550 5.6.0`. */
  readonly longLines: LongLines;
  /** For how long the store could not be read; 0 while all is well. */
  readonly staleForMs: () => number;
  readonly trust: TrustResolver;
  /** null = chains are judged in the handshake only; what that leaves open is `451 4.7.5`. */
  readonly chainVerifier: ClientChainVerifier | null;
  readonly delivery: DeliveryTarget;
  /** Where accepted mail of a domain goes: its own next hop or the edge's default. Equal routes are one transaction. */
  readonly routeOf: (domain: DomainRecord) => DeliveryRoute;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
}

/** What all sessions of an edge share. */
export interface SessionServices {
  readonly options: SessionOptions;
  /** Domains with a listener of their own: row 1 on every other one. */
  readonly dedicatedDomains: ReadonlySet<DomainName>;
  readonly contexts: SecureContexts;
  readonly budget: ByteBudget;
}

/** One connection as it was accepted. */
export interface AcceptedConnection {
  readonly id: string;
  readonly listener: ListenerView;
  /** Canonical; the proxied one behind a proxy. */
  readonly clientAddress: string;
  readonly clientPort: number;
  /** Whom limits count: an IPv6 client is its /64. */
  readonly clientKey: string;
  /** A load balancer's own connection: no client, and no record of its session. */
  readonly isHealthCheck: boolean;
  /** The settings that this connection keeps to its end. */
  readonly snapshot: Snapshot;
}
