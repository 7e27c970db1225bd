import { Contention } from "../errors.ts";
import {
  type Build,
  isWorthAnotherTry,
  tooManyWrites,
  writeWithQueue,
  type Written,
} from "./queued-write.ts";
import type { Store } from "./store.ts";

/** How long a write is tried in all, before the caller receives 503. */
const WRITE_LIMIT_MS = 10_000;
const FIRST_BACKOFF_MS = 10;
const MAX_BACKOFF_MS = 1_000;

export interface WriteEffects {
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Whether it stores what other writers offer, too: true when absent. The rights of some are for their own writes alone. */
  readonly storesOffers?: boolean;
}

type Writable = Pick<Store, "head" | "commit" | "changesAfter" | "queue">;

/**
 * Reads the head, lets `build` read and validate against it, and commits what it has planned, unless nothing would change.
 * When another write took the revision, the write waits in the store's queue (queued-write.ts); where there is none, it is
 * built again after a pause with full jitter. The same holds where another write took the record: a request that names a
 * revision (`If-Match: "17"`) has to check it in `build`, whose errors end the write.
 *
 * Writes of one process are serialised: concurrent attempts would only conflict. Other processes are met in the queue.
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
  for (let attempt = 0; ; attempt += 1) {
    const tried = await inTurn<Tried<R>>(store, () =>
      isLate() ? { failure: tooLate() } : tryOnce(store, build),
    );
    if ("entry" in tried) return tried;
    if (!isWorthAnotherTry(tried.failure)) throw tried.failure;
    const pauseMs = effects.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
    if (effects.now() + pauseMs >= deadline) throw tooManyWrites(tried.failure);
    await effects.sleep(pauseMs);
  }
}

const tooLate = (): Contention => new Contention("its turn came too late");

type Tried<R> = Written<R> | { readonly failure: unknown };

/** What the build finds is final and passes: only the commit can be too late. */
async function tryOnce<R>(store: Pick<Store, "head" | "commit">, build: Build<R>): Promise<Tried<R>> {
  const planned = await build(await store.head());
  if ("unchanged" in planned) return { entry: null, result: planned.unchanged };
  try {
    return { entry: await store.commit(planned.commit), result: planned.result };
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
