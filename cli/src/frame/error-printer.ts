import { PosternError, PosternNetworkError, PosternNotAppliedError } from "../../../sdk/src/index.ts";
import { CommandError, type Place } from "./command-error.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { type Output, painted } from "./output.ts";

/** A failure as it is printed. */
export interface Failure {
  /** Code of the problem; null = a failure of the command itself. */
  readonly code: string | null;
  readonly message: string;
  readonly places: readonly Place[];
  readonly hint: string | null;
  readonly requestId: string | null;
  readonly exitCode: ExitCode;
}

/** What helps with a problem of the API, by its code. */
const HINTS: Readonly<Record<string, string>> = {
  unauthenticated: "Check the token: `postern login`, or POSTERN_TOKEN.",
  "missing-scope": "`postern whoami` shows the scopes of this token.",
  "no-access": "`postern whoami` shows the account of this token.",
  "stale-revision": "The record has changed since it was read. Read it again, and repeat the command.",
  "already-exists": "It exists: `--if-match '*'` replaces it.",
  "condition-missing": "It exists: `--if-match '*'` replaces it.",
  "shared-host": "`--move-shared-hosts` changes the certificate for all of them.",
  "changed-since":
    "`--if-match` with the present revision loses the later changes; `--if-absent` makes a deleted record again.",
  "in-use": "Other records refer to it. Change those first.",
};

/** The failure that an error stands for. */
export function failureOf(error: unknown): Failure {
  const failure = { code: null, places: [], hint: null, requestId: null, exitCode: EXIT.failure };
  if (error instanceof PosternError)
    return {
      code: error.code,
      message: error.detail,
      places: error.errors.map(({ pointer, code, message }) => ({
        where: pointer,
        message: `${code}: ${message}`,
      })),
      hint: HINTS[error.code] ?? null,
      requestId: error.requestId,
      exitCode: error.status === 409 || error.status === 412 ? EXIT.conflict : EXIT.failure,
    };
  if (error instanceof CommandError)
    return {
      ...failure,
      message: error.message,
      places: error.places,
      hint: error.hint,
      exitCode: error.exitCode,
    };
  if (error instanceof PosternNetworkError)
    return { ...failure, message: error.message, hint: "Check the URL: `postern login`, or POSTERN_URL." };
  if (error instanceof PosternNotAppliedError)
    return { ...failure, message: error.message, hint: "`postern edges list` shows each edge." };
  return { ...failure, message: error instanceof Error ? error.message : String(error) };
}

/** Writes a failure to stderr: `code: detail`, each place and a hint. */
export function printFailure(failure: Failure, output: Output): void {
  if (output.isJson) {
    output.noteJson({ error: failure });
    return;
  }
  const { code, message, places, hint, requestId } = failure;
  output.note(painted("bad", "postern: "), code === null ? "" : painted("bold", `${code}: `), message);
  for (const place of places) output.note("  ", painted("bold", place.where), "  ", place.message);
  if (hint !== null) output.note(painted("dim", "hint: "), hint);
  if (requestId !== null && code === "internal") output.note(painted("dim", "request: "), requestId);
}
