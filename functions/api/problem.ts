/** Errors as problem documents (RFC 9457). The one table of problems. */

import { UnsupportedMediaType } from "./request-body.ts";
import { Unauthenticated, TooManyAttempts } from "./caller.ts";
import { RateLimited } from "./rate-limit.ts";
import { KeyConflict } from "./idempotency-key.ts";
import { NoAccess } from "./stored-callers.ts";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import * as z from "zod";
import {
  ConditionMissing,
  Gone,
  InvalidInput,
  type Issue,
  MissingScope,
  NotFound,
  QuotaExceeded,
  RuleViolation,
  StaleRevision,
  StateConflict,
  StorageFull,
  TooLarge,
  TooManyWaiting,
  TooSoon,
  Unavailable,
  Unreadable,
} from "../../core/errors.ts";
import { cutText } from "../../core/plain-text.ts";
import { ISSUE_CODES } from "../../core/issue-code.ts";
import type { ApiEnv } from "./api-env.ts";
import { etagOf } from "./conditions.ts";

/**
 * Problems of the API: status and title. `type` of the answer is `urn:postern:problem:` and the key. Titles
 * are the standard phrases of HTTP; where several types share a status, each has a phrase for its own case.
 */
const PROBLEMS = {
  "invalid-request": [400, "Bad request"],
  unauthenticated: [401, "Unauthorized"],
  "missing-scope": [403, "Forbidden"],
  "no-access": [403, "Caller without access"],
  "not-found": [404, "Not found"],
  "method-not-allowed": [405, "Method not allowed"],
  "request-timeout": [408, "Request timeout"],
  "name-taken": [409, "Name already taken"],
  "in-use": [409, "Resource in use"],
  "shared-host": [409, "MX host shared with other domains"],
  "host-taken": [409, "MX host already taken"],
  "already-exists": [409, "Resource already exists"],
  "changed-since": [409, "Record changed since"],
  "not-revertible": [409, "Change not revertible"],
  unreadable: [409, "Stored content unreadable"],
  "request-in-progress": [409, "Request in progress"],
  "answer-not-kept": [409, "Answer not kept"],
  gone: [410, "Gone"],
  "stale-revision": [412, "Precondition failed"],
  "too-large": [413, "Content too large"],
  "unsupported-media-type": [415, "Unsupported media type"],
  "rule-violation": [422, "Unprocessable content"],
  "quota-exceeded": [422, "Quota exceeded"],
  "idempotency-key-reused": [422, "Idempotency-Key reused"],
  "condition-missing": [428, "Precondition required"],
  "too-many-attempts": [429, "Too many requests"],
  "rate-limited": [429, "Rate limit exceeded"],
  "header-too-large": [431, "Request header fields too large"],
  internal: [500, "Internal server error"],
  "storage-full": [507, "Insufficient storage"],
  unavailable: [503, "Service unavailable"],
} as const satisfies Readonly<Record<string, readonly [ContentfulStatusCode, string]>>;

const typeOf = (code: string): string => `urn:postern:problem:${code}`;

export type ProblemCode = keyof typeof PROBLEMS;
export type StatusOf<C extends ProblemCode> = (typeof PROBLEMS)[C][0];

