import { EXIT, type ExitCode } from "./exit-code.ts";

/** One mistake: where, such as `/tls/server/level` or `postern.yaml:7:3`, and what. */
export interface Place {
  readonly where: string;
  readonly message: string;
}

interface CommandErrorOptions {
  /** What would be right. */
  readonly hint?: string | undefined;
  readonly exitCode?: ExitCode;
  readonly places?: readonly Place[];
  readonly cause?: unknown;
}

/** A failure that the user is shown without a stack. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly hint: string | null;
  readonly exitCode: ExitCode;
  readonly places: readonly Place[];

  constructor(message: string, options: CommandErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint ?? null;
    this.exitCode = options.exitCode ?? EXIT.failure;
    this.places = options.places ?? [];
  }
}

interface Explanation {
  /** In place of the error's own message. */
  readonly message?: string | undefined;
  /** What would be right. */
  readonly hint: string;
}

/** A failure with what helps in this case, in place of what helps with each of its kind. */
export class Explained extends Error {
  override readonly name = "Explained";
  readonly text: string | null;
  readonly hint: string;

  constructor(cause: Error, { message, hint }: Explanation) {
    super(cause.message, { cause });
    this.text = message ?? null;
    this.hint = hint;
  }
}
