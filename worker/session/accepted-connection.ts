import type { ListenerView } from "../../core/policy/facts.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";

/** One connection as it was accepted. */
export interface AcceptedConnection {
  readonly id: string;
  readonly listener: ListenerView;
  /** Canonical; the proxied one behind a proxy. */
  readonly clientAddress: string;
  readonly clientPort: number;
  /** Key that limits count by: an IPv6 client is its /64. */
  readonly clientKey: string;
  /** A load balancer's own connection: no client, and no record of its session. */
  readonly isHealthCheck: boolean;
  /** The settings that this connection keeps to its end. */
  readonly snapshot: Snapshot;
}
