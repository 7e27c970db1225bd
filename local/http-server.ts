import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener, type Http2Bindings, type HttpBindings, RequestError } from "@hono/node-server";
import { shareConnections } from "../worker/health/share-connections.ts";
import {
  CONNECTION_NEEDED,
  malformed,
  malformedHead,
  type RefusedRequest,
  refuse,
  refusalOf,
  responseOf,
  wireText,
} from "./refused-request.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** The API: a function from Request to Response. */
  readonly fetch: (request: Request, env: ClientState) => Response | Promise<Response>;
  /** A request that never reached the API, and was answered here. */
  readonly onRefused: (refused: RefusedRequest) => void;
  /** What the API did not answer: nothing of it reaches the client. */
  readonly onError: (error: unknown, requestId: string) => void;
}

export interface ClientState {
  /** The request as it arrived: the address of its client. */
  readonly incoming: HttpBindings["incoming"] | Http2Bindings["incoming"];
  /**
   * Aborted when the client has closed its side of the connection. It may still read the answer: a FIN does
   * not say whether the client is gone.
   */
  readonly clientClosed: AbortSignal;
}

export interface HttpServer {
  /** As bound. */
  readonly port: number;
  /**
   * Accepts no more connections, and resolves when requests in progress are answered, or cut after
   * `REQUEST_TIMEOUT_MS`.
   */
  close(): Promise<void>;
}

/**
 * A slow client holds a socket, never more, and none that another client needs: headers, whole request,
 * connections at one time.
 */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 5_000;
/** Node looks every 30 s by default, so that ten seconds of silence were up to forty (measured). */
const CHECK_INTERVAL_MS = 1_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 256;
const CLOSE_STEP_MS = 50;
/** HTTP/1.0 knows no Host, and the URL of a Request needs one. */
const NO_HOST = "localhost";

/**
 * Serves the API on this machine. What Node answers by itself, in bare status lines, is answered here as the
 * API would.
 *
 * @throws what the bind throws: the port is taken, or the address is not ours.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, onError } = options;
  const listener = requestListener(options);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
    },
    listener,
  );
  // A client that closes its side behind its request still reads the answer (RFC 9293 section 3.6; `nc -N`,
  // old proxies): Node would end our side at the FIN, and a write would be made without its answer. Node's
  // types do not have this property.
  Object.assign(server, { httpAllowHalfOpen: true });
  shareConnections(server, {
    max: MAX_CONNECTIONS,
    end: (socket) => void server.emit("clientError", new ConnectionNeeded(), socket),
  });
  // RFC 9110 section 10.1.1: an expectation that we do not know may be ignored.
  server.on("checkExpectation", listener);
  answerWhatNodeRefuses(server, options.onRefused);
  server.listen({ host, port });
  await once(server, "listening");
  server.on("error", (error) => onError(error, ""));
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

/** Another client needs the connection: see `shareConnections`. */
class ConnectionNeeded extends Error {
  override readonly name = "ConnectionNeeded";
  readonly code = CONNECTION_NEEDED;
}

function requestListener({ fetch, onRefused, onError }: HttpServerOptions) {
  const closed = new WeakMap<Duplex, AbortSignal>();
  const closedOf = (socket: Duplex): AbortSignal => {
    const known = closed.get(socket);
    if (known !== undefined) return known;
    const controller = new AbortController();
    for (const event of ["end", "close"]) socket.once(event, () => controller.abort());
    closed.set(socket, controller.signal);
    return controller.signal;
  };
  const answer = (request: Request, { incoming }: HttpBindings | Http2Bindings) =>
    fetch(request, { incoming, clientClosed: closedOf(incoming.socket) });
  const listener = getRequestListener(answer, {
    overrideGlobalObjects: false,
    hostname: NO_HOST,
    errorHandler: (error) => {
      if (error instanceof RequestError) {
        const refusal = malformed("the request line or Host is not one that HTTP allows");
        onRefused(refusal.refused);
        return responseOf(refusal);
      }
      const refusal = refuse({
        code: "internal",
        detail: "The log has the cause under this requestId.",
        reason: "internal",
      });
      onError(error, refusal.refused.requestId);
      return responseOf(refusal);
    },
  });
  return (request: IncomingMessage, response: ServerResponse): void => {
    const refusal = malformedHead(request);
    if (refusal === null) {
      void listener(request, response).catch((error: unknown) => onError(error, ""));
      return;
    }
    onRefused(refusal.refused);
    request.resume();
    response.writeHead(refusal.refused.status, { ...refusal.headers, connection: "close" }).end(refusal.body);
  };
}

/** What the parser, a deadline or a method that we do not have ends before there is a request. */
function answerWhatNodeRefuses(server: Server, onRefused: HttpServerOptions["onRefused"]): void {
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on("request", (request, response) => void answers.set(request.socket, response));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket);
    const halfWayOut = answer?.headersSent === true && !answer.writableFinished;
    if (!socket.writable || error.code === "ECONNRESET" || halfWayOut) {
      socket.destroy();
      return;
    }
    const refusal = refusalOf(error);
    onRefused(refusal.refused);
    endWith(socket, wireText(refusal));
  });
  server.on("connect", (_request, socket) => {
    const refusal = malformed("this is no proxy", "CONNECT");
    onRefused(refusal.refused);
    endWith(socket, wireText(refusal));
  });
}

/** A client that does not read the answer, or does not close after it, does not keep the socket. */
function endWith(socket: Duplex, text: string): void {
  socket.on("error", () => undefined);
  socket.end(text, () => void socket.destroy());
}
