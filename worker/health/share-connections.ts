import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { clientKey } from "../../core/name/client-address.ts";

interface ShareOptions {
  /** Connections open at one time. */
  readonly max: number;
  /** Ends a connection that waits for its client. */
  readonly end: (socket: Socket) => void;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface OpenConnection {
  /** See `clientKey`. */
  readonly client: string;
  readonly exchanges: Set<Exchange>;
}

/**
 * Shares a server's connections among its clients. A connection waits for its client while a request is
 * incomplete or absent, and while an answer is not read. When all connections are open, a new one takes the
 * place of the oldest waiting one of the client that has most of them: a client that holds connections open
 * takes places from itself alone, and never one from a request that is being answered. Where every other
 * connection is being answered, the new one is ended.
 */
export function shareConnections(server: Server, { max, end }: ShareOptions): void {
  // In the order in which they began to wait.
  const open = new Map<Socket, OpenConnection>();
  server.on("connection", (socket: Socket) => {
    open.set(socket, { client: clientKey(socket.remoteAddress ?? ""), exchanges: new Set() });
    socket.once("close", () => open.delete(socket));
    if (open.size <= max) return;
    const excess = oldestOfTheGreediest(open);
    if (excess === null) return;
    open.delete(excess);
    end(excess);
  });
  const began = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    const connection = open.get(socket);
    if (connection === undefined) return;
    const exchange = { request, response };
    connection.exchanges.add(exchange);
    response.once("close", () => {
      connection.exchanges.delete(exchange);
      // It waits from now on.
      if (open.delete(socket)) open.set(socket, connection);
    });
  };
  server.on("request", began);
  server.on("checkExpectation", began);
}

/** Among all, since an attacker may have many addresses; at most `max` + 1 entries are looked at. */
function oldestOfTheGreediest(open: ReadonlyMap<Socket, OpenConnection>): Socket | null {
  const waiting = [...open].filter(([, { exchanges }]) => ![...exchanges].some(isBeingAnswered));
  const counts = new Map<string, number>();
  for (const [, { client }] of waiting) counts.set(client, (counts.get(client) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return waiting.find(([, { client }]) => counts.get(client) === most)?.[0] ?? null;
}

const isBeingAnswered = ({ request, response }: Exchange): boolean =>
  request.complete && !response.writableEnded;
