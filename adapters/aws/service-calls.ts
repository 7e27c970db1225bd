/** Calls to an AWS service: deadline, retries and errors as those of core/. */

import { setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../../core/errors.ts";
import { type Backoff, type RetryEffects, retryWithBackoff } from "../../core/retry.ts";

export interface CallLimits {
  /** How long one call is tried in all. */
  readonly deadlineMs: number;
  /** How long one try may take. */
  readonly tryMs: number;
}

/** A write is tried for 10 s in all (core/store/commit-with-retry.ts); a Lambda function has 30 s. */
const LIMITS: CallLimits = { deadlineMs: 8_000, tryMs: 3_000 };
const BACKOFF: Backoff = { firstMs: 25, maxMs: 1_000 };

const EFFECTS: RetryEffects = {
  now: () => performance.now(),
  random: Math.random,
  sleep: async (ms) => {
    await sleep(ms);
  },
};

/** Nothing was done, and the same will be done a moment later. */
const TRY_AGAIN: ReadonlySet<string> = new Set([
  "ConditionalRequestConflict",
  "OperationAborted",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "RequestTimeout",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "TransactionInProgressException",
  "TryAgain",
]);

/** Whether the service did it is not known; a call must be one that may be made twice. */
const NO_ANSWER: ReadonlySet<string> = new Set(["AbortError", "TimeoutError", "SyntaxError"]);

/**
 * What `send` throws for an answer that means: nothing was done, and the same will be done a moment later.
 */
export class TryAgain extends Error {
  override readonly name = "TryAgain";
}

/**
 * Calls of one AWS service, each repeated with full jitter until its deadline while the service throttles,
 * fails or gives no answer. The SDK's own retries are off (aws-clients.ts): they know no deadline.
 */
export class ServiceCalls {
  readonly #service: string;
  readonly #effects: RetryEffects;
  readonly #limits: CallLimits;

  /** `service` is named in messages, which may be shown. */
  constructor(service: string, limits: Partial<CallLimits> = {}, effects: RetryEffects = EFFECTS) {
    this.#service = service;
    this.#effects = effects;
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * @param send must have the same effect when it is done twice.
   * @param expected names of the service's errors that mean something to the caller; they pass.
   * @throws Unavailable when there is no answer in time, or the service refuses: no permission, no such
   *   table.
   */
  async call<T>(send: (signal: AbortSignal) => Promise<T>, expected: readonly string[] = []): Promise<T> {
    const effects = this.#effects;
    const deadline = effects.now() + this.#limits.deadlineMs;
    // The service's last error: an attempt that the deadline cuts does not show the cause.
    let answered: unknown = null;
    return retryWithBackoff<T>({
      ...BACKOFF,
      effects,
      deadline,
      attempt: async () => {
        try {
          const leftMs = Math.max(1, Math.ceil(deadline - effects.now()));
          return { value: await send(AbortSignal.timeout(Math.min(this.#limits.tryMs, leftMs))) };
        } catch (failure) {
          if (!isTransient(failure)) throw this.#translated(failure, expected);
          if (isOfService(failure)) answered = failure;
          return { failure };
        }
      },
      tooLate: (failure) =>
        new Unavailable(`the ${this.#service} does not answer in time`, { cause: answered ?? failure }),
    });
  }

  #translated(error: unknown, expected: readonly string[]): unknown {
    if (!isOfService(error) || expected.includes(error.name)) return error;
    // A request that can never work is an error in our own code.
    if (error.name === "ValidationException") return error;
    return new Unavailable(`the ${this.#service} refuses our requests`, { cause: error });
  }
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (TRY_AGAIN.has(error.name) || NO_ANSWER.has(error.name) || isOfNetwork(error)) return true;
  const { httpStatusCode: status, clockSkewCorrected } = metadataOf(error);
  // The SDK has set its clock by the answer; signed anew, the request passes.
  return clockSkewCorrected === true || (typeof status === "number" && (status >= 500 || status === 429));
}

/** ECONNREFUSED, ECONNRESET, EPIPE, ENOTFOUND, EAI_AGAIN, …: Node puts the system's code on them. */
function isOfNetwork(error: Error): boolean {
  return "code" in error && typeof error.code === "string" && /^E[A-Z_]+$/.test(error.code);
}

/** Errors that a service answered with, or that the SDK found in the credentials. */
const isOfService = (error: unknown): error is Error =>
  error instanceof Error &&
  ("$fault" in error || error.name === "CredentialsProviderError" || error.name === "TokenProviderError");

function metadataOf(error: Error): Readonly<Record<string, unknown>> {
  const metadata = "$metadata" in error ? error.$metadata : null;
  return typeof metadata === "object" && metadata !== null ? { ...metadata } : {};
}
