import type { TLSSocket } from "node:tls";

/**
 * Keeps a handshake going where only a client's certificate is at fault.
 *
 * OpenSSL leaves the signature that did not verify in its error queue and goes on, as it was asked to. When
 * the client's flight comes in pieces, Node (24.21) finds the queue filled while it waits for the next one
 * and takes that for the end of the handshake: a sender that presents two intermediates of one name would be
 * cut in mode `request`. Nothing is accepted by going on: a handshake that failed in OpenSSL stays failed,
 * and ends with the client or at its deadline.
 *
 * @returns false when Node keeps its error handler elsewhere: such a client is then cut, as before.
 */
export function surviveLeftovers(socket: TLSSocket): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return false;
  const fail: unknown = Reflect.get(handle, "onerror");
  if (typeof fail !== "function") return false;
  // After the handshake no certificate is verified: every error is then one of the connection.
  socket.once("secure", () => Reflect.set(handle, "onerror", fail));
  return Reflect.set(handle, "onerror", function onerror(this: unknown, error: unknown): unknown {
    return isLeftover(error) ? undefined : Reflect.apply(fail, this, [error]);
  });
}

/**
 * Libraries in which OpenSSL verifies the signature of a certificate or a CRL (measured with RSA, ECDSA and
 * Ed25519, each with the key of another). A fault of the handshake itself is one of `SSL routines`, a record
 * that does not decrypt one of `Provider routines`.
 */
const VERIFYING: ReadonlySet<string> = new Set([
  "digital envelope routines",
  "elliptic curve routines",
  "rsa routines",
  "asn1 encoding routines",
]);

/** Node shows the first error of the queue. */
const isLeftover = (error: unknown): boolean =>
  error instanceof Error &&
  "library" in error &&
  typeof error.library === "string" &&
  VERIFYING.has(error.library);
