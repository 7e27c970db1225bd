/** Addresses of the running process, as kept in running.json and as shown. */

import { join } from "node:path";
import { z } from "zod";
import { DATA_FILES } from "./data-directory.ts";
import { readIfThere } from "./durable-file.ts";

const address = z.object({ host: z.string(), port: z.number() });

/** Addresses of the running process, for other programs of this machine. No secrets. */
const runningSchema = z.object({
  pid: z.number(),
  api: address,
  smtp: address,
  health: address,
  smtpName: z.string(),
  /** null = mail does not stay on this machine. */
  maildir: z.string().nullable(),
  delivery: z.string(),
});

export type Running = z.output<typeof runningSchema>;

/** Addresses of the process that uses this DATA_DIR; null when none does. */
export function readRunning(dataDir: string): Running | null {
  const text = readIfThere(join(dataDir, DATA_FILES.running));
  if (text === null) return null;
  try {
    return runningSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The address to connect to for one that is listened on: `0.0.0.0` and `::` are no address of a peer. */
export function connectHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

export const hostAndPort = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

export const httpUrl = (at: { readonly host: string; readonly port: number }): string =>
  `http://${hostAndPort({ host: connectHost(at.host), port: at.port })}`;
