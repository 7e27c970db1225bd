/** Failures of a start, each by the variable to change. */

import { EXIT_WRONG_ENVIRONMENT, WrongEnvironment } from "../../core/environment.ts";

/** An address is taken or not ours, or DATA_DIR is in use: right in itself, wrong at this moment. */
export const EXIT_NOT_NOW = 1;

/**
 * The process cannot start with this configuration. The message is one line for a person: the variable and
 * the reason.
 */
export class StartFailure extends Error {
  override readonly name = "StartFailure";
  readonly exitCode: number;
  constructor(
    variable: string,
    reason: string,
    options: { readonly cause?: unknown; readonly exitCode?: number } = {},
  ) {
    super(`${variable}: ${reason}`, { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT_WRONG_ENVIRONMENT;
  }
}

/**
 * What a person can mend of an error that ended a start; null = an error that no code expected. A variable
 * may be found wrong late: a file that it names cannot be read.
 */
export function startFailureOf(
  error: unknown,
): { readonly message: string; readonly exitCode: number } | null {
  if (error instanceof StartFailure) return error;
  if (!(error instanceof WrongEnvironment)) return null;
  return { message: error.message, exitCode: EXIT_WRONG_ENVIRONMENT };
}

/** Address to bind a socket to, and the variables that it comes from. */
export interface BindPlace {
  readonly host: string;
  readonly port: number;
  readonly hostVariable: string;
  readonly portVariable: string;
}

const BIND_REASONS: Readonly<Record<string, { readonly blames: "host" | "port"; readonly reason: string }>> =
  {
    EADDRINUSE: { blames: "port", reason: "is in use already" },
    EACCES: { blames: "port", reason: "may not be bound by this user" },
    EADDRNOTAVAIL: { blames: "host", reason: "is not an address of this machine" },
    ENOTFOUND: { blames: "host", reason: "is not a name that this machine knows" },
  };

/** What binding a socket threw, with the variable to change; any other error as it is. */
export function bindFailure(place: BindPlace, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const { host, port, hostVariable, portVariable } = place;
  const known = BIND_REASONS[String(error.code)];
  const variable = known?.blames === "host" ? hostVariable : portVariable;
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const reason = known?.reason ?? `cannot be bound (${String(error.code)})`;
  return new StartFailure(variable, `${address} ${reason}`, { cause: error, exitCode: EXIT_NOT_NOW });
}
