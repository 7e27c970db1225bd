/** Port of the answers that are kept under an Idempotency-Key. */

import { TooLarge } from "../errors.ts";

/** One run of a request. */
export interface RequestRun {
  /** Hash of the request: two with the same name and different hashes are different requests. */
  readonly request: string;
  /** Random, of this run alone. */
  readonly run: string;
}

/** A request that was begun before under the same name. */
export interface BegunRequest {
  readonly request: string;
  /** Opaque; null = no answer is kept: the request still runs, or its process ended in the middle of it. */
  readonly answer: Uint8Array | null;
}

/** Octets of an answer. DynamoDB takes items of 400 KB. */
export const MAX_KEPT_BYTES = 128 * 1024;

/**
 * Requests by name (64 hexadecimal digits) with their answers, beside the settings and outside the change
 * log. Expiry is judged by the store's clock; expired items are deleted later.
 *
 * Every implementation passes test/contract/kept-answers.contract.ts. Every method throws Unavailable when
 * the store does not answer in time.
 */
export interface KeptAnswers {
  /**
   * Of requests that begin under the same name at once, one does.
   *
   * @param expiresAtMs milliseconds since the epoch: until then the name is taken, unless it is released.
   * @returns null when this run has begun; otherwise what was begun before and has not expired.
   */
  begin(name: string, run: RequestRun, expiresAtMs: number): Promise<BegunRequest | null>;
  /**
   * Keeps the answer of a run that has begun.
   *
   * @returns false when the name is no longer this run's.
   * @throws TooLarge over MAX_KEPT_BYTES
   */
  keep(
    name: string,
    run: RequestRun,
    kept: { readonly answer: Uint8Array; readonly expiresAtMs: number },
  ): Promise<boolean>;
  /** Gives the name of a run back, so that the request can be sent again. A name of another run stays. */
  release(name: string, run: RequestRun): Promise<void>;
}

/** @throws TooLarge */
export function checkKeptSize(answer: Uint8Array): void {
  if (answer.byteLength > MAX_KEPT_BYTES)
    throw new TooLarge(`a kept answer must have at most ${MAX_KEPT_BYTES} octets`);
}
