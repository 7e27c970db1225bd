/** Parts that routes share: bodies, answers, problems, conditions. */

import type { Scope } from "../../core/access/scope.ts";
import { patchOf } from "../../core/management/merge-patch.ts";
import type { MiddlewareHandler } from "hono";
import { z } from "@hono/zod-openapi";
import type { ApiEnv } from "./api-env.ts";
import { entityTag, TAGS } from "./conditions.ts";
import { KEY_PATTERN, REPLAYED } from "./idempotency-key.ts";
import { RAW_TYPE } from "./line-type.ts";
import { PROBLEM_TYPE, type ProblemCode, problemResponse, type StatusOf, statusOf } from "./problem.ts";
import { type BodyMediaType, readJsonText } from "./request-body.ts";
import { SCOPE_MEMBER } from "./declared-routes.ts";

/**
 * Reads the body by our rules before any validator of a library sees it; what is read is what they are given.
 */
const jsonBody =
  (mediaType: BodyMediaType): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const { url, method, headers } = c.req.raw;
    const body = await readJsonText(c.req.raw, mediaType);
    c.req.raw = new Request(url, { method, headers, body });
    await next();
  };

/** Request part and middleware of a route that takes a JSON document. */
export const takesJson = <T extends z.ZodType>(schema: T) => ({
  middleware: jsonBody("application/json"),
  body: { required: true, content: { "application/json": { schema } } },
});

/** The same for a merge patch of what `document` describes. */
export function takesPatch(document: z.ZodObject, meta: { readonly id: string; readonly example: object }) {
  const description = "JSON merge patch (RFC 7396): only what it names changes, null is the default";
  const schema = patchOf(document).meta({ id: meta.id, description, examples: [meta.example] });
  return {
    schema,
    middleware: jsonBody("application/merge-patch+json"),
    body: { required: true, description, content: { "application/merge-patch+json": { schema } } },
  };
}

export const textHeader = (description: string) => ({ description, schema: { type: "string" as const } });
export const etag = { ETag: textHeader(`the revision, for If-Match: ${entityTag(17)}`) };
const location = { Location: textHeader("where it is") };

/** An answer with a JSON body. */
export const answers = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});
export const answersRecord = <T extends z.ZodType>(schema: T, description: string) => ({
  ...answers(schema, description),
  headers: etag,
});
export const answersCreated = <T extends z.ZodType>(schema: T, description: string) => ({
  ...answers(schema, description),
  headers: { ...etag, ...location },
});

/** Each of the codes that a status has at a route, with the example of the document. */
const problem = (codes: readonly ProblemCode[]) => ({
  description: codes.join(", "),
  content: {
    [PROBLEM_TYPE]: { schema: problemResponse, examples: Object.fromEntries(codes.map(exampleOf)) },
  },
});
const exampleOf = (code: ProblemCode) => [code, { $ref: `#/components/examples/${code}` }] as const;

/**
 * What any request may receive before its route sees it: it did not arrive in time, or its header is too
 * large.
 */
const BEFORE_ROUTES = ["request-timeout", "header-too-large"] as const;
type BeforeRoutes = (typeof BEFORE_ROUTES)[number];

/** `invalid-request` and `rule-violation`: of the header Postern-Account. */
type AlwaysPossible =
  | "invalid-request"
  | "unauthenticated"
  | "missing-scope"
  | "no-access"
  | "rule-violation"
  | "too-many-attempts"
  | "rate-limited"
  | "internal"
  | "unavailable"
  | "storage-full";
const ALWAYS: readonly AlwaysPossible[] = [
  "invalid-request",
  "unauthenticated",
  "missing-scope",
  "no-access",
  "rule-violation",
  "too-many-attempts",
  "rate-limited",
  "internal",
  "unavailable",
  "storage-full",
];

/** What every route below /v1 may answer, and what more this one may. */
export const problems = <C extends ProblemCode>(
  ...codes: readonly C[]
): ProblemAnswers<C | AlwaysPossible | BeforeRoutes> =>
  unauthenticatedProblems<C | AlwaysPossible>(...codes, ...ALWAYS);

