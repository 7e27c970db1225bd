import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KEY_TYPES } from "./key-type.ts";
import { parsePemBundle } from "./pem-bundle.ts";
import { createSelfSigned } from "./self-signed.ts";

const nowMs = Date.now();
const names = ["mx.example", "*.example"];
const leafOf = (pem: string | undefined): X509Certificate => new X509Certificate(pem ?? "");

describe("a self-signed certificate", () => {
  it.each(KEY_TYPES)("with a key of type %s passes every check of an upload, unchanged", async (keyType) => {
    const made = await createSelfSigned({ names, keyTypes: [keyType], days: 90 }, { nowMs });
    const [key] = made.material.keys;
    const uploaded = parsePemBundle(
      { certificatePem: key?.certificateChainPem ?? "", privateKeyPem: key?.privateKeyPem ?? "" },
      { nowMs },
    );
    expect(uploaded).toEqual(made);
    expect(made.names).toEqual(names);
    expect(made.keys.map((each) => each.keyType)).toEqual([keyType]);
  });

  it("is an ECDSA P-256 server certificate for a year by default, and no CA", async () => {
    const { keys, material } = await createSelfSigned({ names }, { nowMs });
    const leaf = leafOf(material.keys[0]?.certificateChainPem);
    expect(keys[0]?.keyType).toBe("ecdsa-p256");
    expect(leaf.ca).toBe(false);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(leaf.subject).toBe("CN=mx.example");
    expect(leaf.verify(leaf.publicKey)).toBe(true);
    const second = Math.floor(nowMs / 1000) * 1000;
    expect(leaf.validFromDate.getTime()).toBe(second - 3_600_000);
    expect(leaf.validToDate.getTime()).toBe(second + 365 * 86_400_000);
  });

  it("has a positive serial number of 16 octets, another each time", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => createSelfSigned({ names }, { nowMs })));
    const serials = made.map(({ material }) => leafOf(material.keys[0]?.certificateChainPem).serialNumber);
    expect(new Set(serials).size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it("has an empty subject when no name fits into one", async () => {
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.example`;
    const made = await createSelfSigned({ names: [long] }, { nowMs });
    expect(made.names).toEqual([long]);
    const leaf = leafOf(made.material.keys[0]?.certificateChainPem);
    expect(leaf.subject).toBeUndefined();
    // The identifier of subjectAltName, then critical TRUE.
    expect(leaf.raw.includes(Buffer.from("0603551d110101ff", "hex"))).toBe(true);
  });

  it("may outlast the year 2049", async () => {
    const { keys } = await createSelfSigned({ names, days: 36_500 }, { nowMs });
    expect(Date.parse(keys[0]?.notAfter ?? "")).toBe(Math.floor(nowMs / 1000) * 1000 + 36_500 * 86_400_000);
  });

  it("of both kinds is an ECDSA and an RSA one, ECDSA first", async () => {
    const made = await createSelfSigned({ names, keyTypes: ["rsa-2048", "ecdsa-p384"] }, { nowMs });
    expect(made.keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p384", "rsa-2048"]);
    const certificatePem = made.material.keys.map((key) => key.certificateChainPem).join("");
    const privateKeyPem = made.material.keys.map((key) => key.privateKeyPem).join("");
    expect(parsePemBundle({ certificatePem, privateKeyPem }, { nowMs })).toEqual(made);
  });

  it("made with an existing key keeps it under another serial number and other dates", async () => {
    const first = await createSelfSigned({ names, keyTypes: ["ecdsa-p256", "rsa-2048"] }, { nowMs });
    const later = nowMs + 60 * 86_400_000;
    const second = await createSelfSigned(
      { names, keyTypes: ["ecdsa-p256", "rsa-2048"], existingKeys: first.material.keys },
      { nowMs: later },
    );
    for (const [at, key] of second.keys.entries()) {
      const before = first.keys[at];
      expect(key.spkiPin).toBe(before?.spkiPin);
      expect(key.fingerprintSha256).not.toBe(before?.fingerprintSha256);
      expect(Date.parse(key.notAfter)).toBe(Date.parse(before?.notAfter ?? "") + 60 * 86_400_000);
      const [old, renewed] = [first, second].map(({ material }) => material.keys[at]);
      expect(renewed?.privateKeyPem).toBe(old?.privateKeyPem);
      const serials = [old, renewed].map((each) => leafOf(each?.certificateChainPem).serialNumber);
      expect(serials[0]).not.toBe(serials[1]);
    }
  });

  it("has a new key where the existing one is of another type", async () => {
    const first = await createSelfSigned({ names, keyTypes: ["ecdsa-p256"] }, { nowMs });
    const { keys } = await createSelfSigned(
      { names, keyTypes: ["ecdsa-p384"], existingKeys: first.material.keys },
      { nowMs },
    );
    expect(keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p384"]);
    expect(keys[0]?.spkiPin).not.toBe(first.keys[0]?.spkiPin);
  });
});
