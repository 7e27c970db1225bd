/** The openssl command as a child process with bounds. */

import { spawn } from "node:child_process";

/** How a child process ended. */
export type CommandResult =
  | { readonly kind: "exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "failed"; readonly why: string };

export interface CommandLimits {
  /** The process is killed after this time. */
  readonly timeoutMs: number;
  /** The process is killed when it has written more than this to stdout or stderr. */
  readonly maxOutputBytes: number;
}

/** Runs a program with arguments, never through a shell. Never rejects. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  limits: CommandLimits,
) => Promise<CommandResult>;

/**
 * Nothing of our own environment, which may hold secrets; and no configuration file that could change a
 * verdict.
 */
const environment = (path: string | undefined): NodeJS.ProcessEnv => ({
  LC_ALL: "C",
  OPENSSL_CONF: "/dev/null",
  ...(path === undefined ? {} : { PATH: path }),
});

export const runCommand: RunCommand = (command, args, { timeoutMs, maxOutputBytes }) =>
  new Promise((resolve) => {
    const child = spawn(command, [...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(process.env["PATH"]),
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        if (output[name].length + chunk.length > maxOutputBytes) child.kill("SIGKILL");
        else output[name] += chunk;
      });
    }
    child.on("error", (error) => {
      resolve({ kind: "failed", why: `${command} could not be run: ${error.message}` });
    });
    child.on("close", (code, signal) => {
      if (code === null) resolve({ kind: "failed", why: `${command} was ended by ${signal ?? "a signal"}` });
      else resolve({ kind: "exited", code, ...output });
    });
  });

/** The oldest release whose `verify` has every flag that is used. */
const OLDEST_MAJOR = 3;

/** Whether `command` is an OpenSSL that can verify chains; the text is the reason why not. */
export async function findOpenSsl(command: string, run: RunCommand): Promise<{ problem: string | null }> {
  const result = await run(command, ["version"], { timeoutMs: 5_000, maxOutputBytes: 10_000 });
  if (result.kind === "failed") return { problem: result.why };
  const major = /^OpenSSL (\d+)\./.exec(result.stdout)?.[1];
  if (result.code === 0 && major !== undefined && Number(major) >= OLDEST_MAJOR) return { problem: null };
  return { problem: `${command} is not OpenSSL ${String(OLDEST_MAJOR)} or later` };
}
