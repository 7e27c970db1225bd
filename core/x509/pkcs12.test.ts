import { describe, expect, it } from "vitest";
import { oid, sequence } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import {
  certificateBag,
  encryptedContent,
  falseMac,
  falsePbmac1,
  keyBag,
  nestedBag,
  pbes2,
  type PfxParts,
  pfx,
  pkcs12Pbe,
} from "../../test/support/pkcs12-writer.ts";
import { parsePemBundle } from "./pem-bundle.ts";
import { parsePkcs12 } from "./pkcs12.ts";

const nowMs = Date.now();
const context = { nowMs, pause: () => Promise.resolve() };
const ca = makeCa({ name: "Issuing CA", parent: makeCa() });
const server = issueServer({ names: ["mx.example"], ca });
const rsa = issueServer({ names: ["mx.example"], ca, keyType: "rsa-2048" });
const pkcs8 = ({ privateKey }: typeof server): Buffer => privateKey.export({ type: "pkcs8", format: "der" });
const bags = [keyBag(pkcs8(server)), certificateBag(ca.der), certificateBag(server.der)];
const expected = parsePemBundle(
  { certificatePem: server.bundlePem, privateKeyPem: server.privateKeyPem },
  { nowMs },
);

const parsed = (parts: PfxParts, passphrase?: string) =>
  parsePkcs12({ pkcs12: pfx(parts).toString("base64"), passphrase }, context);

/** Codes of what is wrong with a file, or "accepted". */
const outcomeOfText = (pkcs12: string, passphrase?: string) =>
  parsePkcs12({ pkcs12, passphrase }, context).then(
    () => "accepted" as const,
    (error: unknown) =>
      outcomeOf(() => {
        throw error;
      }),
  );

const outcome = (parts: PfxParts, passphrase?: string) =>
  outcomeOfText(pfx(parts).toString("base64"), passphrase);

