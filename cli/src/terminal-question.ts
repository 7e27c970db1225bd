import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** Asks for a line on the terminal: the prompt on stderr, since stdout may be a file. */
export async function askOnTerminal(prompt: string, isHidden: boolean, signal: AbortSignal): Promise<string> {
  process.stderr.write(prompt);
  // In terminal mode readline echoes to its output, which is where the hidden line disappears.
  const output = isHidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  // The terminal is in raw mode, in which Ctrl-C is a character.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  try {
    return await Promise.race([terminal.question("", { signal }), closed]);
  } finally {
    terminal.close();
    if (isHidden) process.stderr.write("\n");
  }
}
