/** Requests that end before the API sees them: their status, problem and log line. */

import { randomUUID } from "node:crypto";
import { type IncomingMessage, STATUS_CODES } from "node:http";
import { PROBLEM_TYPE, type ProblemCode, problemText, statusOf } from "../functions/api/problem.ts";

/** What is logged of a request that the API never saw; nothing of what the client sent. */
export interface RefusedRequest {
  readonly requestId: string;
  readonly status: number;
  /** A code of Node's parser, or what we found. */
  readonly reason: string;
}

export interface Refusal {
  readonly refused: RefusedRequest;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 9457, with everything that the API's own answers have. */
  readonly body: string;
}

export function refuse({
  code,
  detail,
  reason,
}: {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly reason: string;
}): Refusal {
  const requestId = randomUUID();
  const body = problemText({ code, detail }, requestId);
  const headers = {
    "content-type": PROBLEM_TYPE,
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    "x-request-id": requestId,
  };
  return { refused: { requestId, status: statusOf(code), reason }, headers, body };
}

export const malformed = (detail: string, reason = "malformed"): Refusal =>
  refuse({ code: "invalid-request", detail, reason });

/** A connection that waited for its client gave its place to another. */
export const CONNECTION_NEEDED = "connection-needed";

/** By the code of the error that Node's parser or timer gives, or that we give. */
const BY_CODE: ReadonlyMap<string, { readonly code: ProblemCode; readonly detail: string }> = new Map([
  ["ERR_HTTP_REQUEST_TIMEOUT", { code: "request-timeout", detail: "the request did not arrive in time" }],
  [
    CONNECTION_NEEDED,
    {
      code: "request-timeout",
      detail: "too many connections, and this one sent no complete request; try again",
    },
  ],
  ["HPE_HEADER_OVERFLOW", { code: "header-too-large", detail: "the header is over 16 KB" }],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", { code: "too-large", detail: "the chunk extensions are too large" }],
]);

/** Neither the error's message nor its packet is shown or logged: they hold what the client sent. */
export function refusalOf(error: NodeJS.ErrnoException): Refusal {
  const reason = error.code ?? "malformed";
  const known = BY_CODE.get(reason);
  return known === undefined ? malformed("this is no HTTP request", reason) : refuse({ ...known, reason });
}

/** What Node lets pass. A coding under `chunked` would be read as if it were not there. */
export function malformedHead({ headers, headersDistinct, httpVersion }: IncomingMessage): Refusal | null {
  const hosts = headersDistinct["host"]?.length ?? 0;
  // RFC 9112 section 3.2.
  if (hosts > 1 || (hosts === 0 && httpVersion !== "1.0")) return malformed("exactly one Host is needed");
  const coding = headers["transfer-encoding"] ?? "chunked";
  return coding.toLowerCase() === "chunked" ? null : malformed("no transfer coding but chunked is known");
}

export const responseOf = ({ refused, headers, body }: Refusal): Response =>
  new Response(body, { status: refused.status, headers });

/** As it goes over a socket that has no request. */
export function wireText({ refused, headers, body }: Refusal): string {
  const lines = Object.entries({ ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const phrase = STATUS_CODES[refused.status] ?? "";
  return `HTTP/1.1 ${String(refused.status)} ${phrase}\r\n${lines.join("")}\r\n${body}`;
}
