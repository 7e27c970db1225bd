import type { Postern } from "../../../sdk/src/index.ts";
import type { Effects } from "./effects.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";

export interface ArgumentSpec {
  /** `<name>` is required, `[name]` is not, `<name...>` may be repeated. */
  readonly name: string;
  readonly about: string;
}

export interface OptionSpec {
  /** `--limit <number>`, `--wait`, or `--label <name=value...>` for one that may be repeated. */
  readonly flags: string;
  readonly about: string;
  readonly choices?: readonly string[];
  /** The command is a mistake without it. */
  readonly isRequired?: true;
}

/** What a command works with. */
export interface Context {
  readonly input: Input;
  readonly output: Output;
  readonly effects: Effects;
  /** Client of the API that the options, the environment or the profile name. */
  readonly api: () => Promise<Postern>;
}

/** One command of the command line. */
export interface CommandSpec {
  /** The words that call it, such as `domains list`. */
  readonly path: string;
  readonly summary: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Lines of the help before the example. */
  readonly notes?: readonly string[];
  /** A command line that shows its use. */
  readonly example: string;
  /** The command ends its work itself where its output is not written; others are ended at once. */
  readonly endsItself?: true;
  /** @returns the exit code; 0 if it returns none */
  readonly run: (context: Context) => Promise<ExitCode | void>;
}
