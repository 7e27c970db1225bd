import createClient from "openapi-fetch";
import { type Effects, REAL_EFFECTS } from "./effects.ts";
import { PosternError } from "./errors.ts";
import { headerText, headerWord } from "./header-value.ts";
import type { AnswerOf, MethodOf, Path, RequestOf } from "./operations.ts";
import { REPEAT_POLICY, retryAfterMs, type Sending, send } from "./repeat.ts";

/** Signs each request: what `sigv4` of `@postern/sdk/sigv4` makes. */
export interface Signer {
  sign(request: Request): Promise<Request>;
}

/** A token, or what gives the one that is valid now; or what signs each request. */
export type Auth = { readonly token: string | (() => string | Promise<string>) } | Signer;

export interface PosternOptions {
  /** Of the API, such as `https://postern.example.com`; a path is kept. */
  readonly url: string;
  readonly auth: Auth;
  /** Account to act in, in place of the caller's own: for operators. */
  readonly account?: string;
  /** In place of the global one: for a proxy, or a test. */
  readonly fetch?: typeof globalThis.fetch;
  /** Ends every call that is under way, and all later ones. */
  readonly signal?: AbortSignal;
  /** For one attempt, its answer included; 30 s if left out. */
  readonly timeoutMs?: number;
  /** Attempts for each request that may be repeated; 5 if left out, 1 = no repetition. */
  readonly maxAttempts?: number;
  /** Clock, randomness and timers, for tests. */
  readonly effects?: Effects;
}

/** Of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** For one attempt, in place of the client's. */
  readonly timeoutMs?: number | undefined;
}

/** Of a call that creates or acts. */
export interface KeyOptions extends CallOptions {
  /**
   * Under which the API carries the request out once and keeps the answer for 24 hours; random for each call
   * if left out. A program that may end before it has the answer stores it first, and calls again with it.
   */
  readonly idempotencyKey?: string | undefined;
}

/** A record, its revision or its entity tag; `*` matches any revision. */
export type Match = string | number | { readonly etag: string };

/** Of a call that reads or writes one record. */
export interface ConditionOptions extends CallOptions {
  /** Fails with 412 unless the record is at this revision. */
  readonly ifMatch?: Match | undefined;
  /** `*`: fails with 412 if the record exists. */
  readonly ifNoneMatch?: "*" | undefined;
}

/** An answer with the entity tag of its record, which spread and JSON leave out. */
export type Tagged<T> = T & { readonly etag: string };

export interface Answer<T> {
  readonly data: T;
  readonly etag: string | null;
}

interface CallInit<P extends Path, M extends MethodOf<P>> extends RequestOf<P, M> {
  /** Of a POST that changes nothing. */
  readonly isRead?: boolean;
  readonly options?: ConditionOptions & KeyOptions;
}

/** Sends one operation of the document. */
export interface Call {
  /** @throws PosternError, PosternNetworkError, or the reason of the signal that ended it. */
  <P extends Path, M extends MethodOf<P>>(
    method: M,
    path: P,
    init?: CallInit<P, M>,
  ): Promise<Answer<AnswerOf<P, M>>>;
}

const DEFAULT_TIMEOUT_MS = 30_000;

export function createCall(options: PosternOptions): Call {
  const client = createClient<Record<string, never>>({ baseUrl: baseUrlOf(options.url) });
  const sendWith = sendingOf(options);
  return async <P extends Path, M extends MethodOf<P>>(
    method: M,
    path: P,
    init: CallInit<P, M> = {},
  ): Promise<Answer<AnswerOf<P, M>>> => {
    const sending = { ...sendWith(init.options ?? {}), isRead: init.isRead ?? false };
    let attempts = 0;
    const { response, data, error } = await client.request(
      method as never,
      path as never,
      {
        params: { path: checkedPath(init.path), query: init.query },
        headers: { ...accountHeader(options), ...headersOf(method, init), ...keyHeader(method, init) },
        body: init.body,
        parseAs: "text",
        // An API redirects no one; following one would turn a PUT into a GET, or send the body elsewhere.
        redirect: "manual",
        fetch: async (request: Request) => {
          const sent = await send(request, sending);
          attempts = sent.attempts;
          return sent.response;
        },
      } as never,
    );
    const failed = (body: unknown): PosternError =>
      new PosternError({ response, body, attempts, retryAfterMs: retryAfterMs(response, sending.effects) });
    if (!response.ok) throw failed(error);
    const body = parsed({ text: data, method, path, response }, failed);
    return { data: body as AnswerOf<P, M>, etag: response.headers.get("etag") };
  };
}

function baseUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isBase =
    url !== null &&
    /^https?:$/u.test(url.protocol) &&
    `${url.username}${url.password}${url.search}${url.hash}` === "";
  if (!isBase)
    throw new TypeError("url must be an http or https URL without credentials, query and fragment");
  return url.href.replace(/\/+$/u, "");
}

function sendingOf(options: PosternOptions): (call: CallOptions) => Omit<Sending, "isRead"> {
  const { auth, effects = REAL_EFFECTS, maxAttempts = REPEAT_POLICY.maxAttempts } = options;
  if ("token" in auth && typeof auth.token !== "function") headerWord("token", auth.token);
  const authorize = "sign" in auth ? (request: Request) => auth.sign(request) : withToken(auth.token);
  return ({ signal, timeoutMs }) => ({
    fetch: options.fetch ?? globalThis.fetch,
    authorize,
    effects,
    policy: { ...REPEAT_POLICY, maxAttempts },
    timeoutMs: timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signals: [options.signal, signal].filter((each) => each !== undefined),
  });
}

const withToken =
  (token: string | (() => string | Promise<string>)) =>
  async (request: Request): Promise<Request> => {
    const valid = headerWord("token", typeof token === "string" ? token : await token());
    request.headers.set("authorization", `Bearer ${valid}`);
    return request;
  };

/** `.`, `..` and nothing are no names: in a URL they would lead to another resource. */
function checkedPath<T>(path: T): T {
  for (const [name, value] of Object.entries(path ?? {}))
    if (!Number.isSafeInteger(value) && (typeof value !== "string" || /^\.{0,2}$/u.test(value)))
      throw new TypeError(`${name} must be the ${name} of a record, not ${JSON.stringify(value)}`);
  return path;
}

const accountHeader = ({ account }: PosternOptions): Record<string, string> =>
  account === undefined ? {} : { "postern-account": account };

function headersOf(
  method: string,
  { body, options = {} }: { readonly body?: unknown; readonly options?: CallInit<Path, never>["options"] },
): Record<string, string> {
  const { ifMatch, ifNoneMatch } = options;
  const type = method === "patch" ? "application/merge-patch+json" : "application/json";
  return {
    ...(body === undefined ? {} : { "content-type": type }),
    ...(ifMatch === undefined ? {} : { "if-match": tagOf(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }),
  };
}

/** With a key, every POST may be repeated: the API carries it out once. */
function keyHeader(
  method: string,
  { isRead = false, options = {} }: Pick<CallInit<Path, never>, "isRead" | "options">,
): Record<string, string> {
  if (method !== "post" || isRead) return {};
  const { idempotencyKey } = options;
  return {
    "idempotency-key":
      idempotencyKey === undefined ? randomKey() : headerText("idempotencyKey", idempotencyKey),
  };
}

/** 128 bits. `crypto.randomUUID` is absent in pages that were not loaded by HTTPS. */
const randomKey = (): string =>
  Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (octet) =>
    octet.toString(16).padStart(2, "0"),
  ).join("");

function tagOf(match: Match): string {
  if (typeof match === "number") return `"${match}"`;
  return typeof match === "string" ? match : match.etag;
}

interface Answered {
  readonly text: unknown;
  readonly method: string;
  readonly path: string;
  readonly response: Response;
}

const PEM = /^-----BEGIN /u;

/**
 * What an answer says: JSON, or the text of a path that ends in `.pem`. Anything else comes from a proxy or a
 * page of a network between, also with status 200.
 */
function parsed(
  { text, method, path, response }: Answered,
  failed: (body: unknown) => PosternError,
): unknown {
  if (method === "delete" && response.status === NO_CONTENT) return undefined;
  const type = response.headers.get("content-type") ?? "";
  if (path.endsWith(".pem")) {
    if (typeof text === "string" && PEM.test(text)) return text;
    throw failed(`the answer is not PEM: it has the type ${type === "" ? "none" : type}`);
  }
  const value = type.includes("json") ? jsonOf(text) : undefined;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw failed(`the answer is not a JSON object of the API: it has the type ${type === "" ? "none" : type}`);
}

const NO_CONTENT = 204;

function jsonOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** The data of an answer. */
export const dataOf = async <T>(answer: Promise<Answer<T>>): Promise<T> => (await answer).data;

/** A record with its entity tag. */
export async function recordOf<T extends object>(answer: Promise<Answer<T>>): Promise<Tagged<T>> {
  const { data, etag } = await answer;
  return Object.defineProperty(data, "etag", { value: etag ?? "" }) as Tagged<T>;
}
