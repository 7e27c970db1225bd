import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { materialName } from "../../core/store/key-vault.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import {
  basicConstraints,
  dnsName,
  EKU,
  extension,
  hoursFromNow,
  ipName,
  newKey,
  subjectAltName,
  type TestKeyPair,
} from "../../test/support/certificate-writer.ts";
import { integer, pem, sequence } from "../../test/support/der.ts";
import { certificateBag, falseMac, keyBag, nestedBag, pfx } from "../../test/support/pkcs12-writer.ts";
import { issueServer, type IssueOptions, makeCa, type TestCa } from "../../test/support/pki.ts";
import { secretTexts } from "../../test/support/secret-texts.ts";

const names = ["mx.example"];
const root = makeCa({ name: "Root CA" });
const ca = makeCa({ name: "Issuing CA", parent: root });
const server = issueServer({ names, ca });
const other = issueServer({ names, ca, key: newKey("ecdsa-p256") });
const PASSPHRASE = "correct-horse-battery";
const WRONG = "staple-of-another";
const encrypted = server.privateKey
  .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE })
  .toString();
const oldForm = server.privateKey
  .export({ type: "sec1", format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE })
  .toString();
const der = (key: TestKeyPair["privateKey"]): Buffer => key.export({ type: "pkcs8", format: "der" });
const base64 = (bytes: Buffer): string => bytes.toString("base64");
const bags = [keyBag(der(server.privateKey)), certificateBag(server.der)];

interface Unfit {
  readonly [field: string]: unknown;
}

const inPem = (change: Unfit = {}): Unfit => ({
  source: "pem",
  certificatePem: server.bundlePem,
  privateKeyPem: server.privateKeyPem,
  ...change,
});
const issuedAs = (options: Partial<IssueOptions>): Unfit => {
  const issued = issueServer({ names, ca, ...options });
  return inPem({ certificatePem: issued.bundlePem, privateKeyPem: issued.privateKeyPem });
};
const issuedBy = (issuer: TestCa): Unfit => issuedAs({ ca: issuer });
const inPkcs12 = (file: Buffer | string, more: Unfit = {}): Unfit => ({
  source: "pkcs12",
  pkcs12: typeof file === "string" ? file : base64(file),
  ...more,
});
const withKey = (key: TestKeyPair): Unfit => issuedAs({ key });
const ec = (namedCurve: string): TestKeyPair => generateKeyPairSync("ec", { namedCurve });
const host = subjectAltName(dnsName("mx.example"));
const gone = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };

