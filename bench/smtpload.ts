import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";

/*
 * The load generator is a program in C (epoll and OpenSSL), because a client in Node costs more than the
 * server that is measured. It is not part of this repository: SMTPLOAD names the program.
 */

const percentiles = z.object({ n: z.number(), p50: z.number() });

/** The part of its one JSON line that is read here. Times in ms, memory in KB. */
const loadSchema = z.object({
  sessions: z.number(),
  failed: z.number(),
  messages: z.number(),
  bytes_out: z.number(),
  handshakes: z.number(),
  session_ms: percentiles.optional(),
  server_cpu_s: z.number().optional(),
  server_cpu_ms_per_session: z.number().optional(),
  rss_start_kb: z.number().optional(),
  rss_peak_kb: z.number().optional(),
  rss_kb_per_conn: z.number().optional(),
  held: z.number().optional(),
  errors: z.record(z.string(), z.number()),
});
export type Load = z.output<typeof loadSchema>;

const LONGEST_MS = 600_000;

/**
 * Runs the generator against a port.
 *
 * @param pid The server: its CPU and memory, and those of its children, are measured.
 * @throws when a session failed: a server that refuses is fast.
 */
export async function load(
  target: { readonly smtpPort: number; readonly pid: number },
  argv: readonly string[],
): Promise<Load> {
  const program = process.env["SMTPLOAD"];
  if (program === undefined) throw new Error("SMTPLOAD must name the load generator");
  const all = ["--port", String(target.smtpPort), "--server-pid", String(target.pid), ...argv];
  const { stdout } = await promisify(execFile)(program, all, { timeout: LONGEST_MS });
  const result = loadSchema.parse(JSON.parse(stdout));
  if (result.failed > 0 || Object.keys(result.errors).length > 0)
    throw new Error(`sessions failed: ${JSON.stringify(result.errors)}`);
  return result;
}

/** Whether the generator is available. */
export const hasLoadGenerator = (): boolean => process.env["SMTPLOAD"] !== undefined;
