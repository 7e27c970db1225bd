/** A request with an Idempotency-Key: its answer is kept for a day, and given again to the same request. */

import { randomUUID } from "node:crypto";
import type { Context, Next } from "hono";
import { requireScope, type Scope } from "../../core/access/scope.ts";
import type { Clock } from "../../core/clock.ts";
import { CAPS } from "../../core/limits.ts";
import {
  type BegunRequest,
  type KeptAnswers,
  MAX_KEPT_BYTES,
  type RequestRun,
} from "../../core/store/kept-answers.ts";
import type { ApiEnv } from "./api-env.ts";
import { type ApiLog, loggedErrors } from "./api-log.ts";
import { KeyConflict, readIdempotencyKey, REPLAYED } from "./idempotency-key.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import { readBounded } from "./request-body.ts";
import {
  type Answer,
  nameOf,
  openAnswer,
  requestHash,
  type Seal,
  SEAL_BYTES,
  sealAnswer,
} from "./sealed-answer.ts";

const KEPT_MS = 24 * 3600 * 1000;
/** After it, the process of a request without an answer has ended: a Lambda ends after 29 s. */
const RUNNING_MS = 60_000;
/** Headers beside the body that make a request another one. */
const COMPARED_HEADERS = ["content-type", "content-encoding", "if-match", "if-none-match"] as const;

export interface KeyedParts {
  readonly answers: KeptAnswers;
  readonly clock: Clock;
  readonly log: ApiLog;
}

/**
 * Carries out a request with a key, or answers it as the first one under that key.
 *
 * @throws InvalidInput, TooLarge; KeyConflict; Unavailable
 */
export async function runKeyed(
  c: Context<ApiEnv>,
  next: Next,
  { key, ...parts }: KeyedParts & { readonly key: string },
): Promise<Response | undefined> {
  const seal = sealOf(c, readIdempotencyKey(key));
  const run: RequestRun = { request: await hashOf(c, seal), run: randomUUID() };
  const { answers, clock } = parts;
  const begun = await answers.begin(seal.name, run, clock.now() + RUNNING_MS);
  if (begun !== null) return replay(c, { begun, run, seal });
  const scopes = new Set<Scope>();
  c.set("actor", { ...c.get("actor"), onRequired: (scope) => scopes.add(scope) });
  await next();
  await settle(c, { ...parts, seal, run, scopes: [...scopes] });
  return undefined;
}

/**
 * Keys of different callers are different ones. The token of a caller seals, too: an answer under a key that
 * can be guessed stays closed to a reader of the store. Callers of AWS and of JWTs have no secret that stays.
 */
function sealOf(c: Context<ApiEnv>, key: string): Seal {
  const { account, kind, id, name } = c.get("actor");
  const token = kind === "token" || kind === "api-token" ? (c.req.header("Authorization") ?? "") : "";
  return {
    secret: JSON.stringify([key, token.replace(/^bearer +/i, "")]),
    name: nameOf([c.get("homeAccount"), account, kind, id ?? name, key]),
  };
}

/** Reads the body, bounded, and puts it back for those that validate it. */
async function hashOf(c: Context<ApiEnv>, seal: Seal): Promise<string> {
  const { url, method, headers } = c.req.raw;
  const body = await readBounded(c.req.raw, CAPS.requestBytes);
  c.req.raw = new Request(url, { method, headers, ...(body.byteLength === 0 ? {} : { body }) });
  const { pathname, search } = new URL(url);
  const compared = COMPARED_HEADERS.map((header) => headers.get(header));
  return requestHash(seal, [method, pathname, search, ...compared], body);
}

/** @throws MissingScope where the caller has lost a scope that the request was judged by; KeyConflict */
function replay(
  c: Context<ApiEnv>,
  { begun, run, seal }: { readonly begun: BegunRequest; readonly run: RequestRun; readonly seal: Seal },
): Response {
  if (begun.request !== run.request) throw new KeyConflict("idempotency-key-reused");
  if (begun.answer === null) throw new KeyConflict("request-in-progress");
  const answer = openAnswer(begun.answer, seal);
  for (const scope of answer?.scopes ?? []) requireScope(c.get("actor"), scope);
  // Without its scopes it is not known who may have it.
  if (answer === null || answer.body === null || answer.scopes === undefined) {
    const location = answer?.headers.find(([name]) => name === "location")?.[1];
    throw new KeyConflict("answer-not-kept", location);
  }
  const headers = answer.headers.map(([name, value]): [string, string] => [name, value]);
  const body = answer.body === "" ? null : ofThisRequest(c, answer.body, new Headers(headers));
  return new Response(body, { status: answer.status, headers: [...headers, [REPLAYED, "true"]] });
}

/** A problem names the request whose log explains it; the first one's would not be that of the header. */
function ofThisRequest(c: Context<ApiEnv>, body: string, headers: Headers): string {
  if (headers.get("content-type") !== PROBLEM_TYPE) return body;
  return JSON.stringify({ ...(JSON.parse(body) as object), requestId: c.get("requestId") });
}

interface Settled extends KeyedParts {
  readonly seal: Seal;
  readonly run: RequestRun;
  readonly scopes: readonly Scope[];
}

async function settle(
  c: Context<ApiEnv>,
  { answers, clock, log, seal, run, scopes }: Settled,
): Promise<void> {
  const { status } = c.res;
  try {
    // No result of the request: it may be sent again, after 403 with the scope that was missing.
    if (status >= 500 || status === 429 || status === 403) return await answers.release(seal.name, run);
    const answer = sealAnswer(await keptOf(c.res, scopes), seal);
    await answers.keep(seal.name, run, { answer, expiresAtMs: clock.now() + KEPT_MS });
  } catch (error) {
    // What was asked for is done, or not, whether or not this is remembered.
    log({ event: "answer-keep-failed", requestId: c.get("requestId"), errors: loggedErrors(error) });
  }
  return undefined;
}

async function keptOf(response: Response, scopes: readonly Scope[]): Promise<Answer> {
  const whole: Answer = {
    status: response.status,
    headers: [...response.headers],
    body: await response.clone().text(),
    scopes,
  };
  const size = Buffer.byteLength(JSON.stringify(whole)) + SEAL_BYTES;
  return size > MAX_KEPT_BYTES ? { ...whole, body: null } : whole;
}
