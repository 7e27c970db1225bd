import { constants, sign, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sharedKey } from "../../test/support/certificate-writer.ts";
import { explicit, integer, nullValue, oid, sequence } from "../../test/support/der.ts";
import { isSignedBy, isStrongSignature } from "./signature-algorithm.ts";

const SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"), nullValue());
const SHA1 = sequence(oid("1.3.14.3.2.26"), nullValue());
const pss = (...parameters: readonly Uint8Array[]): Buffer =>
  sequence(oid("1.2.840.113549.1.1.10"), sequence(...parameters));
const pssWith = (hash: Uint8Array): Buffer => pss(explicit(0, hash), explicit(2, integer(32)));

const toBeSigned = Buffer.from("to be signed");
const rsa = sharedKey("rsa-2048");
const edwards = sharedKey("ed25519");
const ecdsa = sharedKey("ecdsa-p256");
const withPss = (hash: string): Buffer =>
  sign(hash, toBeSigned, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });

describe("a signature", () => {
  it.each<[string, Buffer, Buffer, KeyObject]>([
    [
      "RSA with SHA-256",
      sequence(oid("1.2.840.113549.1.1.11"), nullValue()),
      sign("sha256", toBeSigned, rsa.privateKey),
      rsa.publicKey,
    ],
    ["RSA-PSS with SHA-256", pssWith(SHA256), withPss("sha256"), rsa.publicKey],
    [
      "ECDSA with SHA-384",
      sequence(oid("1.2.840.10045.4.3.3")),
      sign("sha384", toBeSigned, ecdsa.privateKey),
      ecdsa.publicKey,
    ],
    ["Ed25519", sequence(oid("1.3.101.112")), sign(null, toBeSigned, edwards.privateKey), edwards.publicKey],
  ])("of %s is known, and only with the right key and bytes", (_case, algorithm, signature, key) => {
    expect(isStrongSignature(algorithm)).toBe(true);
    expect(isSignedBy({ toBeSigned, algorithm, signature }, key)).toBe(true);
    expect(isSignedBy({ toBeSigned: Buffer.from("other"), algorithm, signature }, key)).toBe(false);
    for (const other of [rsa, ecdsa, edwards]) {
      if (other.publicKey !== key)
        expect(isSignedBy({ toBeSigned, algorithm, signature }, other.publicKey)).toBe(false);
    }
  });

  it.each<[string, Buffer, Buffer]>([
    ["RSA-PSS with SHA-1", pssWith(SHA1), withPss("sha1")],
    ["RSA-PSS without parameters, which is SHA-1", pss(), withPss("sha1")],
    [
      "RSA with SHA-1",
      sequence(oid("1.2.840.113549.1.1.5"), nullValue()),
      sign("sha1", toBeSigned, rsa.privateKey),
    ],
    ["an unknown algorithm", sequence(oid("1.2.3")), Buffer.alloc(256)],
  ])("of %s is not relied on, though the key made it", (_case, algorithm, signature) => {
    expect(isStrongSignature(algorithm)).toBe(false);
    expect(isSignedBy({ toBeSigned, algorithm, signature }, rsa.publicKey)).toBe(false);
  });
});
