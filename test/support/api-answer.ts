import type { OpenAPIHono } from "@hono/zod-openapi";
import { expect } from "vitest";
import * as z from "zod";
import type { ApiEnv } from "../../functions/api/api-env.ts";
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

/** Every route of the OpenAPI document. */
export function declaredRoutes(app: OpenAPIHono<ApiEnv>): DeclaredRoute[] {
  return app.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== "route") return [];
    const { method, path, request, responses } = definition.route;
    const pattern = new RegExp(`^${path.replaceAll(".", "[.]").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    const takesBody = request?.body !== undefined;
    return { method, path, pattern, takesBody, responses: responses as DeclaredRoute["responses"] };
  });
}
