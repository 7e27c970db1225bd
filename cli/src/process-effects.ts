import { isatty } from "node:tty";
import { REAL_EFFECTS } from "../../sdk/src/effects.ts";
import { askOnTerminal } from "./terminal-question.ts";
import { decodedText, modeOf, readTextFile, readWholeFile, writeWholeFile } from "./text-files.ts";
import { type Effects, Ended, type Sink } from "./frame/effects.ts";
import { CommandError } from "./frame/command-error.ts";

const SIGINT_EXIT = 130;
const SIGTERM_EXIT = 143;
const DEFAULT_COLUMNS = 80;

/** The process itself: its streams, environment, files and signals. */
export function processEffects(): Effects {
  const controller = new AbortController();
  const end = (exitCode: number): void => {
    // A second signal does not wait for work that does not end.
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort(new Ended(exitCode));
  };
  process.on("SIGINT", () => end(SIGINT_EXIT));
  process.on("SIGTERM", () => end(SIGTERM_EXIT));
  return {
    env: process.env,
    stdout: sinkOf(process.stdout, 1),
    stderr: sinkOf(process.stderr, 2),
    stdin: {
      isTerminal: isatty(0),
      text: readStdin,
      ask: (prompt, isHidden) => askOnTerminal(prompt, isHidden, controller.signal),
    },
    fetch: globalThis.fetch,
    clock: REAL_EFFECTS,
    files: { read: readTextFile, readBytes: readWholeFile, write: writeWholeFile, mode: modeOf },
    signal: controller.signal,
  };
}

/** Keeps the first failure of a stream, which would else end the process in the middle of its work. */
function sinkOf(stream: NodeJS.WriteStream, descriptor: number): Sink {
  const failed = new AbortController();
  stream.on("error", (error) => failed.abort(error));
  return {
    write: (text) => void stream.write(text),
    isTerminal: isatty(descriptor),
    columns: stream.columns ?? DEFAULT_COLUMNS,
    failed: failed.signal,
    flushed: () => new Promise((resolve) => stream.write("", () => setImmediate(resolve))),
  };
}

async function readStdin(maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new CommandError(`stdin has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return decodedText(Buffer.concat(chunks), "stdin");
}
