import { CommanderError } from "commander";
import { withEnd } from "../../../sdk/src/ending.ts";
import { CommandError } from "./command-error.ts";
import { connect } from "./connection.ts";
import { Ended, type Effects } from "./effects.ts";
import { failureOf, printFailure } from "./error-printer.ts";
import { EXIT } from "./exit-code.ts";
import { Output } from "./output.ts";
import { type CommandTable, type Invocation, parseCommandLine } from "./program.ts";

/**
 * Runs one command line.
 *
 * @param argv words after the name of the program
 * @returns the exit code: one of EXIT, or that of an Ended
 */
export async function run(argv: readonly string[], table: CommandTable, effects: Effects): Promise<number> {
  const exitCode = await runCommand(argv, table, effects);
  await effects.stdout.flushed();
  const { aborted, reason } = effects.stdout.failed;
  if (!aborted) return exitCode;
  const failure = reason as NodeJS.ErrnoException;
  // The reader has gone, as `| head` does: what more is printed is not wanted.
  if (failure.code === READER_GONE) return SIGPIPE_EXIT;
  const output = new Output(effects, argv.includes("--json"));
  printFailure(failureOf(new CommandError(`stdout: ${failure.message}`, { cause: failure })), output);
  return EXIT.failure;
}

const READER_GONE = "EPIPE";
const SIGPIPE_EXIT = 141;

async function runCommand(argv: readonly string[], table: CommandTable, effects: Effects): Promise<number> {
  let invocation: Invocation;
  try {
    invocation = parseCommandLine(argv, table, effects);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  const { command, input } = invocation;
  const output = new Output(effects, input.flag("json"));
  try {
    effects.signal.throwIfAborted();
    const onPause = (status: number, seconds: number): void => {
      if (!output.isJson) output.note(`the API asks to wait ${seconds} s (${status})`);
    };
    const options = { profile: input.text("profile"), account: input.text("account"), onPause };
    const { signal, stdout } = effects;
    const signals = command.endsItself === true ? [signal] : [signal, stdout.failed];
    const exitCode = await withEnd(signals, async (ending) => {
      const own = { ...effects, signal: ending };
      return command.run({ input, output, effects: own, api: () => connect(own, options) });
    });
    output.end();
    return exitCode ?? EXIT.success;
  } catch (error) {
    // The signal's reason may arrive as the cause of another error.
    const { aborted, reason } = effects.signal;
    output.end();
    if (aborted && reason instanceof Ended) return reason.exitCode;
    if (output.hasFailed) return EXIT.failure;
    const failure = failureOf(error);
    printFailure(failure, output);
    return failure.exitCode;
  }
}