/** What is wrong, the body, and `code pointer` of each mistake. */
const TABLE: readonly (readonly [string, Unfit, readonly string[]])[] = [
  ["no PEM", inPem({ certificatePem: "not a certificate" }), ["not-pem /certificatePem"]],
  ["an empty text", inPem({ certificatePem: "" }), ["too-small /certificatePem"]],
  ["another type", inPem({ certificatePem: 7 }), ["invalid-type /certificatePem"]],
  ["a field that is not known", inPem({ privateKeyPath: "/etc/key.pem" }), ["unknown-field /privateKeyPath"]],
  [
    "a PEM that is cut off",
    inPem({ certificatePem: server.bundlePem.slice(0, -30) }),
    ["damaged-pem /certificatePem"],
  ],
  [
    "a key that is cut off",
    inPem({ privateKeyPem: server.privateKeyPem.slice(0, -30) }),
    ["damaged-pem /privateKeyPem"],
  ],
  [
    "a key without its first line",
    inPem({ privateKeyPem: server.privateKeyPem.replace(/^.*\n/, "") }),
    ["damaged-pem /privateKeyPem"],
  ],
  [
    "a key of other bytes",
    inPem({ privateKeyPem: pem("PRIVATE KEY", Buffer.alloc(60, 1)) }),
    ["unreadable-key /privateKeyPem"],
  ],
  [
    "a key of OpenSSH",
    inPem({ privateKeyPem: pem("OPENSSH PRIVATE KEY", Buffer.alloc(60, 1)) }),
    ["unreadable-key /privateKeyPem"],
  ],
  [
    "a certificate of other bytes",
    inPem({ certificatePem: pem("CERTIFICATE", Buffer.alloc(60, 1)) }),
    ["unreadable-certificate /certificatePem"],
  ],
  [
    "a request in place of the certificate",
    inPem({ certificatePem: pem("CERTIFICATE REQUEST", Buffer.alloc(9)) }),
    ["wrong-kind /certificatePem"],
  ],
  ["a PKCS #7 file", inPem({ chainPem: pem("PKCS7", Buffer.alloc(9)) }), ["wrong-kind /chainPem"]],
  [
    "a public key",
    inPem({ privateKeyPem: pem("PUBLIC KEY", Buffer.alloc(9)) }),
    ["wrong-kind /privateKeyPem"],
  ],
  [
    "a key in place of the certificate",
    inPem({ certificatePem: server.privateKeyPem }),
    ["wrong-kind /certificatePem"],
  ],
  [
    "a certificate in place of the key",
    inPem({ privateKeyPem: server.certificatePem }),
    ["wrong-kind /privateKeyPem"],
  ],
  [
    "an encrypted key without its passphrase",
    inPem({ privateKeyPem: encrypted }),
    ["passphrase-required /privateKeyPassphrase"],
  ],
  [
    "an encrypted key in one file without its passphrase",
    inPem({ certificatePem: encrypted + server.bundlePem, privateKeyPem: undefined }),
    ["passphrase-required /privateKeyPassphrase"],
  ],
  [
    "an encrypted key with another passphrase",
    inPem({ privateKeyPem: encrypted, privateKeyPassphrase: WRONG }),
    ["wrong-passphrase /privateKeyPassphrase"],
  ],
  [
    "an old encrypted key with another passphrase",
    inPem({ privateKeyPem: oldForm, privateKeyPassphrase: WRONG }),
    ["wrong-passphrase /privateKeyPassphrase"],
  ],
  [
    "a key that DES encrypts",
    inPem({ privateKeyPem: oldForm.replace("AES-256-CBC", "RC2-40-CBC"), privateKeyPassphrase: WRONG }),
    ["unsupported-encryption /privateKeyPem"],
  ],
  [
    "the key of another certificate",
    inPem({ privateKeyPem: other.privateKeyPem }),
    ["key-mismatch /privateKeyPem"],
  ],
  [
    "a key too many",
    inPem({ privateKeyPem: server.privateKeyPem + other.privateKeyPem }),
    ["key-mismatch /privateKeyPem"],
  ],
  [
    "two certificates of one kind",
    inPem({ certificatePem: server.certificatePem + issueServer({ names, ca }).certificatePem }),
    ["two-of-one-kind /certificatePem"],
  ],
  ["an Ed25519 key", withKey(generateKeyPairSync("ed25519")), ["unsupported-key /certificatePem"]],
  ["an Ed448 key", withKey(generateKeyPairSync("ed448")), ["unsupported-key /certificatePem"]],
  [
    "an RSA-PSS key",
    withKey(generateKeyPairSync("rsa-pss", { modulusLength: 2048 })),
    ["unsupported-key /certificatePem"],
  ],
  ["a P-521 key", withKey(ec("secp521r1")), ["unsupported-key /certificatePem"]],
  ["a secp256k1 key", withKey(ec("secp256k1")), ["unsupported-key /certificatePem"]],
  [
    "a DSA key",
    withKey(generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 })),
    ["unsupported-key /certificatePem"],
  ],
  [
    "an RSA key of 1024 bits",
    withKey(generateKeyPairSync("rsa", { modulusLength: 1024 })),
    ["weak-key /certificatePem"],
  ],
  ["a leaf that SHA-1 signs", issuedAs({ hash: "sha1" }), ["weak-signature /certificatePem"]],
  [
    "a leaf that MD5 signs",
    issuedAs({ hash: "md5", ca: makeCa({ keyType: "rsa-2048" }) }),
    ["weak-signature /certificatePem"],
  ],
  [
    "an intermediate that SHA-1 signs",
    issuedBy(makeCa({ parent: root, hash: "sha1" })),
    ["weak-signature /certificatePem"],
  ],
  [
    "a certificate of a CA",
    issuedAs({ extensions: [basicConstraints(true), host] }),
    ["ca-certificate /certificatePem"],
  ],
  ["no subjectAltName", issuedAs({ names: [], subject: "mx.example" }), ["no-names /certificatePem"]],
  [
    "addresses alone",
    issuedAs({ extensions: [subjectAltName(ipName(192, 0, 2, 1))] }),
    ["no-names /certificatePem"],
  ],
  [
    "a dNSName that is no host name",
    issuedAs({ names: [...names, "_dmarc.example"] }),
    ["invalid-name /certificatePem"],
  ],
  [
    "a usage without serverAuth",
    issuedAs({ purposes: [EKU.clientAuth] }),
    ["not-for-servers /certificatePem"],
  ],
  [
    "must-staple",
    issuedAs({ extensions: [extension("1.3.6.1.5.5.7.1.24", false, sequence(integer(5))), host] }),
    ["must-staple /certificatePem"],
  ],
  ["an end in the past", issuedAs(gone), ["expired /certificatePem"]],
  ["a start in the future", issuedAs({ notBefore: hoursFromNow(1) }), ["not-yet-valid /certificatePem"]],
  [
    "an intermediate that has expired",
    issuedBy(makeCa({ parent: root, ...gone })),
    ["expired /certificatePem"],
  ],
  [
    "more certificates than are taken",
    inPem({ certificatePem: server.certificatePem.repeat(11) }),
    ["too-many-certificates /certificatePem"],
  ],
  ["more than 64 KB", inPem({ chainPem: "#".repeat(65_537) }), ["too-large /chainPem"]],
  ["PKCS #12 that is not base64", inPkcs12(server.bundlePem), ["invalid-format /pkcs12"]],
  ["PKCS #12 that is none", inPkcs12(server.der), ["unreadable-file /pkcs12"]],
  ["PKCS #12 that is cut off", inPkcs12(pfx({ bags }).subarray(0, 200)), ["unreadable-file /pkcs12"]],
  [
    "PKCS #12 of another passphrase",
    inPkcs12(pfx({ bags, macData: falseMac(1) }), { passphrase: WRONG }),
    ["wrong-passphrase /passphrase"],
  ],
  [
    "PKCS #12 without its passphrase",
    inPkcs12(pfx({ bags, macData: falseMac(1) })),
    ["passphrase-required /passphrase"],
  ],
  ["PKCS #12 without a key", inPkcs12(pfx({ bags: bags.slice(1) })), ["required /pkcs12"]],
  ["PKCS #12 without a certificate", inPkcs12(pfx({ bags: bags.slice(0, 1) })), ["required /pkcs12"]],
  [
    "PKCS #12 with the key of another",
    inPkcs12(pfx({ bags: [keyBag(der(other.privateKey)), ...bags.slice(1)] })),
    ["key-mismatch /pkcs12"],
  ],
  [
    "PKCS #12 of too many rounds",
    inPkcs12(pfx({ bags, macData: falseMac(2 ** 31) }), { passphrase: WRONG }),
    ["costly-encryption /pkcs12"],
  ],
  [
    "PKCS #12 nested without end",
    inPkcs12(
      pfx({ bags: [Array.from({ length: 9 }).reduce<Buffer>((inner) => nestedBag(inner), nestedBag())] }),
    ),
    ["too-large /pkcs12"],
  ],
];