/** What a route that asks for no credentials may answer. */
export function unauthenticatedProblems<C extends ProblemCode>(
  ...codes: readonly C[]
): ProblemAnswers<C | BeforeRoutes> {
  const found = new Map<number, ProblemCode[]>();
  for (const code of new Set([...codes, ...BEFORE_ROUTES])) {
    const status = statusOf(code);
    found.set(status, [...(found.get(status) ?? []), code]);
  }
  // The keys are the statuses of the codes, as the type declares.
  return Object.fromEntries([...found].map(([status, names]) => [status, problem(names)])) as ProblemAnswers<
    C | BeforeRoutes
  >;
}

type ProblemAnswers<C extends ProblemCode> = { readonly [S in StatusOf<C>]: ReturnType<typeof problem> };

/** Problems of a write of a record that exists. */
export const CONDITION_PROBLEMS = ["stale-revision", "condition-missing"] as const;
export const BODY_PROBLEMS = [
  "invalid-request",
  "too-large",
  "unsupported-media-type",
  "rule-violation",
] as const;

/** What a read of a record answers to its conditions. */
export const readOf = <T extends z.ZodType>(schema: T, description: string) => ({
  200: answersRecord(schema, description),
  304: { description: "not modified: the record is at a revision of If-None-Match", headers: etag },
});
/** The same, and with `raw=true` the record as it is stored. */
export const readOrRaw = <T extends z.ZodType>(schema: T, description: string) => {
  const { 200: shown, ...others } = readOf(schema, description);
  const content = { ...shown.content, [RAW_TYPE]: { schema: z.string() } };
  const headers = { ...shown.headers, "X-Content-Type-Options": textHeader("`nosniff`, of raw=true") };
  return { ...others, 200: { ...shown, content, headers } };
};
export const READ_PROBLEMS = ["invalid-request", "not-found", "unreadable", "stale-revision"] as const;

/**
 * The scope that a route below /v1 needs; null = any caller may use it. The middleware of route-scopes.ts
 * enforces it, and the OpenAPI document shows it.
 */
export const needs = (scope: Scope | null) => ({
  // Linters accept roles of `oauth2` and `openIdConnect` alone, so the scope has a separate member.
  security: [{ bearer: [] }] satisfies { bearer: never[] }[],
  [SCOPE_MEMBER]: scope,
});

/**
 * Request header of a route whose answer is kept (kept-answers.ts): of each POST that creates or acts.
 */
const keyHeader = {
  "idempotency-key": z.string().optional().openapi({
    description:
      "random text, new for each request, such as a UUID: the same request with the same key is carried out once, and has the same answer for 24 hours",
    pattern: KEY_PATTERN,
  }),
};
export const keyHeaders = z.object(keyHeader);
/** Problems of a request with a key. */
export const KEY_PROBLEMS = ["request-in-progress", "answer-not-kept", "idempotency-key-reused"] as const;

export const REPLAYED_HEADER = {
  [REPLAYED]: {
    description: "`true`: the answer to an earlier request with the same Idempotency-Key",
    schema: { type: "string" as const, enum: ["true"] },
  },
};
/** An answer that may be a kept one. Problems that may be have the header from openapi-document.ts. */
export const mayBeReplayed = <T extends { readonly description: string; readonly headers?: object }>(
  answer: T,
) => ({ ...answer, headers: { ...answer.headers, ...REPLAYED_HEADER } });

export const conditionHeaders = z.object({
  "if-match": z.string().optional().openapi({
    description:
      'entity tag that an answer had, such as "17": only if that is still the revision; * = any revision',
    pattern: TAGS,
  }),
  "if-none-match": z.string().optional().openapi({
    description: "* = only if there is no such record; entity tags = only if its revision is none of them",
    pattern: TAGS,
  }),
});

export const keyedConditionHeaders = conditionHeaders.extend(keyHeader);
