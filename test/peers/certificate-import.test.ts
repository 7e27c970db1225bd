import { execFile } from "node:child_process";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { KEY_TYPES, type KeyType } from "../../core/x509/key-type.ts";
import { parsePemBundle } from "../../core/x509/pem-bundle.ts";
import { parsePkcs12 } from "../../core/x509/pkcs12.ts";
import type { NewCertificate } from "../../core/x509/serving-material.ts";
import { indefinite } from "../support/der.ts";
import { outcomeOf } from "../support/outcome.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { scratchDirectory } from "../support/peers/scratch.ts";
import { issueServer, makeCa } from "../support/pki.ts";

const run = promisify(execFile);
const nowMs = Date.now();
const PASSPHRASE = "a secret passphrase";
const UNICODE = "pässwörd€";
const pass = (text: string): readonly string[] => ["-passout", `pass:${text}`];

const intermediate = makeCa({ name: "Issuing CA", parent: makeCa({ name: "Root CA" }) });

/** Files of one type of key, and what each import of them must be. */
interface KeyFiles {
  /** `genrsa -traditional`, or `ecparam -genkey` with its parameters. */
  readonly keyPem: string;
  readonly bundlePem: string;
  readonly expected: NewCertificate;
  readonly path: (name: string) => string;
}

const files = new Map<KeyType, Promise<KeyFiles>>();
let scratch: string | null = null;

/** Made once for each type, when the first test asks. */
function filesOf(keyType: KeyType): Promise<KeyFiles> {
  scratch ??= scratchDirectory();
  const made = files.get(keyType) ?? makeFiles(keyType, scratch);
  files.set(keyType, made);
  return made;
}

afterAll(endEverything);

const CURVES: Readonly<Record<string, string>> = { "ecdsa-p256": "prime256v1", "ecdsa-p384": "secp384r1" };

const openssl = async (...args: readonly string[]): Promise<string> => (await run("openssl", args)).stdout;

async function makeFiles(keyType: KeyType, directory: string): Promise<KeyFiles> {
  const path = (name: string): string => join(directory, `${keyType}-${name}`);
  const curve = CURVES[keyType];
  const keyPem = await (curve === undefined
    ? openssl("genrsa", "-traditional", keyType.slice("rsa-".length))
    : openssl("ecparam", "-name", curve, "-genkey"));
  const privateKey = createPrivateKey(keyPem);
  const key = { privateKey, publicKey: createPublicKey(privateKey) };
  const { bundlePem } = issueServer({ names: ["mx.example"], ca: intermediate, key });
  writeFileSync(path("key.pem"), keyPem);
  writeFileSync(path("bundle.pem"), bundlePem);
  const expected = parsePemBundle({ certificatePem: bundlePem, privateKeyPem: keyPem }, { nowMs });
  return { keyPem, bundlePem, expected, path };
}

const forEachKeyType = <Case extends readonly unknown[]>(
  cases: readonly Case[],
): readonly [KeyType, ...Case][] =>
  KEY_TYPES.flatMap((keyType) =>
    cases.map((each) => [keyType, ...each] as const satisfies [KeyType, ...Case]),
  );

describeWith(["openssl"])("a key in PEM that openssl writes", () => {
  it.each(
    forEachKeyType([
      ["pkey", ["pkey"]],
      ["pkey -traditional", ["pkey", "-traditional"]],
      ["pkey -text", ["pkey", "-text"]],
      ["pkcs8 -topk8 -nocrypt", ["pkcs8", "-topk8", "-nocrypt"]],
      ["pkey -aes128", ["pkey", "-aes128", ...pass(PASSPHRASE)]],
      ["pkey -traditional -des3", ["pkey", "-traditional", "-des3", ...pass(PASSPHRASE)]],
      ["pkey -traditional -aes256", ["pkey", "-traditional", "-aes256", ...pass(PASSPHRASE)]],
      ["pkcs8 -topk8", ["pkcs8", "-topk8", ...pass(PASSPHRASE)]],
      [
        "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1",
        ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1", ...pass(PASSPHRASE)],
      ],
      [
        "pkcs8 -topk8 -v2 aes-192-cbc -v2prf hmacWithSHA512",
        ["pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512", ...pass(PASSPHRASE)],
      ],
      ["pkcs8 -topk8 -v2 des3", ["pkcs8", "-topk8", "-v2", "des3", ...pass(PASSPHRASE)]],
      ["pkcs8 -topk8 -v1 PBE-SHA1-3DES", ["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", ...pass(PASSPHRASE)]],
      ["pkcs8 -topk8 -scrypt", ["pkcs8", "-topk8", "-scrypt", ...pass(PASSPHRASE)]],
    ] as const),
  )("is imported: %s, %s", async (keyType, _, args) => {
    const { path, bundlePem, expected } = await filesOf(keyType);
    const privateKeyPem = await openssl(...args, "-in", path("key.pem"));
    const passphrase = args.some((each) => each.startsWith("pass:")) ? PASSPHRASE : undefined;
    const separate = { certificatePem: bundlePem, privateKeyPem, privateKeyPassphrase: passphrase };
    expect(parsePemBundle(separate, { nowMs })).toEqual(expected);
    const inOne = { certificatePem: privateKeyPem + bundlePem, privateKeyPassphrase: passphrase };
    expect(parsePemBundle(inOne, { nowMs })).toEqual(expected);
    const wrong = outcomeOf(() => parsePemBundle({ ...separate, privateKeyPassphrase: "wrong" }, { nowMs }));
    expect(wrong).toEqual(
      passphrase === undefined ? "accepted" : ["InvalidInput /privateKeyPassphrase wrong-passphrase"],
    );
  });

  it.each(KEY_TYPES)("is imported as it was made, and after openssl x509 -text: %s", async (keyType) => {
    const { path, keyPem, bundlePem, expected } = await filesOf(keyType);
    const text = await openssl("x509", "-text", "-in", path("bundle.pem"));
    const certificatePem = text + bundlePem;
    expect(parsePemBundle({ certificatePem, privateKeyPem: keyPem }, { nowMs })).toEqual(expected);
  });
});