/** An error, ready for its answer. */
export interface Problem {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly issues?: readonly Issue[];
  /** The scope that the caller lacks. */
  readonly scope?: string;
  /** The quota that leaves no room. */
  readonly quota?: Pick<QuotaExceeded, "quota" | "limit" | "count">;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A reader needs no more, and answers stay bounded. */
const MAX_ERRORS = 50;

/** RFC 9457, with `errors` as RFC 6901 pointers. */
export const problemResponse = z
  .strictObject({
    type: z.enum(Object.keys(PROBLEMS).map((code) => typeOf(code))),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    requestId: z.string(),
    errors: z
      .array(
        z.strictObject({
          in: z
            .enum(["body", "query", "path", "header"])
            .meta({ description: "the part of the request that the pointer leads into" }),
          pointer: z.string().meta({
            description: "place in that part (RFC 6901): of a parameter or header, a slash and its name",
          }),
          code: z.enum(Object.keys(ISSUE_CODES)),
          message: z.string(),
        }),
      )
      .readonly()
      .meta({ description: `each mistake; the first ${MAX_ERRORS}` }),
    scope: z
      .string()
      .optional()
      .meta({ description: "the scope that the caller lacks; of missing-scope alone" }),
    quota: z
      .strictObject({
        name: z.string().meta({ description: "a member of the account's quotas" }),
        limit: z.int().min(0),
        count: z.int().min(0).meta({ description: "how many the account has" }),
      })
      .optional()
      .meta({ id: "ExceededQuota", description: "the quota that leaves no room; of quota-exceeded alone" }),
    moreErrors: z
      .int()
      .min(1)
      .optional()
      .meta({ description: "number of further mistakes; absent where errors has all" }),
  })
  .meta({ id: "Problem" });

type ProblemDocument = z.output<typeof problemResponse>;

export const PROBLEM_TYPE = "application/problem+json";
const RETRY_AFTER_SECONDS = "1";
const RETRY_AFTER_WAITING_SECONDS = "5";
/** Of the detail of a problem whose errors are not all shown: it may name each of them. */
const MAX_DETAIL = 2_000;

export const statusOf = (code: ProblemCode): ContentfulStatusCode => PROBLEMS[code][0];

/** A problem as JSON (RFC 9457). */
export const problemText = (problem: Problem, requestId: string): string =>
  JSON.stringify(problemDocument(problem, requestId));

/** A problem as its answer shows it. */
export function problemDocument(
  { code, detail, issues = [], scope, quota }: Problem,
  requestId: string,
): ProblemDocument {
  const [status, title] = PROBLEMS[code];
  const type = typeOf(code);
  const errors = issues.slice(0, MAX_ERRORS).map(({ in: part = "body", pointer, code: issue, message }) => ({
    in: part,
    pointer,
    code: issue,
    message,
  }));
  const more = issues.length - errors.length;
  return {
    type,
    title,
    status,
    detail: more > 0 ? `${cutText(detail, MAX_DETAIL)} (${more} more mistakes are not shown)` : detail,
    requestId,
    errors,
    ...(scope === undefined ? {} : { scope }),
    ...(quota === undefined ? {} : { quota: shownQuota(quota) }),
    ...(more > 0 ? { moreErrors: more } : {}),
  };
}

const shownQuota = ({ quota: name, limit, count }: NonNullable<Problem["quota"]>) => ({ name, limit, count });

export function answerProblem(c: Context<ApiEnv>, problem: Problem): Response {
  return c.body(problemText(problem, c.get("requestId")), statusOf(problem.code), {
    ...problem.headers,
    "Content-Type": PROBLEM_TYPE,
  });
}

/** Translates an error. An error outside the closed list is not shown: its message is for the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof InvalidInput)
    return { code: "invalid-request", detail: error.message, issues: error.issues };
  if (error instanceof RuleViolation)
    return { code: "rule-violation", detail: error.message, issues: error.issues };
  if (error instanceof TooLarge) return { code: "too-large", detail: error.message, issues: error.issues };
  if (error instanceof NotFound) return { code: "not-found", detail: error.message, issues: error.issues };
  if (error instanceof MissingScope) return missingScope(error);
  if (error instanceof QuotaExceeded) return { code: "quota-exceeded", detail: error.message, quota: error };
  if (error instanceof StateConflict)
    return { code: error.code, detail: error.message, issues: conflictIssues(error) };
  if (error instanceof Unreadable) return { code: "unreadable", detail: error.message };
  if (error instanceof Gone) return { code: "gone", detail: error.message, issues: [error.issue] };
  if (error instanceof StaleRevision)
    return { code: "stale-revision", detail: error.message, headers: presentTag(error) };
  if (error instanceof ConditionMissing)
    return { code: "condition-missing", detail: error.message, headers: presentTag(error) };
  if (error instanceof TooSoon)
    return {
      code: "too-many-attempts",
      detail: error.message,
      headers: { "Retry-After": String(error.retryAfterSeconds) },
    };
  if (error instanceof StorageFull)
    return { code: "storage-full", detail: `${error.message}: writes fail until space is free` };
  if (error instanceof TooManyWaiting)
    return {
      code: "unavailable",
      detail: error.message,
      headers: { "Retry-After": RETRY_AFTER_WAITING_SECONDS },
    };
  if (error instanceof Unavailable)
    return {
      code: "unavailable",
      detail: "A service that the API depends on did not answer in time; try again.",
      headers: { "Retry-After": RETRY_AFTER_SECONDS },
    };
  return httpProblemOf(error) ?? { code: "internal", detail: "The log has the cause under this requestId." };
}

const missingScope = ({ message, scope }: MissingScope): Problem => ({
  code: "missing-scope",
  detail: message,
  issues: [{ in: "header", pointer: "/authorization", code: "missing-scope", message }],
  scope,
  // RFC 6750 section 3.1; of no use to a caller by SigV4, and harmless.
  headers: { "WWW-Authenticate": `Bearer realm="postern", error="insufficient_scope", scope="${scope}"` },
});

function keyProblem({ code, message, location }: KeyConflict): Problem {
  const issues: Issue[] = [{ in: "header", pointer: "/idempotency-key", code, message }];
  if (code === "request-in-progress")
    return { code, detail: message, issues, headers: { "Retry-After": RETRY_AFTER_SECONDS } };
  return { code, detail: message, issues, ...(location === null ? {} : { headers: { Location: location } }) };
}

const presentTag = ({ revision }: StaleRevision | ConditionMissing): Record<string, string> =>
  revision === null ? {} : etagOf({ revision });

const conflictIssues = ({ code, message, issues }: StateConflict): readonly Issue[] =>
  issues.length > 0 ? issues : [{ in: "path", pointer: "", code, message }];

function httpProblemOf(error: unknown): Problem | null {
  if (error instanceof Unauthenticated) {
    const realm = `${error.scheme} realm="postern"`;
    const challenge =
      error.presented && error.scheme === "Bearer" ? `${realm}, error="invalid_token"` : realm;
    return { code: "unauthenticated", detail: error.message, headers: { "WWW-Authenticate": challenge } };
  }
  if (error instanceof KeyConflict) return keyProblem(error);
  if (error instanceof NoAccess) return { code: "no-access", detail: error.message };
  if (error instanceof RateLimited)
    return {
      code: "rate-limited",
      detail: error.message,
      headers: { ...error.headers, "Retry-After": String(error.retryAfterSeconds) },
    };
  if (error instanceof TooManyAttempts)
    return {
      code: "too-many-attempts",
      detail: error.message,
      headers: { "Retry-After": String(error.retryAfterSeconds) },
    };
  if (error instanceof UnsupportedMediaType) {
    // RFC 9110 section 15.5.16; RFC 5789 section 2.2 for PATCH.
    const header = error.accepted.includes("patch") ? "Accept-Patch" : "Accept";
    return { code: "unsupported-media-type", detail: error.message, headers: { [header]: error.accepted } };
  }
  // Thrown by hono itself; our own border comes first, so only its status is used.
  if (error instanceof HTTPException && error.status === 415)
    return { code: "unsupported-media-type", detail: "the media type of the body is not supported here" };
  if (error instanceof HTTPException && error.status >= 400 && error.status < 500)
    return { code: "invalid-request", detail: "the request is malformed" };
  return null;
}
