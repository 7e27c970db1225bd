import type { Readable } from "node:stream";
import { createMessageFilter, type MessageFilterOptions } from "../../core/delivery/message-filter.ts";
import { MessageRefused } from "../../core/delivery/delivery-refusals.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { passedBack, REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";

/** Why a message did not pass, when it was not the delivery that refused it. */
export type MessageFailure =
  /** Something in it, or too much mail at this moment: `reply` is the answer to the client. */
  | { readonly kind: "refused"; readonly reply: SmtpReply }
  /** The client left, or was cut. */
  | { readonly kind: "broken-off" };

export interface IncomingOptions {
  readonly filter: MessageFilterOptions;
  readonly budget: ByteBudget;
}

/**
 * A message on its way from a client to a delivery: our headers on top, what the filter lets through below.
 * Pulled, so a slow next hop slows the client. Read it once.
 */
export class IncomingMessage implements AsyncIterable<Uint8Array> {
  readonly #stream: Readable;
  readonly #headers: Uint8Array;
  readonly #options: IncomingOptions;
  #octets = 0;
  /** Of them, what the budget counts. */
  #held = 0;
  #failure: MessageFailure | null = null;
  #complete = false;

  constructor(stream: Readable, headers: Uint8Array, options: IncomingOptions) {
    this.#stream = stream;
    this.#headers = headers;
    this.#options = options;
  }

  /** null = nothing was wrong with what was read so far. */
  get failure(): MessageFailure | null {
    return this.#failure;
  }

  /** Whether all of it was handed over: without that no delivery can have it. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Octets that came in. */
  get octets(): number {
    return this.#octets;
  }

  /** Gives the octets back to the budget, once the message is answered; again, it does nothing. */
  release(): void {
    this.#options.budget.release(this.#held);
    this.#held = 0;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      const headers = this.#headers;
      yield headers;
      const filter = createMessageFilter(this.#options.filter);
      for await (const chunk of chunksOf(this.#stream)) {
        this.#take(chunk.length);
        yield* filter.feed(chunk);
      }
      yield* filter.end();
      this.#complete = true;
    } catch (error) {
      this.#failure ??= failureOf(error);
      // At once: while the delivery cleans up, messages that would fit now would be refused as well (60 of
      // 60, measured).
      this.release();
      throw error;
    }
  }

  #take(octets: number): void {
    if (!this.#options.budget.tryTake(octets)) {
      this.#failure = { kind: "refused", reply: REPLIES.overBudget };
      throw new OverBudget();
    }
    this.#octets += octets;
    this.#held += octets;
  }
}

class OverBudget extends Error {
  override readonly name = "OverBudget";
}

function failureOf(error: unknown): MessageFailure {
  if (!(error instanceof MessageRefused)) return { kind: "broken-off" };
  return { kind: "refused", reply: passedBack(error.reply.code, error.reply.text) };
}

/** The stream was destroyed before its end. */
class StreamCut extends Error {
  override readonly name = "StreamCut";
}

/**
 * The chunks of a stream up to its end. Unlike `for await` over the stream itself it costs three listeners
 * instead of a dozen, and leaves the stream alive when its reader stops early, so that the rest can still be
 * read away.
 *
 * @throws StreamCut when the stream is destroyed before its end.
 */
async function* chunksOf(stream: Readable): AsyncGenerator<Uint8Array> {
  let wake: (() => void) | null = null;
  const onChange = (): void => wake?.();
  stream.on("readable", onChange).on("end", onChange).on("close", onChange);
  try {
    for (;;) {
      const chunk: unknown = stream.read();
      if (chunk instanceof Uint8Array) {
        yield chunk;
        continue;
      }
      if (stream.readableEnded) return;
      if (stream.destroyed) throw new StreamCut("the stream was destroyed");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = null;
    }
  } finally {
    stream.off("readable", onChange).off("end", onChange).off("close", onChange);
  }
}
