import type { Socket } from "node:net";
import { mayBeProxyHeader, parseProxyHeader, type ProxyHeader } from "./proxy-protocol.ts";

export type ProxyHeaderOutcome =
  | { readonly kind: "header"; readonly header: ProxyHeader }
  /** The stream begins with something else, all of which is unread again. */
  | { readonly kind: "absent" }
  | { readonly kind: "bad" }
  | { readonly kind: "timeout" }
  | { readonly kind: "closed" };

/**
 * Takes the PROXY header off a new socket and leaves everything after it unread. `done` is called once.
 *
 * @param deadlineMs Absolute, from this call.
 */
export function readProxyHeader(
  socket: Socket,
  deadlineMs: number,
  done: (outcome: ProxyHeaderOutcome) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => finish({ kind: "timeout" }), deadlineMs);
  const onClosed = (): void => finish({ kind: "closed" });

  function finish(outcome: ProxyHeaderOutcome): void {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    for (const event of ["end", "close", "error"]) socket.off(event, onClosed);
    done(outcome);
  }

  function onReadable(): void {
    for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      if (!mayBeProxyHeader(bytes)) {
        socket.unshift(bytes);
        return finish({ kind: "absent" });
      }
      const result = parseProxyHeader(bytes);
      if (result.kind === "bad") return finish(result);
      if (result.kind === "more") continue;
      if (bytes.length > result.length) socket.unshift(bytes.subarray(result.length));
      return finish(result);
    }
  }

  for (const event of ["end", "close", "error"]) socket.once(event, onClosed);
  socket.on("readable", onReadable);
}
