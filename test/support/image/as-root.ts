import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Namespaces, mounts and other users need root, or a user who may sudo. */
export const asRoot = (...command: readonly string[]): readonly string[] =>
  process.getuid?.() === 0 ? command : ["sudo", "--non-interactive", ...command];

/**
 * Runs a command as root.
 *
 * @returns its standard output.
 * @throws Error with its output when it fails.
 */
export async function runAsRoot(...command: readonly string[]): Promise<string> {
  const [program = "", ...args] = asRoot(...command);
  const { stdout } = await run(program, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}
