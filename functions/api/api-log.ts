/** Events that the API logs, and their texts without secrets. */

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
