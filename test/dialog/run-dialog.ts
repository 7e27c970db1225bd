import type { EdgeListener } from "../../worker/config/listener-config.ts";
import type { ConnectionOptions } from "node:tls";
import { expect } from "vitest";
import type { ChainVerdict } from "../../core/policy/chain-verifier.ts";
import { network } from "../support/records.ts";
import { parseApiDelivery, parseOperatorDelivery } from "../../core/delivery/route.ts";
import { LIMIT_TABLE, type Limits } from "../../worker/config/limits.ts";
import { isClientKind, presenting } from "../support/client-kinds.ts";
import { proxyV2For } from "../support/proxy-headers.ts";
import { name } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { memoryVault, startTestEdge, type TestEdge, type TestEdgeOptions } from "../support/test-edge.ts";
import type { DialogFile, Step } from "./dialog-file.ts";
import { mismatch } from "./dialog-file.ts";
import { DialogSettings, oneOf, options } from "./dialog-settings.ts";

type Directive = (words: readonly string[]) => unknown;

/** Plays one dialog against a separate edge. Rejects with the number of the first line that differs. */
export async function expectDialog(dialog: DialogFile): Promise<void> {
  expect(dialog.steps, "a dialog without a step shows nothing").not.toEqual([]);
  const run = new DialogRun();
  try {
    for (const step of dialog.steps) await run.step(step);
  } finally {
    await run.end();
  }
}

class DialogRun {
  readonly #vault = memoryVault();
  readonly #settings = new DialogSettings(this.#vault);
  readonly #listeners: Partial<EdgeListener>[] = [{ name: "shared" }];
  readonly #limits: Partial<Record<keyof Limits, number>> = {};
  #options: TestEdgeOptions = {};
  #hasSettings = true;
  #edge: TestEdge | null = null;
  #client: SmtpClient | null = null;
  #line = 0;

