/** Whether deliveries to the edge's own next hop succeed. */

import { FAILING_AFTER_MS } from "./metric-table.ts";
import type { EdgeEvent } from "../event/edge-event.ts";

/** Whether mail gets through to each next hop, as this edge sees it. */
export interface DeliveryHealth {
  note(event: EdgeEvent): void;
  state(): DeliveryState;
}

export interface DeliveryState {
  /**
   * For how long the operator's own delivery has taken no message, from its first failure to its last; 0 = it
   * takes mail.
   */
  readonly ownFailingMs: number;
  /** Next hops set through the API that have taken no message for `FAILING_AFTER_MS`. */
  readonly failing: number;
}

export interface DeliveryHealthOptions {
  /** The operator's DELIVERY, by `describeRoute`. */
  readonly own: string;
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number;
}

interface Outage {
  readonly sinceMs: number;
  lastMs: number;
}

/** No attempt for this long: its senders are gone, and so is what is known of it. */
const FORGOTTEN_AFTER_MS = 3_600_000;
/** Routes whose outages are remembered. */
const MAX_ROUTES = 1_000;

/**
 * Counts an outage of a next hop from its first deferral to its last with no message accepted in between. One
 * deferral, as of a next hop that greylists, is no outage: it has no length.
 */
export function createDeliveryHealth({ own, now }: DeliveryHealthOptions): DeliveryHealth {
  const outages = new Map<string, Outage>();

  function deferred(nextHop: string): void {
    const nowMs = now();
    const outage = outages.get(nextHop);
    if (outage !== undefined) outage.lastMs = nowMs;
    else if (outages.size < MAX_ROUTES || nextHop === own)
      outages.set(nextHop, { sinceMs: nowMs, lastMs: nowMs });
  }

  function forgetOld(): void {
    const nowMs = now();
    for (const [nextHop, { lastMs }] of outages)
      if (nowMs - lastMs >= FORGOTTEN_AFTER_MS) outages.delete(nextHop);
  }

  return {
    note(event) {
      if (event.kind === "message-accepted") outages.delete(event.nextHop);
      // An error of the client is no sign of the next hop's health.
      else if (event.kind === "delivery-failed" && event.outcome === "defer" && event.cause !== "message")
        deferred(event.nextHop);
    },
    state() {
      forgetOld();
      const lengths = new Map(
        [...outages].map(([nextHop, { sinceMs, lastMs }]) => [nextHop, lastMs - sinceMs]),
      );
      const ownFailingMs = lengths.get(own) ?? 0;
      lengths.delete(own);
      return { ownFailingMs, failing: [...lengths.values()].filter((ms) => ms >= FAILING_AFTER_MS).length };
    },
  };
}
