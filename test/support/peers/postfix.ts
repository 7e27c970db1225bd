import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTheEnd } from "./endings.ts";
import { waitUntil } from "./wait-until.ts";

/** One message that waits in Postfix's queue, as `postqueue -j` tells it. */
export interface QueuedMessage {
  readonly queue: string;
  readonly recipients: readonly { readonly address: string; readonly delayReason: string | null }[];
}

export interface OutgoingMessage {
  readonly from: string;
  readonly to: readonly string[];
  /** Header and body with bare newlines, as a local program hands it to `sendmail`. */
  readonly text: string;
}

export interface PostfixOptions {
  /** Lines of main.cf beyond those that every instance here has. */
  readonly settings: Readonly<Record<string, string>>;
  /** Lines of master.cf beyond the services that every instance has. */
  readonly services?: readonly string[];
  /** Files beside main.cf by name: certificates with their keys. `$config_directory/name` in a setting. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * A Postfix of our own: configuration, queue and log in one temporary directory, no port unless `services`
 * names one.
 */
export interface Postfix {
  readonly directory: string;
  /** Hands a message to `sendmail`; it is in the queue when this resolves. */
  readonly submit: (message: OutgoingMessage) => Promise<void>;
  readonly queue: () => Promise<readonly QueuedMessage[]>;
  /** All of the log so far. */
  readonly log: () => string;
  /** The line of the log that says how a recipient's delivery ended: `status=sent`, `deferred`, `bounced`. */
  readonly deliveryTo: (recipient: string) => Promise<string>;
  /** Ends every process of it and removes the directory; once is enough. */
  readonly stop: () => Promise<void>;
}

/**
 * Postfix's own daemons, without chroot. A queue without listeners: smtpd only where an instance asks for it.
 */
const SERVICES = [
  "pickup    unix  n - n 60 1 pickup",
  "cleanup   unix  n - n -  0 cleanup",
  "qmgr      unix  n - n 300 1 qmgr",
  "tlsmgr    unix  - - n 1000? 1 tlsmgr",
  "rewrite   unix  - - n -  - trivial-rewrite",
  "bounce    unix  - - n -  0 bounce",
  "defer     unix  - - n -  0 bounce",
  "trace     unix  - - n -  0 bounce",
  "verify    unix  - - n -  1 verify",
  "flush     unix  n - n 1000? 0 flush",
  "proxymap  unix  - - n -  - proxymap",
  "smtp      unix  - - n -  - smtp",
  "showq     unix  n - n -  - showq",
  "error     unix  - - n -  - error",
  "retry     unix  - - n -  - error",
  "discard   unix  - - n -  - discard",
  "virtual   unix  - n n -  - virtual",
  "anvil     unix  - - n -  1 anvil",
  "scache    unix  - - n -  1 scache",
  "postlog   unix-dgram n - n - 1 postlogd",
];

/** Starts one; needs root, as Postfix does. */
export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const directory = mkdtempSync(join(tmpdir(), "postern-postfix-"));
  // Its daemons run as the user postfix and must reach their queue.
  chmodSync(directory, 0o755);
  for (const name of ["config", "queue", "log"]) mkdirSync(join(directory, name), { mode: 0o755 });
  mkdirSync(join(directory, "data"), { mode: 0o700 });
  await run("chown", ["postfix", join(directory, "data")]);
  writeConfiguration(directory, options);
  const instance = instanceIn(directory);
  const master = spawn("postfix", ["-c", join(directory, "config"), "start-fg"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = collect(master);
  try {
    await waitUntil(() => readyOrGone(instance.log(), master), {
      what: "Postfix starts",
      explain: () => said() + instance.log(),
    });
  } catch (error) {
    await stop(master, directory);
    throw error;
  }
  const postfix = { ...instance, stop: () => stop(master, directory) };
  atTheEnd(postfix.stop);
  return postfix;
}

function readyOrGone(log: string, master: ChildProcess): true | undefined {
  if (master.exitCode !== null) throw new Error(`Postfix left with ${master.exitCode} at its start\n${log}`);
  return log.includes("daemon started") ? true : undefined;
}

function writeConfiguration(
  directory: string,
  { settings, services = [], files = {} }: PostfixOptions,
): void {
  const main: Readonly<Record<string, string>> = {
    compatibility_level: "3.6",
    queue_directory: join(directory, "queue"),
    data_directory: join(directory, "data"),
    command_directory: "/usr/sbin",
    daemon_directory: "/usr/lib/postfix/sbin",
    meta_directory: "/etc/postfix",
    shlib_directory: "/usr/lib/postfix",
    sendmail_path: "/usr/sbin/sendmail",
    newaliases_path: "/usr/bin/newaliases",
    mailq_path: "/usr/bin/mailq",
    mail_owner: "postfix",
    setgid_group: "postdrop",
    maillog_file: join(directory, "log", "mail.log"),
    maillog_file_prefixes: tmpdir(),
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    mynetworks: "127.0.0.0/8",
    myhostname: "postfix.example",
    mydestination: "",
    alias_maps: "",
    alias_database: "",
    local_transport: "error:no local mail here",
    smtp_dns_support_level: "disabled",
    smtp_host_lookup: "native",
    smtpd_peername_lookup: "no",
    smtputf8_enable: "no",
    // What comes back to a sender of the tests goes nowhere: the log says it all.
    transport_maps: "inline:{sender.example=discard:}",
    // One connection a message, so that each message shows a separate handshake.
    smtp_connection_cache_on_demand: "no",
    ...settings,
  };
  const lines = Object.entries(main).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(directory, "config", "main.cf"), lines.join(""));
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(directory, "config", name), text, { mode: 0o600 });
  writeFileSync(join(directory, "config", "master.cf"), `${[...SERVICES, ...services].join("\n")}\n`);
}

