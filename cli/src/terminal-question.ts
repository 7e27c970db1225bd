import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CommandError } from "./frame/command-error.ts";

/**
 * Asks for a line on the terminal: the prompt on stderr, since stdout may be a file.
 *
 * @throws CommandError if the terminal is closed (Ctrl-D) before there is a line
 */
export async function askOnTerminal(prompt: string, isHidden: boolean, signal: AbortSignal): Promise<string> {
  // In terminal mode readline echoes to its output, which is where a hidden line disappears.
  const output = isHidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  // From here on the terminal itself echoes nothing, so that no fast typing is shown.
  const terminal = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  // The terminal is in raw mode, in which Ctrl-C is a character.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const closed = new Promise<never>((_, reject) =>
    terminal.once("close", () => reject(new CommandError("nothing was typed"))),
  );
  if (isHidden) process.stderr.write(prompt);
  try {
    return await Promise.race([terminal.question(isHidden ? "" : prompt, { signal }), closed]);
  } finally {
    closed.catch(() => undefined);
    terminal.close();
    if (isHidden) process.stderr.write("\n");
  }
}
