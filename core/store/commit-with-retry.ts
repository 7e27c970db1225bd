/** Retry of writes: the one way from a build to a commit. */

import { Contention } from "../errors.ts";
import { type Attempt, type Backoff, type RetryEffects, retryWithBackoff } from "../retry.ts";
import {
  type Build,
  isWorthAnotherTry,
  storePlanned,
  tooManyWrites,
  writeWithQueue,
  type Written,
} from "./queued-write.ts";
import type { Store } from "./store.ts";

/** How long a write is tried in all, before the caller receives 503. */
const WRITE_LIMIT_MS = 10_000;
const BACKOFF: Backoff = { firstMs: 10, maxMs: 1_000 };

export interface WriteEffects extends RetryEffects {
  /**
   * Whether it stores what other writers offer, too: true when absent. The rights of some are for their own
   * writes alone.
   */
  readonly storesOffers?: boolean;
}

type Writable = Pick<Store, "head" | "commit" | "commitAll" | "changesAfter" | "queue">;

/**
 * Reads the head, lets `build` read and validate against it, and commits what it has planned, unless nothing
 * would change. When another write took the revision, the write waits in the store's queue (queued-write.ts);
 * where there is none, it is built again after a pause with full jitter. The same holds where another write
 * took the record: a request that names a revision (`If-Match: "17"`) has to check it in `build`, whose
 * errors end the write.
 *
 * Writes of one process are serialised: concurrent attempts would only conflict. Other processes are met in
 * the queue.
 *
 * @throws Unavailable when the write found no place for 10 s; the errors of `build` and `commit`.
 */
export async function commitWithRetry<R>(
  store: Writable,
  build: Build<R>,
  effects: WriteEffects,
): Promise<Written<R>> {
  const deadline = effects.now() + WRITE_LIMIT_MS;
  const queue = await store.queue();
  // The time may be over when a turn comes.
  const isLate = (): boolean => effects.now() >= deadline;
  if (queue !== null) {
    const write = { ...effects, store, queue, build, deadline };
    return inTurn(store, () => (isLate() ? Promise.reject(tooManyWrites(tooLate())) : writeWithQueue(write)));
  }
  return retryWithBackoff<Written<R>>({
    ...BACKOFF,
    effects,
    deadline,
    attempt: async () => {
      const tried = await inTurn<Attempt<Written<R>>>(store, () =>
        isLate() ? { failure: tooLate() } : tryOnce(store, build),
      );
      if ("failure" in tried && !isWorthAnotherTry(tried.failure)) throw tried.failure;
      return tried;
    },
    tooLate: tooManyWrites,
  });
}

const tooLate = (): Contention => new Contention("its turn came too late");

/** What the build finds is final and passes: only the commit can be too late. */
async function tryOnce<R>(
  store: Pick<Store, "head" | "commit" | "commitAll">,
  build: Build<R>,
): Promise<Attempt<Written<R>>> {
  const planned = await build(await store.head());
  if ("unchanged" in planned) return { value: { entry: null, result: planned.unchanged } };
  try {
    return { value: { ...(await storePlanned(store, planned)), result: planned.result } };
  } catch (failure) {
    return { failure };
  }
}

/** The end of the last try that was begun for each store. */
const lastTry = new WeakMap<Writable, Promise<unknown>>();

function inTurn<T>(store: Writable, action: () => T | Promise<T>): Promise<T> {
  const turn = (lastTry.get(store) ?? Promise.resolve()).then(action);
  lastTry.set(
    store,
    turn.catch(() => undefined),
  );
  return turn;
}
