/** Writes in the order of the queue: built, offered to others, and committed at their turn. */

import { Contention, StaleRevision, Unavailable } from "../errors.ts";
import { carriedOver, carriedToHead, withThoseBehind } from "./carried-commit.ts";
import { logEntryOf } from "./log-entry.ts";
import { isBounded } from "./quota.ts";
import type { Commit, LogEntry, SeriesExtent, Store, WriterLine, WriterQueue } from "./store.ts";

/**
 * So many writers before its turn, a write is built: at the turn, only what was written since is looked at.
 */
const BUILT_AHEAD = 1;
/** Pause of the next writer between two looks at the queue. */
const NEXT_POLL_MS = 8;
const MAX_POLL_MS = 1_000;
/** One write with what comes between it and the next: at first, and bounds of what a writer sees. */
const PACE_MS = { first: 35, least: 5, most: 1_000 } as const;
/**
 * A write takes at least so many looks' time, so that a slow service or machine shows before the queue has
 * moved.
 */
const LOOKS_IN_WRITE = 8;
/**
 * Of the time until a writer may be the next, after which it looks again. Writers that wake up too late are
 * the pace that others see: at 0.7, 100 instances on two processors store half as much as at 0.3.
 */
const LOOKS_EARLY = 0.3;
/**
 * The pace is that of so many writes before the last look: what was slow when all came at once is not the
 * pace later.
 */
const PACE_WRITES = 10;
/**
 * How far a pause may be off what it is meant to be, so that writers do not look at the same moment; after a
 * lost try it has to part two.
 */
const JITTER = { look: 0.2, lost: 0.5 } as const;
/** A pause doubles so often at most while tries lose. */
const MAX_DOUBLINGS = 4;
/**
 * The queue may stand still for so long, and for one write's time more for each writer before, until the next
 * writer goes past them: one that ended without leaving is never served. Going too early costs a try and
 * nothing else.
 */
const PATIENCE_MS = 200;
const PATIENCE_WRITES = 4;
/**
 * Bound of what the writers before add: hundreds that ended without leaving would otherwise outlast the time
 * of each write.
 */
const MOST_PATIENCE_BEFORE_MS = 3_000;

/** What a write stores, and what its writer needs of the build once it is stored. */
export interface Planned<R> {
  readonly commit: Commit;
  /**
   * Further writes of the same writer, each planned upon those before it: stored with the first as far as one
   * transaction has room. They are not offered to others and not carried to a later head. Absent = none.
   */
  readonly following?: readonly Commit[];
  /** `all`: the series is stored as a whole or not at all. Absent = `first`. */
  readonly extent?: SeriesExtent;
  readonly result: R;
}

/** A build that found nothing to change: no revision is taken, nothing is logged. */
export interface Unchanged<R> {
  readonly unchanged: R;
}

/** Reads and validates at a head. Called again when other writes have changed what it rests on. */
export type Build<R> = (head: number) => Promise<Planned<R> | Unchanged<R>>;

/**
 * A write that has ended well: the entry as logged, with the result of the build that was stored; null =
 * unchanged.
 */
export interface Written<R> {
  readonly entry: LogEntry | null;
  /** Entries of those of `Planned.following` that were stored with it. Absent = none. */
  readonly following?: readonly LogEntry[];
  readonly result: R;
}

export interface QueuedWrite<R> {
  readonly store: Pick<Store, "commit" | "commitAll" | "changesAfter">;
  readonly queue: WriterQueue;
  readonly build: Build<R>;
  /** On the clock of `now`. */
  readonly deadline: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Whether it stores what others offer, too: true when absent. */
  readonly storesOffers?: boolean;
}

/** How many writers have taken a ticket before `ticket` and wait still. */
export function writersBefore({ served, left }: WriterLine, ticket: number): number {
  const gone = [...left].filter((each) => served < each && each < ticket).length;
  return Math.max(0, ticket - 1 - served - gone);
}

