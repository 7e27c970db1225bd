import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  basicConstraints,
  dnsName,
  EKU,
  extension,
  hoursFromNow,
  ipName,
  newKey,
  sharedKey,
  signCertificate,
  subjectAltName,
  type TestKeyPair,
} from "../../test/support/certificate-writer.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { bitString, integer, oid, pem, sequence } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa, type IssueOptions, type TestCa } from "../../test/support/pki.ts";
import { parsePemBundle, type PemBundle, type PemBundleContext } from "./pem-bundle.ts";

const nowMs = Date.now();
const root = makeCa({ name: "Root" });
const intermediate = makeCa({ name: "Intermediate", parent: root });
const names = ["mx.example"];
const server = issueServer({ names, ca: intermediate });
const rsaServer = issueServer({ names: ["mx.example", "other.example"], ca: root, keyType: "rsa-2048" });
const bundle: PemBundle = {
  certificatePem: server.certificatePem,
  chainPem: server.chainPem,
  privateKeyPem: server.privateKeyPem,
};
const CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";

const outcome = (change: Partial<PemBundle>, context: Partial<PemBundleContext> = {}) =>
  outcomeOf(() => parsePemBundle({ ...bundle, ...change }, { nowMs, ...context }));

const upload = (options: Partial<IssueOptions>): Partial<PemBundle> => {
  const { certificatePem, chainPem, privateKeyPem } = issueServer({ names, ca: root, ...options });
  return { certificatePem, privateKeyPem, chainPem: chainPem === "" ? undefined : chainPem };
};