/** What no answer and no log may hold. */
const SECRETS = [
  ...[server, other].flatMap(({ privateKey, bundlePem }) => secretTexts(privateKey, bundlePem)),
  PASSPHRASE,
  WRONG,
];

const REFUSALS = [400, 413, 422];

async function refusedBoth(api: ApiUnderTest, body: Unfit): Promise<readonly string[]> {
  const { json } = await api.expect(201, "POST", "/v1/certificates", { body: inPem() });
  const { label: _label, ...material } = body;
  const answers = [
    await api.send("POST", "/v1/certificates", { body }),
    await api.send("PUT", `/v1/certificates/${String(json.id)}/material`, {
      body: material,
      headers: { "If-Match": "*" },
    }),
  ];
  for (const { status, json: problem } of answers) {
    expect(REFUSALS).toContain(status);
    for (const { message } of problem.errors) expect(message).toMatch(/\w+ \w+/);
  }
  const kept = await api.expect(200, "GET", `/v1/certificates/${String(json.id)}`);
  expect(kept.json).toMatchObject({ version: 1, revision: 1 });
  const told = answers.map(({ text }) => text).join("\n") + JSON.stringify(api.events);
  expect(SECRETS.filter((secret) => told.includes(secret))).toEqual([]);
  const [created, replaced] = answers.map(({ problems }) => problems);
  expect(replaced).toEqual(created);
  return created ?? [];
}

