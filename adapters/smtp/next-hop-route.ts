import type { DeliveryRoute } from "../../core/delivery/delivery.ts";

/** A route that leads to another mail server. */
export type NextHopRoute = Extract<DeliveryRoute, { kind: "smtp" | "smtps" | "lmtp" }>;
