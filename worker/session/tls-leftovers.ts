import type { TLSSocket } from "node:tls";

/**
 * Keeps a handshake going where only a client's certificate is at fault.
 *
 * OpenSSL leaves the signature that did not verify in its error queue and goes on, as it was asked to. When the client's flight
 * comes in pieces, Node (24.21) finds the queue filled while it waits for the next one and takes that for the end of the
 * handshake: a sender that presents two intermediates of one name would be cut in mode `request`. Nothing is accepted by going
 * on: a failure of the handshake itself always leaves an error of the SSL library too, and OpenSSL ends there by itself.
 *
 * @returns false when Node keeps its error handler elsewhere: such a client is then cut, as before.
 */
export function surviveLeftovers(socket: TLSSocket): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return false;
  const fail: unknown = Reflect.get(handle, "onerror");
  if (typeof fail !== "function") return false;
  return Reflect.set(handle, "onerror", function onerror(this: unknown, error: unknown): unknown {
    return isLeftover(error) ? undefined : Reflect.apply(fail, this, [error]);
  });
}

/** One line of OpenSSL's error queue: thread, packed code, library, function, reason, file. */
const QUEUED = /^[0-9A-F]+:error:[0-9A-F]{8}:([^:]*):/;
const SSL_LIBRARY = "SSL routines";

/** Node's message is the whole queue. Of 16 errors the queue keeps the last, and the SSL library's own comes last. */
function isLeftover(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const libraries = error.message
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => QUEUED.exec(line)?.[1] ?? "");
  return libraries.length > 0 && libraries.every((name) => name !== "" && name !== SSL_LIBRARY);
}
