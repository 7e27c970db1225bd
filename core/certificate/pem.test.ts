import { createPrivateKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { implicit, oid, pem, sequence, utf8String } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { parsePemBundle, type PemBundle } from "./pem-bundle.ts";
import { parseTrustStore } from "./trust-anchors.ts";

const nowMs = Date.now();
const root = makeCa({ name: "Root" });
const server = issueServer({ names: ["mx.example"], ca: makeCa({ name: "Intermediate", parent: root }) });
const passphrase = "correct horse";
const exported = (options: object): string =>
  server.privateKey.export({ format: "pem", ...options } as { type: "pkcs8"; format: "pem" }).toString();
const cipher = "aes-256-cbc";
const KEYS = {
  "PKCS #8": server.privateKeyPem,
  "SEC 1": exported({ type: "sec1" }),
  "encrypted PKCS #8": exported({ type: "pkcs8", cipher, passphrase }),
  "encrypted in OpenSSL's old form": exported({ type: "sec1", cipher, passphrase }),
};

const plain: PemBundle = { certificatePem: server.bundlePem, privateKeyPem: server.privateKeyPem };
const parsed = parsePemBundle(plain, { nowMs });

const rewrapped = (text: string, width: number): string =>
  text.replaceAll(/(?<=-----\n)[A-Za-z0-9+/=\n]+(?=-----END)/g, (body) =>
    body.replaceAll("\n", "").replaceAll(new RegExp(`.{1,${String(width)}}`, "g"), "$&\n"),
  );
const before = (text: string, line: string): string =>
  text.replaceAll(/^(?=-----BEGIN)/gm, () => `${line}\n`);

/** Ways of writing the same PEM text. */
const WAYS: readonly (readonly [string, (text: string) => string])[] = [
  ["CR LF", (text) => text.replaceAll("\n", "\r\n")],
  ["CR CR LF, as a file converted twice", (text) => text.replaceAll("\n", "\r\r\n")],
  ["CR alone", (text) => text.replaceAll("\n", "\r")],
  ["blank lines", (text) => text.replaceAll("\n", "\n\n")],
  ["a blank line after BEGIN", (text) => text.replaceAll(/(-----BEGIN.*\n)/g, "$1\n")],
  ["blanks and tabs at both ends of lines", (text) => text.replaceAll("\n", " \t\n \t")],
  ["blanks inside lines", (text) => text.replaceAll(/^([A-Za-z0-9+/]{20})(?=[A-Za-z0-9+/]{20})/gm, "$1 \t")],
  ["no line end at the end", (text) => text.trimEnd()],
  ["no line end between blocks", (text) => text.replaceAll("-----\n-----BEGIN", "----------BEGIN")],
  ["a byte order mark on each block", (text) => text.replaceAll("-----BEGIN", "\ufeff-----BEGIN")],
  ["DOS's end of file", (text) => `${text}\u001a\r\n`],
  ["lines of 76 characters", (text) => rewrapped(text, 76)],
  ["lines of 20 characters", (text) => rewrapped(text, 20)],
  ["one line for each body", (text) => rewrapped(text, 100_000)],
  ["rulers of dashes", (text) => before(text, `${"-".repeat(64)}\n----- mx.example -----\n-----`)],
  ["comments that quote a boundary", (text) => before(text, "# -----BEGIN CERTIFICATE----- follows")],
  ["a fingerprint in hexadecimal", (text) => before(text, parsed.keys[0]?.fingerprintSha256 ?? "")],
  ["a fingerprint of SHA-1 in upper case", (text) => before(text, "3B7F0E9A".repeat(5))],
  ["a pin", (text) => before(text, parsed.keys[0]?.spkiPin ?? "")],
  [
    "Bag Attributes, as openssl pkcs12 writes",
    (text) => before(text, "Bag Attributes\n    localKeyID: 54 69 6D\nKey Attributes: <No Attributes>"),
  ],
  [
    "the text of openssl x509 -text and s_client",
    (text) =>
      before(
        text,
        "CONNECTED(00000003)\n---\nServer certificate\n        Modulus:\n            00:c4:0e:\n    Signature Algorithm: ecdsa-with-SHA256\n---",
      ),
  ],
];

describe("PEM as tools and people write it", () => {
  it.each(WAYS)("is read with %s", (_, write) => {
    for (const [kind, key] of Object.entries(KEYS)) {
      const bundle: PemBundle = {
        certificatePem: write(server.bundlePem),
        privateKeyPem: write(key),
        ...(kind.startsWith("encrypted") ? { privateKeyPassphrase: passphrase } : {}),
      };
      expect({ kind, ...parsePemBundle(bundle, { nowMs }) }).toEqual({ kind, ...parsed });
    }
    const store = { certificatesPem: write(root.rootPem + server.chainPem) };
    expect(parseTrustStore(store, { nowMs }).anchors).toHaveLength(2);
  });

  it.each(["X509 CERTIFICATE", "TRUSTED CERTIFICATE"])("is read with the label %s", (label) => {
    const certificatePem = server.bundlePem.replaceAll(" CERTIFICATE-", ` ${label}-`);
    expect(parsePemBundle({ ...plain, certificatePem }, { nowMs })).toEqual(parsed);
  });

  it("is read from OpenSSL's trusted form, in a trust store only where it names no uses", () => {
    const serverAuth = oid("1.3.6.1.5.5.7.3.1");
    const trusted = (der: Uint8Array, ...uses: readonly Uint8Array[]): string =>
      pem("TRUSTED CERTIFICATE", Buffer.concat([der, sequence(...uses)]));
    const certificatePem = trusted(server.der, sequence(serverAuth)) + server.chainPem;
    expect(parsePemBundle({ ...plain, certificatePem }, { nowMs })).toEqual(parsed);
    const outcome = (...uses: readonly Uint8Array[]) =>
      outcomeOf(() => parseTrustStore({ certificatesPem: trusted(root.der, ...uses) }, { nowMs }));
    expect(outcome(utf8String("alias"))).toBe("accepted");
    for (const uses of [sequence(serverAuth), Buffer.from(implicit(0x20, serverAuth))])
      expect(outcome(uses)).toEqual(["InvalidInput /certificatesPem trusted-uses"]);
  });

  it("keeps a key whose header fields are not about encryption", () => {
    const [begin = "", ...rest] = server.privateKeyPem.split("\n");
    const privateKeyPem = [begin, "Comment: mx", "", ...rest].join("\n");
    expect(parsePemBundle({ ...plain, privateKeyPem }, { nowMs })).toEqual(parsed);
  });

  it("stores keys and certificates in one way, whatever way they came", () => {
    const [key] = parsed.material.keys;
    expect(createPrivateKey(key?.privateKeyPem ?? "").equals(server.privateKey)).toBe(true);
    expect(key?.certificateChainPem).toBe(server.bundlePem);
  });
});
