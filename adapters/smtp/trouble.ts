import type { DeliveryFailure } from "../../core/delivery/delivery.ts";
import { type DeliveryRefusal, type Refusal, refused } from "../../core/delivery/refusals.ts";

/**
 * The next hop failed us, and the transaction is over. Its reply is never the next hop's own word: our trouble with a
 * next hop must not bounce the client's mail.
 */
export class NextHopTrouble extends Error {
  override readonly name = "NextHopTrouble";
  readonly reply: DeliveryRefusal;
  constructor(refusal: Refusal, cause: DeliveryFailure, detail: string) {
    super(detail);
    this.reply = refused(refusal, cause, detail);
  }
}

/** The route wants verified TLS, and the next hop cannot do it. */
export class UnverifiedNextHop extends NextHopTrouble {
  constructor(detail: string) {
    super("no-connection", "tls", detail);
  }
}
