import { describe, expect, it } from "vitest";
import { trustOf, trustOfStores } from "../../test/support/client-certificates/kind.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import { indexTrust, mayHaveSeveralPaths } from "./trust-index.ts";

const root = makeCa({ name: "Root" });
const other = makeCa({ name: "Other" });
const twin = makeCa({ name: "ROOT " });
const intermediate = makeCa({ name: "Intermediate", parent: root });
const leaf = issueClient({ names: ["client.example"], ca: intermediate });
const pem = (...cas: readonly { certificatePem: string }[]) =>
  cas.map(({ certificatePem }) => certificatePem);

describe("whether several paths may lead from a chain to an anchor", () => {
  it.each([
    { what: "one root", several: false, trust: trustOf(pem(root)) },
    { what: "two roots of different names", several: false, trust: trustOf(pem(root, other)) },
    { what: "two roots that OpenSSL takes for one name", several: true, trust: trustOf(pem(root, twin)) },
    { what: "the same root twice", several: false, trust: trustOf(pem(root, root)) },
    { what: "a root and an intermediate of it", several: true, trust: trustOf(pem(root, intermediate)) },
    {
      what: "two names that are not those of this chain",
      several: false,
      trust: trustOf(pem(root, makeCa({ name: "X" }), makeCa({ name: "X" }))),
    },
    {
      what: "a CRL of each",
      several: false,
      trust: trustOf(
        pem(root),
        [root, intermediate].map((ca) => makeCrl({ ca })),
      ),
    },
    {
      what: "two CRLs of one name",
      several: true,
      trust: trustOf(
        pem(root),
        [root, twin].map((ca) => makeCrl({ ca })),
      ),
    },
    {
      what: "two CRLs of a name that is not in this chain",
      several: false,
      trust: trustOf(
        pem(root),
        [other, other].map((ca) => makeCrl({ ca })),
      ),
    },
    {
      what: "a trust store without CRLs beside one with some",
      several: true,
      trust: trustOfStores([
        { anchorsPem: pem(root), crlsPem: [makeCrl({ ca: root })] },
        { anchorsPem: pem(other), crlsPem: [] },
      ]),
    },
  ])("$what: $several", ({ several, trust }) => expect(mayHaveSeveralPaths(leaf.chain, trust)).toBe(several));

  it.each([
    {
      what: "two intermediates of one name",
      sent: [...leaf.chain, makeCa({ name: "Intermediate" }).der],
      several: true,
    },
    { what: "the same intermediate twice", sent: [...leaf.chain, intermediate.der], several: false },
    { what: "the anchor itself", sent: [...leaf.chain, root.der], several: false },
    { what: "an unrelated certificate", sent: [...leaf.chain, other.der], several: false },
    {
      what: "an issuer that only OpenSSL may be able to read",
      sent: [...leaf.chain, Buffer.from("x")],
      several: true,
    },
  ])("$what sent: $several", ({ sent, several }) =>
    expect(mayHaveSeveralPaths(sent, trustOf(pem(root)))).toBe(several),
  );
});

describe("the index of a trust", () => {
  it("is built once", () => {
    const trust = trustOf(pem(root));
    expect(indexTrust(trust)).toBe(indexTrust(trust));
  });
  it("says when something in it cannot be read", () => {
    expect(indexTrust(trustOf([...pem(root), "not PEM"])).complete).toBe(false);
    expect(indexTrust(trustOf(pem(root), ["not PEM"])).complete).toBe(false);
    expect(indexTrust(trustOf(pem(root), [makeCrl({ ca: root })])).complete).toBe(true);
  });
});