describe("a server certificate that is uploaded", () => {
  it("is described by its leaf, and its key and chain become the material", () => {
    const leaf = new X509Certificate(server.der);
    expect(parsePemBundle(bundle, { nowMs })).toEqual({
      keys: [
        {
          keyType: "ecdsa-p256",
          fingerprintSha256: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
          spkiPin: expect.stringMatching(/^sha256\/\/[A-Za-z0-9+/]{43}=$/),
          issuer: "CN=Intermediate",
          notBefore: leaf.validFromDate.toISOString(),
          notAfter: leaf.validToDate.toISOString(),
        },
      ],
      names,
      material: {
        keys: [
          {
            keyType: "ecdsa-p256",
            privateKeyPem: server.privateKeyPem,
            certificateChainPem: server.bundlePem,
          },
        ],
      },
    });
  });

  it.each([
    ["leaf and chain in one field", { certificatePem: server.bundlePem, chainPem: undefined }],
    ["the leaf alone", { chainPem: undefined }],
    ["the full chain and the chain", { certificatePem: server.bundlePem }],
    ["the full chain twice", { certificatePem: server.bundlePem, chainPem: server.bundlePem }],
    ["the leaf again in the chain", { chainPem: server.bundlePem }],
    ["the leaf twice", { certificatePem: server.certificatePem.repeat(2) }],
    ["an intermediate twice", { chainPem: server.chainPem.repeat(2) }],
    ["the root after the chain", { chainPem: server.chainPem + root.rootPem }],
    [
      "CRLF line ends, blank lines and a byte order mark",
      { certificatePem: `\ufeff\r\n${server.certificatePem.replaceAll("\n", "\r\n")}\r\n` },
    ],
    [
      "text around the blocks, as openssl writes it",
      {
        certificatePem: `Bag Attributes\n    friendlyName: mx\nsubject=CN = mx.example\n${server.bundlePem}`,
        chainPem: undefined,
      },
    ],
    ["a self-signed certificate", upload({ ca: undefined })],
    ["a wildcard", upload({ names: ["*.example"] })],
    ["no extended key usage", upload({ purposes: null })],
    ["any extended key usage", upload({ purposes: [EKU.any] })],
    ["an ECDSA P-384 key", upload({ keyType: "ecdsa-p384" })],
    ["an RSA key of 2048 bits", upload({ keyType: "rsa-2048" })],
    ["an RSA key of 3072 bits", upload({ keyType: "rsa-3072" })],
  ])("is taken with %s", (_case, change) => {
    expect(outcome(change)).toBe("accepted");
  });

  it.each<[string, TestKeyPair, string, number]>([
    ["2056", rsaKey(2056), "rsa-2048", 2056],
    ["3584", rsaKey(3584), "rsa-3072", 3584],
  ])("has a type for an RSA key of %s bits, and its exact size", (_, key, keyType, keyBits) => {
    const { keys } = parsePemBundle({ ...bundle, ...upload({ key }) }, { nowMs });
    expect(keys).toMatchObject([{ keyType, keyBits }]);
  });

  it("ignores addresses in its subjectAltName, and a TLS feature other than stapling", () => {
    const extensions = [subjectAltName(dnsName("mx.example"), ipName(192, 0, 2, 1)), mustStaple(24)];
    expect(parsePemBundle({ ...bundle, ...upload({ extensions }) }, { nowMs }).names).toEqual(names);
  });

  it("is served without the copies that it was sent with", () => {
    const copies = { ...bundle, certificatePem: server.bundlePem.repeat(2), chainPem: server.bundlePem };
    expect(parsePemBundle(copies, { nowMs })).toEqual(parsePemBundle(bundle, { nowMs }));
  });

  it.each([
    ["PKCS #1", sharedKey("rsa-2048").privateKey.export({ type: "pkcs1", format: "pem" }), rsaServer],
    ["SEC 1", server.privateKey.export({ type: "sec1", format: "pem" }), server],
    [
      "SEC 1 after its curve",
      `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${server.privateKey.export({ type: "sec1", format: "pem" }).toString()}`,
      server,
    ],
  ])("is taken with a key in %s, kept as PKCS #8", (_case, key, { certificatePem, privateKeyPem }) => {
    const parsed = parsePemBundle({ certificatePem, privateKeyPem: key.toString() }, { nowMs });
    expect(parsed.material.keys[0]?.privateKeyPem).toBe(privateKeyPem);
  });

  it("keeps nothing of the upload but certificates and keys", () => {
    const noisy = { ...bundle, certificatePem: `secret remark\n${server.certificatePem}` };
    expect(parsePemBundle(noisy, { nowMs })).toEqual(parsePemBundle(bundle, { nowMs }));
  });

  it("holds an ECDSA and an RSA pair, ECDSA first, with the names of both", () => {
    const certificatePem = rsaServer.certificatePem + server.certificatePem;
    const privateKeyPem = rsaServer.privateKeyPem + server.privateKeyPem;
    const both = parsePemBundle(
      { certificatePem, chainPem: intermediate.certificatePem, privateKeyPem },
      { nowMs },
    );
    expect(both.keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p256", "rsa-2048"]);
    expect(both.names).toEqual(names);
    expect(both.material.keys.map(({ certificateChainPem }) => certificateChainPem)).toEqual([
      server.bundlePem,
      rsaServer.certificatePem,
    ]);
  });
});

const EC_PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
const DH_PARAMETERS = pem("DH PARAMETERS", sequence(integer(23), integer(5)));

describe("key, leaf and chain of an upload", () => {
  const { certificatePem: leaf, chainPem: above, privateKeyPem: key } = server;
  const sec1 = server.privateKey.export({ type: "sec1", format: "pem" }).toString();
  const encrypted = server.privateKey
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
    .toString();
  const alone = { chainPem: undefined, privateKeyPem: undefined };

  it.each<[string, Partial<PemBundle>]>([
    ["one file, the key first", { ...alone, certificatePem: key + leaf + above }],
    ["one file, the key last", { ...alone, certificatePem: leaf + above + key }],
    ["one file, the key between", { ...alone, certificatePem: leaf + key + above }],
    ["one file, in reverse", { ...alone, certificatePem: above + leaf + key }],
    [
      "one file with parameters",
      { ...alone, certificatePem: DH_PARAMETERS + EC_PARAMETERS + sec1 + leaf + above },
    ],
    [
      "one file with an encrypted key",
      { ...alone, certificatePem: encrypted + leaf + above, privateKeyPassphrase: "secret" },
    ],
    ["the chain in front of the leaf", { certificatePem: above + leaf, chainPem: undefined }],
    ["leaf and chain in each other's field", { certificatePem: above, chainPem: leaf }],
    ["the chain beside the key", { chainPem: undefined, privateKeyPem: above + key }],
    ["everything beside the key", { chainPem: undefined, privateKeyPem: key + leaf + above }],
    ["the key in each field", { certificatePem: key + leaf, chainPem: above + key, privateKeyPem: key }],
    ["the key in two forms", { privateKeyPem: key + sec1 }],
  ])("are found in %s", (_, change) => {
    expect(parsePemBundle({ ...bundle, ...change }, { nowMs })).toEqual(parsePemBundle(bundle, { nowMs }));
  });

  it("are found in one file that holds an ECDSA and an RSA key", () => {
    const certificatePem =
      rsaServer.privateKeyPem + above + key + rsaServer.certificatePem + leaf + root.rootPem;
    const { keys, material } = parsePemBundle({ ...alone, certificatePem }, { nowMs });
    expect(keys.map(({ keyType }) => keyType)).toEqual(["ecdsa-p256", "rsa-2048"]);
    expect(material.keys.map(({ certificateChainPem }) => certificateChainPem)).toEqual([
      server.bundlePem,
      rsaServer.certificatePem,
    ]);
  });

  it("are the current ones where the certificate before is in the same file", () => {
    const before = issueServer({
      names,
      ca: intermediate,
      notBefore: hoursFromNow(-48),
      notAfter: hoursFromNow(-24),
    });
    const made = parsePemBundle({ ...bundle, certificatePem: before.certificatePem + leaf }, { nowMs });
    expect(made.material).toEqual(parsePemBundle(bundle, { nowMs }).material);
    expect(made.leftOut).toMatchObject([{ subject: "CN=mx.example", reason: "not-needed" }]);
  });

  it("lack the issuer's certificate where it was not sent and the leaf is not self-signed", () => {
    const missing = (change: Partial<PemBundle>) =>
      parsePemBundle({ ...bundle, ...change }, { nowMs }).keys.map((each) => [
        each.issuer,
        each.issuerMissing,
      ]);
    expect(missing({ chainPem: undefined })).toEqual([["CN=Intermediate", true]]);
    expect(missing({})).toEqual([["CN=Intermediate", undefined]]);
    expect(missing({ chainPem: root.rootPem })).toEqual([["CN=Intermediate", true]]);
    expect(missing({ ...upload({}), chainPem: root.rootPem })).toEqual([["CN=Root", undefined]]);
    expect(missing(upload({ ca: undefined }))).toEqual([["CN=mx.example", undefined]]);
  });

  it("use the key that is already here when the upload has none", () => {
    const existingKeys = parsePemBundle(bundle, { nowMs }).material.keys;
    const renewed = { ...bundle, privateKeyPem: undefined, certificatePem: above + leaf };
    expect(outcomeOf(() => parsePemBundle(renewed, { nowMs, existingKeys }))).toBe("accepted");
    const foreign = [{ privateKeyPem: rsaServer.privateKeyPem }];
    expect(outcomeOf(() => parsePemBundle(renewed, { nowMs, existingKeys: foreign }))).toEqual([
      "RuleViolation /certificatePem key-mismatch",
    ]);
  });
});

describe("certificates of an upload that the leaf does not need", () => {
  const gone = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
  const stranger = makeCa({ name: "Stranger" });
  const twin = makeCa({ name: "Twin" });
  const oldRoot = makeCa({ name: "Old root" });
  const rootKey = newKey("ecdsa-p256");
  const newRoot = makeCa({ name: "New root", key: rootKey });
  const crossSigned = (dates: object) =>
    makeCa({ name: "New root", key: rootKey, parent: oldRoot, ...dates });
  const below = makeCa({ name: "Below", parent: newRoot });

  /** Subjects that are served above the leaf, and what is left out. */
  const sorted = (ca: TestCa, chain: readonly TestCa[], more: Partial<PemBundle> = {}) => {
    const sent = {
      ...bundle,
      ...upload({ ca }),
      chainPem: chain.map(({ certificatePem }) => certificatePem).join(""),
      ...more,
    };
    const { material, leftOut = [] } = parsePemBundle(sent, { nowMs });
    const [, ...served] = (material.keys[0]?.certificateChainPem ?? "").split(
      /(?<=-----END CERTIFICATE-----\n)/,
    );
    return {
      served: served.map((text) => new X509Certificate(text).subject.slice("CN=".length)),
      leftOut: leftOut.map(({ subject, reason }) => `${subject.slice("CN=".length)} ${reason}`),
    };
  };

  it.each<[string, TestCa, readonly TestCa[], readonly string[], readonly string[]]>([
    ["the root, in order", below, [below, newRoot], ["Below"], ["New root root"]],
    ["the root, out of order", below, [newRoot, below], ["Below"], ["New root root"]],
    ["the root that issued the leaf", newRoot, [newRoot], [], ["New root root"]],
    ["a stranger in front", below, [stranger, below], ["Below"], ["Stranger not-needed"]],
    ["the root alone, without what is between", below, [newRoot], [], ["New root not-needed"]],
    ["a CA of the issuer's name and another key", twin, [makeCa({ name: "Twin" })], [], ["Twin not-needed"]],
    [
      "a CA of the issuer's key and another name",
      { ...twin, subject: "Other" },
      [twin],
      [],
      ["Twin not-needed"],
    ],
    [
      "a CA that may not sign",
      twin,
      [
        {
          ...twin,
          certificatePem: makeCa({ name: "Twin", extensions: [basicConstraints(false)] }).certificatePem,
        },
      ],
      [],
      ["Twin not-needed"],
    ],
    ["an expired cross-signed root", below, [below, crossSigned(gone)], ["Below"], ["New root expired"]],
    [
      "an expired cross-signed root and the one above it",
      below,
      [below, crossSigned(gone), oldRoot],
      ["Below"],
      ["New root expired", "Old root not-needed"],
    ],
    [
      "an expired cross-signed root beside a good one of its key",
      below,
      [below, crossSigned(gone), newRoot],
      ["Below"],
      ["New root not-needed", "New root root"],
    ],
    [
      "a root that is not valid yet",
      below,
      [below, crossSigned({ notBefore: hoursFromNow(1) })],
      ["Below"],
      ["New root not-yet-valid"],
    ],
    [
      "a good cross-signed root",
      below,
      [below, crossSigned({}), oldRoot],
      ["Below", "New root"],
      ["Old root root"],
    ],
    [
      "a weak stranger",
      below,
      [below, makeCa({ name: "Weak", keyType: "rsa-1024" })],
      ["Below"],
      ["Weak not-needed"],
    ],
  ])("are left out and named: %s", (_, ca, chain, served, leftOut) => {
    expect(sorted(ca, chain)).toEqual({ served, leftOut });
  });

  it("are left out of the leaf's own field too", () => {
    const leaf = upload({ ca: below });
    const certificatePem =
      (leaf.certificatePem ?? "") + stranger.certificatePem + newRoot.certificatePem + below.certificatePem;
    expect(sorted(below, [], { certificatePem, chainPem: undefined })).toEqual({
      served: ["Below"],
      leftOut: ["Stranger not-needed", "New root root"],
    });
  });

  it("are left out from the millisecond at which they end", () => {
    const end = Math.ceil(nowMs / 1000) * 1000;
    const sent = {
      ...upload({ ca: below }),
      chainPem: below.certificatePem + crossSigned({ notAfter: new Date(end) }).certificatePem,
    };
    const leftOut = [end - 1, end].map(
      (at) =>
        parsePemBundle({ ...bundle, ...sent }, { nowMs: at }).leftOut?.map(({ reason }) => reason) ?? [],
    );
    expect(leftOut).toEqual([[], ["expired"]]);
  });

  it("are a leaf of the same key that is sent as a part of the chain", () => {
    const before = issueServer({ names, ca: below });
    const { leftOut } = parsePemBundle(
      { ...bundle, ...upload({ ca: below }), chainPem: below.certificatePem + before.certificatePem },
      { nowMs },
    );
    expect(leftOut).toMatchObject([{ subject: "CN=mx.example", reason: "not-needed" }]);
  });

  it("serve an ECDSA and an RSA leaf each with its own chain, in whatever order", () => {
    const twinBelow = makeCa({ name: "Twin below", parent: twin });
    const [ecdsa, rsa] = [upload({ ca: below }), upload({ ca: twinBelow, keyType: "rsa-2048" })];
    const made = parsePemBundle(
      {
        certificatePem: `${ecdsa.certificatePem ?? ""}${twinBelow.certificatePem}${rsa.certificatePem ?? ""}${below.certificatePem}`,
        privateKeyPem: `${ecdsa.privateKeyPem ?? ""}${rsa.privateKeyPem ?? ""}`,
      },
      { nowMs },
    );
    expect(made.leftOut).toBeUndefined();
    expect(made.material.keys.map(({ certificateChainPem }) => certificateChainPem)).toEqual([
      `${ecdsa.certificatePem ?? ""}${below.certificatePem}`,
      `${rsa.certificatePem ?? ""}${twinBelow.certificatePem}`,
    ]);
  });
});

/** TLS feature (RFC 7633) with one number of a TLS extension. */
const mustStaple = (feature: number): Buffer =>
  extension("1.3.6.1.5.5.7.1.24", false, sequence(integer(feature)));
const brokenFeature = extension("1.3.6.1.5.5.7.1.24", false, Buffer.from([5]));
const hostName = subjectAltName(dnsName("mx.example"));
const rsaKey = (modulusLength: number): TestKeyPair => generateKeyPairSync("rsa", { modulusLength });

describe("a server certificate that cannot be used", () => {
  const other = issueServer({ names, ca: root, keyType: "ecdsa-p384" });
  const [certificate, key] = ["InvalidInput /certificatePem", "InvalidInput /privateKeyPem"];
  it.each<[string, Partial<PemBundle>, readonly string[]]>([
    ["no PEM at all", { certificatePem: "hello" }, [`${certificate} not-pem`]],
    ["an empty field", { certificatePem: "" }, [`${certificate} not-pem`]],
    ["an empty chain", { chainPem: "" }, ["InvalidInput /chainPem not-pem"]],
    ["a key for a certificate", { certificatePem: server.privateKeyPem }, [`${certificate} wrong-kind`]],
    ["a request for a certificate", { certificatePem: CSR }, [`${certificate} wrong-kind`]],
    ["a CRL for a chain", { chainPem: makeCrl({ ca: root }) }, ["InvalidInput /chainPem wrong-kind"]],
    ["a certificate for a key", { privateKeyPem: server.certificatePem }, [`${key} wrong-kind`]],
    ["a public key for a key", { privateKeyPem: pem("PUBLIC KEY", Buffer.alloc(9)) }, [`${key} wrong-kind`]],
    [
      "bytes that are no certificate",
      { certificatePem: pem("CERTIFICATE", Buffer.alloc(99)) },
      [`${certificate} unreadable-certificate`],
    ],
    [
      "bytes after the certificate",
      { certificatePem: pem("CERTIFICATE", Buffer.concat([server.der, Buffer.from([0])])) },
      [`${certificate} unreadable-certificate`],
    ],
    [
      "bytes that are no key",
      { privateKeyPem: pem("PRIVATE KEY", Buffer.alloc(99)) },
      [`${key} unreadable-key`],
    ],
    [
      "no END line",
      { certificatePem: server.certificatePem.replace(/-----END.*\n/, "") },
      [`${certificate} damaged-pem`],
    ],
    [
      "no BEGIN line",
      { certificatePem: server.certificatePem.replace(/-----BEGIN.*\n/, "") },
      [`${certificate} damaged-pem`],
    ],
    [
      "an END line of another kind",
      { certificatePem: server.certificatePem.replace("END CERTIFICATE", "END PRIVATE KEY") },
      [`${certificate} damaged-pem`],
    ],
    [
      "a body that is not base64",
      { certificatePem: server.certificatePem.replace("M", "*") },
      [`${certificate} damaged-pem`],
    ],
    [
      "lines of a lost block between blocks",
      { certificatePem: `${server.certificatePem}${"A".repeat(64)}\n` },
      [`${certificate} damaged-pem`],
    ],
    [
      "binary data between blocks",
      { certificatePem: `\0\x01\n${server.certificatePem}` },
      [`${certificate} damaged-pem`],
    ],
    [
      "several bad fields",
      { certificatePem: "x", chainPem: "y" },
      [`${certificate} not-pem`, "InvalidInput /chainPem not-pem"],
    ],
    ["no key", { privateKeyPem: undefined }, [`${key} required`]],
    [
      "three keys",
      { privateKeyPem: server.privateKeyPem + rsaServer.privateKeyPem + other.privateKeyPem },
      [`${key} too-many-keys`],
    ],
    [
      "the key of another certificate",
      { privateKeyPem: other.privateKeyPem },
      ["RuleViolation /privateKeyPem key-mismatch"],
    ],
    [
      "a key too many",
      { privateKeyPem: server.privateKeyPem + rsaServer.privateKeyPem },
      ["RuleViolation /privateKeyPem key-mismatch"],
    ],
    [
      "two leaves of one kind",
      { certificatePem: server.certificatePem + upload({}).certificatePem, chainPem: undefined },
      [`${certificate} two-of-one-kind`],
    ],
  ])("is refused with %s", (_case, change, issues) => {
    expect(outcome(change)).toEqual(issues);
  });

  it.each<[string, Partial<IssueOptions>, string]>([
    ["an RSA key of 1024 bits", { keyType: "rsa-1024" }, "weak-key"],
    ["an Ed25519 key", { keyType: "ed25519" }, "unsupported-key"],
    ["an ECDSA P-521 key", { keyType: "ecdsa-p521" }, "unsupported-key"],
    ["a SHA-1 signature", { hash: "sha1" }, "weak-signature"],
    ["an MD5 signature", { hash: "md5", ca: makeCa({ keyType: "rsa-2048" }) }, "weak-signature"],
    ["a common name and no subjectAltName", { names: [], subject: "mx.example" }, "no-names"],
    ["no dNSName that is a name", { names: ["_mx.example", "192.0.2.1"] }, "invalid-name"],
    ["a wildcard within its only name", { names: ["m*.example.org"] }, "invalid-name"],
    ["a wildcard alone", { names: ["*"] }, "invalid-name"],
    ["a wildcard behind the first label", { names: ["mx.*.example.org"] }, "invalid-name"],
    ["an underscore in its only name", { names: ["mx_1.example.org"] }, "invalid-name"],
    ["an address in a dNSName", { names: ["mx.example", "192.0.2.1"] }, "invalid-name"],
    ["an underscore in a dNSName", { names: ["mx.example", "_mx.example"] }, "invalid-name"],
    ["a wildcard within a label", { names: ["mx.example", "m*.example"] }, "invalid-name"],
    ["addresses alone", { extensions: [subjectAltName(ipName(192, 0, 2, 1))] }, "no-names"],
    ["the mark of a CA", { extensions: [basicConstraints(true), hostName] }, "ca-certificate"],
    ["must-staple", { extensions: [mustStaple(5), hostName] }, "must-staple"],
    ["must-staple of several responses", { extensions: [mustStaple(17), hostName] }, "must-staple"],
    ["a TLS feature that cannot be read", { extensions: [brokenFeature, hostName] }, "must-staple"],
    ["an RSA key of 4104 bits", { key: rsaKey(4104) }, "unsupported-key"],
    ["an RSA key of 2050 bits", { key: rsaKey(2050) }, "unsupported-key"],
    ["an RSA-PSS key", { key: generateKeyPairSync("rsa-pss", { modulusLength: 2048 }) }, "unsupported-key"],
    ["an Ed448 key", { key: generateKeyPairSync("ed448") }, "unsupported-key"],
    ["a secp256k1 key", { key: generateKeyPairSync("ec", { namedCurve: "secp256k1" }) }, "unsupported-key"],
    [
      "a DSA key",
      { key: generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }) },
      "unsupported-key",
    ],
    ["no purpose but clientAuth", { purposes: [EKU.clientAuth] }, "not-for-servers"],
  ])("is refused with %s", (_case, options, code) => {
    expect(outcome(upload(options))).toEqual([`InvalidInput /certificatePem ${code}`]);
  });

  it("is refused with more names than a certificate may have", () => {
    // From "a00" on: three characters, so that 64 KB hold them.
    const many = Array.from({ length: 8001 }, (_, at) => (parseInt("a00", 36) + at).toString(36));
    expect(outcome(upload({ names: many }))).toEqual(["RuleViolation /certificatePem too-many-names"]);
    expect(outcome(upload({ names: many.slice(0, 8000) }))).toBe("accepted");
  });

  it("is refused with a public key of unknown kind", () => {
    const spki = sequence(sequence(oid("1.2.3.4")), bitString(Buffer.alloc(32)));
    const publicKey = { export: () => spki } as unknown as typeof server.privateKey;
    const extensions = [subjectAltName(dnsName("mx.example"))];
    const der = signCertificate({ subject: "x", publicKey, extensions }, root);
    expect(outcome({ certificatePem: pem("CERTIFICATE", der), chainPem: undefined })).toEqual([
      "InvalidInput /certificatePem unsupported-key",
    ]);
  });

  it("is refused with an intermediate that OpenSSL would not serve", () => {
    const weak = makeCa({ parent: root, keyType: "rsa-1024" });
    const sha1 = makeCa({ parent: root, hash: "sha1" });
    expect(outcome(upload({ ca: weak }))).toEqual(["InvalidInput /chainPem weak-key"]);
    expect(outcome(upload({ ca: sha1 }))).toEqual(["InvalidInput /chainPem weak-signature"]);
  });

  it.each<[string, Partial<IssueOptions>, string]>([
    ["expired", { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) }, "expired"],
    ["not valid yet", { notBefore: hoursFromNow(1) }, "not-yet-valid"],
  ])("is refused when it is %s", (_case, options, code) => {
    expect(outcome(upload(options))).toEqual([`RuleViolation /certificatePem ${code}`]);
  });

  it("is refused when an intermediate is expired, or the key does not match as well", () => {
    const expired = makeCa({ parent: root, notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) });
    expect(outcome(upload({ ca: expired }))).toEqual(["RuleViolation /chainPem expired"]);
    expect(
      outcome({ ...upload({ notBefore: hoursFromNow(1) }), privateKeyPem: other.privateKeyPem }),
    ).toEqual(["RuleViolation /privateKeyPem key-mismatch", "RuleViolation /certificatePem not-yet-valid"]);
  });

  it("is expired from the second of its notAfter on", () => {
    const notAfter = new X509Certificate(server.der).validToDate.getTime();
    expect(outcome({ chainPem: undefined }, { nowMs: notAfter - 1 })).toBe("accepted");
    expect(outcome({ chainPem: undefined }, { nowMs: notAfter })).toEqual([
      "RuleViolation /certificatePem expired",
    ]);
  });

  it("is refused above the caps", () => {
    expect(outcome({ certificatePem: "x".repeat(65_537) })).toEqual(["TooLarge /certificatePem too-large"]);
    expect(outcome({ chainPem: server.chainPem.repeat(10) })).toEqual([
      "RuleViolation /chainPem too-many-certificates",
    ]);
  });
});