/** Names of the variants, and options of `openssl pkcs12 -export`. */
const PKCS12_WAYS: readonly (readonly [string, readonly string[], string])[] = [
  ["default", [], PASSPHRASE],
  ["-legacy", ["-legacy"], PASSPHRASE],
  [
    "as OpenSSL 1.1 wrote it",
    ["-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1"],
    PASSPHRASE,
  ],
  [
    "3DES for both, as Windows wrote it",
    ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-iter", "2000"],
    PASSPHRASE,
  ],
  [
    "AES-256 with SHA-256, as Windows writes it",
    ["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256", "-iter", "2000"],
    PASSPHRASE,
  ],
  ["AES-128 and AES-192", ["-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC"], PASSPHRASE],
  [
    "RC2-128 and two-key 3DES",
    ["-legacy", "-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-RC2-128"],
    PASSPHRASE,
  ],
  ["-macalg sha384", ["-macalg", "sha384"], PASSPHRASE],
  ["-macalg sha512", ["-macalg", "sha512"], PASSPHRASE],
  ["-nomac", ["-nomac"], PASSPHRASE],
  ["-keypbe NONE -certpbe NONE", ["-keypbe", "NONE", "-certpbe", "NONE"], PASSPHRASE],
  ["-keypbe NONE -certpbe NONE -nomac", ["-keypbe", "NONE", "-certpbe", "NONE", "-nomac"], PASSPHRASE],
  ["an empty passphrase", [], ""],
  ["an empty passphrase, -legacy", ["-legacy"], ""],
  ["a passphrase with umlauts", [], UNICODE],
  ["a passphrase with umlauts, -legacy", ["-legacy"], UNICODE],
];

async function exported(keyType: KeyType, options: readonly string[], passphrase: string): Promise<Buffer> {
  const { path } = await filesOf(keyType);
  const source = ["-inkey", path("key.pem"), "-in", path("bundle.pem")];
  const out = path("export.p12");
  await openssl("pkcs12", "-export", ...source, ...options, ...pass(passphrase), "-name", "mx", "-out", out);
  return readFileSync(out);
}

const imported = (file: Buffer, passphrase: string | undefined): Promise<NewCertificate> =>
  parsePkcs12({ pkcs12: file.toString("base64"), passphrase }, { nowMs, pause: setImmediate });

describeWith(["openssl"])("a PKCS #12 file that openssl writes", () => {
  it.each(forEachKeyType(PKCS12_WAYS))("is imported: %s, %s", async (keyType, _, options, passphrase) => {
    const file = await exported(keyType, options, passphrase);
    const { expected } = await filesOf(keyType);
    expect(await imported(file, passphrase)).toEqual(expected);
    // As macOS and NSS write it: in BER, with indefinite lengths and strings in pieces.
    expect(await imported(indefinite(file), passphrase)).toEqual(expected);
    const isOpen = options.includes("-nomac") && options.includes("NONE");
    const wrong = await imported(file, `${passphrase} wrong`).then(
      () => "accepted",
      (error: unknown) =>
        outcomeOf(() => {
          throw error;
        }),
    );
    expect(wrong).toEqual(isOpen ? "accepted" : ["InvalidInput /passphrase wrong-passphrase"]);
  });

  it.each(KEY_TYPES)("is imported after openssl pkcs12 -nodes made PEM of it: %s", async (keyType) => {
    const { path, expected } = await filesOf(keyType);
    await exported(keyType, [], PASSPHRASE);
    const args = ["-in", path("export.p12"), "-nodes", "-passin", `pass:${PASSPHRASE}`];
    const certificatePem = await openssl("pkcs12", ...args);
    expect(certificatePem).toContain("Bag Attributes");
    expect(parsePemBundle({ certificatePem }, { nowMs })).toEqual(expected);
  });
});

describeWith(["openssl", "keytool"])("a PKCS #12 file that Java's keytool writes", () => {
  it.each(
    forEachKeyType([
      ["with AES", []],
      ["with -Dkeystore.pkcs12.legacy", ["-J-Dkeystore.pkcs12.legacy"]],
    ] as const),
  )("is imported: %s, %s", async (keyType, way, options) => {
    const { path, expected } = await filesOf(keyType);
    await exported(keyType, [], PASSPHRASE);
    const out = path(`${way}.p12`);
    const from = ["-srckeystore", path("export.p12"), "-srcstorepass", PASSPHRASE, "-srcstoretype", "PKCS12"];
    const to = ["-destkeystore", out, "-deststorepass", PASSPHRASE, "-deststoretype", "PKCS12"];
    await run("keytool", [...options, "-importkeystore", "-noprompt", ...from, ...to]);
    expect(await imported(readFileSync(out), PASSPHRASE)).toEqual(expected);
  });
});
