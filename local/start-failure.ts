import { EXIT_WRONG_CONFIG } from "../worker/config.ts";
import type { VariableName } from "../worker/config-variables.ts";
import { codeOf } from "./durable-file.ts";

/** The process cannot start as it is told to. The message is one line for a person: the variable and the reason. */
export class StartFailure extends Error {
  override readonly name = "StartFailure";
  readonly exitCode: number;
  constructor(
    variable: VariableName,
    reason: string,
    options: { readonly cause?: unknown; readonly exitCode?: number } = {},
  ) {
    super(`${variable}: ${reason}`, { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT_WRONG_CONFIG;
  }
}

/** An address is taken or not ours, or DATA_DIR is in use: right in itself, wrong at this moment. */
export const EXIT_NOT_NOW = 1;

const BIND_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use by another program",
  EADDRNOTAVAIL: "is not an address of this machine",
  EACCES: "may not be bound by this user",
  ENOTFOUND: "is not a name that this machine knows",
};

/** What binding a socket threw, for a person. */
export function bindFailure(variable: VariableName, address: string, error: unknown): StartFailure {
  const code = String(codeOf(error));
  const reason = BIND_REASONS[code] ?? `cannot be bound (${code})`;
  return new StartFailure(variable, `${address} ${reason}`, { cause: error, exitCode: EXIT_NOT_NOW });
}
