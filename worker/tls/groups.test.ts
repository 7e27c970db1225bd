import { createSecureContext } from "node:tls";
import { describe, expect, it } from "vitest";
import { clientCurves, groupList } from "./groups.ts";

const hello = (newestVersion: number, ...groups: readonly number[]) =>
  clientCurves({ serverName: null, newestVersion, groups });
const [X25519, P256, P384, P521, BRAINPOOL_256, SECT283R1, TLS12, TLS13] = [
  29, 23, 24, 25, 26, 10, 0x0303, 0x0304,
];

describe("the curves that a client's certificate may be on", () => {
  it.each([
    {
      client: "TLS 1.2 with a brainpool curve and X25519",
      offered: hello(TLS12, BRAINPOOL_256, X25519),
      curves: "any",
    },
    {
      client: "TLS 1.2 with a brainpool curve and P-256",
      offered: hello(TLS12, P256, BRAINPOOL_256),
      curves: "any",
    },
    { client: "TLS 1.2 with P-521 and P-384", offered: hello(TLS12, P384, P521), curves: "any" },
    {
      client: "TLS 1.2 with brainpool curves alone",
      offered: hello(TLS12, BRAINPOOL_256),
      curves: "key-exchange",
    },
    {
      client: "TLS 1.2 with our groups alone",
      offered: hello(TLS12, X25519, P256, P384),
      curves: "key-exchange",
    },
    {
      client: "TLS 1.2 with a binary curve",
      offered: hello(TLS12, X25519, SECT283R1),
      curves: "key-exchange",
    },
    { client: "TLS 1.2 without groups", offered: hello(TLS12), curves: "key-exchange" },
    {
      client: "TLS 1.3 with all of them",
      offered: hello(TLS13, X25519, BRAINPOOL_256),
      curves: "key-exchange",
    },
  ])("are $curves for $client", ({ offered, curves }) => expect(offered).toBe(curves));

  it("are all known to OpenSSL, and come after the groups for key exchange", () => {
    createSecureContext({ ecdhCurve: groupList("any") });
    expect(groupList("any").startsWith(`${groupList("key-exchange")}:`)).toBe(true);
  });
});
