import type { OpenAPIHono } from "@hono/zod-openapi";
import { expect } from "vitest";
import * as z from "zod";
import type { ApiEnv } from "../../functions/api/api-env.ts";
import { NDJSON_TYPE, RAW_TYPE } from "../../functions/api/line-type.ts";
import { openApiDocument } from "../../functions/api/openapi-document.ts";
import { PROBLEM_TYPE, problemResponse } from "../../functions/api/problem.ts";

/** An answer that was found to be as its route declares it. */
export interface CheckedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON body; undefined when there is none. A test reads what it expects: the schema was checked. */
  readonly json: ReturnType<typeof JSON.parse>;
  /** `code pointer` of each entry of a problem's `errors`. */
  readonly problems: readonly string[];
}

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly response: Response;
}

/** @throws where the answer is not one that the route declares, or lacks what every answer has. */
export async function checkedAnswer(app: OpenAPIHono<ApiEnv>, exchange: Exchange): Promise<CheckedAnswer> {
  const { response, method, path } = exchange;
  const what = `${method} ${path} -> ${response.status}`;
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  expect(response.headers.get("x-request-id"), what).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get("cache-control"), what).toBe("no-store");
  const json: unknown = isJson(type) && text !== "" ? JSON.parse(text) : undefined;
  if (response.status >= 400 && method !== "HEAD") checkProblem({ type, json, response, what });
  else if (method !== "HEAD") checkDeclared(app, { ...exchange, text, type, json });
  expect(undocumented(documentedOperations(app), { ...exchange, json }), what).toEqual([]);
  const errors = response.status >= 400 && method !== "HEAD" ? problemResponse.parse(json).errors : [];
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    problems: errors.map(({ code, pointer }) => `${code} ${pointer}`),
  };
}

const isJson = (type: string): boolean => /[/+]json\b/.test(type);

function checkProblem(found: { type: string; json: unknown; response: Response; what: string }): void {
  expect(found.type, found.what).toBe(PROBLEM_TYPE);
  const problem = problemResponse.parse(found.json);
  expect(problem.status, found.what).toBe(found.response.status);
  expect(problem.requestId, found.what).toBe(found.response.headers.get("x-request-id"));
}

function checkDeclared(
  app: OpenAPIHono<ApiEnv>,
  answer: Exchange & { readonly text: string; readonly type: string; readonly json: unknown },
): void {
  const { method, path, response, text, type, json } = answer;
  const route = declaredRoutes(app).find(
    (each) => each.method === method.toLowerCase() && each.pattern.test(path.split("?")[0] ?? ""),
  );
  const what = `${method} ${path} -> ${response.status}`;
  if (route === undefined) throw new Error(`${what}: no route declares this path`);
  const declared = route.responses[response.status];
  if (declared === undefined) throw new Error(`${what}: the route does not declare this status`);
  if (declared.content === undefined) return expect(text, what).toBe("");
  const schema = declared.content[type.split(";")[0] ?? ""]?.schema;
  if (schema === undefined) throw new Error(`${what}: the route does not declare ${type}`);
  if (schema instanceof z.ZodType) schema.parse(isJson(type) ? json : text);
}

interface DeclaredRoute {
  readonly method: string;
  readonly path: string;
  readonly pattern: RegExp;
  readonly takesBody: boolean;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: unknown }>> } | undefined>
  >;
}

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(".", "[.]").replaceAll(/\{\w+\}/g, "[^/]+")}$`);

/** Every route of the OpenAPI document. */
export function declaredRoutes(app: OpenAPIHono<ApiEnv>): DeclaredRoute[] {
  return app.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== "route") return [];
    const { method, path, request, responses } = definition.route;
    const pattern = patternOf(path);
    const takesBody = request?.body !== undefined;
    return { method, path, pattern, takesBody, responses: responses as DeclaredRoute["responses"] };
  });
}

/** An answer as the OpenAPI document has it, with its references followed. */
interface DocumentedAnswer {
  readonly headers?: object;
  readonly content?: Readonly<Record<string, { readonly examples?: object }>>;
}

interface DocumentedOperation {
  readonly method: string;
  readonly pattern: RegExp;
  readonly answers: Readonly<Record<string, DocumentedAnswer>>;
}

/** Written once for each file of tests: every app has the same routes. */
let documented: readonly DocumentedOperation[] | null = null;

export function documentedOperations(app: OpenAPIHono<ApiEnv>): readonly DocumentedOperation[] {
  documented ??= readOperations(JSON.parse(JSON.stringify(openApiDocument(app))));
  return documented;
}

// Read as JSON, as a client does.
function readOperations({ paths, components }: ReturnType<typeof JSON.parse>): DocumentedOperation[] {
  const answerOf = (answer: DocumentedAnswer & { readonly $ref?: string }): DocumentedAnswer =>
    answer.$ref === undefined ? answer : components.responses[answer.$ref.split("/").at(-1) ?? ""];
  return Object.entries<object>(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { responses }]) => ({
      method: method.toUpperCase(),
      pattern: patternOf(path),
      answers: Object.fromEntries(
        Object.entries<object>(responses).map(([status, answer]) => [status, answerOf(answer)]),
      ),
    })),
  );
}

/** Fields of HTTP itself, which describe the body. */
const OF_EVERY_BODY: ReadonlySet<string> = new Set(["content-type", "content-length"]);
/** What a request to no operation of the document may receive. */
const WITHOUT_OPERATION: ReadonlySet<string> = new Set([
  "invalid-request",
  "not-found",
  "method-not-allowed",
  "unauthenticated",
  "too-many-attempts",
  "rate-limited",
  "unavailable",
  "internal",
]);

/** What of an answer the document does not have: its status, media type, problem code, or headers. */
export function undocumented(
  operations: readonly DocumentedOperation[],
  { method, path, response, json }: Exchange & { readonly json: unknown },
): string[] {
  const { status, headers } = response;
  const code = status < 400 ? "" : String(Object(json).type ?? "").replace(/^urn:postern:problem:/u, "");
  // Every GET is a HEAD too, without a body.
  const documentedMethod = method === "HEAD" ? "GET" : method;
  const pathname = path.split("?")[0] ?? "";
  const operation = operations.find(
    (each) => each.method === documentedMethod && each.pattern.test(pathname),
  );
  if (operation === undefined)
    return WITHOUT_OPERATION.has(code) || method === "HEAD" ? [] : [`no operation: ${code}`];
  const answer = operation.answers[status];
  if (answer === undefined) return [`status ${status} ${code}`];
  const type = headers.get("content-type")?.split(";")[0];
  // A generated client would have both forms in one type, so the description alone names the other.
  const isOtherForm = type === NDJSON_TYPE || type === RAW_TYPE;
  const form = isOtherForm && answer.content?.[type] === undefined ? "application/json" : type;
  const body = form === undefined ? undefined : answer.content?.[form];
  return [
    ...(type !== undefined && body === undefined && method !== "HEAD" ? [`media type ${type}`] : []),
    ...(code !== "" && method !== "HEAD" && !(code in (body?.examples ?? {})) ? [`problem ${code}`] : []),
    ...[...headers.keys()]
      .filter((name) => !OF_EVERY_BODY.has(name) && !namesOf(answer).has(name))
      .map((name) => `header ${name}`),
  ];
}

const namesOf = ({ headers = {} }: DocumentedAnswer): ReadonlySet<string> =>
  new Set(Object.keys(headers).map((name) => name.toLowerCase()));
