import type { Socket } from "node:net";
import { type BadHello, type ClientHello, ClientHelloParser } from "./client-hello.ts";

export type ClientHelloOutcome =
  | { readonly kind: "hello"; readonly hello: ClientHello }
  | BadHello
  | { readonly kind: "timeout" }
  | { readonly kind: "closed" };

/**
 * Reads a ClientHello from a socket without another reader, and puts every byte back, so that a TLSSocket on
 * top of it finds the stream as it came. `done` is called once, in the tick of the last byte: nothing is lost
 * if it wraps the socket at once.
 *
 * @param deadlineMs Absolute, from this call.
 */
export function readClientHello(
  socket: Socket,
  deadlineMs: number,
  done: (outcome: ClientHelloOutcome) => void,
): void {
  const parser = new ClientHelloParser();
  const chunks: Buffer[] = [];
  const timer = setTimeout(() => finish({ kind: "timeout" }), deadlineMs);
  const onClosed = (): void => finish({ kind: "closed" });

  function finish(outcome: ClientHelloOutcome): void {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    for (const event of ["end", "close", "error"]) socket.off(event, onClosed);
    if (chunks.length > 0 && !socket.destroyed && !socket.readableEnded)
      socket.unshift(Buffer.concat(chunks));
    done(outcome);
  }

  function onReadable(): void {
    for (let chunk = readChunk(socket); chunk !== null; chunk = readChunk(socket)) {
      chunks.push(chunk);
      const result = parser.push(chunk);
      if (result.kind !== "more") return finish(result);
    }
  }

  // Closed while the command before STARTTLS was answered: no event reports it any more.
  if (socket.readableEnded) return onClosed();
  for (const event of ["end", "close", "error"]) socket.once(event, onClosed);
  socket.on("readable", onReadable);
  // Bytes that came in one segment with STARTTLS are here already: 'readable' may not fire for them again.
  onReadable();
}

function readChunk(socket: Socket): Buffer | null {
  const chunk: unknown = socket.read();
  return Buffer.isBuffer(chunk) ? chunk : null;
}
