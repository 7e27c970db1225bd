import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { trustOf } from "../../test/support/client-certificates/kind.ts";
import { hoursFromNow } from "../../test/support/certificate-writer.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueClient, makeCa, type CaOptions, type TestCa } from "../../test/support/pki.ts";
import { findPaths, MAX_PATHS, MAX_SIGNATURES } from "./certificate-paths.ts";

const plainCa = (options: CaOptions): TestCa => makeCa({ keyIdentifiers: false, ...options });
const plain = (ca: TestCa) => issueClient({ names: ["client.example"], ca, keyIdentifiers: false });
const trusting = (...cas: readonly TestCa[]) => trustOf(cas.map(({ certificatePem }) => certificatePem));
/** The same name and key in another certificate. */
const again = (ca: TestCa, options: CaOptions = {}): TestCa =>
  plainCa({
    name: ca.subject,
    key: { privateKey: ca.privateKey, publicKey: createPublicKey(ca.privateKey) },
    ...options,
  });

describe("the paths from a leaf to an anchor", () => {
  const [old, fresh] = [plainCa({ name: "CA" }), plainCa({ name: "CA" })];

  it("lead through the certificates whose keys signed, and no namesake", () => {
    const leaf = plain(fresh);
    const found = findPaths({ chain: leaf.chain, trust: trusting(old, fresh) }, Date.now());
    expect(found).toEqual({
      paths: [{ issuers: [], anchor: fresh.der, crls: null, crlsShareName: false }],
      complete: true,
    });
  });

  it("carry the CRLs of their own CAs alone", () => {
    const trust = trustOf(
      [old.certificatePem, fresh.certificatePem],
      [makeCrl({ ca: old }), makeCrl({ ca: fresh })],
    );
    const [path] = findPaths({ chain: plain(fresh).chain, trust }, Date.now()).paths;
    expect(path?.crls?.map((der) => Buffer.from(der).toString("base64"))).toEqual([
      makeDer(trust.crlsPem[1] ?? ""),
    ]);
  });

  it("say where two CAs of one name on one path both have a CRL", () => {
    const above = makeCa({ name: "CA" });
    const below = makeCa({ name: "CA", parent: above });
    const leaf = issueClient({ names: ["client.example"], ca: below });
    const crlsPem = [above, below].map((ca) => makeCrl({ ca }));
    const [path] = findPaths(
      { chain: leaf.chain, trust: trustOf([above.certificatePem], crlsPem) },
      Date.now(),
    ).paths;
    expect(path).toMatchObject({ crlsShareName: true });
  });

  it("come in date first", () => {
    const past = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
    const expired = Array.from({ length: MAX_PATHS }, () => again(fresh, past));
    const { paths, complete } = findPaths(
      { chain: plain(fresh).chain, trust: trusting(...expired, fresh) },
      Date.now(),
    );
    expect(paths).toHaveLength(MAX_PATHS);
    expect(paths[0]?.anchor).toEqual(fresh.der);
    expect(complete).toBe(false);
  });

  it("are none for a stranger, however many certificates of one name it sends", () => {
    const forged = Array.from({ length: 9 }, () => again(old));
    const leaf = plain(plainCa({ name: "CA" }));
    const chain = [leaf.der, ...forged.map(({ der }) => der)];
    expect(findPaths({ chain, trust: trusting(fresh) }, Date.now())).toEqual({ paths: [], complete: true });
  });

  it("are not all found when more signatures would have to be verified than may be", () => {
    const many = Array.from({ length: MAX_SIGNATURES + 1 }, () => plainCa({ name: "CA" }));
    expect(findPaths({ chain: plain(old).chain, trust: trusting(...many) }, Date.now())).toEqual({
      paths: [],
      complete: false,
    });
    const withIssuer = trusting(old, ...many);
    expect(findPaths({ chain: plain(old).chain, trust: withIssuer }, Date.now())).toMatchObject({
      paths: [{ anchor: old.der }],
      complete: false,
    });
  });

  it("end, though CAs sign each other in all directions", () => {
    const keys = Array.from({ length: 3 }, () => plainCa({ name: "Mesh" }));
    const mesh = keys.flatMap((ca) => keys.map((parent) => again(ca, { parent })));
    const leaf = plain(keys[0] ?? old);
    const chain = [leaf.der, ...mesh.map(({ der }) => der)];
    const { paths, complete } = findPaths({ chain, trust: trusting(...keys) }, Date.now());
    expect({ paths: paths.length, complete }).toEqual({ paths: MAX_PATHS, complete: false });
  });
});

const makeDer = (text: string): string => text.replace(/-----[^-]+-----|\s/g, "");
