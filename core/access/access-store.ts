/** Port of the store of accounts, tokens and principals. */

import type { Timestamp } from "../clock.ts";
import { QuotaExceeded } from "../errors.ts";
import type { PageRequest } from "../store/store.ts";
import type { AccessKind } from "./access-record.ts";

/**
 * Records of who may use the API, beside the settings and outside the change log: edges never read them.
 *
 * Every implementation passes test/contract/access-store.contract.ts. Every method throws Unavailable when
 * the store does not answer in time.
 */
export interface AccessStore {
  /** Strongly consistent. @returns null when absent. @throws Unreadable */
  get<R extends AccessRecord>(kind: AccessKind<R>, id: string): Promise<R | null>;
  /** Records of an account in order of id. May lag. */
  list<R extends AccessRecord>(
    kind: AccessKind<R>,
    account: string,
    page: PageRequest,
  ): Promise<AccessPage<R>>;
  /**
   * Optimistic lock: of writers that expect the same revision, one succeeds.
   *
   * @param record its `revision` is ignored.
   * @param expected revision that the stored record must have; null = it must be absent.
   * @returns the new revision; null when the record is not as expected.
   */
  put<R extends AccessRecord>(
    kind: AccessKind<R>,
    record: R,
    expected: number | null,
  ): Promise<number | null>;
  /**
   * Adds a record of an id that is absent, where its account has fewer than `most` of the kind; null = no
   * bound. Of writers at the same time no more are stored than there is room for.
   *
   * @returns the revision; null when the id is taken. @throws QuotaExceeded
   */
  create<R extends AccessRecord>(kind: AccessKind<R>, record: R, most: number | null): Promise<number | null>;
  /** @returns false when the record does not have the expected revision. */
  delete<R extends AccessRecord>(kind: AccessKind<R>, id: string, expected: number): Promise<boolean>;
  /**
   * Notes when a token was used, where that is later than what is noted. It changes no revision and makes no
   * record: an absent token is not an error.
   */
  markUsed(tokenId: string, at: Timestamp): Promise<void>;
  /** When the tokens were used, as far as noted. Strongly consistent. */
  lastUsed(tokenIds: readonly string[]): Promise<ReadonlyMap<string, Timestamp>>;
}

/** What the records have in common. */
interface AccessRecord {
  readonly revision: number;
}

export interface AccessPage<R> {
  readonly items: readonly R[];
  /** Records of this page that cannot be read; `problem` holds no stored content. */
  readonly unreadable: readonly { readonly id: string; readonly problem: string }[];
  /** Id to go on after; null = the end. A page may be short or empty while this is set. */
  readonly next: string | null;
}

/** What a store judges before it creates a record. @throws QuotaExceeded */
export function checkRoom(
  { kind }: Pick<AccessKind<never>, "kind">,
  { most, count }: { readonly most: number | null; readonly count: number },
): void {
  if (most !== null && count >= most) throw new QuotaExceeded({ quota: `${kind}s`, limit: most, count });
}

/**
 * Revisions come from randomness: a counter would start again after a delete, and a condition of before would
 * hold. Revision 1 is that of an account that was never written. Below 2^48, as node:crypto.
 */
export const REVISION_RANGE = { from: 2, below: 2 ** 48 - 1 } as const;
