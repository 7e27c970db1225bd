import type { DomainName } from "../../core/name/domain-name.ts";
import type { ListenerView } from "../../core/policy/facts.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { EdgeOptions } from "../edge/edge-options.ts";
import type { SecureContexts } from "../tls/secure-contexts.ts";
import type { ByteBudget } from "./byte-budget.ts";

/** What all sessions of an edge share. */
export interface SessionServices {
  readonly options: EdgeOptions;
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
