import { CommanderError } from "commander";
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
    const exitCode = await command.run({ input, output, effects, api: () => connect(effects, options) });
    output.end();
    return exitCode ?? EXIT.success;
  } catch (error) {
    // The signal's reason may arrive as the cause of another error.
    const { aborted, reason } = effects.signal;
    output.end();
    if (aborted && reason instanceof Ended) return reason.exitCode;
    const failure = failureOf(error);
    printFailure(failure, output);
    return failure.exitCode;
  }
}