describe("an upload that cannot be used", () => {
  it.each(TABLE)("is refused by POST and PUT alike, and says why: %s", async (_, body, problems) => {
    expect(await refusedBoth(await startApi(), body)).toEqual(problems);
  });

  it("is refused without a key anywhere", async () => {
    const api = await startApi();
    const answer = await api.send("POST", "/v1/certificates", { body: inPem({ privateKeyPem: undefined }) });
    expect(answer.problems).toEqual(["required /privateKeyPem"]);
  });
});

describe("an upload in PKCS #12", () => {
  it("makes a certificate, and its next version", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      body: inPkcs12(pfx({ bags: [...bags, certificateBag(ca.der), certificateBag(root.der)] }), {
        label: "mx",
      }),
    });
    expect(json).toMatchObject({
      source: "pkcs12",
      label: "mx",
      names,
      keys: [{ issuer: "CN=Issuing CA" }],
      leftOut: [{ subject: "CN=Root CA", reason: "root" }],
    });
    const next = [keyBag(der(other.privateKey)), certificateBag(other.der)];
    const put = await api.expect(200, "PUT", `/v1/certificates/${String(json.id)}/material`, {
      body: inPkcs12(pfx({ bags: next })),
      headers: { "If-Match": "*" },
    });
    expect(put.json).toMatchObject({
      source: "pkcs12",
      version: 2,
      keys: [{ issuer: "CN=Issuing CA", issuerMissing: true }],
      warnings: [{ code: "certificate-issuer-missing", message: expect.stringContaining("CN=Issuing CA") }],
    });
    const chain = await api.expect(200, "GET", `/v1/certificates/${String(json.id)}/chain.pem`);
    expect(chain.text).toBe(other.certificatePem);
  });

  it("replaces a certificate whose key the vault has lost", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body: inPem() });
    const material = materialName(json.id, 1);
    expect(await api.vault.delete(material, Date.now() + 3_600_000)).toBe(true);
    const put = await api.expect(200, "PUT", `/v1/certificates/${String(json.id)}/material`, {
      body: { certificatePem: server.bundlePem + server.privateKeyPem },
      headers: { "If-Match": "*" },
    });
    expect(put.json).toMatchObject({ version: 2 });
  });
});

describe("a private key that stands where a name belongs", () => {
  it.each([
    ["of a member", (key: string) => ({ rawBody: JSON.stringify({ source: "pem", [key]: 1 }) })],
    [
      "of a member, twice",
      (key: string) => ({ rawBody: `{${JSON.stringify(key)}:1,${JSON.stringify(key)}:2}` }),
    ],
    ["of a member, as one line of it", (key: string) => ({ body: { [key.split("\n")[1] ?? ""]: 1 } })],
    ["of a parameter", (key: string) => ({ body: {}, query: `?${encodeURIComponent(key)}=1` })],
  ] as const)("%s is in no part of the answer and of the log", async (_, request) => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const { query, ...options }: { query?: string; rawBody?: string; body?: object } = request(keyPem);
    const api = await startApi();
    const answer = await api.expect(400, "POST", `/v1/certificates${query ?? ""}`, options);
    const shown = answer.text + JSON.stringify(api.events);
    for (const line of keyPem.trim().split("\n").slice(1, -1)) expect(shown).not.toContain(line.slice(0, 24));
  });
});
