import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReplyReader, type ReplyText } from "./reply-reader.ts";

/** A line to send, or something to do first that then says the line. */
export type Line = string | (() => Promise<string>);

/** What a client presents: PEM. */
export interface ClientIdentity {
  /** Leaf first, then intermediates. */
  readonly bundlePem: string;
  readonly privateKeyPem: string;
}

export interface SClientOptions {
  readonly port: number;
  /** The only TLS version offered. */
  readonly protocol: "TLSv1.2" | "TLSv1.3";
  /** Name sent in SNI; null = none is sent. */
  readonly sni: string | null;
  readonly identity: ClientIdentity | null;
  /** More arguments of `openssl s_client`. */
  readonly more?: readonly string[];
}

export interface SClientAnswer {
  /** One reply for each line sent, in order; fewer when the server left. */
  readonly replies: readonly ReplyText[];
  /** All that s_client itself had to say: handshake, alerts. */
  readonly diagnostics: string;
}

const FLAG = { "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3" } as const;

/**
 * Speaks SMTP over STARTTLS through `openssl s_client`: each line is sent when the reply to the one before
 * has come. The process has ended when this resolves.
 */
export async function sClient(options: SClientOptions, lines: readonly Line[]): Promise<SClientAnswer> {
  const directory = mkdtempSync(join(tmpdir(), "postern-s-client-"));
  try {
    // `-quiet` also keeps the R of RCPT from being taken as a command to renegotiate.
    return await converse([...argumentsOf(options, directory), "-quiet"], lines);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes one handshake, says QUIT, and answers with all that s_client reports of it. */
export async function handshakeReport(options: SClientOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "postern-s-client-"));
  try {
    return await new Promise((resolve) => {
      const child = execFile(
        "openssl",
        argumentsOf(options, directory),
        { timeout: 20_000 },
        (_, stdout, stderr) => resolve(stdout + stderr),
      );
      child.stdin?.on("error", () => undefined).end("QUIT\r\n");
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function argumentsOf(options: SClientOptions, directory: string): readonly string[] {
  const { port, protocol, sni, identity, more = [] } = options;
  const base = ["s_client", "-starttls", "smtp", "-connect", `127.0.0.1:${port}`, FLAG[protocol]];
  const named = sni === null ? ["-noservername"] : ["-servername", sni];
  if (identity === null) return [...base, ...named, ...more];
  const certificate = join(directory, "certificate.pem");
  const key = join(directory, "key.pem");
  writeFileSync(certificate, identity.bundlePem);
  writeFileSync(key, identity.privateKeyPem, { mode: 0o600 });
  return [...base, ...named, "-cert", certificate, "-key", key, "-cert_chain", certificate, ...more];
}

async function converse(argv: readonly string[], lines: readonly Line[]): Promise<SClientAnswer> {
  const child = spawn("openssl", argv, { stdio: ["pipe", "pipe", "pipe"] });
  const reader = new ReplyReader();
  let diagnostics = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => reader.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    diagnostics += text;
  });
  // It may leave while we write: what it said is the answer then.
  child.stdin.on("error", () => undefined);
  const closed = once(child, "close").then(() => reader.end());
  const replies: ReplyText[] = [];
  try {
    for (const line of lines) {
      child.stdin.write(`${typeof line === "string" ? line : await line()}\r\n`);
      const reply = await reader.next();
      // The server ended the conversation: the replies up to there are the answer.
      if (reply === null) break;
      replies.push(reply);
    }
  } finally {
    child.kill();
    await closed;
  }
  return { replies, diagnostics };
}