  readonly #directives: Readonly<Record<string, Directive>> = {
    settings: (words) => this.#settings.add(words),
    exception: (words) => this.#settings.addException(words),
    listener: ([listener = "", ...words]) => this.#listeners.push(listenerOf(listener, options(words))),
    limit: ([limit = "", value = ""]) => this.#limit(limit, Number(value)),
    edge: (words) => this.#configure(options(words)),
    "next-hop": (words) => this.#nextHop(words),
    connect: (words) => this.#connect(options(words)),
    tls: (words) => this.#tls(options(words)),
    "half-close": () => this.#client?.halfClose(),
    closed: () => this.#closed(),
    delivered: (words) => this.#delivered(words),
    content: (words) => this.#content(words),
    lacks: (words) => this.#lacks(words),
    record: (words) => this.#record(words),
    event: ([kind = "", ...words]) => this.#event(kind, words),
  };

  async step(step: Step): Promise<void> {
    this.#line = step.line;
    if (step.kind === "directive") {
      const directive = this.#directives[step.name];
      if (directive === undefined) throw this.#fault(`!${step.name} means nothing`);
      await directive(step.words);
      return;
    }
    const client = this.#client ?? (await this.#connect({}));
    if (step.kind === "send") return client.write(step.bytes);
    const heard = await client.hear();
    if (heard.kind === "closed")
      throw this.#fault(`expected ${step.expected.join(" ")}, and the connection was closed`);
    const wrong = mismatch(step.expected, heard.lines) ?? codeless(heard.lines);
    if (wrong !== null) throw this.#fault(`${wrong}, heard ${heard.lines.join(" | ")}`);
  }

  async end(): Promise<void> {
    this.#client?.close();
    await this.#edge?.stop();
  }

  #fault(problem: string): Error {
    return new Error(`line ${String(this.#line)}: ${problem}`);
  }

  async #running(): Promise<TestEdge> {
    this.#edge ??= await startTestEdge({
      vault: this.#vault,
      ...this.#options,
      listeners: this.#listeners,
      limits: this.#limits,
      settings: this.#hasSettings ? this.#settings.build() : null,
      routeOf: ({ delivery }) =>
        delivery === null ? parseOperatorDelivery("maildir:/nowhere") : parseApiDelivery(delivery),
    });
    return this.#edge;
  }

  async #connect({ listener, proxy }: Readonly<Record<string, string>>): Promise<SmtpClient> {
    const edge = await this.#running();
    this.#client?.close();
    const first = proxy === undefined ? {} : { first: proxyV2For(proxy) };
    this.#client = await SmtpClient.connect(edge.port(listener), first);
    return this.#client;
  }

  #limit(limit: string, value: number): void {
    const known = oneOf(Object.keys(LIMIT_TABLE) as (keyof Limits)[], limit, "limit");
    if (known !== undefined) this.#limits[known] = value;
  }

  /** `stale=MS`, `no-snapshot`, `no-certificate`, `postmaster=a@b`, `verifier=` (verifierThatSays). */
  #configure(given: Readonly<Record<string, string>>): void {
    if ("no-snapshot" in given) this.#hasSettings = false;
    const staleMs = Number(given["stale"] ?? 0);
    const [localPart, domain] = (given["postmaster"] ?? "").split("@");
    const verdict = given["verifier"];
    this.#options = {
      ...this.#options,
      staleForMs: () => staleMs,
      ...("no-certificate" in given ? { defaultCertificate: null } : {}),
      ...(localPart && domain ? { postmaster: { localPart, domain: name(domain) } } : {}),
      ...("normalise" in given ? { lineEnds: "normalise" as const } : {}),
      ...("refuse-long-lines" in given ? { longLines: "refuse" as const } : {}),
      ...(verdict === undefined ? {} : { chainVerifier: verifierThatSays(verdict) }),
    };
  }

  /** `!next-hop recipient 550 5.1.1 text` or `!next-hop message 451 4.2.0 text`: its replies from now on. */
  async #nextHop([stage = "", code = "", ...text]: readonly string[]): Promise<void> {
    const { delivery } = await this.#running();
    const reply =
      code === "accepts"
        ? { kind: "accepted" as const }
        : {
            kind: "refused" as const,
            code: Number(code),
            text: text.join(" "),
            cause: "passed-back" as const,
          };
    if (oneOf(["recipient", "message"], stage, "next-hop") === "recipient")
      delivery.onRecipient = () => reply;
    else delivery.onMessage = () => reply;
  }

  /** `sni=NAME`, `cert=KIND`, `max=`, `min=`, `fails`. */
  async #tls(given: Readonly<Record<string, string>>): Promise<void> {
    const client = this.#client;
    if (client === null) throw this.#fault("!tls before anything was said");
    client.write("STARTTLS\r\n");
    const answer = await client.reply();
    if (!answer.startsWith("220 ")) throw this.#fault(`STARTTLS was answered ${answer}`);
    const handshake = client.handshake(this.#tlsOptions(given));
    if (!("fails" in given)) return void (await handshake);
    const failed = await handshake.then(
      () => false,
      () => true,
    );
    if (!failed) throw this.#fault("the handshake did not fail");
  }

  #tlsOptions(given: Readonly<Record<string, string>>): ConnectionOptions {
    const versions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;
    const maxVersion = oneOf(versions, given["max"], "max");
    const minVersion = oneOf(versions, given["min"], "min");
    const cert = given["cert"];
    if (cert !== undefined && !isClientKind(cert))
      throw this.#fault(`cert=${cert}: no such client certificate`);
    return {
      ...(given["sni"] === undefined ? {} : { servername: given["sni"] }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(given["ciphers"] === undefined ? {} : { ciphers: given["ciphers"] }),
      ...(cert === undefined ? {} : presenting(cert)),
    };
  }

  async #closed(): Promise<void> {
    const heard = await this.#client?.hear();
    if (heard?.kind !== "closed") throw this.#fault(`expected the end, heard ${JSON.stringify(heard)}`);
  }

  /** Recipients of all messages that were delivered complete, in order; none = no delivery. */
  #delivered(words: readonly string[]): void {
    const messages = this.#edge?.delivery.messages ?? [];
    const found = messages.flatMap(({ recipients }) =>
      recipients.map((to) => `${to.localPart}@${to.domain}`),
    );
    if (found.join(" ") !== words.join(" "))
      throw this.#fault(`delivered were: ${found.join(" ") || "none"}`);
  }

  get #lastContent(): string {
    return this.#edge?.delivery.messages.at(-1)?.content ?? "";
  }

  #content(words: readonly string[]): void {
    const text = words.join(" ");
    // Folded header lines read as one.
    const content = this.#lastContent.replaceAll("\r\n ", " ");
    if (!content.includes(text)) throw this.#fault(`the message does not contain ${text}:\n${content}`);
  }

  #lacks(words: readonly string[]): void {
    const text = words.join(" ").toLowerCase();
    if (this.#lastContent.toLowerCase().includes(text)) throw this.#fault(`the message contains ${text}`);
  }

  /** `path=value` in the record of the last session, which must have ended. */
  async #record(words: readonly string[]): Promise<void> {
    const edge = await this.#running();
    const record = await edge.record(
      edge.seen("session-ended").length === 0 ? 0 : edge.seen("session-ended").length - 1,
    );
    for (const [path, value] of Object.entries(options(words))) {
      const found = path.split(".").reduce<unknown>((at, key) => Reflect.get(Object(at), key), record);
      if (String(found) !== value) throw this.#fault(`record ${path} is ${String(found)}`);
    }
  }

  /** Some event of the kind has these fields. */
  async #event(kind: string, words: readonly string[]): Promise<void> {
    const events = (await this.#running()).events.filter((event) => event.kind === kind);
    const wanted = Object.entries(options(words));
    const found = events.some((event) =>
      wanted.every(([key, value]) => String(Reflect.get(event, key)) === value),
    );
    if (!found) throw this.#fault(`no event ${kind} ${words.join(" ")} among ${JSON.stringify(events)}`);
  }
}

