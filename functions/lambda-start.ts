/** The start of a Lambda function with a wrong environment. */

import { writeSync } from "node:fs";
import { EXIT_WRONG_ENVIRONMENT, WrongEnvironment } from "../core/environment.ts";

const STDERR = 2;

/**
 * Reads the environment of a function that is starting. A wrong one ends the process with 78, which Lambda
 * shows as `Runtime exited with error: exit status 78`, after a line for each variable: its name and the
 * reason.
 */
export function configOrExit<Config>(read: () => Config): Config {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WrongEnvironment)) throw error;
    // Written at once: an exit does not wait for streams.
    writeSync(STDERR, `The function cannot start.\n${error.message}\n`);
    return process.exit(EXIT_WRONG_ENVIRONMENT);
  }
}