/** How many writers wait. */
export const waitingIn = (line: WriterLine): number => writersBefore(line, line.taken + 1);

/**
 * Builds the write, takes a ticket, and commits in the order of tickets: at once when no other writer waits,
 * and otherwise after those who came before. None is overtaken until its time is over. A ticket costs an
 * update; without it, writers that come at the same moment would all send a transaction, of which one is
 * stored.
 *
 * @throws Unavailable at the deadline; whatever `build` and `commit` throw passes.
 */
export async function writeWithQueue<R>(write: QueuedWrite<R>): Promise<Written<R>> {
  const line = await write.queue.line();
  // One that has to wait is built behind its ticket, so that it does not come later for being built.
  if (waitingIn(line) > 0) return waitAndCommit(null, write);
  const planned = await write.build(line.head);
  return "unchanged" in planned ? unwritten(planned) : waitAndCommit({ line, planned }, write);
}

const unwritten = <R>({ unchanged }: Unchanged<R>): Written<R> => ({ entry: null, result: unchanged });

/** What was built before the ticket was taken, and the line at that time: no one waited. */
interface BuiltBefore<R> {
  readonly line: WriterLine;
  readonly planned: Planned<R>;
}

/** A writer in the queue. */
interface Waiting<R> {
  readonly ticket: number;
  /** What it has offered; null = nothing, or it was too large, or was taken back. */
  offered: Planned<R> | null;
}

async function waitAndCommit<R>(built: BuiltBefore<R> | null, write: QueuedWrite<R>): Promise<Written<R>> {
  const { queue } = write;
  const waiting: Waiting<R> = { ticket: await queue.enter(), offered: null };
  const { ticket } = waiting;
  // Without it those behind wait for as long as their patience lasts, and no longer.
  const leave = () => queue.leave(ticket).catch(() => undefined);
  try {
    const written = await commitWith(waiting, built, write);
    if (written.entry === null) await leave();
    return written;
  } catch (error) {
    const { offered } = waiting;
    // A refusal holds although this may fail: what it rests on has changed, and no one stores an offer then.
    const storedAt = offered === null ? null : await queue.withdraw(ticket).catch(() => null);
    if (offered !== null && storedAt !== null) return storedOffer(offered, storedAt);
    await leave();
    throw error;
  }
}

const storedOffer = <R>({ commit, result }: Planned<R>, storedAt: number): Written<R> => ({
  entry: logEntryOf({ ...commit, expectedHead: storedAt - 1 }),
  result,
});

async function commitWith<R>(
  waiting: Waiting<R>,
  builtBefore: BuiltBefore<R> | null,
  write: QueuedWrite<R>,
): Promise<Written<R>> {
  const { ticket } = waiting;
  const look = observer(waiting, write);
  let built = builtBefore?.planned ?? null;
  for (let [lost, isFirst] = [0, true]; ; isFirst = false) {
    const known = isFirst ? knownTurn(builtBefore, ticket) : null;
    const { line, before, isPatient, pauseMs } = known ?? (await look(built));
    if (waiting.offered !== null && line.storedAt !== null)
      return storedOffer(waiting.offered, line.storedAt);
    const isTurn = before === 0 || !isPatient;
    if (isTurn || isFirst || before <= BUILT_AHEAD) {
      const carried = await carriedAt(line, built, write);
      // It would be planned upon its own write, where another has stored what it offers: a line need not show
      // that at once.
      const stored = carried === null && isTurn ? await withdrawn(waiting, write) : null;
      if (stored !== null) return stored;
      // While it is offered, those before see for themselves whether it holds.
      const planned = carried ?? (waiting.offered === null ? await write.build(line.head) : built);
      if (planned !== null && "unchanged" in planned) return unwritten(planned);
      built = planned;
    }
    if (isFirst && !isTurn && built !== null && !isSeries(built)) await offer(waiting, built, write);
    // Only at the head that `line` shows: at a later one, a later ticket may have been served already.
    const isReady = isTurn && built?.commit.expectedHead === line.head;
    if (isReady && built !== null) {
      const storesOffers = lost === 0 && write.storesOffers !== false && !isSeries(built);
      const { commit, result } = built;
      const own = storesOffers ? await withThoseBehind(commit, { line, ticket }, write) : commit;
      const tried = await tryCommit({ ...built, commit: inQueue(own, line, waiting) }, write);
      if ("stored" in tried) return { ...tried.stored, result };
      if (!(tried.failure instanceof Contention)) built = null;
      lost += 1;
    }
    // Of two that both take it for their turn, one soon waits longer than the other's transaction takes.
    const afterLossMs = Math.min(MAX_POLL_MS, pauseMs * 2 ** Math.min(lost, MAX_DOUBLINGS));
    await pause(isTurn && !isReady ? 0 : afterLossMs, lost === 0 ? JITTER.look : JITTER.lost, write);
  }
}