function listenerOf(listener: string, given: Readonly<Record<string, string>>): Partial<EdgeListener> {
  return {
    name: listener,
    dedicatedTo: given["domain"] === undefined ? null : name(given["domain"]),
    proxyFrom: given["proxy-from"] === undefined ? null : given["proxy-from"].split(",").map(network),
  };
}

function verifierThatSays(text: string): TestEdgeOptions["chainVerifier"] & object {
  const judged = { kind: "judged", valid: true, clientAuth: false, serverAuth: false, detail: null } as const;
  const verdicts: Readonly<Record<string, ChainVerdict>> = {
    ok: { ...judged, clientAuth: true, serverAuth: true },
    "client-auth": { ...judged, clientAuth: true },
    "server-auth": { ...judged, serverAuth: true },
    "no-purpose": judged,
    untrusted: { ...judged, valid: false, detail: "unable to get local issuer certificate" },
    fails: { kind: "not-judged", why: "the test says so" },
    "too-many": { kind: "not-judged", why: "the test says so", tooMany: true },
  };
  const verdict = verdicts[text];
  if (verdict === undefined) throw new Error(`verifier=${text} means nothing`);
  return { available: true, verify: async () => verdict };
}

/**
 * Replies that RFC 2034 section 4 leaves without an enhanced code: 3xx, the greeting, and any to EHLO and
 * HELO.
 */
const WITHOUT_CODE =
  /^(?:3\d\d |220 edge\.example\.net ESMTP|250[ -]edge\.example\.net$|501 Error: (?:syntax: EHLO|Syntax: HELO|Bad hostname))/;

/** ENHANCEDSTATUSCODES is announced, so every line of every other reply begins with a code of its class. */
function codeless(lines: readonly string[]): string | null {
  if (WITHOUT_CODE.test(lines[0] ?? "")) return null;
  const bare = lines.find((line) => !/^([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} /.test(line));
  return bare === undefined ? null : `expected an enhanced status code in ${JSON.stringify(bare)}`;
}
