import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { DEFAULT_LIMITS } from "../config/limits.ts";
import type { Readiness } from "../telemetry/readiness.ts";
import { shareConnections } from "./share-connections.ts";
import { type HealthRefusal, takeOffProxyHeaders } from "./take-off-proxy-headers.ts";

export interface HealthServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly readiness: () => Readiness;
  /** The page of /metrics. */
  readonly metrics: () => string;
  /** The limit of that name; absent = its default. */
  readonly proxyHeaderMs?: number;
  /** Receives the reason for each connection that is closed before HTTP begins. */
  readonly onRefused?: (why: HealthRefusal) => void;
}

export interface HealthServer {
  /** As bound. */
  readonly port: number;
  close(): Promise<void>;
}

/** More than any monitoring opens, so that a client that holds connections takes nothing from the mail. */
const MAX_CONNECTIONS = 64;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node looks for connections over their time; its own 30 s would treble the limits above. */
const CHECK_MS = 2_000;
const MAX_HEADER_BYTES = 8_192;

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const JSON_TYPE = "application/json";
/** The version that Prometheus' text format is negotiated by. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Serves /live, /ready and /metrics. A PROXY header (v1 or v2) may precede the first request of a connection:
 * a network load balancer sends one in front of its health checks as soon as its target group sends them with
 * mail.
 *
 * @throws the socket's error when the port cannot be bound.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => send(request, response, answerTo(request, options)),
  );
  shareConnections(server, { max: MAX_CONNECTIONS, end: (socket) => void socket.destroy() });
  const waiting = takeOffProxyHeaders(server, {
    deadlineMs: options.proxyHeaderMs ?? DEFAULT_LIMITS.proxyHeaderMs,
    onRefused: options.onRefused ?? (() => undefined),
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of waiting) socket.destroy();
        server.closeAllConnections();
      }),
  };
}

const listen = (server: Server, { host, port }: HealthServerOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      // Without a listener an accept error (out of file descriptors) would end the process and all mail with
      // it.
      server.on("error", () => {});
      resolve();
    });
  });

function answerTo(request: IncomingMessage, options: HealthServerOptions): Answer {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, contentType: JSON_TYPE, body: '{"error":"only GET and HEAD"}' };
  }
  switch (request.url?.split("?")[0]) {
    case "/live":
      return { status: 200, contentType: JSON_TYPE, body: '{"live":true}' };
    case "/ready": {
      const readiness = options.readiness();
      return { status: readiness.ready ? 200 : 503, contentType: JSON_TYPE, body: JSON.stringify(readiness) };
    }
    case "/metrics":
      return { status: 200, contentType: METRICS_TYPE, body: options.metrics() };
    default:
      return { status: 404, contentType: JSON_TYPE, body: '{"error":"/live, /ready and /metrics are here"}' };
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.contentType,
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
    ...(answer.status === 405 ? { allow: "GET, HEAD" } : {}),
    // A body that is not read would be parsed as the next request.
    ...(answer.status === 405 ? { connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}
