import { execFile } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTheEnd } from "./endings.ts";
import { findProgram } from "./installed-peers.ts";
import type { OutgoingMessage } from "./postfix.ts";

/** A sending Exim: configuration, spool and log in one temporary directory; no daemon, no port. */
export interface Exim {
  /** Submits a message and makes the first delivery attempt; both are over when this resolves. */
  readonly send: (message: OutgoingMessage) => Promise<void>;
  /** Tries again to deliver everything that is still in the queue, deferred or not. */
  readonly runQueue: () => Promise<void>;
  /** Ids of the messages in the queue. */
  readonly queue: () => Promise<readonly string[]>;
  /** Main log so far. */
  readonly log: () => string;
}

export interface EximOptions {
  /** Port on loopback where all mail goes. */
  readonly port: number;
  /** Whether STARTTLS is used where it is offered. */
  readonly tls: boolean;
}

/** The user that Debian's Exim looks up at each start, before it reads its configuration. */
const EXIM_USER = "Debian-exim";

/** Debian's defaults, as far as they concern how it speaks SMTP as a client: none is changed. */
const configuration = (directory: string, program: string, { port, tls }: EximOptions): string => `
exim_path = ${program}
spool_directory = ${directory}/spool
log_file_path = ${directory}/log/%slog
primary_hostname = exim.example
local_interfaces = 127.0.0.1
log_selector = +smtp_confirmation +all_parents
untrusted_set_sender = *
keep_environment =
acl_not_smtp = accept

begin routers
everything:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = postern

begin transports
postern:
  driver = smtp
  port = ${String(port)}
  allow_localhost
${tls ? "" : "  hosts_avoid_tls = *\n"}
begin retry
* * F,1h,1s
`;

export async function startExim(options: EximOptions): Promise<Exim> {
  const directory = mkdtempSync(join(tmpdir(), "postern-exim-"));
  atTheEnd(async () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const [uid, gid] = await Promise.all([idOf("-u"), idOf("-g")]);
  for (const path of [directory, join(directory, "spool"), join(directory, "log")]) {
    mkdirSync(path, { recursive: true, mode: 0o755 });
    chownSync(path, uid, gid);
  }
  const program = findProgram("exim4");
  if (program === undefined) throw new Error("exim4 is not installed");
  const config = join(directory, "exim.conf");
  writeFileSync(config, configuration(directory, program, options), { mode: 0o644 });
  const exim = (argv: readonly string[], input = ""): Promise<string> =>
    run(program, ["-C", config, ...argv], input);
  return {
    // -odf: delivers in the foreground.
    send: async ({ from, to, text }) => void (await exim(["-odf", "-oi", "-f", from, ...to], text)),
    runQueue: async () => void (await exim(["-qff"])),
    queue: async () => (await exim(["-bpr"])).match(/\b\w{6}-\w{6}-\w{2}\b/gu) ?? [],
    log: () => {
      const path = join(directory, "log", "mainlog");
      return existsSync(path) ? readFileSync(path, "utf8") : "";
    },
  };
}

const idOf = async (flag: "-u" | "-g"): Promise<number> => Number(await run("id", [flag, EXIM_USER]));

function run(program: string, argv: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, argv, { timeout: 60_000, cwd: tmpdir() }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${argv.join(" ")}: ${stderr}`, { cause: error }));
    });
    // A program that reads nothing has closed its end already.
    child.stdin?.on("error", () => undefined).end(input);
  });
}
