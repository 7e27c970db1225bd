import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AcmeCa } from "../../../core/management/acme-ca.ts";
import { createAcmeCas } from "../../../adapters/acme/acme-cas.ts";
import type { ChallengeAnswers } from "../acme-ca/walk-order.ts";
import { basicConstraints, EKU, extKeyUsage, ipName, subjectAltName } from "../certificate-writer.ts";
import { issueServer, makeCa } from "../pki.ts";
import { atTheEnd } from "./endings.ts";
import { freePort } from "./free-port.ts";
import { installedPebble } from "./pebble-install.ts";
import { scratchDirectory } from "./scratch.ts";
import { waitUntil } from "./wait-until.ts";

/** A Pebble with its challenge server, both on loopback. */
export interface Pebble {
  readonly directoryUrl: string;
  /** Path of the root of Pebble's own TLS certificate. */
  readonly caFile: string;
  readonly answers: ChallengeAnswers;
  /** A new client, with its own nonces. */
  client(options?: ClientOptions): AcmeCa;
  /** Posts to the management interface. */
  manage(path: string, body: object): Promise<void>;
}

export interface ClientOptions {
  readonly eabKeyId?: string;
  readonly eabHmacKey?: Uint8Array;
}

export interface PebbleOptions {
  /** `PEBBLE_*`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Over the configuration file's. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

const DAY_SECONDS = 24 * 3600;

/** Starts Pebble and its challenge server; they end with the test file. */
export async function startPebble({ environment = {}, settings = {} }: PebbleOptions = {}): Promise<Pebble> {
  const programs = await installedPebble();
  if (programs === undefined) throw new Error("Pebble is not installed: node scripts/install-pebble.ts");
  const directory = scratchDirectory();
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const [acme, management, http, dns, challenges] = await Promise.all(Array.from({ length: 5 }, freePort));
  const ca = makeCa({ name: "TLS of Pebble" });
  const extensions = [
    basicConstraints(false),
    extKeyUsage(EKU.serverAuth),
    subjectAltName(ipName(127, 0, 0, 1)),
  ];
  const tls = issueServer({ names: [], ca, extensions });
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${String(acme)}`,
      managementListenAddress: `127.0.0.1:${String(management)}`,
      certificate: file("tls.pem", tls.bundlePem),
      privateKey: file("tls-key.pem", tls.privateKeyPem),
      httpPort: http,
      // Nothing listens there: tls-alpn-01 is not asked for.
      tlsPort: 1,
      keyAlgorithm: "ecdsa",
      profiles: {
        default: { description: "as ever", validityPeriod: 90 * DAY_SECONDS },
        shortlived: { description: "six days", validityPeriod: 6 * DAY_SECONDS },
      },
      retryAfter: { authz: 3, order: 5 },
      ...settings,
    },
  };
  const dnsAddress = `127.0.0.1:${String(dns)}`;
  const challengeServer = start(programs.challengeServer, [
    "-dnsserver",
    dnsAddress,
    "-http01",
    `127.0.0.1:${String(http)}`,
    "-management",
    `127.0.0.1:${String(challenges)}`,
    // Empty = off.
    "-defaultIPv6",
    "",
    "-https01",
    "",
    "-tlsalpn01",
    "",
  ]);
  const pebble = start(
    programs.pebble,
    ["-config", file("pebble.json", JSON.stringify(config)), "-dnsserver", dnsAddress],
    // Without it, Pebble waits up to 15 seconds before each validation.
    { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0", ...environment },
  );
  const caFile = file("tls-root.pem", ca.rootPem);
  const directoryUrl = `https://127.0.0.1:${String(acme)}/dir`;
  const client = ({ eabKeyId, eabHmacKey }: ClientOptions = {}): AcmeCa => {
    const cas = createAcmeCas({
      directories: [
        {
          name: "pebble",
          url: directoryUrl,
          contact: ["mailto:admin@example.com"],
          eabKeyId: eabKeyId ?? null,
          caFile,
        },
      ],
      readEabKey: async () => eabHmacKey ?? null,
      clock: { now: () => Date.now() },
      release: "test",
    });
    const made = cas.ca("pebble");
    if (made === null) throw new Error("not configured");
    return made;
  };
  const explain = (): string => `${pebble.output()}\n${challengeServer.output()}`;
  await waitUntil(
    async () => {
      if (pebble.hasEnded() || challengeServer.hasEnded())
        throw new Error(`ended at its start\n${explain()}`);
      return client()
        .directory()
        .catch(() => undefined);
    },
    { what: "Pebble answers", explain },
  );
  const challengeUrl = `http://127.0.0.1:${String(challenges)}`;
  await waitUntil(() => fetch(challengeUrl).catch(() => undefined), {
    what: "the challenge server",
    explain,
  });
  const manage = async (path: string, body: object): Promise<void> => {
    const { ok, status } = await fetch(challengeUrl + path, { method: "POST", body: JSON.stringify(body) });
    if (!ok) throw new Error(`${path}: ${String(status)}`);
  };
  return {
    directoryUrl,
    caFile,
    client,
    manage,
    answers: {
      async putTxt(name, values) {
        const host = `_acme-challenge.${name}.`;
        await manage("/clear-txt", { host });
        for (const value of values) await manage("/set-txt", { host, value });
      },
      putHttp: (token, content) => manage("/add-http01", { token, content }),
    },
  };
}

interface Started {
  output(): string;
  hasEnded(): boolean;
}

function start(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(program, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let output = "";
  const keep = (text: Buffer): void => {
    output = (output + text.toString("utf8")).slice(-20_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(String(error))));
  const ended = once(child, "close");
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  atTheEnd(async () => {
    if (!hasEnded()) child.kill("SIGKILL");
    await ended;
  });
  return { output: () => output, hasEnded };
}
