import { createPrivateKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { implicit, oid, pem, sequence, utf8String } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { parsePemBundle, type PemBundle } from "./pem-bundle.ts";
import { readPem } from "./pem.ts";
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
  ["line ends as \\n", (text) => text.replaceAll("\n", "\\n")],
  ["line ends as \\r\\n", (text) => text.replaceAll("\n", "\\r\\n")],
  ["line ends escaped twice", (text) => text.replaceAll("\n", "\\\\n")],
  [
    "line ends as \\n, attributes among them",
    (text) => `Bag Attributes\\n ${before(text, "Key: x").replaceAll("\n", "\\n")}`,
  ],
  ["JSON's escapes", (text) => JSON.stringify(text)],
  ["JSON's escapes, slashes as PHP has them", (text) => JSON.stringify(text).replaceAll("/", "\\/")],
  [
    "JSON's escapes, plus and equals as .NET and Gson have them",
    (text) => JSON.stringify(text).replaceAll("+", "\\u002B").replaceAll("=", "\\u003d"),
  ],
  ["a whole JSON document around it", (text) => JSON.stringify({ certificatePem: text })],
  ["the value of a variable, in one line", (text) => `export TLS_PEM="${text.replaceAll("\n", "\\n")}"`],
  ["the value of a variable, over lines", (text) => `TLS_PEM='${text.trimEnd()}'\n`],
  ["blanks for line ends", (text) => text.replaceAll("\n", " ")],
  [
    "quotes around each line, as in a program's source",
    (text) => text.replaceAll(/^(.+)$/gm, '    "$1\\n" +'),
  ],
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
    const listed = { certificatesPem: write(root.rootPem), crlPem: write(makeCrl({ ca: root })) };
    expect(parseTrustStore(listed, { nowMs }).crls).toHaveLength(1);
  });

  it("is read from one line without any blank, where no header fields are on it", () => {
    const joined = (text: string) => text.replaceAll("\n", "");
    for (const kind of ["PKCS #8", "SEC 1", "encrypted PKCS #8"] as const) {
      const bundle = { certificatePem: joined(server.bundlePem), privateKeyPem: joined(KEYS[kind]) };
      const more = kind.startsWith("encrypted") ? { privateKeyPassphrase: passphrase } : {};
      expect(parsePemBundle({ ...bundle, ...more }, { nowMs })).toEqual(parsed);
    }
    const old = {
      certificatePem: server.bundlePem,
      privateKeyPem: joined(KEYS["encrypted in OpenSSL's old form"]),
    };
    expect(outcomeOf(() => parsePemBundle({ ...old, privateKeyPassphrase: passphrase }, { nowMs }))).toEqual([
      "InvalidInput /privateKeyPem damaged-pem",
    ]);
  });

  it.each([
    ["text before a block", (text: string) => `the key is ${text}`],
    ["text after a block", (text: string) => `${text.trimEnd()} and so on`],
    ["what is left of a body after a block", (text: string) => `${text.trimEnd()}${"MIIB".repeat(12)}`],
    ["a backslash that is no escape", (text: string) => text.replace("MI", "M\\I")],
  ])("is refused with %s on its line", (_, write) => {
    const privateKeyPem = write(server.privateKeyPem.replaceAll("\n", ""));
    expect(outcomeOf(() => parsePemBundle({ ...plain, privateKeyPem }, { nowMs }))).toEqual([
      "InvalidInput /privateKeyPem damaged-pem",
    ]);
  });

  it.each(["\r", "\\", "-", " ", "\\n", '"', "\n"])(
    "reads a million characters %j in linear time",
    (character) => {
      const text = `-----BEGIN X-----\n${character.repeat(1_000_000)}`;
      expect(readPem(text, "").issues).toHaveLength(1);
    },
  );

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
