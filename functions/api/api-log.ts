/** Events that the API logs, and their texts without secrets. */

import type { Context } from "hono";
import { OPERATOR_ACCOUNT } from "../../core/actor.ts";
import type { ApiEnv } from "./api-env.ts";
import { cutText } from "../../core/plain-text.ts";

/**
 * Events of the API in the log; never headers, bodies or queries, which may hold tokens, keys or passphrases.
 */
export type ApiEvent =
  | {
      readonly event: "api-request";
      readonly requestId: string;
      /** The client's own X-Request-Id, when it is harmless text. */
      readonly clientRequestId: string | null;
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly durationMs: number;
      readonly account: string | null;
      readonly actor: string | null;
    }
  | {
      /** An account, a token or a principal was created, changed or deleted. */
      readonly event: "access-changed";
      readonly requestId: string;
      readonly action: "create" | "update" | "delete";
      readonly resource: string;
      /** Account that it is of; of an account: the operator's. */
      readonly resourceAccount: string;
      readonly scopes: readonly string[];
      readonly account: string;
      readonly actor: string;
    }
  | {
      /** When a token was used could not be noted. */
      readonly event: "token-use-failed";
      readonly errors: readonly LoggedError[];
    }
  | {
      /** The answer to a request with an Idempotency-Key could not be kept, or its key not be released. */
      readonly event: "answer-keep-failed";
      readonly requestId: string;
      readonly errors: readonly LoggedError[];
    }
  | {
      readonly event: "api-error";
      readonly requestId: string;
      /** The error and its causes, outermost first. */
      readonly errors: readonly LoggedError[];
    };

export type ApiLog = (event: ApiEvent) => void;

interface LoggedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** What an audit needs of a change, and no secret. */
export function accessChange(
  c: Context<ApiEnv>,
  change: {
    readonly action: "create" | "update" | "delete";
    readonly resource: string;
    readonly of?: { readonly account: string; readonly scopes: readonly string[] };
  },
): ApiEvent {
  const { account, name } = c.get("actor");
  return {
    event: "access-changed",
    requestId: c.get("requestId"),
    action: change.action,
    resource: change.resource,
    resourceAccount: change.of?.account ?? OPERATOR_ACCOUNT,
    scopes: change.of?.scopes ?? [],
    account,
    actor: name,
  };
}

const MAX_CAUSES = 5;
const MAX_PATH = 300;
const MAX_CLIENT_REQUEST_ID = 100;

/** An error that is not on the closed list, for the log alone. */
export function loggedErrors(error: unknown): LoggedError[] {
  const errors: LoggedError[] = [];
  for (let each = error; each !== undefined && errors.length < MAX_CAUSES; each = causeOf(each)) {
    const { name, message, stack } = each instanceof Error ? each : new Error(typeof each);
    errors.push({ name, message: withoutSecrets(message, 500), stack: withoutSecrets(stack ?? "", 2_000) });
  }
  return errors;
}

const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined);

/** Libraries may quote their input: what looks like PEM, or like its base64 body, is taken out. */
const withoutSecrets = (text: string, maxLength: number): string =>
  cutText(
    text
      .replaceAll(/-----BEGIN[\s\S]*?(?:-----END[^\n]*|$)/g, "[PEM]")
      .replaceAll(/[A-Za-z0-9+/]{60,}={0,2}/g, "[base64]"),
    maxLength,
  );

/** Below it are tokens of orders in progress, which the log does not need. */
export const CHALLENGE_FOLDER = "/.well-known/acme-challenge/";

export const loggedPath = (path: string): string =>
  path.startsWith(CHALLENGE_FOLDER) ? `${CHALLENGE_FOLDER}{token}` : cutText(path, MAX_PATH);

/** A client's id goes to the log only when it is short and cannot be read as anything else. */
export function loggedClientRequestId(value: string | undefined): string | null {
  if (value === undefined || value.length > MAX_CLIENT_REQUEST_ID) return null;
  return /^[A-Za-z0-9._:-]+$/.test(value) ? value : null;
}
