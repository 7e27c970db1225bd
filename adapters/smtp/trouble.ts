/** Failures of a next hop, as one error with the facts for log and reply. */

import type { DeliveryDetails, DeliveryFailure } from "../../core/delivery/delivery.ts";
import { type DeliveryRefusal, type Refusal, refused } from "../../core/delivery/delivery-refusals.ts";

/** What went wrong with a next hop, as log and metrics tell it. */
export interface TroubleFacts extends DeliveryDetails {
  readonly cause: DeliveryFailure;
  readonly detail: string;
}

/**
 * The next hop failed us, and the transaction is over. Its reply is never the next hop's own word: our
 * trouble with a next hop must not bounce the client's mail.
 */
export class NextHopTrouble extends Error {
  override readonly name: string = "NextHopTrouble";
  readonly reply: DeliveryRefusal;
  constructor(refusal: Refusal, { cause, ...details }: TroubleFacts) {
    super(details.detail);
    this.reply = refused(refusal, cause, details);
  }
}

/** Why a connection has no verified TLS. */
export interface Unverified {
  readonly cause:
    | "starttls-missing"
    | "certificate-expired"
    | "certificate-name-mismatch"
    | "certificate-untrusted";
  readonly detail: string;
}

/** The route wants verified TLS, and the next hop cannot do it. */
export class UnverifiedNextHop extends NextHopTrouble {
  override readonly name = "UnverifiedNextHop";
  constructor(unverified: Unverified) {
    const phase = unverified.cause === "starttls-missing" ? "starttls" : "tls";
    super("no-connection", { ...unverified, phase });
  }
}
