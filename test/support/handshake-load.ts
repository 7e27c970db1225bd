import { setImmediate } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { SmtpClient } from "./smtp-client.ts";

export type KeyKind = "ecdsa" | "rsa";

/** Clients that are served one key of two, by what they offer: signature algorithms, or suites of TLS 1.2. */
export const KEY_CLIENTS: readonly (ConnectionOptions & { readonly kind: KeyKind })[] = [
  { kind: "ecdsa", minVersion: "TLSv1.3", sigalgs: "ecdsa_secp256r1_sha256" },
  { kind: "rsa", minVersion: "TLSv1.3", sigalgs: "rsa_pss_rsae_sha256" },
  { kind: "ecdsa", maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
  { kind: "rsa", maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" },
];

/** One session of a load. */
export interface LoadedSession {
  readonly kind: KeyKind;
  /** What `now` of the load was when it connected. */
  readonly since: number;
  /** SHA-256 of the leaf, lower-case hex; null = it failed. */
  readonly fingerprint: string | null;
  readonly failure: string | null;
  /** From the 220 to STARTTLS until the handshake is over. */
  readonly handshakeMs: number;
}

/** The leaf that a client is shown, in a session that ends in good order. */
export async function shownLeaf(
  port: number,
  { kind, ...options }: (typeof KEY_CLIENTS)[number],
): Promise<Pick<LoadedSession, "kind" | "fingerprint" | "handshakeMs">> {
  const client = await SmtpClient.connect(port);
  try {
    await client.reply();
    await client.say("EHLO client.example");
    const answer = await client.say("STARTTLS");
    if (!answer.startsWith("220 ")) throw new Error(`STARTTLS: ${answer}`);
    const startedAt = performance.now();
    const secure = await client.handshake(options);
    const handshakeMs = performance.now() - startedAt;
    const shown = secure.getPeerX509Certificate()?.fingerprint256 ?? "";
    if (!(await client.say("EHLO client.example")).startsWith("250")) throw new Error("no EHLO in TLS");
    if (!(await client.say("QUIT")).startsWith("221")) throw new Error("no QUIT");
    return { kind, fingerprint: shown.replaceAll(":", "").toLowerCase(), handshakeMs };
  } finally {
    client.close();
  }
}

export interface HandshakeLoad {
  /** Resolves when every client has ended a session that it began after this call. */
  round(): Promise<void>;
  stop(): Promise<readonly LoadedSession[]>;
}

/**
 * Sessions one after the other for each of `KEY_CLIENTS`, for one name, until it is stopped. `now` is noted
 * of each before it connects.
 */
export function startHandshakeLoad({
  port,
  servername,
  now,
}: {
  readonly port: number;
  readonly servername: string;
  readonly now: () => number;
}): HandshakeLoad {
  const sessions: LoadedSession[] = [];
  const begun = KEY_CLIENTS.map(() => 0);
  const ended = KEY_CLIENTS.map(() => 0);
  const stopping = new AbortController();

  const work = async (client: (typeof KEY_CLIENTS)[number], at: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      const since = now();
      begun[at] = (begun[at] ?? 0) + 1;
      const session = await shownLeaf(port, { ...client, servername }).then(
        (shown) => ({ ...shown, failure: null }),
        (error: unknown) => ({
          kind: client.kind,
          fingerprint: null,
          failure: String(error),
          handshakeMs: Number.NaN,
        }),
      );
      sessions.push({ since, ...session });
      ended[at] = (ended[at] ?? 0) + 1;
      await setImmediate();
    }
  };
  const workers = KEY_CLIENTS.map(work);

  return {
    async round() {
      const goals = begun.map((count) => count + 1);
      while (!goals.every((goal, at) => (ended[at] ?? 0) >= goal)) await setImmediate();
    },
    async stop() {
      stopping.abort();
      await Promise.all(workers);
      return sessions;
    },
  };
}
