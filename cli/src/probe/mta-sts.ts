import type { Effects } from "../frame/effects.ts";
import type { DnsClient } from "./dns-client.ts";
import { within } from "./within.ts";

/** Policy of a domain (RFC 8461 section 3.2). */
export interface StsPolicy {
  readonly mode: "enforce" | "testing" | "none";
  /** Patterns of MX hosts. */
  readonly mx: readonly string[];
  readonly maxAgeS: number;
}

export type StsResult =
  | { readonly kind: "none" }
  | { readonly kind: "found"; readonly policy: StsPolicy }
  | { readonly kind: "failed"; readonly reason: string };

/** RFC 8461 section 3.3: at most a minute, and 64 KB. */
const FETCH_MS = 60_000;
const MAX_BYTES = 65_536;
const MAX_AGE_S = 31_557_600;
const RECORD = /^v=STSv1[ \t]*;/u;
const RECORD_ID = /;[ \t]*id[ \t]*=[ \t]*[A-Za-z0-9]{1,32}[ \t]*(?:;|$)/u;

/** Reads the policy that a domain announces. */
export async function findStsPolicy(
  dns: DnsClient,
  domain: string,
  effects: Pick<Effects, "fetch" | "clock" | "signal">,
): Promise<StsResult> {
  const txt = await dns.query(`_mta-sts.${domain}`, "TXT");
  if (txt.kind === "failed") return { kind: "failed", reason: `TXT lookup of _mta-sts: ${txt.reason}` };
  const texts = txt.kind === "found" ? txt.records.map(({ data }) => textOf(data)) : [];
  const records = texts.filter((text) => RECORD.test(text));
  // With more than one, senders take it that there is no policy (section 3.1).
  if (records.length !== 1) return { kind: "none" };
  if (!RECORD_ID.test(records[0] ?? ""))
    return { kind: "failed", reason: "the TXT record of _mta-sts has no id" };
  try {
    return { kind: "found", policy: parseStsPolicy(await fetchPolicy(domain, effects)) };
  } catch (error) {
    effects.signal.throwIfAborted();
    return { kind: "failed", reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

type Text = string | Buffer;

const textOf = (data: Text | readonly Text[]): string =>
  (Array.isArray(data) ? data : [data]).map((part: Text) => part.toString("latin1" as never)).join("");

async function fetchPolicy(
  domain: string,
  { fetch, clock, signal }: Pick<Effects, "fetch" | "clock" | "signal">,
): Promise<string> {
  return within({ clock, signal, ms: FETCH_MS }, async (ending) => {
    const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`;
    // A redirect is a failure (section 3.3).
    const response = await fetch(url, { signal: ending, redirect: "manual" });
    if (response.status !== 200) throw new TypeError(`${url} answers ${response.status}`);
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== "text/plain") throw new TypeError(`${url} is ${type ?? "of no type"}, not text/plain`);
    return boundedText(response, url);
  });
}

async function boundedText({ body }: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new TypeError(`${url} has more than ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** @throws TypeError if it is not a policy. */
function parseStsPolicy(text: string): StsPolicy {
  const fields = text
    .split(/\r?\n/u)
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const { name, value } =
        /^(?<name>[A-Za-z0-9_.-]{1,32})[ \t]*:[ \t]*(?<value>.*?)[ \t]*$/u.exec(line)?.groups ?? {};
      if (name === undefined || value === undefined)
        throw new TypeError("the policy has a line that is no field");
      return { name, value };
    });
  // Of a field that stands more than once, but mx, the first counts.
  const first = (name: string): string => fields.find((field) => field.name === name)?.value ?? "";
  if (first("version") !== "STSv1") throw new TypeError("the policy has no version STSv1");
  const mode = first("mode");
  if (mode !== "enforce" && mode !== "testing" && mode !== "none")
    throw new TypeError("the policy has no mode of enforce, testing or none");
  const maxAge = first("max_age");
  if (!/^\d{1,10}$/u.test(maxAge) || Number(maxAge) > MAX_AGE_S)
    throw new TypeError(`the policy has no max_age of at most ${MAX_AGE_S}`);
  const mx = fields.filter(({ name }) => name === "mx").map(({ value }) => value.toLowerCase());
  if (mx.length === 0 && mode !== "none") throw new TypeError("the policy names no mx");
  return { mode, mx, maxAgeS: Number(maxAge) };
}
