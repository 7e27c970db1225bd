import { COMMAND_TABLE } from "../../cli/src/commands.ts";
import { CommandError } from "../../cli/src/frame/command-error.ts";
import type { Effects } from "../../cli/src/frame/effects.ts";
import { run } from "../../cli/src/frame/run.ts";
import { REAL_EFFECTS } from "../../sdk/src/effects.ts";

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** What a person types, in order; stdin is then a terminal. */
  readonly typed?: readonly string[];
  /** Files by their paths, read and written. */
  readonly files?: Map<string, MemoryFile>;
  readonly isTerminal?: boolean;
  readonly fetch?: typeof globalThis.fetch;
  readonly signal?: AbortSignal;
  /** Receives what is printed at once. */
  readonly onStdout?: (text: string) => void;
  readonly sleep?: Effects["clock"]["sleep"];
}

export interface MemoryFile {
  readonly text: string;
  readonly mode: number;
}

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, on files in memory. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  let stdout = "";
  let stderr = "";
  const { isTerminal = false } = options;
  const print = (text: string): void => {
    stdout += text;
    options.onStdout?.(text);
  };
  const sink = {
    isTerminal,
    columns: 100,
    failed: new AbortController().signal,
    flushed: () => Promise.resolve(),
  };
  const effects: Effects = {
    env: options.env ?? {},
    stdout: { ...sink, write: print },
    stderr: { ...sink, write: (text) => void (stderr += text) },
    stdin: stdinOf(options),
    fetch: options.fetch ?? globalThis.fetch,
    clock: { ...REAL_EFFECTS, ...(options.sleep === undefined ? {} : { sleep: options.sleep }) },
    files: filesOf(options.files ?? new Map()),
    signal: options.signal ?? new AbortController().signal,
  };
  const exitCode = await run(argv, COMMAND_TABLE, effects);
  return { exitCode, stdout, stderr };
}

function stdinOf({ stdin = "", typed }: CliOptions): Effects["stdin"] {
  const lines = [...(typed ?? [])];
  return {
    isTerminal: typed !== undefined,
    text: async () => stdin,
    ask: async () => lines.shift() ?? "",
  };
}

function textOf(files: ReadonlyMap<string, MemoryFile>, path: string): string {
  const file = files.get(path);
  if (file === undefined) throw new CommandError(`${path}: not found`);
  return file.text;
}

const filesOf = (files: Map<string, MemoryFile>): Effects["files"] => ({
  read: async (path) => textOf(files, path),
  readBytes: async (path) => Buffer.from(textOf(files, path), "latin1"),
  write: async (path, text, mode) => void files.set(path, { text, mode }),
  mode: async (path) => files.get(path)?.mode ?? null,
});
