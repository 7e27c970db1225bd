import { createHmac } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { Unavailable } from "../../core/errors.ts";
import {
  challengeName,
  challengeRefused,
  type ChallengeRecords,
} from "../../core/management/challenge-records.ts";
import { dnsWebhookSecretVariable } from "../../core/management/challenge-variables.ts";
import { toPlainText } from "../../core/plain-text.ts";
import { systemCodeOf } from "./https-exchange.ts";

/** Header of each request: `t=<seconds since the epoch>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. */
const SIGNATURE_HEADER = "Postern-Signature";
/** Of the record: a renewal publishes other values, and old ones must not stay in caches. */
const TTL_SECONDS = 60;
/** Publishing at a DNS provider takes seconds to a minute. */
const DEADLINE_MS = 60_000;
const MAX_ANSWER_BYTES = 4_096;
const MAX_REASON_CHARACTERS = 500;
/** Refusals that a later attempt may not meet (RFC 9110 section 15.5.9, RFC 8470, RFC 6585). */
const TRY_LATER: ReadonlySet<number> = new Set([408, 425, 429]);

export interface DnsWebhookOptions {
  /** Checked by `dnsWebhookUrlVariable`. */
  readonly url: string;
  /** Key of the HMAC. null = it is not stored. @throws Unavailable */
  readonly readSecret: () => Promise<string | null>;
  readonly clock: Clock;
  readonly deadlineMs?: number;
}

/**
 * Reader of the webhook's secret in a store of secrets.
 *
 * @param name of the secret there; undefined = none is set.
 */
export function webhookSecretIn(
  secrets: { read(name: string): Promise<string | null> },
  name: string | undefined,
): DnsWebhookOptions["readSecret"] {
  return async () => {
    const text = name === undefined ? null : await secrets.read(name);
    if (text === null) return null;
    // An editor may have left a line end.
    const { data, error } = dnsWebhookSecretVariable.safeParse(text.trim());
    if (data !== undefined) return data;
    throw new Unavailable(`the secret of the DNS webhook in ${String(name)} ${error?.issues[0]?.message}`);
  };
}

/** What a request asks for; the body is this as JSON. */
interface WebhookRequest {
  readonly action: "set" | "remove";
  /** Of the record, with `_acme-challenge.`. */
  readonly name: string;
  readonly type: "TXT";
  /** The whole record set; empty with `remove`. */
  readonly values: readonly string[];
  readonly ttl: number;
}

/** Publishes challenge records by POST to a service of the operator's, for every name. */
export function createDnsWebhook(options: DnsWebhookOptions): ChallengeRecords {
  const ask = (name: string, action: WebhookRequest["action"], values: readonly string[]): Promise<void> =>
    send(options, name, { action, name: challengeName(name), type: "TXT", values, ttl: TTL_SECONDS });
  return {
    publishes: () => true,
    put: (name, values) => ask(name, "set", values),
    delete: (name) => ask(name, "remove", []),
  };
}

async function send(options: DnsWebhookOptions, name: string, request: WebhookRequest): Promise<void> {
  const { url, readSecret, clock, deadlineMs = DEADLINE_MS } = options;
  const secret = await readSecret();
  if (secret === null) throw new Unavailable("the secret of the DNS webhook is not stored");
  const body = JSON.stringify(request);
  const signal = AbortSignal.timeout(deadlineMs);
  let status: number;
  let text: string;
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        [SIGNATURE_HEADER]: signature(secret, Math.floor(clock.now() / 1000), body),
      },
      body,
      // Another place than the one that the operator named gets no signed request.
      redirect: "manual",
      signal,
    });
    ({ status } = answer);
    text = await firstText(answer);
  } catch (error) {
    // fetch hides the system's error in the cause.
    const cause = error instanceof Error ? error.cause : undefined;
    const reason = signal.aborted ? "in time" : `(${systemCodeOf(cause)})`;
    throw new Unavailable(`the DNS webhook does not answer ${reason}`, { cause: error });
  }
  if (status >= 200 && status < 300) return;
  const isRefusal = status >= 400 && status < 500 && !TRY_LATER.has(status);
  if (isRefusal && text !== "") throw challengeRefused(name, `the DNS webhook answers ${status}: ${text}`);
  throw new Unavailable(`the DNS webhook answers ${status}`);
}

function signature(secret: string, seconds: number, body: string): string {
  const hmac = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${hmac}`;
}

/** The beginning of an answer's body, as one line of plain text; the rest is not read. */
async function firstText({ body }: Response): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the rest.
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString("utf8");
  return toPlainText(text, MAX_REASON_CHARACTERS);
}
