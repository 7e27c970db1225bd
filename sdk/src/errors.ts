import type { components } from "./generated/openapi.ts";
import { PROBLEM_CODES } from "./generated/problem-codes.ts";

/** A problem that the API answers; the same word is the end of `type` in the answer. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];
type Problem = components["schemas"]["Problem"];
/** One mistake of a request: where, which, and a text for people. */
export type ProblemDetail = Problem["errors"][number];

const URN = "urn:postern:problem:";
/** Of a body that is no problem document, such as a proxy's page. */
const MAX_DETAIL = 300;

/**
 * An answer of the API that reports a failure. `code` is `unrecognized` if the answer does not come from
 * Postern, or from a later release with a problem that this release does not name; `type` has it then.
 */
export class PosternError extends Error {
  override readonly name = "PosternError";
  readonly code: ProblemCode | "unrecognized";
  /** `type` of the problem document; null if the answer is none. */
  readonly type: string | null;
  /** Status of HTTP. */
  readonly status: number;
  readonly detail: string;
  /** Each mistake of the request; empty where the problem is of another kind. */
  readonly errors: readonly ProblemDetail[];
  /** Of the answer, as the log of the API has it; null if the answer has none. */
  readonly requestId: string | null;
  /** How long the API asks to wait before the next try; null if it does not say. */
  readonly retryAfterMs: number | null;
  /** Of the record as it is now, where the answer names it (412, 428). */
  readonly etag: string | null;
  /**
   * Requests that were sent, this one included. With more than one, an earlier one may have been carried out
   * although its answer was lost: a 412 may then be about the caller's own write.
   */
  readonly attempts: number;

  constructor(answer: FailedAnswer) {
    const { response, body } = answer;
    const problem = readProblem(body);
    const code = codeOf(problem?.type);
    const detail = problem?.detail ?? foreignDetail(body, response);
    super(`${response.status} ${code}: ${detail}`);
    this.code = code;
    this.type = problem?.type ?? null;
    this.status = response.status;
    this.detail = detail;
    this.errors = problem?.errors.filter(isDetail) ?? [];
    this.requestId = problem?.requestId ?? response.headers.get("x-request-id");
    this.retryAfterMs = answer.retryAfterMs;
    this.etag = response.headers.get("etag");
    this.attempts = answer.attempts;
  }
}

export interface FailedAnswer {
  readonly response: Response;
  readonly body: unknown;
  readonly retryAfterMs: number | null;
  readonly attempts: number;
}

/** No answer arrived: name not found, connection refused or broken, or no answer within the timeout. */
export class PosternNetworkError extends Error {
  override readonly name = "PosternNetworkError";
  /** Requests that were sent. The last one may have been carried out. */
  readonly attempts: number;

  constructor(url: string, { cause, attempts }: { readonly cause: unknown; readonly attempts: number }) {
    super(`no answer from ${new URL(url).origin}: ${reasonOf(cause)}`, { cause });
    this.attempts = attempts;
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error && cause.cause.message !== "" ? cause.cause.message : cause.message;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

function readProblem(body: unknown): Problem | null {
  if (!isObject(body)) return null;
  const { type, detail, requestId, errors } = body;
  const isProblem = [type, detail, requestId].every((text) => typeof text === "string");
  return isProblem && Array.isArray(errors) ? (body as unknown as Problem) : null;
}

const isDetail = (entry: unknown): entry is ProblemDetail =>
  isObject(entry) &&
  [entry["in"], entry["pointer"], entry["code"], entry["message"]].every((text) => typeof text === "string");

const codeOf = (type: string | undefined): ProblemCode | "unrecognized" =>
  PROBLEM_CODES.find((code) => type === URN + code) ?? "unrecognized";

/** API Gateway answers `{ "message": "Forbidden" }`, a proxy a page. */
function foreignDetail(body: unknown, { statusText }: Response): string {
  const text = isObject(body) ? body["message"] : body;
  return typeof text === "string" && text !== "" ? text.slice(0, MAX_DETAIL) : statusText || "no details";
}
