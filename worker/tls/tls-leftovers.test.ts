import { EventEmitter } from "node:events";
import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { surviveLeftovers } from "./tls-leftovers.ts";

const of = (library: string): Error => Object.assign(new Error("OpenSSL's text"), { library });

/** A TLS socket as far as it matters here, and what came to Node's own handler. */
function socketWith(): { socket: TLSSocket; fail: (error: unknown) => void; passed: unknown[] } {
  const passed: unknown[] = [];
  const handle = { onerror: (given: unknown) => void passed.push(given) };
  const socket = Object.assign(new EventEmitter(), { _handle: handle }) as unknown as TLSSocket;
  return { socket, fail: (error) => handle.onerror(error), passed };
}

describe("an error that OpenSSL left behind in a handshake", () => {
  it.each([
    ["digital envelope routines"],
    ["elliptic curve routines"],
    ["rsa routines"],
    ["asn1 encoding routines"],
  ])("does not end it when it is one of the %s", (library) => {
    const { socket, fail, passed } = socketWith();
    expect(surviveLeftovers(socket)).toBe(true);
    fail(of(library));
    expect(passed).toEqual([]);
  });
  it.each([
    ["one of the SSL library", of("SSL routines")],
    ["a record that does not decrypt", of("Provider routines")],
    ["nothing of OpenSSL's", new Error("read ECONNRESET")],
    ["no error at all", "text"],
  ])("ends it when it is %s", (_, error) => {
    const { socket, fail, passed } = socketWith();
    surviveLeftovers(socket);
    fail(error);
    expect(passed).toEqual([error]);
  });
  it("is one of the connection once the handshake is over", () => {
    const { socket, fail, passed } = socketWith();
    surviveLeftovers(socket);
    socket.emit("secure");
    fail(of("rsa routines"));
    expect(passed).toHaveLength(1);
  });
  it("is left to Node where its handler is elsewhere", () => {
    for (const handle of [{}, null])
      expect(surviveLeftovers({ _handle: handle } as unknown as TLSSocket)).toBe(false);
  });
});
