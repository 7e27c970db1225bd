/**
 * Port of the state of issuance and of checks of ownership: what must survive a restart and is no setting.
 */

import { InvalidInput, TooLarge } from "../errors.ts";

/**
 * Name of an item: an ACME account by directory, the key authorization of an http-01 token, the TXT
 * values that open orders need of a name, the lease and times of a certificate, the last check of a
 * domain's pending names, or an account's claim to a name that another account holds.
 */
export type IssuanceStateName =
  | `account/${string}`
  | `token/${string}`
  | `dns/${string}`
  | `certificate/${string}`
  | `ownership/${string}`
  | `claim/${string}`;

/** Octets of the JSON of a value. */
export const MAX_STATE_BYTES = 16 * 1024;

/**
 * Items of JSON beside the settings, outside the change log. Expiry is judged by the store's clock; expired
 * items are deleted later.
 *
 * Every implementation passes test/contract/issuance-state.contract.ts.
 */
export interface IssuanceState {
  /**
   * Strongly consistent. `value` is undefined where the stored text is damaged: the item can be replaced
   * under its version.
   *
   * @returns null when the item is absent or past its expiry.
   * @throws InvalidInput for a name of another form; Unavailable
   */
  get(name: IssuanceStateName): Promise<IssuanceStateItem | null>;
  /**
   * Optimistic lock: of writers that expect the same, one succeeds. A version is an integer from 1 that is
   * never used again for the name, not even after a delete; it has no order.
   *
   * @param options `expected`: version that the item must have; null = it must be absent or expired.
   *   `expiresAtMs`: milliseconds since the epoch; null = it does not expire.
   * @returns the new version; null when the item is not as expected.
   * @throws InvalidInput for a name of another form or a value without JSON; TooLarge; Unavailable
   */
  put(
    name: IssuanceStateName,
    value: unknown,
    options: { readonly expected: number | null; readonly expiresAtMs: number | null },
  ): Promise<number | null>;
  /**
   * An absent item is not an error. A call whose answer was lost may be repeated, and then delete what was
   * written in between. @throws InvalidInput for a name of another form; Unavailable
   */
  delete(name: IssuanceStateName): Promise<void>;
}

export interface IssuanceStateItem {
  readonly value: unknown;
  readonly version: number;
}

/** Versions come from randomness: a counter would start again after a delete. Below 2^48, as node:crypto. */
export const VERSION_RANGE = { from: 1, below: 2 ** 48 - 1 } as const;

/** Printable ASCII without blanks; DynamoDB holds 2,048 octets in a partition key. */
const NAME = /^(?:account|token|dns|certificate|ownership|claim)\/[\x21-\x7e]{1,512}$/;

/** @throws InvalidInput */
export function checkStateName(name: string): void {
  if (!NAME.test(name)) throw new InvalidInput("not the name of an item of the issuance state");
}

/** JSON of a value as it is stored. @throws InvalidInput, TooLarge */
export function stateJson(value: unknown): string {
  const json: unknown = JSON.stringify(value);
  if (typeof json !== "string") throw new InvalidInput("a value of the issuance state must have a JSON form");
  if (Buffer.byteLength(json) > MAX_STATE_BYTES)
    throw new TooLarge(`a value of the issuance state must have at most ${MAX_STATE_BYTES} octets`);
  return json;
}
