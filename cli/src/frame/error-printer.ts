import {
  PosternError,
  PosternNetworkError,
  PosternNotAppliedError,
  type ProblemDetail,
} from "../../../sdk/src/index.ts";
import { dottedPath, inCliWords, optionOfApi } from "./api-words.ts";
import { CommandError, Explained, type Place } from "./command-error.ts";
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

/** What helps with a mistake of a request, by its code; before what helps with its problem. */
const HINTS_OF_MISTAKES: Readonly<Record<string, string>> = {
  "sender-domain-loosens":
    "Add clientCidr or clientName to `match`: a sender proves these, and not the domain that it names.",
};

/** The failure that an error stands for. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Explained) {
    const failure = failureOf(error.cause);
    return { ...failure, message: error.text ?? failure.message, hint: error.hint };
  }
  const failure = { code: null, places: [], hint: null, requestId: null, exitCode: EXIT.failure };
  if (error instanceof PosternError)
    return {
      code: error.code,
      message: inCliWords(error.detail),
      places: error.errors.map(placeOf),
      hint: hintOf(error),
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

const hintOf = ({ code, errors }: PosternError): string | null =>
  errors.flatMap((mistake) => HINTS_OF_MISTAKES[mistake.code] ?? [])[0] ?? HINTS[code] ?? null;

function placeOf({ in: part, pointer, code, message }: ProblemDetail): Place {
  const isOption = part === "query" || part === "header";
  const where = isOption ? optionOfApi(pointer.slice(1)) : part === "path" ? pointer.slice(1) : pointer;
  return { where, message: `${code}: ${inCliWords(message)}` };
}

/** Writes a failure to stderr: `code: detail`, each place and a hint. */
export function printFailure(failure: Failure, output: Output): void {
  if (output.isJson) {
    output.noteJson({ error: failure });
    return;
  }
  const { code, hint, requestId } = failure;
  const { head, lines } = withoutRepetition(failure);
  output.note(painted("bad", "postern: "), code === null ? "" : painted("bold", `${code}: `), head);
  for (const { where, message } of lines) output.note("  ", painted("bold", where), "  ", message);
  if (hint !== null) output.note(painted("dim", "hint: "), hint);
  if (requestId !== null && code === "internal") output.note(painted("dim", "request: "), requestId);
}

/** The detail of a problem is often the texts of its mistakes: each of them is printed once. */
function withoutRepetition({ code, message, places }: Failure): {
  readonly head: string;
  readonly lines: readonly Place[];
} {
  if (code === null) return { head: message, lines: places };
  const mistakes = places.map(({ where, message: text }) => {
    const end = text.indexOf(": ");
    return { where, code: text.slice(0, end), text: text.slice(end + ": ".length) };
  });
  const lines = places.map(({ where, message: text }) => ({ where: shownPath(where), message: text }));
  const [first] = mistakes;
  if (first === undefined || mistakes.some(({ text }) => !message.includes(text)))
    return { head: message, lines };
  const more = / \(\d+ more mistakes are not shown\)$/u.exec(message)?.[0] ?? "";
  if (mistakes.length > 1) return { head: `${mistakes.length} mistakes${more}`, lines };
  // Of an argument the sentence says enough.
  const isField = first.where.startsWith("/");
  const line = { where: shownPath(first.where), message: first.code === code ? "" : first.code };
  return { head: message, lines: isField ? [line] : [] };
}

const shownPath = (where: string): string => (where.startsWith("/") ? dottedPath(where) : where);