/**
 * The ticket is the next after those of a line in which no one waited: it is this writer's turn, and no one
 * is behind it.
 */
const knownTurn = <R>(built: BuiltBefore<R> | null, ticket: number): Look | null =>
  built?.line.taken === ticket - 1
    ? { line: { ...built.line, taken: ticket }, before: 0, isPatient: true, pauseMs: NEXT_POLL_MS }
    : null;

/** Those before may store it too: the writer whose turn it is takes along what fits. */
async function offer<R>(waiting: Waiting<R>, planned: Planned<R>, { queue }: QueuedWrite<R>): Promise<void> {
  const { commit } = planned;
  // Its quota is judged at the head that it is stored at, by its own writer.
  if (isBounded(commit)) return;
  // An offer does not say what of the stored items cannot be read.
  if (commit.replaced !== undefined || commit.hosts.some(({ before }) => before?.isDamaged === true)) return;
  const { ticket } = waiting;
  // Known as offered before it is: when the answer is lost, the offer may be there.
  waiting.offered = planned;
  if (!(await queue.offer({ ticket, commit }))) waiting.offered = null;
}

/** Takes the offer back, if there is one. @returns the write, if it was stored */
async function withdrawn<R>(waiting: Waiting<R>, { queue }: QueuedWrite<R>): Promise<Written<R> | null> {
  const { ticket, offered } = waiting;
  if (offered === null) return null;
  const storedAt = await queue.withdraw(ticket);
  if (storedAt !== null) return storedOffer(offered, storedAt);
  waiting.offered = null;
  return null;
}

function inQueue(commit: Commit, { served }: WriterLine, { ticket, offered }: Waiting<unknown>): Commit {
  return {
    ...commit,
    ...(served < ticket ? { ticket } : {}),
    ...(offered === null ? {} : { offered: ticket }),
  };
}

/** @throws what is not worth another try. */
async function tryCommit(
  planned: ToStore,
  { store }: Pick<QueuedWrite<unknown>, "store">,
): Promise<{ readonly stored: Omit<Written<unknown>, "result"> } | { readonly failure: unknown }> {
  try {
    return { stored: await storePlanned(store, planned) };
  } catch (failure) {
    if (!isWorthAnotherTry(failure)) throw failure;
    return { failure };
  }
}

type ToStore = Omit<Planned<unknown>, "result">;

const isSeries = ({ following = [] }: ToStore): boolean => following.length > 0;

/** @throws as `Store.commit` */
export async function storePlanned(
  store: Pick<Store, "commit" | "commitAll">,
  { commit, following = [], extent = "first" }: ToStore,
): Promise<Omit<Written<unknown>, "result">> {
  if (following.length === 0) return { entry: await store.commit(commit) };
  const [entry = null, ...others] = await store.commitAll([commit, ...following], extent);
  return { entry, following: others };
}

