import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { getRequestListener, RequestError } from "@hono/node-server";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** The API: a function from Request to Response. */
  readonly fetch: (request: Request, env: object) => Response | Promise<Response>;
  /** What the API did not answer: nothing of it reaches the client. */
  readonly onError: (error: unknown) => void;
}

export interface HttpServer {
  /** As bound. */
  readonly port: number;
  /** Accepts nobody any more and resolves when requests in progress are answered, or cut after `REQUEST_TIMEOUT_MS`. */
  close(): Promise<void>;
}

/** Slow clients hold a socket, never more: headers, whole request, and how many at one time. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 256;
const CLOSE_STEP_MS = 50;
/** How often Node looks for connections over their time; its own 30 s would treble the limits above. */
const CHECK_MS = 2_000;

/**
 * Serves the API on this machine.
 *
 * @throws what the bind throws: the port is taken, or the address is not ours.
 */
export async function startHttpServer({
  host,
  port,
  fetch,
  onError,
}: HttpServerOptions): Promise<HttpServer> {
  const listener = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      if (error instanceof RequestError) return problem(400, "Bad Request");
      onError(error);
      return problem(500, "Internal Server Error");
    },
  });
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => void listener(request, response).catch(onError),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ host, port });
  await once(server, "listening");
  server.on("error", onError);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      // A connection that is kept alive after its answer would hold the end up until its idle timeout.
      const idle = setInterval(() => server.closeIdleConnections(), CLOSE_STEP_MS);
      const cut = setTimeout(() => server.closeAllConnections(), REQUEST_TIMEOUT_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

/** What is no request that the API could read (RFC 9457). */
function problem(status: number, title: string): Response {
  const requestId = randomUUID();
  return Response.json(
    { type: "about:blank", title, status, requestId },
    {
      status,
      headers: {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "x-request-id": requestId,
      },
    },
  );
}
