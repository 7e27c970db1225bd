import { describe, expect, it } from "vitest";
import { Unreadable } from "../errors.ts";
import { decodeMaterial, encodeMaterial, type CertificateMaterial } from "./serving-material.ts";

const material: CertificateMaterial = {
  keys: [{ keyType: "ecdsa-p256", privateKeyPem: "a key", certificateChainPem: "a chain" }],
};
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe("stored certificate material", () => {
  it("reads back as it was written, and is written as the same bytes each time", () => {
    expect(decodeMaterial(encodeMaterial(material))).toEqual(material);
    const reordered = {
      keys: material.keys.map(({ certificateChainPem, ...rest }) => ({ certificateChainPem, ...rest })),
    };
    expect(encodeMaterial(reordered)).toEqual(encodeMaterial(material));
  });

  it("may hold what a later release adds", () => {
    const later = { ...material, ocsp: "…", keys: material.keys.map((key) => ({ ...key, note: 1 })) };
    expect(decodeMaterial(json(later))).toEqual(material);
  });

  it.each([
    ["no JSON", Buffer.from("-----BEGIN PRIVATE KEY-----secret")],
    ["no keys", json({ keys: [] })],
    ["three keys", json({ keys: [1, 2, 3].map(() => material.keys[0]) })],
    ["a key type of another release", json({ keys: [{ ...material.keys[0], keyType: "secret" }] })],
    ["no private key", json({ keys: [{ ...material.keys[0], privateKeyPem: undefined, x: "secret" }] })],
    ["nothing", Buffer.alloc(0)],
  ])("is unreadable with %s, and the error holds none of it", (_case, bytes) => {
    let error: unknown;
    try {
      decodeMaterial(bytes);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Unreadable);
    const { message, stack, cause } = error as Unreadable;
    expect(JSON.stringify([message, stack, cause])).not.toContain("secret");
  });
});
