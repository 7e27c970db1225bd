import type { Effects } from "./effects.ts";
import { withEnd } from "./ending.ts";
import { PosternNetworkError } from "./errors.ts";

/** How often and how long a request is repeated. */
export interface RepeatPolicy {
  /** Requests in all, the first included. */
  readonly maxAttempts: number;
  /** Longest pause before the second request; it doubles for each further one. */
  readonly firstPauseMs: number;
  /** Longest pause. An API that asks for a longer one is not asked again. */
  readonly maxPauseMs: number;
}

export const REPEAT_POLICY: RepeatPolicy = { maxAttempts: 5, firstPauseMs: 250, maxPauseMs: 10_000 };

/** Of an API or a proxy that does not carry out more now. */
const BUSY: ReadonlySet<number> = new Set([429, 503]);
/** Of a request whose first attempt, under the same Idempotency-Key, still runs: it has a Retry-After. */
const RUNNING = 409;
/** Answers that have no body (Fetch standard). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Whether a second request cannot do more than the first alone: reads; writes that name the revision they
 * were made from, or that only create; and POST with a key that the API remembers.
 */
export function mayRepeat({ method, headers }: Request): boolean {
  switch (method) {
    case "GET":
    case "HEAD":
      return true;
    case "PUT":
    case "PATCH":
    case "DELETE": {
      const match = headers.get("if-match");
      return headers.has("if-none-match") || (match !== null && match.trim() !== "*");
    }
    case "POST":
      return headers.has("idempotency-key");
    default:
      return false;
  }
}

export interface Sending {
  readonly fetch: typeof globalThis.fetch;
  /** Gives a request its credentials, anew for each attempt. */
  readonly authorize: (request: Request) => Request | Promise<Request>;
  readonly effects: Effects;
  readonly policy: RepeatPolicy;
  /** For one attempt, its answer included. */
  readonly timeoutMs: number;
  /** A POST that changes nothing, and may therefore be repeated. */
  readonly isRead: boolean;
  /** Each ends the call, also while it waits between attempts. */
  readonly signals: readonly AbortSignal[];
}

export interface Sent {
  readonly response: Response;
  readonly attempts: number;
}

/**
 * Sends a request until its answer is final, or it may not be repeated.
 *
 * @throws PosternNetworkError when the last attempt got no answer.
 * @throws the reason of the signal that ended it.
 */
export async function send(request: Request, sending: Sending): Promise<Sent> {
  const { effects, policy } = sending;
  const attemptsAllowed = sending.isRead || mayRepeat(request) ? policy.maxAttempts : 1;
  return withEnd(sending.signals, async (signal) => {
    for (let attempts = 1; ; attempts++) {
      const outcome = await attempt(request.clone(), { ...sending, signal });
      const pauseMs = attempts < attemptsAllowed ? pauseAfter(outcome, { attempts, policy, effects }) : null;
      if (pauseMs !== null) await effects.sleep(pauseMs, signal);
      else if (outcome instanceof Response) return { response: outcome, attempts };
      else throw new PosternNetworkError(request.url, { cause: outcome.failure, attempts });
    }
  });
}

/** No answer, and why. */
interface Failed {
  readonly failure: unknown;
}

interface Attempting extends Sending {
  readonly signal: AbortSignal;
}

async function attempt(request: Request, sending: Attempting): Promise<Response | Failed> {
  // As a function: browsers reject a fetch whose `this` is another object than their own.
  const { authorize, effects, fetch, timeoutMs, signal: ending } = sending;
  ending.throwIfAborted();
  const authorized = await authorize(request);
  return withEnd([ending], async (signal, end) => {
    const answered = new AbortController();
    const late = (): void => end(new DOMException(`no answer within ${timeoutMs} ms`, "TimeoutError"));
    void effects.sleep(timeoutMs, answered.signal).then(late, () => undefined);
    try {
      return await whole(await fetch(authorized, { signal }));
    } catch (failure) {
      ending.throwIfAborted();
      return { failure: signal.aborted ? signal.reason : failure };
    } finally {
      answered.abort();
    }
  });
}

/** With its body read, so that a connection that breaks in the middle of it is seen here. */
async function whole(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  // A redirect that a browser hides has the status 0, which no other response can be made with.
  if (status < 200 || WITHOUT_BODY.has(status)) return response;
  return new Response(await response.arrayBuffer(), { status, statusText, headers });
}

/** Pause before the next attempt; null = this outcome is final. */
function pauseAfter(
  outcome: Response | Failed,
  { attempts, policy, effects }: { attempts: number; policy: RepeatPolicy; effects: Effects },
): number | null {
  if (outcome instanceof Response && !isPassing(outcome)) return null;
  const askedMs = outcome instanceof Response ? (retryAfterMs(outcome, effects) ?? 0) : 0;
  if (askedMs > policy.maxPauseMs) return null;
  // Full jitter on top of what was asked for: callers that were refused together do not come back together.
  const jitterMs = effects.random() * Math.min(policy.maxPauseMs, policy.firstPauseMs * 2 ** (attempts - 1));
  return Math.min(askedMs + jitterMs, policy.maxPauseMs);
}

const isPassing = ({ status, headers }: Response): boolean =>
  BUSY.has(status) || (status === RUNNING && headers.has("retry-after"));

/** Retry-After (RFC 9110 section 10.2.3), seconds or a date; null if there is none that can be read. */
export function retryAfterMs({ headers }: Response, { now }: Pick<Effects, "now">): number | null {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/u.test(value)) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now());
}
