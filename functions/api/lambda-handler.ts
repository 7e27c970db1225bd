/** Events of API Gateway as requests, and responses as its answers. */

import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { type ApiGatewayRequestContextV2, handle, type LambdaEvent } from "hono/aws-lambda";
import type { ApiEnv } from "./api-env.ts";
import { type ApiLog, loggedPath } from "./api-log.ts";
import { PROBLEM_TYPE, problemText, statusOf } from "./problem.ts";

/** An HTTP API's event, payload format 2.0, as far as it is looked at here. */
export interface GatewayEvent {
  readonly version: string;
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: string | null | undefined;
  readonly isBase64Encoded: boolean;
  readonly requestContext: {
    readonly http: { readonly method: string };
    /** What the stage's authorizer found. */
    readonly authorizer?: unknown;
  };
}

export interface GatewayAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

export type GatewayHandler = (event: GatewayEvent) => Promise<GatewayAnswer>;

/**
 * The API behind API Gateway. An event of which no Request can be made is answered here as
 * it would.
 *
 * @throws TypeError for any other event than one of payload format 2.0: the integration is set up wrongly.
 */
export function createLambdaHandler(app: Pick<Hono<ApiEnv>, "fetch">, log: ApiLog): GatewayHandler {
  // The package's own type wants a whole Hono of any environment; `handle` calls nothing but fetch.
  const answer = handle(app as Hono);
  return async (event) => {
    if (event.version !== "2.0") throw new TypeError("an event of payload format 2.0 is needed");
    if (!isRequest(event)) return refuse(event, log);
    const { statusCode, headers, body, isBase64Encoded } = await answer(toHonoEvent(event));
    return { statusCode, headers, body, isBase64Encoded };
  };
}

/** Its type has every field that AWS documents; what it reads are those of GatewayEvent. */
function toHonoEvent(event: GatewayEvent): LambdaEvent {
  const requestContext = event.requestContext as unknown as ApiGatewayRequestContextV2;
  const known = { ...event, requestContext, rawPath: asPath(event.rawPath), body: event.body ?? null };
  return known as unknown as LambdaEvent;
}

/**
 * API Gateway decodes the path. A `?`, `#` or `\` that was encoded would end the path, or part it in two,
 * when it became a URL again: another resource than the one that was asked for.
 */
const asPath = (rawPath: string): string =>
  withEncodedArn(rawPath).replaceAll(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]+/gu, (text) =>
    encodeURIComponent(text.toWellFormed()),
  );

const PRINCIPALS = "/v1/principals/";

/** An ARN is one step of the path, and may hold slashes. */
const withEncodedArn = (rawPath: string): string =>
  rawPath.startsWith(PRINCIPALS)
    ? PRINCIPALS + encodeURIComponent(rawPath.slice(PRINCIPALS.length).toWellFormed())
    : rawPath;

/** hono encodes header values beyond ASCII; what else a Headers cannot hold it answers in plain text. */
function isRequest({ headers, requestContext }: GatewayEvent): boolean {
  try {
    const given = Object.entries(headers).map(([name, value = ""]): [string, string] => [
      name,
      value.replaceAll(/[^\0-\x7f]/g, ""),
    ]);
    return new Request("https://api/", { method: requestContext.http.method, headers: given }).method !== "";
  } catch {
    return false;
  }
}

/** Methods that no Request may have (TRACE, CONNECT), and header values that none can hold. */
function refuse(event: GatewayEvent, log: ApiLog): GatewayAnswer {
  const requestId = randomUUID();
  const code = "invalid-request";
  const status = statusOf(code);
  const { method } = event.requestContext.http;
  log({
    event: "api-request",
    requestId,
    clientRequestId: null,
    method: method.slice(0, 20),
    path: loggedPath(event.rawPath),
    status,
    durationMs: 0,
    account: null,
    actor: null,
  });
  return {
    statusCode: status,
    headers: { "content-type": PROBLEM_TYPE, "cache-control": "no-store", "x-request-id": requestId },
    body: problemText({ code, detail: "the method or a header is malformed" }, requestId),
    isBase64Encoded: false,
  };
}
