/** PROXY headers in front of HTTP, for the health checks of load balancers. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type ProxyHeaderOutcome, readProxyHeader } from "../edge/proxy-protocol.ts";

/** Why a connection to the health server was closed before HTTP began. */
export type HealthRefusal =
  | "proxy-malformed"
  /** Neither a whole header nor the first octet of a request within the limit `proxyHeaderMs`. */
  | "proxy-timeout"
  /** The peer left before that. */
  | "proxy-closed";

interface TakeOffOptions {
  /** For the whole header, absolute, from the accept. */
  readonly deadlineMs: number;
  readonly onRefused: (why: HealthRefusal) => void;
}

/**
 * Lets a PROXY header precede HTTP on every connection of a server. Only the start of a connection is looked
 * at: later requests of the same connection carry none.
 *
 * The header is parsed and its address ignored: the health server shows the same to every peer and judges
 * nothing by the client's address, so it needs no list of trusted proxies.
 *
 * @returns the connections whose header is awaited, for the server's end.
 */
export function takeOffProxyHeaders(server: Server, options: TakeOffOptions): ReadonlySet<Socket> {
  const waiting = new Set<Socket>();
  // The server itself must listen, since it only starts its own time limits then; so its handlers are
  // deferred, not replaced.
  const handlers = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    waiting.add(socket);
    // A reset shows as 'close' as well; without a listener it would end the process.
    socket.on("error", () => undefined);
    readProxyHeader(socket, options.deadlineMs, (outcome) => {
      waiting.delete(socket);
      const why = refusalOf(outcome);
      if (why === null) {
        for (const handle of handlers) Reflect.apply(handle, server, [socket]);
        return;
      }
      socket.destroy();
      options.onRefused(why);
    });
  });
  return waiting;
}

function refusalOf({ kind }: ProxyHeaderOutcome): HealthRefusal | null {
  switch (kind) {
    case "header":
    case "absent":
      return null;
    case "bad":
      return "proxy-malformed";
    case "timeout":
      return "proxy-timeout";
    case "closed":
      return "proxy-closed";
    default:
      return kind satisfies never;
  }
}
