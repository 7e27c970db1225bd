import type { Clock } from "../../core/clock.ts";
import { Unavailable } from "../../core/errors.ts";
import { AcmeProblem } from "../../core/management/acme-ca.ts";
import { type DirectoryResource, directorySchema, readAnswer } from "./answers.ts";
import type { HttpsAnswer, HttpsExchange } from "./https-exchange.ts";
import { signRequest } from "./jws.ts";
import { refusalOf } from "./problems.ts";

/** Upper bound of every answer but a certificate. */
const MAX_ANSWER_BYTES = 1_000_000;
/**
 * Attempts of one request whose nonces the CA does not take (RFC 8555 section 6.5); the deadline holds too.
 */
const MAX_ATTEMPTS = 20;
const MAX_NONCES = 20;
const NONCE = /^[\w-]{1,512}$/;
const DIRECTORY_KEPT_MS = 3600 * 1000;

export interface AcmeConnectionOptions {
  /** The CA in messages. */
  readonly who: string;
  readonly directoryUrl: string;
  readonly exchange: HttpsExchange;
  readonly clock: Clock;
  readonly userAgent: string;
  /** Of one call, with all its attempts. */
  readonly deadlineMs: number;
}

export interface AcmePost {
  readonly url: string;
  /** null = a new account: the key itself is sent. */
  readonly accountUrl: string | null;
  readonly privateKeyPem: string;
  /** null = POST-as-GET. */
  readonly payload: unknown;
  readonly accept?: string;
  readonly maxBytes?: number;
}

/** Requests to one CA: its directory, its nonces, signatures, and refusals as errors. */
export class AcmeConnection {
  readonly #options: AcmeConnectionOptions;
  readonly #origin: string;
  #directory: { readonly resource: DirectoryResource; readonly untilMs: number } | null = null;
  /** The newest last: the CA forgets the oldest first. */
  #nonces: string[] = [];

  constructor(options: AcmeConnectionOptions) {
    this.#options = options;
    this.#origin = new URL(options.directoryUrl).origin;
  }

  get directoryUrl(): string {
    return this.#options.directoryUrl;
  }

  /** @throws Unavailable */
  async directory(): Promise<DirectoryResource> {
    const { clock, who, directoryUrl } = this.#options;
    if (this.#directory !== null && clock.now() < this.#directory.untilMs) return this.#directory.resource;
    const resource = readAnswer(directorySchema, await this.get(directoryUrl), who);
    this.#directory = { resource, untilMs: clock.now() + DIRECTORY_KEPT_MS };
    return resource;
  }

  /** A request without signature. @throws AcmeProblem, Unavailable */
  async get(url: string): Promise<HttpsAnswer> {
    const answer = await this.#send({ method: "GET", url, signal: this.#deadline() });
    return this.#successOf(answer);
  }

  /**
   * A signed request, again with another nonce where the CA does not take one.
   *
   * @throws AcmeProblem, Unavailable
   */
  async post(post: AcmePost): Promise<HttpsAnswer> {
    const directory = await this.directory();
    const signal = this.#deadline();
    for (let attempt = 1; ; attempt++) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce(directory.newNonce, signal));
      const answer = await this.#send({ method: "POST", url: post.url, signal, nonce, post });
      try {
        return this.#successOf(answer);
      } catch (error) {
        const isStale = error instanceof AcmeProblem && error.type === "badNonce";
        if (!isStale || attempt === MAX_ATTEMPTS) throw error;
        // The others are older than the one that came with this answer.
        this.#nonces = this.#nonces.slice(-1);
      }
    }
  }

  /**
   * A URL that the CA gave. All that it gives must be of the directory's origin: a CA, or one who speaks in
   * its place, must not make this process call other hosts.
   *
   * @throws Unavailable
   */
  ownUrl(url: string): string {
    if (url.length <= 512 && URL.canParse(url) && new URL(url).origin === this.#origin) return url;
    throw new Unavailable(`${this.#options.who} gave a URL that is not of ${this.#origin}`);
  }

  #deadline(): AbortSignal {
    return AbortSignal.timeout(this.#options.deadlineMs);
  }

  #successOf(answer: HttpsAnswer): HttpsAnswer {
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusalOf(answer, this.#options.who, this.#options.clock);
  }

  async #newNonce(url: string, signal: AbortSignal): Promise<string> {
    this.#successOf(await this.#send({ method: "HEAD", url, signal }));
    const nonce = this.#nonces.pop();
    if (nonce === undefined) throw new Unavailable(`${this.#options.who} gave no nonce`);
    return nonce;
  }

  async #send(sent: {
    readonly method: "GET" | "HEAD" | "POST";
    readonly url: string;
    readonly signal: AbortSignal;
    readonly nonce?: string;
    readonly post?: AcmePost;
  }): Promise<HttpsAnswer> {
    const { method, signal, nonce, post } = sent;
    const url = this.ownUrl(sent.url);
    const headers = {
      accept: post?.accept ?? "application/json",
      "accept-encoding": "identity",
      "accept-language": "en",
      "user-agent": this.#options.userAgent,
    };
    const maxBytes = post?.maxBytes ?? MAX_ANSWER_BYTES;
    const answer = await this.#options.exchange(
      post === undefined || nonce === undefined
        ? { method, url, headers, maxBytes, signal }
        : {
            method,
            url,
            headers: { ...headers, "content-type": "application/jose+json" },
            body: JSON.stringify(signRequest({ ...post, url, nonce }, post.privateKeyPem)),
            maxBytes,
            signal,
          },
    );
    const given = answer.headers["replay-nonce"];
    if (typeof given === "string" && NONCE.test(given))
      this.#nonces = [...this.#nonces, given].slice(-MAX_NONCES);
    return answer;
  }
}
