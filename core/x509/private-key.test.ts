import { createPrivateKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { integer, nullValue, octetString, oid, pem, sequence } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa, type IssueOptions } from "../../test/support/pki.ts";
import type { InvalidInput } from "../errors.ts";
import { parsePemBundle, type PemBundle, type PemBundleContext } from "./pem-bundle.ts";

const nowMs = Date.now();
const names = ["mx.example"];
const root = makeCa();
const server = issueServer({ names, ca: root });
const rsaServer = issueServer({ names, ca: root, keyType: "rsa-2048" });
const { certificatePem, privateKeyPem: ownKey } = server;
const bundle: PemBundle = { certificatePem, privateKeyPem: ownKey };

const outcome = (change: Partial<PemBundle>, context: Partial<PemBundleContext> = {}) =>
  outcomeOf(() => parsePemBundle({ ...bundle, ...change }, { nowMs, ...context }));

const upload = (options: Partial<IssueOptions>): Partial<PemBundle> => {
  const issued = issueServer({ names, ca: root, ...options });
  return { certificatePem: issued.certificatePem, privateKeyPem: issued.privateKeyPem };
};

describe("the private key of an upload", () => {
  const passphrase = "correct horse";
  const encrypted = (cipher: string, type: "pkcs8" | "sec1"): string =>
    server.privateKey
      .export({ type, format: "pem", cipher, passphrase } as { type: "pkcs8"; format: "pem" })
      .toString();

  it.each([
    ["PKCS #8", encrypted("aes-256-cbc", "pkcs8")],
    ["OpenSSL's old form", encrypted("aes-256-cbc", "sec1")],
  ])("may be encrypted in %s, and needs its passphrase", (_case, privateKeyPem) => {
    expect(outcome({ privateKeyPem, privateKeyPassphrase: passphrase })).toBe("accepted");
    expect(outcome({ privateKeyPem })).toEqual(["InvalidInput /privateKeyPassphrase passphrase-required"]);
    for (const wrong of ["", "wrong", "x".repeat(5000)]) {
      expect(outcome({ privateKeyPem, privateKeyPassphrase: wrong })).toEqual([
        "InvalidInput /privateKeyPassphrase wrong-passphrase",
      ]);
    }
  });

  const pbes1 = (id: string): Buffer =>
    sequence(oid(id), sequence(octetString(Buffer.alloc(8)), integer(2048)));
  const PBES2 = "1.2.840.113549.1.5.13";
  const pbkdf2 = (...prf: readonly Buffer[]): Buffer =>
    sequence(
      oid("1.2.840.113549.1.5.12"),
      sequence(octetString(Buffer.alloc(8)), integer(2048), ...prf.map((id) => sequence(id, nullValue()))),
    );
  const scrypt = (blockSize: number): Buffer =>
    sequence(
      oid("1.3.6.1.4.1.11591.4.11"),
      sequence(octetString(Buffer.alloc(8)), integer(16_384), integer(blockSize), integer(1)),
    );
  const aes = (id = "2.16.840.1.101.3.4.1.42"): Buffer => sequence(oid(id), octetString(Buffer.alloc(16)));
  const keyIn = (algorithm: Buffer): string =>
    pem("ENCRYPTED PRIVATE KEY", sequence(algorithm, octetString(Buffer.alloc(144))));
  const dek = (name: string): string =>
    encrypted("aes-256-cbc", "sec1").replace(/DEK-Info: .*/, `DEK-Info: ${name}`);

  it.each([
    ["PBE with MD5 and DES", keyIn(pbes1("1.2.840.113549.1.5.3"))],
    ["PBE with SHA-1 and RC2-40, as Windows wrote it", keyIn(pbes1("1.2.840.113549.1.12.1.6"))],
    ["PBE with SHA-1 and RC4", keyIn(pbes1("1.2.840.113549.1.12.1.1"))],
    ["a PBE of unknown number", keyIn(pbes1("1.2.840.113549.1.12.1.7"))],
    [
      "DES of PBES2",
      keyIn(
        sequence(oid(PBES2), sequence(pbkdf2(), sequence(oid("1.3.14.3.2.7"), octetString(Buffer.alloc(8))))),
      ),
    ],
    ["a cipher of unknown number", keyIn(sequence(oid(PBES2), sequence(pbkdf2(), aes("1.2.3.4"))))],
    ["AES-GCM", keyIn(sequence(oid(PBES2), sequence(pbkdf2(), aes("2.16.840.1.101.3.4.1.46"))))],
    ["an unknown PRF", keyIn(sequence(oid(PBES2), sequence(pbkdf2(oid("1.2.840.113549.2.119")), aes())))],
    [
      "scrypt that needs more memory than OpenSSL gives",
      keyIn(sequence(oid(PBES2), sequence(scrypt(32), aes()))),
    ],
    [
      "a key derivation of unknown form",
      keyIn(sequence(oid(PBES2), sequence(sequence(oid("1.2.3.4")), aes()))),
    ],
    ["DES in the old form", dek("DES-CBC,0000000000000000")],
    ["a cipher of unknown name in the old form", dek("XYZ-CBC,0000000000000000")],
  ])("is not blamed on the passphrase when its encryption is %s", (_case, privateKeyPem) => {
    const refused = ["InvalidInput /privateKeyPem unsupported-encryption"];
    expect(outcome({ privateKeyPem, privateKeyPassphrase: passphrase })).toEqual(refused);
    expect(outcome({ privateKeyPem })).toEqual(refused);
  });

  it("is asked for its passphrase again for each wrong one, however its padding comes out", () => {
    const privateKeyPem = encrypted("aes-256-cbc", "sec1");
    // One in 256 leaves a padding that looks right.
    for (let n = 0; n < 600; n++) {
      expect(outcome({ privateKeyPem, privateKeyPassphrase: `wrong ${String(n)}` })).toEqual([
        "InvalidInput /privateKeyPassphrase wrong-passphrase",
      ]);
    }
  });

  it("may come with a passphrase that it does not need", () => {
    expect(outcome({ privateKeyPassphrase: passphrase })).toBe("accepted");
  });

  it("is not decrypted when that would hold up the process", () => {
    const block = encrypted("aes-256-cbc", "pkcs8");
    const der = Buffer.from(block.replace(/-----.*-----/g, ""), "base64");
    const at = der.indexOf(integer(2048));
    expect(at).toBeGreaterThan(0);
    const slow = Buffer.concat([der.subarray(0, at), integer(0x7fff), der.subarray(at + 4)]);
    const tooSlow = Buffer.from(der);
    // INTEGER of 2 octets and the next field's start become one of 4 octets: the file is damaged, but read
    // only after.
    tooSlow[at + 1] = 4;
    tooSlow[at + 2] = 0x7f;
    const uploaded = (bytes: Buffer): string | readonly string[] =>
      outcome({ privateKeyPem: pem("ENCRYPTED PRIVATE KEY", bytes), privateKeyPassphrase: passphrase });
    expect(uploaded(slow)).toEqual(["InvalidInput /privateKeyPassphrase wrong-passphrase"]);
    expect(uploaded(tooSlow)).toEqual(["InvalidInput /privateKeyPem costly-encryption"]);
  });

  it("must sign for the certificate: a right public half is not enough", () => {
    const jwk = server.privateKey.export({ format: "jwk" });
    const d = Buffer.alloc(32, 7).toString("base64url");
    const damaged = createPrivateKey({ key: { ...jwk, d }, format: "jwk" });
    const privateKeyPem = damaged.export({ type: "pkcs8", format: "pem" }).toString();
    expect(outcome({ privateKeyPem })).toEqual(["RuleViolation /privateKeyPem key-mismatch"]);
  });

  it("may be left out when it is already here", () => {
    const existingKeys = [
      { privateKeyPem: rsaServer.privateKeyPem },
      { privateKeyPem: server.privateKeyPem },
    ];
    const parsed = parsePemBundle({ ...bundle, privateKeyPem: undefined }, { nowMs, existingKeys });
    expect(parsed.material.keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p256"]);
    expect(
      outcome({ ...upload({ keyType: "ecdsa-p384" }), privateKeyPem: undefined }, { existingKeys }),
    ).toEqual(["RuleViolation /certificatePem key-mismatch"]);
  });

  it("is in no error, whatever is wrong and in whichever field it came", () => {
    const secret = server.privateKeyPem.split("\n")[1] ?? "";
    expect(secret.length).toBeGreaterThan(40);
    const changes: Partial<PemBundle>[] = [
      { certificatePem: server.privateKeyPem },
      { certificatePem: server.privateKeyPem.replace("-----BEGIN", "x-----BEGIN") },
      { certificatePem: server.privateKeyPem.replace(/-----BEGIN.*\n/, "") },
      { chainPem: server.privateKeyPem },
      { privateKeyPem: server.privateKeyPem.replace(/-----END.*\n/, "") },
      { privateKeyPem: server.privateKeyPem.replace("M", "*") },
      { privateKeyPem: encrypted("aes-256-cbc", "pkcs8"), privateKeyPassphrase: "hunter2-hunter2" },
    ];
    for (const change of changes) {
      let text = "";
      try {
        parsePemBundle({ ...bundle, ...change }, { nowMs });
      } catch (error) {
        const { message, stack, cause, issues } = error as InvalidInput;
        text = JSON.stringify([message, stack, cause, issues]);
      }
      expect(text).not.toBe("");
      expect(text).not.toContain(secret.slice(0, 20));
      expect(text).not.toContain("hunter2");
    }
  });
});
