import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientIdentity } from "./s-client.ts";

export interface SwaksOptions {
  readonly port: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly helo?: string;
  /** `never` = plaintext, `offered` = as a careful sender does, `always` = or give up. */
  readonly tls: "never" | "offered" | "always";
  /** OpenSSL's word for the only version offered, as swaks takes it: `tlsv1_2`. */
  readonly protocol?: "tlsv1_2" | "tlsv1_3";
  readonly sni?: string;
  readonly identity?: ClientIdentity;
  readonly subject?: string;
  /** Body of the message; swaks writes its own when it is absent. */
  readonly body?: string;
}

export interface SwaksAnswer {
  /** 0 = sent to all; swaks documents the others (24: no RCPT accepted, 29: TLS was not to be had). */
  readonly exitCode: number;
  /**
   * The whole dialog: `<- ` and `<~ ` is the server in plaintext and TLS, `<**` and `<~*` marks a refusal.
   */
  readonly transcript: string;
}

const TLS_ARGUMENT = { never: [], offered: ["--tls-optional"], always: ["--tls"] } as const;

/** Sends one message with swaks, "the Swiss army knife for SMTP". */
export async function swaks(options: SwaksOptions): Promise<SwaksAnswer> {
  const directory = mkdtempSync(join(tmpdir(), "postern-swaks-"));
  try {
    return await run(argumentsOf(options, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function argumentsOf(options: SwaksOptions, directory: string): readonly string[] {
  const { port, from, to, helo = "client.example", tls, protocol, sni, identity, subject, body } = options;
  return [
    "--server",
    "127.0.0.1",
    "--port",
    String(port),
    "--ehlo",
    helo,
    "--from",
    from,
    "--to",
    to.join(","),
    ...TLS_ARGUMENT[tls],
    ...(protocol === undefined ? [] : ["--tls-protocol", protocol]),
    ...(sni === undefined ? [] : ["--tls-sni", sni]),
    ...(identity === undefined ? [] : identityArguments(identity, directory)),
    ...(subject === undefined ? [] : ["--h-Subject", subject]),
    ...(body === undefined ? [] : ["--body", `@${fileOf(directory, body)}`]),
  ];
}

/** A body as an argument would be too long for the system. */
function fileOf(directory: string, body: string): string {
  const path = join(directory, "body.txt");
  writeFileSync(path, body);
  return path;
}

function identityArguments(identity: ClientIdentity, directory: string): readonly string[] {
  const certificate = join(directory, "certificate.pem");
  const key = join(directory, "key.pem");
  writeFileSync(certificate, identity.bundlePem);
  writeFileSync(key, identity.privateKeyPem, { mode: 0o600 });
  return ["--tls-cert", certificate, "--tls-key", key];
}

function run(argv: readonly string[]): Promise<SwaksAnswer> {
  return new Promise((resolve) => {
    execFile("swaks", argv, { timeout: 60_000, maxBuffer: 16_000_000 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ exitCode, transcript: stdout + stderr });
    });
  });
}