function instanceIn(directory: string): Omit<Postfix, "stop"> {
  const config = join(directory, "config");
  const logFile = join(directory, "log", "mail.log");
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, "utf8") : "");
  return {
    directory,
    log,
    submit: async ({ from, to, text }) => {
      await run("sendmail", ["-i", "-f", from, ...to], { input: text, config });
    },
    queue: async () => parseQueue(await run("postqueue", ["-c", config, "-j"])),
    deliveryTo: (recipient) =>
      waitUntil(() => lastDelivery(log(), recipient), {
        what: `Postfix delivers to ${recipient}`,
        explain: log,
      }),
  };
}

function lastDelivery(log: string, recipient: string): string | undefined {
  return log.split("\n").findLast((line) => line.includes(`to=<${recipient}>`) && line.includes(" status="));
}

function parseQueue(json: string): readonly QueuedMessage[] {
  return json
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => toQueued(JSON.parse(line) as PostqueueItem));
}

/** The part of `postqueue -j` that is read here (postqueue(1)). */
interface PostqueueItem {
  readonly queue_name: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

const toQueued = ({ queue_name, recipients }: PostqueueItem): QueuedMessage => ({
  queue: queue_name,
  recipients: recipients.map(({ address, delay_reason = null }) => ({ address, delayReason: delay_reason })),
});

interface RunOptions {
  readonly input?: string;
  /** Configuration directory of the instance that is meant. */
  readonly config?: string;
}

function run(program: string, argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { input = "", config } = options;
  const env = config === undefined ? process.env : { ...process.env, MAIL_CONFIG: config };
  return new Promise((resolve, reject) => {
    const child = execFile(program, argv, { env, timeout: 30_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${argv.join(" ")}: ${stderr}`, { cause: error }));
    });
    // A program that reads nothing has closed its end already.
    child.stdin?.on("error", () => undefined).end(input);
  });
}

function collect(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  return () => text;
}

/**
 * `abort` signals the master and all its daemons, which run in sessions of their own, and waits for the
 * master.
 */
async function stop(master: ChildProcess, directory: string): Promise<void> {
  if (master.exitCode === null && master.signalCode === null) {
    const closed = once(master, "close");
    await run("postfix", ["-c", join(directory, "config"), "abort"]);
    await closed;
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
