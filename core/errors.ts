/** The closed list of errors that cross floors, and the single mistakes that they name. */

import type { IssueCode } from "./issue-code.ts";

/** Part of a request that an issue is in. */
export type RequestPart = "body" | "query" | "path" | "header";

/** A mistake in a request: where (RFC 6901 pointer into the part), what (its code), and a sentence. */
export interface Issue {
  /** The body where absent. */
  readonly in?: RequestPart;
  readonly pointer: string;
  readonly code: IssueCode;
  readonly message: string;
}

/**
 * The request can never work, whatever is stored: syntax, type, enum, format, unknown field. Maps to HTTP
 * 400. Messages are safe to show; they may quote the caller's own input, never a secret.
 */
export class InvalidInput extends Error {
  override readonly name = "InvalidInput";
  readonly issues: readonly Issue[];
  constructor(message: string, issues: readonly Issue[] = []) {
    super(message);
    this.issues = issues;
  }
}

/** A rule between fields or between records is broken. Maps to HTTP 422; every issue has its pointer. */
export class RuleViolation extends Error {
  override readonly name = "RuleViolation";
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    super(issues.map((issue) => issue.message).join("; "));
    this.issues = issues;
  }
}

/** The input is over a cap of core/limits.ts that counts bytes. Maps to HTTP 413. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
  readonly issues: readonly Issue[];
  constructor(message: string, issues: readonly Issue[] = []) {
    super(message);
    this.issues = issues;
  }
}

/** Absent, or another account's: the answer is the same. Maps to HTTP 404. */
export class NotFound extends Error {
  override readonly name = "NotFound";
  readonly issues: readonly Issue[];
  constructor(message: string, options: ErrorOptions & { readonly issues?: readonly Issue[] } = {}) {
    super(message, options);
    this.issues = options.issues ?? [];
  }
}

/** A revision that existed and is no longer kept. Maps to HTTP 410; the issue names what is kept. */
export class Gone extends Error {
  override readonly name = "Gone";
  readonly issue: Issue;
  constructor(message: string, issue: Issue) {
    super(message);
    this.issue = issue;
  }
}

/** The caller lacks a scope. Maps to HTTP 403, whatever else is wrong with the request. */
export class MissingScope extends Error {
  override readonly name = "MissingScope";
  /** One of core/access/scope.ts. */
  readonly scope: string;
  constructor(scope: string) {
    super(`the scope ${scope} is needed`);
    this.scope = scope;
  }
}

/** A creation over a quota of the account. Maps to HTTP 422. */
export class QuotaExceeded extends Error {
  override readonly name = "QuotaExceeded";
  /** A key of the account's `quotas`. */
  readonly quota: string;
  readonly limit: number;
  /** How many the account has; more than the limit where the quota was lowered. */
  readonly count: number;
  constructor({ quota, limit, count }: Pick<QuotaExceeded, "quota" | "limit" | "count">) {
    super(`the account's quota of ${QUOTA_TEXT[quota] ?? quota} is ${limit}, and it has ${count}`);
    this.quota = quota;
    this.limit = limit;
    this.count = count;
  }
}

const QUOTA_TEXT: Readonly<Record<string, string>> = { trustStores: "trust stores" };

export type ConflictCode =
  | "name-taken"
  | "in-use"
  | "shared-host"
  | "host-taken"
  | "already-exists"
  | "changed-since"
  | "not-revertible";

/** The stored state forbids it. Maps to HTTP 409; a new request with the same content fails the same way. */
export class StateConflict extends Error {
  override readonly name = "StateConflict";
  readonly code: ConflictCode;
  readonly issues: readonly Issue[];
  constructor(code: ConflictCode, message: string, issues: readonly Issue[] = []) {
    super(message);
    this.code = code;
    this.issues = issues;
  }
}

/** Someone else wrote this record first. Maps to HTTP 412; never retried for the caller. */
export class StaleRevision extends Error {
  override readonly name = "StaleRevision";
  /** Of the record now; null = absent, or not known. */
  readonly revision: number | null;
  constructor(message: string, revision: number | null = null) {
    super(message);
    this.revision = revision;
  }
}

/** A write of an existing record that names no revision of it. Maps to HTTP 428 (RFC 6585 section 3). */
export class ConditionMissing extends Error {
  override readonly name = "ConditionMissing";
  /** Of the record now. */
  readonly revision: number;
  constructor(message: string, revision: number) {
    super(message);
    this.revision = revision;
  }
}

/**
 * Another write took the revision that this one was validated against. Nothing was stored.
 * Inside the product only: writers read, validate and try again (core/store/commit-with-retry.ts).
 */
export class Contention extends Error {
  override readonly name = "Contention";
}

/** The same was done a moment ago, and may be done again after a while. Maps to HTTP 429. */
export class TooSoon extends Error {
  override readonly name = "TooSoon";
  readonly retryAfterSeconds: number;
  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A dependency did not answer in time. Maps to HTTP 503 and SMTP 451; the cause is for logs only. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

/** As many requests wait as may. Maps to HTTP 503; the message may be shown. */
export class TooManyWaiting extends Unavailable {}

/**
 * There is no room to write. Maps to HTTP 507: repeating does not help before an operator has made room. The
 * message may be shown.
 */
export class StorageFull extends Unavailable {}

/**
 * A stored item cannot be read by this release, or its hash does not match. Maps to HTTP 409; the cause is
 * for logs only.
 */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** A private key, or a line of one, that stands where a name belongs is not quoted in an answer or a log. */
export const mayBeKey = (name: string): boolean => /[\r\n]|-----|[A-Za-z0-9+/]{60}/.test(name);

/** RFC 6901 section 3: `~` and `/` are escaped; the empty pointer is the whole document. */
export function toPointer(path: readonly PropertyKey[]): string {
  const shown = path.map(String).map((step) => (mayBeKey(step) ? "(not shown)" : step));
  return shown.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
