import type { DeliveryReply, DeliveryRoute } from "../../core/delivery/delivery.ts";
import { describeRoute } from "../../core/delivery/route.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import { replyKey } from "../../core/smtp/replies.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";

/** What failed: one recipient, or the message for all of them. */
export interface FailedDelivery {
  readonly connection: AcceptedConnection;
  readonly route: DeliveryRoute;
  readonly stage: "recipient" | "message";
  /** Of the recipients, each once or more. */
  readonly domains: readonly DomainName[];
  readonly reply: Extract<DeliveryReply, { kind: "refused" }>;
}

/** Domains of one event; a transaction has up to 10,000 recipients. */
const MAX_DOMAINS = 10;

/** The event of a delivery that failed: for which domains, where to, and why. */
export function deliveryFailed({ connection, route, stage, domains, reply }: FailedDelivery): EdgeEvent {
  return {
    kind: "delivery-failed",
    listener: connection.listener.name,
    session: connection.id,
    domains: [...new Set(domains)].slice(0, MAX_DOMAINS),
    route: route.kind,
    nextHop: describeRoute(route),
    stage,
    outcome: reply.code < 500 ? "defer" : "reject",
    cause: reply.cause,
    phase: reply.phase ?? null,
    reply: replyKey(reply),
    nextHopReply: reply.nextHopReply ?? null,
    detail: reply.detail ?? null,
  };
}
