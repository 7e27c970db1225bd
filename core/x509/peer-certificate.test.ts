import { createHash, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  commonName,
  dnsName,
  emailName,
  extension,
  ipName,
  sharedKey,
  signCertificate,
  subjectAltName,
} from "../../test/support/certificate-writer.ts";
import { implicit, octetString, oid, sequence, set, tlv, utf8String } from "../../test/support/der.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import { PEER_CHAIN, readPeerCertificate } from "./peer-certificate.ts";

const key = sharedKey("ecdsa-p256");

function leaf(extensions: readonly Uint8Array[], subject: string | Uint8Array = "cn.example"): Buffer {
  return signCertificate(
    { subject, publicKey: key.publicKey, extensions },
    { subject: "Some CA", privateKey: key.privateKey },
  );
}

const namesOf = (...generalNames: readonly Uint8Array[]): readonly string[] | undefined =>
  readPeerCertificate([leaf([subjectAltName(...generalNames)])])?.dnsNames;

describe("names of a client certificate", () => {
  it.each([
    ["upper case", "MX.Partner.Example", "mx.partner.example"],
    ["one trailing dot", "mx.example.", "mx.example"],
    ["a single label", "mailhost", "mailhost"],
    ["an A-label", "xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["a left-most wildcard", "*.Partner.example", "*.partner.example"],
  ])("takes %s in its canonical form", (_case, san, name) => {
    expect(namesOf(dnsName(san))).toEqual([name]);
  });

  it.each([
    ["a NUL", "mx.example\0.evil.example"],
    ["a comma that would start another name", "evil.example, DNS:mx.example"],
    ["a quote", '"mx.example"'],
    ["CRLF", "mx.example\r\nX: y"],
    ["a blank", " mx.example"],
    ["an underscore", "_mx.example"],
    ["an IPv4 literal", "192.0.2.1"],
    ["octets above ASCII", "b\xfccher.example"],
    ["a full-width letter in UTF-8", Buffer.from("ｍx.example").toString("latin1")],
    ["an invalid A-label", "xn--a.example"],
    ["a wildcard that is part of a label", "mx*.example"],
    ["a wildcard further right", "mx.*.example"],
    ["two wildcards", "*.*.example"],
    ["a bare wildcard", "*"],
    ["a wildcard before nothing", "*."],
    ["nothing", ""],
    ["a name of more than 253 octets", `${"a.".repeat(127)}example`],
  ])("leaves out a dNSName with %s and keeps the others", (_case, san) => {
    expect(namesOf(dnsName("first.example"), dnsName(san), dnsName("last.example"))).toEqual([
      "first.example",
      "last.example",
    ]);
  });

  it("takes no name from the common name, an address or an e-mail address", () => {
    expect(readPeerCertificate([leaf([])])?.dnsNames).toEqual([]);
    expect(namesOf(emailName("a@mx.example"), ipName(192, 0, 2, 1))).toEqual([]);
  });

  it("takes no name from other forms that hold the same text", () => {
    const other = implicit(6, Buffer.from("mx.example"));
    const constructed = tlv(0xa2, tlv(0x16, Buffer.from("mx.example")));
    expect(namesOf(other, constructed)).toEqual([]);
  });

  it("lists a name once", () => {
    expect(namesOf(dnsName("a.example"), dnsName("A.example"))).toEqual(["a.example"]);
  });

  it("identifies no client by a certificate with two subjectAltName extensions", () => {
    const [one, two] = [subjectAltName(dnsName("a.example")), subjectAltName(dnsName("b.example"))];
    expect(readPeerCertificate([leaf([one, two])])).toBeNull();
  });

  it("reads at most a thousand names", () => {
    const many = Array.from({ length: 1500 }, (_, at) => dnsName(`n${String(at)}.example`));
    expect(namesOf(...many)).toHaveLength(1000);
  });
});

describe("readPeerCertificate", () => {
  const ca = makeCa();
  const client = issueClient({ names: ["mx.partner.example"], ca });

  it("agrees with OpenSSL on dates, fingerprint and key", () => {
    const openssl = new X509Certificate(client.der);
    const spki = openssl.publicKey.export({ type: "spki", format: "der" });
    expect(readPeerCertificate(client.chain)).toEqual({
      chain: client.chain,
      spkiPin: `sha256//${createHash("sha256").update(spki).digest("base64")}`,
      notBefore: openssl.validFromDate.getTime(),
      notAfter: openssl.validToDate.getTime(),
      dnsNames: ["mx.partner.example"],
      fingerprintSha256: openssl.fingerprint256.replaceAll(":", "").toLowerCase(),
      subjectName: "mx.partner.example",
    });
  });

  it("reads dates after 2049 and before 1970", () => {
    const [notBefore, notAfter] = [new Date("1969-12-31T23:59:59Z"), new Date("9999-12-31T23:59:59Z")];
    const read = readPeerCertificate([issueClient({ names: ["a.example"], ca, notBefore, notAfter }).der]);
    expect([read?.notBefore, read?.notAfter]).toEqual([notBefore.getTime(), notAfter.getTime()]);
  });

  it("reads a version 1 certificate, which has no names", () => {
    const der = signCertificate(
      { subject: "old.example", publicKey: key.publicKey, version: 1 },
      { subject: "Some CA", privateKey: key.privateKey },
    );
    expect(readPeerCertificate([der])).toMatchObject({ dnsNames: [], subjectName: "CN=old.example" });
  });

  it.each([
    ["quotes, commas and backslashes", 'a",b\\', 'CN=a\\"\\,b\\\\'],
    ["a line end", "a\r\nRcpt: b", "CN=a\\0D\\0ARcpt: b"],
    ["letters above ASCII", "Bücher", "CN=B\\C3\\BCcher"],
    ["a text-direction mark", "a\u202eb", "CN=a\\E2\\80\\AEb"],
    ["blanks at both ends", " a ", "CN=\\ a\\ "],
    ["a single blank", " ", "CN=\\ "],
    ["a leading number sign", "#a", "CN=\\#a"],
  ])("shows a subject with %s as printable ASCII on one line", (_case, subject, text) => {
    expect(readPeerCertificate([leaf([], subject)])?.subjectName).toBe(text);
  });

  it("shows a subject of several parts with the most specific first, cut at 500 characters", () => {
    const part = (id: string, text: string): Buffer => set(sequence(oid(id), utf8String(text)));
    const subject = sequence(part("2.5.4.10", "Partner"), part("1.2.3.4", "x"), part("2.5.4.3", "mx"));
    expect(readPeerCertificate([leaf([], subject)])?.subjectName).toBe("CN=mx,1.2.3.4=x,O=Partner");
    expect(readPeerCertificate([leaf([], commonName("x".repeat(9000)))])?.subjectName).toHaveLength(500);
  });

  it("keeps of the chain what is within the bounds, and nothing when the leaf is not", () => {
    const certificates = Array.from({ length: 20 }, () => client.der);
    expect(readPeerCertificate(certificates)?.chain).toHaveLength(PEER_CHAIN.certificates);
    const large = leaf([extension("1.2.3.4", false, octetString(Buffer.alloc(40_000)))]);
    expect(readPeerCertificate([client.der, large, large])?.chain).toHaveLength(2);
    expect(
      readPeerCertificate([leaf([extension("1.2.3.4", false, Buffer.alloc(PEER_CHAIN.bytes))])]),
    ).toBeNull();
  });

  it("identifies no client without a certificate or by bytes that are none", () => {
    expect(readPeerCertificate([])).toBeNull();
    for (const bytes of [[], [0x30], [0x30, 0x80, 0, 0], [0x30, 0x84, 0xff, 0xff, 0xff, 0xff], [4, 0]]) {
      expect(readPeerCertificate([new Uint8Array(bytes)])).toBeNull();
    }
    expect(readPeerCertificate([Buffer.concat([client.der, Buffer.from([0])])])).toBeNull();
    expect(readPeerCertificate([client.der.subarray(0, -1)])).toBeNull();
  });

  it("survives any change of bytes, and never finds a name that is no name", () => {
    const change = fc.record({ at: fc.nat(client.der.length - 1), octet: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(client.der);
        for (const { at, octet } of changes) bytes[at] = octet;
        for (const name of readPeerCertificate([bytes])?.dnsNames ?? []) {
          expect(name).toMatch(/^(?:\*\.)?[a-z0-9.-]+$/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("survives bytes of no shape at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => readPeerCertificate([bytes])).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });
});