/** The write at the head, or at a later one; null = it is to be built. */
async function carriedAt<R>(
  { head, entry }: WriterLine,
  built: Planned<R> | null,
  { store }: QueuedWrite<R>,
): Promise<Planned<R> | null> {
  if (built === null || built.commit.expectedHead >= head) return built;
  if (isSeries(built)) return null;
  const { commit, result } = built;
  const isNext = entry !== null && commit.expectedHead + 1 === head;
  const carried = isNext
    ? carriedOver(commit, { entries: [entry], head })
    : await carriedToHead(store, commit);
  return carried && { commit: carried, result };
}

/** Longer or shorter than `aboutMs` by up to this part of it. */
async function pause(
  aboutMs: number,
  jitter: number,
  { now, random, sleep, deadline }: Pick<QueuedWrite<unknown>, "now" | "random" | "sleep" | "deadline">,
): Promise<void> {
  const ms = aboutMs * (1 + jitter * (2 * random() - 1));
  if (now() + ms >= deadline) throw tooManyWrites(new Contention("its turn did not come"));
  await sleep(ms);
}

/**
 * Whether the write may be built and tried again after this error of a commit: another write took the
 * revision or the record. The build reads the record again and ends with its own error where the request
 * names another revision.
 */
export const isWorthAnotherTry = (error: unknown): boolean =>
  error instanceof Contention || error instanceof StaleRevision;

export const tooManyWrites = (cause: unknown): Unavailable =>
  new Unavailable("too many writes at the same time; try again", { cause });

interface Look {
  readonly line: WriterLine;
  /** Writers that come first. */
  readonly before: number;
  /** Whether those before are still waited for. */
  readonly isPatient: boolean;
  /** Until the next look. */
  readonly pauseMs: number;
}

/** Looks at the queue for this writer, who learns from it how fast it moves. */
function observer<R>(
  waiting: Waiting<R>,
  { queue, now }: QueuedWrite<R>,
): (built: Planned<R> | null) => Promise<Look> {
  let recent: { readonly head: number; readonly atMs: number }[] = [];
  let last = { seen: "", atMs: 0 };
  return async (built) => {
    const start = now();
    const line = await queue.line({
      entry: built === null ? undefined : built.commit.expectedHead + 1,
      offer: waiting.offered === null ? undefined : waiting.ticket,
    });
    const atMs = now();
    recent = [...recent.filter(({ head }) => head >= line.head - PACE_WRITES), { head: line.head, atMs }];
    const since = recent[0] ?? { head: line.head, atMs };
    const seen = `${line.head} ${line.served} ${line.left.size}`;
    if (seen !== last.seen) last = { seen, atMs };
    const writes = line.head - since.head;
    const seenPaceMs = writes === 0 ? PACE_MS.first : (atMs - since.atMs) / writes;
    const leastPaceMs = Math.max(PACE_MS.least, LOOKS_IN_WRITE * (atMs - start));
    const paceMs = Math.min(PACE_MS.most, Math.max(leastPaceMs, seenPaceMs));
    const before = writersBefore(line, waiting.ticket);
    const patienceMs = Math.max(PATIENCE_MS, PATIENCE_WRITES * paceMs) + patienceBeforeMs(before * paceMs);
    // A service that answers slowly is not asked all the time.
    const leastMs = Math.max(NEXT_POLL_MS, atMs - start);
    const pauseMs = Math.min(MAX_POLL_MS, Math.max(leastMs, (before - 1) * paceMs * LOOKS_EARLY));
    return { line, before, isPatient: atMs - last.atMs < patienceMs, pauseMs };
  };
}

/**
 * Nearly all of it where few are before, below the bound where many are, and always more than for the writer
 * before.
 */
const patienceBeforeMs = (ms: number): number =>
  (ms * MOST_PATIENCE_BEFORE_MS) / (ms + MOST_PATIENCE_BEFORE_MS);