describe("a PKCS #12 file", () => {
  it("is what its key, leaf and chain would be in PEM, in whatever order", async () => {
    expect(await parsed({ bags })).toEqual(expected);
    expect(await parsed({ bags: bags.toReversed() })).toEqual(expected);
    expect(await parsed({ bags: [...bags, ...bags] })).toEqual(expected);
    expect(await parsed({ bags: [nestedBag(nestedBag(...bags))] })).toEqual(expected);
  });

  it("may have line ends in its base64, and a passphrase that it does not need", async () => {
    const lines = pfx({ bags }).toString("base64").replace(/.{76}/g, "$&\r\n");
    expect(await outcomeOfText(`${lines}\r\n`, "not needed")).toBe("accepted");
  });

  it("may hold an ECDSA and an RSA pair", async () => {
    const both = [...bags, keyBag(pkcs8(rsa)), certificateBag(rsa.der)];
    const { keys } = await parsed({ bags: both });
    expect(keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p256", "rsa-2048"]);
  });

  const secret = sequence(oid("1.2.840.113549.1.12.10.1.5"), Buffer.from([0xa0, 0]));
  it("may hold secrets and other bags, which are passed over", async () => {
    expect(await parsed({ bags: [secret, ...bags] })).toEqual(expected);
  });

  const certificates = Array.from({ length: 11 }, () => certificateBag(makeCa().der));
  const third = issueServer({ names: ["mx.example"], ca, keyType: "ecdsa-p384" });
  const deep = Array.from({ length: 6 }).reduce<Buffer>((inner) => nestedBag(inner), nestedBag(...bags));
  it.each<[string, PfxParts, readonly string[]]>([
    ["another version", { bags, version: 4 }, ["InvalidInput /pkcs12 unreadable-file"]],
    ["no key", { bags: bags.slice(1) }, ["InvalidInput /pkcs12 required"]],
    ["no certificate", { bags: bags.slice(0, 1) }, ["InvalidInput /pkcs12 required"]],
    ["nothing", {}, ["InvalidInput /pkcs12 required"]],
    ["a key that is none", { bags: [keyBag(sequence()), ...bags] }, ["InvalidInput /pkcs12 unreadable-key"]],
    [
      "a certificate that is none",
      { bags: [...bags, certificateBag(Buffer.alloc(9))] },
      ["InvalidInput /pkcs12 unreadable-certificate"],
    ],
    [
      "the key of another certificate",
      { bags: [keyBag(pkcs8(third)), ...bags.slice(1)] },
      ["RuleViolation /pkcs12 key-mismatch"],
    ],
    [
      "three keys",
      { bags: [...bags, keyBag(pkcs8(rsa)), keyBag(pkcs8(third))] },
      ["InvalidInput /pkcs12 too-many-keys"],
    ],
    [
      "too many certificates",
      { bags: [...bags, ...certificates] },
      ["RuleViolation /pkcs12 too-many-certificates"],
    ],
    [
      "more bags than a file may have",
      { bags: Array.from({ length: 101 }, () => secret) },
      ["InvalidInput /pkcs12 too-large"],
    ],
    ["bags within bags without end", { bags: [deep] }, ["InvalidInput /pkcs12 too-large"]],
    [
      "a digest that is not known",
      { bags, macData: falseMac(1, "1.2.3.4") },
      ["InvalidInput /pkcs12 unsupported-encryption"],
    ],
    [
      "RC4",
      { contents: [encryptedContent(pkcs12Pbe(1, 1))] },
      ["InvalidInput /pkcs12 unsupported-encryption"],
    ],
    [
      "content that is encrypted for a certificate",
      { contents: [sequence(oid("1.2.840.113549.1.7.3"), Buffer.from([0xa0, 0]))] },
      ["InvalidInput /pkcs12 unsupported-encryption"],
    ],
    [
      "a MAC of 2^31 rounds",
      { bags, macData: falseMac(2 ** 31) },
      ["InvalidInput /pkcs12 costly-encryption"],
    ],
    [
      "a MAC of 2^70 rounds",
      { bags, macData: falseMac(2n ** 70n) },
      ["InvalidInput /pkcs12 costly-encryption"],
    ],
    ["a MAC of no rounds", { bags, macData: falseMac(0) }, ["InvalidInput /pkcs12 unreadable-file"]],
    [
      "PBMAC1 of no rounds",
      { bags, macData: falsePbmac1({ rounds: 0 }) },
      ["InvalidInput /pkcs12 unreadable-file"],
    ],
    [
      "PBMAC1 with a key of no bytes",
      { bags, macData: falsePbmac1({ keyBytes: 0 }) },
      ["InvalidInput /pkcs12 unreadable-file"],
    ],
    [
      "PBMAC1 with a key of more bytes than a hash has",
      { bags, macData: falsePbmac1({ keyBytes: 65 }) },
      ["InvalidInput /pkcs12 unsupported-encryption"],
    ],
    [
      "PBMAC1 without its passphrase",
      { bags, macData: falsePbmac1({}) },
      ["InvalidInput /passphrase passphrase-required"],
    ],
    [
      "PBES2 of 1,000,001 rounds",
      { contents: [encryptedContent(pbes2(1_000_001))] },
      ["InvalidInput /pkcs12 costly-encryption"],
    ],
    [
      "3DES of 334,000 rounds, thrice",
      { contents: [encryptedContent(pkcs12Pbe(3, 334_000))] },
      ["InvalidInput /pkcs12 costly-encryption"],
    ],
    [
      "RC2 without its passphrase",
      { contents: [encryptedContent(pkcs12Pbe(6, 1))] },
      ["InvalidInput /passphrase passphrase-required"],
    ],
    [
      "a MAC without its passphrase",
      { bags, macData: falseMac(1) },
      ["InvalidInput /passphrase passphrase-required"],
    ],
  ])("is refused with %s", async (_, parts, issues) => {
    expect(await outcome(parts)).toEqual(issues);
  });

  it("is refused with a wrong passphrase, whether it has a MAC or not", async () => {
    const wrong = ["InvalidInput /passphrase wrong-passphrase"];
    expect(await outcome({ bags, macData: falseMac(1) }, "wrong")).toEqual(wrong);
    expect(await outcome({ contents: [encryptedContent(pbes2(1))] }, "wrong")).toEqual(wrong);
  });

  const file = pfx({ bags });
  it.each<[string, string, readonly string[]]>([
    ["an empty text", "", ["InvalidInput /pkcs12 invalid-format"]],
    ["a text that is not base64", "-----BEGIN CERTIFICATE-----", ["InvalidInput /pkcs12 invalid-format"]],
    ["half a text", file.toString("base64").slice(0, 101), ["InvalidInput /pkcs12 invalid-format"]],
    ["half a file", file.subarray(0, 300).toString("base64"), ["InvalidInput /pkcs12 unreadable-file"]],
    ["another file", server.der.toString("base64"), ["InvalidInput /pkcs12 unreadable-file"]],
    ["no ASN.1", Buffer.from("hello, world").toString("base64"), ["InvalidInput /pkcs12 unreadable-file"]],
    ["a large file", Buffer.alloc(128 * 1024 + 1).toString("base64"), ["TooLarge /pkcs12 too-large"]],
    ["a large text", " ".repeat(300_000), ["TooLarge /pkcs12 too-large"]],
  ])("is refused with %s", async (_, text, issues) => {
    expect(await outcomeOfText(text)).toEqual(issues);
  });

  it("that is cut anywhere is refused, and never fails in another way", async () => {
    const cuts = Array.from({ length: Math.ceil(file.length / 37) }, (_, at) => file.subarray(0, at * 37));
    const outcomes = await Promise.all(cuts.slice(1).map((cut) => outcomeOfText(cut.toString("base64"))));
    expect([...new Set(outcomes.flat())]).toEqual(["InvalidInput /pkcs12 unreadable-file"]);
  });
});
