import type { KeyMaterial } from "../../core/x509/serving-material.ts";
import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { parsePemBundle, type PemBundle } from "../../core/x509/pem-bundle.ts";
import { parseTrustStore } from "../../core/x509/trust-anchors.ts";
import { cipherList, createEdgeContext, loadAtEdgeWith } from "../../worker/tls/tls-parameters.ts";
import { newKey, sharedKey, type SignatureHash, type TestKeyPair } from "../support/certificate-writer.ts";
import { outcomeOf } from "../support/outcome.ts";
import { issueServer, makeCa, type IssueOptions, type TestCa } from "../support/pki.ts";

const names = ["mx.example"];
const ciphers = cipherList(null);
const nowMs = Date.now();
const load = loadAtEdgeWith(null);

/**
 * OpenSSL's results at level 2: whether an edge's context loads, and whether a client at level 2 accepts it.
 */
async function served(bundle: PemBundle, ca: string): Promise<string> {
  const { certificatePem, chainPem = "", privateKeyPem = "" } = bundle;
  const keys: KeyMaterial[] = [
    { keyType: "ecdsa-p256", privateKeyPem, certificateChainPem: certificatePem + chainPem },
  ];
  const problem = load({ keys, anchorsPem: [], crlsPem: [] });
  if (problem !== null) return "not loaded";
  const parts = { anchorsPem: [], crlsPem: [], clientCurves: "key-exchange", sessionIdContext: "" } as const;
  const secureContext = createEdgeContext({ ...parts, keys, ciphers });
  const server = createServer((socket) => {
    // A client that rejects the certificate ends the handshake with an alert.
    new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({
    port,
    host: "127.0.0.1",
    servername: "mx.example",
    ca,
    ciphers: "DEFAULT@SECLEVEL=2",
  });
  // Node's own ends the process where a CA is on a curve without a NIST name: see
  // adapters/smtp/tls-handshake.ts.
  Object.assign(client, { getPeerCertificate: () => ({ subject: {}, subjectaltname: "DNS:mx.example" }) });
  try {
    await once(client, "secureConnect");
    return client.authorized ? "believed" : "not believed";
  } catch {
    return "not believed";
  } finally {
    client.destroy();
    server.close();
    await once(server, "close");
  }
}

const taken = (bundle: PemBundle) => outcomeOf(() => parsePemBundle(bundle, { nowMs }));

const upload = (options: Partial<IssueOptions> & { ca: TestCa }): PemBundle => {
  const { certificatePem, chainPem, privateKeyPem } = issueServer({ names, ...options });
  return { certificatePem, privateKeyPem, ...(chainPem === "" ? {} : { chainPem }) };
};

const rsa = (modulusLength: number): TestKeyPair => generateKeyPairSync("rsa", { modulusLength });
const ec = (namedCurve: string, paramEncoding: "named" | "explicit" = "named"): TestKeyPair =>
  generateKeyPairSync("ec", { namedCurve, paramEncoding });

const pss = (modulusLength: number): TestKeyPair =>
  generateKeyPairSync("rsa-pss", { modulusLength, hashAlgorithm: "sha256", mgf1HashAlgorithm: "sha256" });
const dsa = (divisorLength: number): TestKeyPair =>
  generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength });

interface KeyKind {
  readonly kind: string;
  readonly key: () => TestKeyPair;
  /** Whether a leaf, a CA of a served chain and a trust anchor may have it. */
  readonly leaf: boolean;
  readonly ca: boolean;
  readonly anchor?: boolean;
  /** Postern is stricter than OpenSSL. */
  readonly stricter?: true;
}

/**
 * Made once, of five primes: of two, which Node makes, it takes half a minute. For its public half that is
 * all the same.
 */
