import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { surviveLeftovers } from "./tls-leftovers.ts";

const queued = (...libraries: readonly string[]): Error =>
  new Error(
    libraries.map((name) => `406D2232:error:030000EA:${name}:function:reason:file.c:703:\n`).join(""),
  );

/** What Node passes to its own handler of this error. */
function passedOn(error: unknown): readonly unknown[] {
  const passed: unknown[] = [];
  const handle = { onerror: (given: unknown) => void passed.push(given) };
  expect(surviveLeftovers({ _handle: handle } as unknown as TLSSocket)).toBe(true);
  handle.onerror(error);
  return passed;
}

describe("an error that OpenSSL left behind in a handshake", () => {
  it.each([["digital envelope routines"], ["rsa routines"], ["asn1 encoding routines"]])(
    "does not end it when it is one of the %s alone",
    (library) => expect(passedOn(queued(library))).toEqual([]),
  );
  it.each([
    ["one of the SSL library", queued("SSL routines")],
    ["one of the SSL library behind others", queued("rsa routines", "SSL routines")],
    ["nothing of OpenSSL's", new Error("read ECONNRESET")],
    ["an error without a text", new Error("")],
    ["no error at all", "text"],
  ])("ends it when there is %s", (_, error) => expect(passedOn(error)).toEqual([error]));
  it("is left to Node where its handler is elsewhere", () => {
    expect(surviveLeftovers({ _handle: {} } as unknown as TLSSocket)).toBe(false);
    expect(surviveLeftovers({ _handle: null } as unknown as TLSSocket)).toBe(false);
  });
});
