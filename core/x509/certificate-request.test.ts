import "reflect-metadata";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { type JsonName, Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { createCsr } from "./certificate-request.ts";
import { spkiPinOf } from "./certificate-fields.ts";
import { keyTypeOf } from "./key-strength.ts";
import { KEY_TYPES } from "./key-type.ts";
import { createPrivateKeyOf } from "./new-key.ts";
import { readPem } from "./pem.ts";

const LONG = `${"a".repeat(60)}.${"b".repeat(60)}.example`;

interface ReadCsr {
  readonly subject: JsonName;
  readonly names: readonly string[];
  readonly critical: boolean | undefined;
  readonly spkiPin: string;
  readonly isValid: boolean;
}

async function readBack(der: Uint8Array): Promise<ReadCsr> {
  const csr = new Pkcs10CertificateRequest(new Uint8Array(der));
  const extension = csr.extensions.find((each) => each instanceof SubjectAlternativeNameExtension);
  return {
    subject: csr.subjectName.toJSON(),
    names: extension?.names.items.map(({ value }) => value) ?? [],
    critical: extension?.critical,
    spkiPin: spkiPinOf(new Uint8Array(csr.publicKey.rawData)),
    isValid: await csr.verify(),
  };
}

describe("a new private key", () => {
  it.each(KEY_TYPES)("of type %s is of this type, with the pin of its public half", async (keyType) => {
    const made = await createPrivateKeyOf(keyType);
    const key = createPrivateKey(made.privateKeyPem);
    expect(made.keyType).toBe(keyType);
    expect(keyTypeOf(key)).toBe(keyType);
    expect(made.spkiPin).toBe(spkiPinOf(createPublicKey(key).export({ type: "spki", format: "der" })));
    expect(made.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });
});

describe("a certificate request", () => {
  it.each(KEY_TYPES)("with a key of type %s is signed by it and names every host", async (keyType) => {
    const { privateKeyPem, spkiPin } = await createPrivateKeyOf(keyType);
    const names = ["mx1.example", "*.mx.example"];
    const { der, pem } = await createCsr({ names, privateKeyPem });
    const subject = [{ CN: ["mx1.example"] }];
    expect(await readBack(der)).toEqual({ subject, names, critical: false, spkiPin, isValid: true });
    expect(readPem(pem, "").blocks).toMatchObject([{ label: "CERTIFICATE REQUEST", der: Buffer.from(der) }]);
  });

  it("has the first name that fits 64 characters as its common name", async () => {
    const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
    const names = [LONG, "*.example", "mx.example"];
    const read = await readBack((await createCsr({ names, privateKeyPem })).der);
    expect(read).toMatchObject({ subject: [{ CN: ["*.example"] }], names, critical: false });
  });

  it("has an empty subject and critical names when no name fits", async () => {
    const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
    const read = await readBack((await createCsr({ names: [LONG], privateKeyPem })).der);
    expect(read).toMatchObject({ subject: [], names: [LONG], critical: true, isValid: true });
  });
});