function bigRsa(): TestKeyPair {
  const pem = execFileSync("openssl", ["genrsa", "-primes", "5", "8192"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}
const rsa8192 = bigRsa();

const KINDS: readonly KeyKind[] = [
  { kind: "RSA 1024", key: () => rsa(1024), leaf: false, ca: false },
  { kind: "RSA 2048", key: () => rsa(2048), leaf: true, ca: true },
  { kind: "RSA 2056", key: () => rsa(2056), leaf: true, ca: true },
  { kind: "RSA 8192", key: () => rsa8192, leaf: false, ca: true },
  { kind: "RSA-PSS 1024", key: () => pss(1024), leaf: false, ca: false },
  { kind: "RSA-PSS 2048", key: () => pss(2048), leaf: false, ca: true },
  { kind: "P-256", key: () => ec("prime256v1"), leaf: true, ca: true },
  { kind: "P-384", key: () => ec("secp384r1"), leaf: true, ca: true },
  { kind: "P-521", key: () => ec("secp521r1"), leaf: false, ca: true },
  { kind: "P-224", key: () => ec("secp224r1"), leaf: false, ca: true },
  { kind: "P-192", key: () => ec("prime192v1"), leaf: false, ca: false },
  { kind: "secp192k1", key: () => ec("secp192k1"), leaf: false, ca: false },
  { kind: "secp256k1", key: () => ec("secp256k1"), leaf: false, ca: true },
  { kind: "brainpoolP160r1", key: () => ec("brainpoolP160r1"), leaf: false, ca: false },
  { kind: "brainpoolP256r1", key: () => ec("brainpoolP256r1"), leaf: false, ca: true },
  { kind: "sect163k1", key: () => ec("sect163k1"), leaf: false, ca: false },
  { kind: "sect233k1", key: () => ec("sect233k1"), leaf: false, ca: true },
  { kind: "P-256 by explicit parameters", key: () => ec("prime256v1", "explicit"), leaf: false, ca: false },
  { kind: "P-384 by explicit parameters", key: () => ec("secp384r1", "explicit"), leaf: false, ca: false },
  { kind: "P-192 by explicit parameters", key: () => ec("prime192v1", "explicit"), leaf: false, ca: false },
  { kind: "Ed25519", key: () => generateKeyPairSync("ed25519"), leaf: false, ca: true },
  { kind: "Ed448", key: () => generateKeyPairSync("ed448"), leaf: false, ca: true },
  { kind: "DSA 2048/256", key: () => dsa(256), leaf: false, ca: false, anchor: true, stricter: true },
  { kind: "DSA 2048/160", key: () => dsa(160), leaf: false, ca: false },
];

const root = makeCa();

describe("an accepted kind of key loads at an edge and is accepted by a client at level 2:", () => {
  it.each(KINDS)("$kind, of a leaf: $leaf", async ({ key, leaf }) => {
    const bundle = upload({ ca: root, key: key() });
    expect(taken(bundle) === "accepted").toBe(leaf);
    if (leaf) expect(await served(bundle, root.rootPem)).toBe("believed");
  });

  it.each(KINDS)("$kind, of an intermediate: $ca", async ({ key, ca: good, stricter = false }) => {
    const bundle = upload({ ca: makeCa({ parent: root, key: key() }) });
    expect(taken(bundle) === "accepted").toBe(good);
    expect((await served(bundle, root.rootPem)) === "believed").toBe(good || stricter);
  });

  it.each(KINDS)(
    "$kind, of a root at the end of the chain: $ca",
    async ({ key, ca: good, stricter = false }) => {
      const ca = makeCa({ key: key() });
      const bundle = { ...upload({ ca }), chainPem: ca.rootPem };
      expect(taken(bundle) === "accepted").toBe(good);
      expect((await served(bundle, ca.rootPem)) === "believed").toBe(good || stricter);
    },
  );

  it.each(KINDS)("$kind, of a trust anchor", ({ key, ca: good, anchor = good }) => {
    const { rootPem } = makeCa({ key: key() });
    const outcome = outcomeOf(() => parseTrustStore({ certificatesPem: rootPem }, { nowMs }));
    expect(outcome === "accepted").toBe(anchor);
    expect(load({ keys: [], anchorsPem: [rootPem], crlsPem: [] })).toBeNull();
  });
});

const SIGNERS = {
  RSA: sharedKey("rsa-2048"),
  "RSA-PSS": generateKeyPairSync("rsa-pss", { modulusLength: 2048 }),
  ECDSA: newKey("ecdsa-p256"),
} as const;
const HASHES: readonly (readonly [SignatureHash, boolean])[] = [
  ["md5", false],
  ["sha1", false],
  ["sha224", true],
  ["sha256", true],
  ["sha384", true],
  ["sha512", true],
];
const SIGNATURES = Object.entries(SIGNERS).flatMap(([signer, key]) =>
  HASHES.filter(([hash]) => hash !== "md5" || signer === "RSA").map(([hash, good]) => ({
    signer,
    key,
    hash,
    good,
  })),
);

describe("an accepted signature is accepted by a client at level 2:", () => {
  it.each(SIGNATURES)("$signer with $hash on a leaf: $good", async ({ key, hash, good }) => {
    const ca = makeCa({ key });
    const bundle = upload({ ca, hash });
    expect(taken(bundle) === "accepted").toBe(good);
    expect((await served(bundle, ca.rootPem)) === "believed").toBe(good);
  });

  it.each(SIGNATURES)("$signer with $hash on an intermediate: $good", async ({ key, hash, good }) => {
    const top = makeCa({ key });
    const bundle = upload({ ca: makeCa({ parent: top, hash }) });
    expect(taken(bundle) === "accepted").toBe(good);
    expect((await served(bundle, top.rootPem)) === "believed").toBe(good);
  });

  it.each(SIGNATURES)("$signer with $hash on a root, which is not verified", async ({ key, hash }) => {
    const ca = makeCa({ key, hash });
    const bundle = { ...upload({ ca }), chainPem: ca.rootPem };
    expect(taken(bundle)).toBe("accepted");
    expect(await served(bundle, ca.rootPem)).toBe("believed");
    expect(outcomeOf(() => parseTrustStore({ certificatesPem: ca.rootPem }, { nowMs }))).toBe("accepted");
  });
});
