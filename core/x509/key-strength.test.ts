import { generateKeyPairSync } from "node:crypto";
import { createSecureContext } from "node:tls";
import { describe, expect, it } from "vitest";
import type { TestKeyPair } from "../../test/support/certificate-writer.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { parsePemBundle } from "./pem-bundle.ts";
import { parseTrustStore } from "./trust-anchors.ts";

const nowMs = Date.now();
const names = ["mx.example"];
const root = makeCa();
const ec = (namedCurve: string, paramEncoding: "named" | "explicit" = "named"): TestKeyPair =>
  generateKeyPairSync("ec", { namedCurve, paramEncoding });

const uploaded = ({ key, ca = root }: { key?: TestKeyPair; ca?: ReturnType<typeof makeCa> }) => {
  const { certificatePem, chainPem, privateKeyPem } = issueServer({ names, ca, ...(key && { key }) });
  return outcomeOf(() =>
    parsePemBundle({ certificatePem, privateKeyPem, ...(chainPem !== "" && { chainPem }) }, { nowMs }),
  );
};
const anchored = (key: TestKeyPair) =>
  outcomeOf(() => parseTrustStore({ certificatesPem: makeCa({ key }).certificatePem }, { nowMs }));

/** Whether OpenSSL at level 2 loads it, as an edge does. */
function loads(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key, ciphers: "DEFAULT@SECLEVEL=2" });
    return true;
  } catch {
    return false;
  }
}

describe("a curve by explicit parameters, which OpenSSL reads and Java does not", () => {
  it.each(["prime256v1", "secp384r1"])("is refused of a leaf and its key on %s", (curve) => {
    expect(uploaded({ key: ec(curve) })).toBe("accepted");
    expect(uploaded({ key: ec(curve, "explicit") })).toEqual(["InvalidInput /privateKeyPem unsupported-key"]);
  });

  it("is refused of the certificate alone and of the key alone", () => {
    const explicit = issueServer({ names, ca: root, key: ec("prime256v1", "explicit") });
    const mixed = {
      certificatePem: explicit.certificatePem,
      privateKeyPem: issueServer({ names }).privateKeyPem,
    };
    expect(outcomeOf(() => parsePemBundle(mixed, { nowMs }))).toEqual([
      "InvalidInput /certificatePem unsupported-key",
    ]);
    const swapped = {
      certificatePem: issueServer({ names }).certificatePem,
      privateKeyPem: explicit.privateKeyPem,
    };
    expect(outcomeOf(() => parsePemBundle(swapped, { nowMs }))).toEqual([
      "InvalidInput /privateKeyPem unsupported-key",
    ]);
  });

  it("is refused of an intermediate and of a trust anchor", () => {
    const ca = makeCa({ parent: root, key: ec("prime256v1", "explicit") });
    expect(uploaded({ ca })).toEqual(["InvalidInput /chainPem unsupported-key"]);
    expect(anchored(ec("prime256v1", "explicit"))).toEqual(["InvalidInput /certificatesPem unsupported-key"]);
  });
});

describe("an elliptic-curve CA", () => {
  it.each([
    ["prime192v1", "weak-key"],
    ["secp160r1", "weak-key"],
    ["brainpoolP192r1", "weak-key"],
    ["sect163k1", "weak-key"],
    ["secp224r1", null],
    ["prime256v1", null],
    ["brainpoolP256r1", null],
    ["secp256k1", null],
    ["sect233r1", null],
    ["secp521r1", null],
  ])("on %s is judged as OpenSSL at security level 2 does: %s", (curve, code) => {
    const key = ec(curve);
    expect(uploaded({ ca: makeCa({ parent: root, key }) })).toEqual(
      code === null ? "accepted" : [`InvalidInput /chainPem ${code}`],
    );
    const { bundlePem, privateKeyPem } = issueServer({ names, ca: makeCa({ parent: root, key }) });
    expect(loads(bundlePem, privateKeyPem)).toBe(code === null);
    expect(anchored(key)).toEqual(code === null ? "accepted" : [`InvalidInput /certificatesPem ${code}`]);
  });
});
