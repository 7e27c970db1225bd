import { createHash, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { basicConstraints, extension, hoursFromNow, newKey } from "../../test/support/certificate-writer.ts";
import { CRL_SCOPE, makeCrl, type CrlOptions, USELESS_SCOPES } from "../../test/support/crl-writer.ts";
import { explicit, implicit, integer, pem, sequence } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import type { InvalidInput } from "../errors.ts";
import { parseTrustStore, type TrustStoreUpload } from "./trust-anchors.ts";

const nowMs = Date.now();
const root = makeCa({ name: "Root" });
const rsaRoot = makeCa({ name: "RSA Root", keyType: "rsa-2048" });
const intermediate = makeCa({ name: "Intermediate", parent: root });
const client = issueClient({ names: ["a.example"], ca: intermediate });
const crl = makeCrl({ ca: root, revoked: [intermediate.der, client.der] });

const outcome = (change: Partial<TrustStoreUpload>) =>
  outcomeOf(() => parseTrustStore({ certificatesPem: root.rootPem, ...change }, { nowMs }));

const withCrl = (options: Partial<CrlOptions>): Partial<TrustStoreUpload> => ({
  crlPem: makeCrl({ ca: root, ...options }),
});

describe("a trust store", () => {
  it("shows its anchors and CRLs, and its content is named by its hash", () => {
    const store = parseTrustStore({ certificatesPem: `# ours\n${root.rootPem}`, crlPem: crl }, { nowMs });
    const certificate = new X509Certificate(root.der);
    expect(store.anchors).toEqual([
      {
        subject: "CN=Root",
        fingerprintSha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
        notBefore: certificate.validFromDate.toISOString(),
        notAfter: certificate.validToDate.toISOString(),
        crlUntil: store.crls[0]?.nextUpdate,
      },
    ]);
    expect(store.crls).toEqual([
      { issuer: "CN=Root", thisUpdate: expect.any(String), nextUpdate: expect.any(String) },
    ]);
    expect(Date.parse(store.crls[0]?.nextUpdate ?? "") - Date.parse(store.crls[0]?.thisUpdate ?? "")).toBe(
      169 * 3_600_000,
    );
    expect(store.content).toEqual({ certificatesPem: root.rootPem, crlPem: crl });
    expect(JSON.parse(Buffer.from(store.contentBytes).toString())).toEqual(store.content);
    expect(store.contentSha256).toBe(createHash("sha256").update(store.contentBytes).digest("hex"));
  });

  it("has the same hash whatever text stands between its certificates", () => {
    const plain = parseTrustStore({ certificatesPem: root.rootPem }, { nowMs });
    const noisy = parseTrustStore(
      { certificatesPem: `x\r\n${root.rootPem.replaceAll("\n", "\r\n")}`, crlPem: null },
      { nowMs },
    );
    expect(noisy.contentSha256).toBe(plain.contentSha256);
    expect(plain.content.crlPem).toBeNull();
  });

  it("folds copies of one certificate", () => {
    const certificatesPem = root.rootPem + rsaRoot.rootPem + root.rootPem;
    expect(parseTrustStore({ certificatesPem }, { nowMs }).anchors).toHaveLength(2);
  });

  it("shows a subject with control characters and text-direction marks escaped", () => {
    const strange = makeCa({ name: 'Bücher "\r\n\u202e' });
    expect(parseTrustStore({ certificatesPem: strange.rootPem }, { nowMs }).anchors[0]?.subject).toBe(
      'CN=Bücher \\"\\0D\\0A\\E2\\80\\AE',
    );
  });

  it.each<[string, Partial<TrustStoreUpload>]>([
    ["an intermediate", { certificatesPem: intermediate.certificatePem }],
    ["one client's own certificate", { certificatesPem: client.certificatePem }],
    [
      "an expired root",
      { certificatesPem: makeCa({ notBefore: hoursFromNow(-9), notAfter: hoursFromNow(-1) }).rootPem },
    ],
    [
      "a root with a SHA-1 signature, which no verifier relies on",
      { certificatesPem: makeCa({ hash: "sha1" }).rootPem },
    ],
    ["a CRL of a CA that comes with the clients", { crlPem: crl + makeCrl({ ca: intermediate }) }],
    ["a CRL signed with RSA", { certificatesPem: rsaRoot.rootPem, crlPem: makeCrl({ ca: rsaRoot }) }],
    [
      "CRLs of two roots with one name",
      { certificatesPem: root.rootPem + makeCa({ name: "Root" }).rootPem, crlPem: crl },
    ],
  ])("may hold %s", (_case, change) => {
    expect(outcome(change)).toBe("accepted");
  });

  it("finds the issuer of a CRL though it is written in another case", () => {
    const imposter = { subject: "rOOT", privateKey: newKey("ecdsa-p256").privateKey };
    expect(outcome(withCrl({ ca: imposter }))).toEqual(["InvalidInput /crlPem bad-signature"]);
    expect(outcome(withCrl({ ca: { ...root, subject: "rOOT" } }))).toBe("accepted");
  });

  it("shows which anchor has no CRL beside those that have, two of one name distinguished by their keys", () => {
    const twin = makeCa({ name: "Root" });
    const certificatesPem = root.rootPem + twin.rootPem + rsaRoot.rootPem;
    const covered = (crlPem: string | null) =>
      parseTrustStore({ certificatesPem, crlPem }, { nowMs }).anchors.map(({ crlUntil }) => crlUntil);
    expect(covered(makeCrl({ ca: twin }))).toEqual([null, expect.any(String), null]);
    expect(covered(null)).toEqual([undefined, undefined, undefined]);
  });

  it("has the end of the newest CRL of an anchor", () => {
    const [earlier, later] = [24, 48].map((hours) => makeCrl({ ca: root, nextUpdate: hoursFromNow(hours) }));
    const { anchors, crls: both } = parseTrustStore(
      { certificatesPem: root.rootPem, crlPem: `${later ?? ""}${earlier ?? ""}` },
      { nowMs },
    );
    expect(anchors[0]?.crlUntil).toBe(both[0]?.nextUpdate);
  });

  it.each([
    ["a stranger", makeCrl({ ca: makeCa() })],
    ["an intermediate", makeCrl({ ca: intermediate })],
  ])("is refused with a CRL of %s alone, since nothing could pass", (_, crlPem) =>
    expect(outcome({ crlPem })).toEqual(["RuleViolation /crlPem crl-missing"]),
  );

  // RFC 5280 section 5.2.5. step-ca and Boulder issue such lists: smallstep/certificates#1293,
  // letsencrypt/boulder#6412.
  const scoped = (...fields: readonly Uint8Array[]): string =>
    makeCrl({ ca: root, extensions: [extension("2.5.29.28", true, sequence(...fields))] });
  const yes = Buffer.from([0xff]);
  const point = explicit(0, explicit(0, implicit(6, Buffer.from("http://crl.example/a.crl"))));
  const partial: readonly [string, string][] = [
    ["for leaves", scoped(implicit(1, yes))],
    ["for leaves, at a distribution point", scoped(point, implicit(1, yes))],
    ["for some reasons", scoped(implicit(3, Buffer.from([6, 0x40])))],
    ["for certificates of others", scoped(implicit(4, yes))],
    ["for attribute certificates", scoped(implicit(5, yes))],
    ["at a distribution point that the root does not have", scoped(point)],
  ];
  it.each(partial)(
    "is refused with CRLs that are only %s: every client below would be refused",
    (_, crlPem) => {
      expect(outcome({ crlPem })).toEqual(["RuleViolation /crlPem crl-missing"]);
      expect(outcome({ crlPem: crlPem + makeCrl({ ca: root }) })).toBe("accepted");
    },
  );

  // That OpenSSL refuses every client below is a kind of test/matrix/client-certificates-on-the-wire.test.ts.
  it.each(USELESS_SCOPES)("is refused with a CRL %s, whether of an anchor or of a CA below", (_, scope) => {
    const useless = makeCrl({ ca: intermediate, extensions: [scope] });
    expect(outcome({ crlPem: crl + useless })).toEqual(["RuleViolation /crlPem crl-missing"]);
    expect(outcome({ crlPem: useless + crl + makeCrl({ ca: intermediate }) })).toBe("accepted");
    expect(outcome(withCrl({ extensions: [scope] }))).toEqual(["RuleViolation /crlPem crl-missing"]);
  });

  it("is taken with a CRL of an intermediate for leaves alone, or for CAs alone", () => {
    for (const scope of [CRL_SCOPE.leaves, CRL_SCOPE.cas])
      expect(outcome({ crlPem: crl + makeCrl({ ca: intermediate, extensions: [scope] }) })).toBe("accepted");
  });

  it.each([
    ["CAs, whose leaves another CRL covers", scoped(implicit(2, yes))],
    ["what its empty issuing distribution point leaves open", scoped(implicit(1, Buffer.from([0])))],
  ])("is taken with a CRL of %s", (_, crlPem) => expect(outcome({ crlPem })).toBe("accepted"));

  it("is taken with a CRL at a distribution point that the root has", () => {
    const pointed = makeCa({
      extensions: [basicConstraints(true), extension("2.5.29.31", false, sequence(sequence(point)))],
    });
    const crlPem = makeCrl({ ca: pointed, extensions: [extension("2.5.29.28", true, sequence(point))] });
    expect(outcome({ certificatesPem: pointed.rootPem, crlPem })).toBe("accepted");
  });

  const certificates = "InvalidInput /certificatesPem";
  const crls = "InvalidInput /crlPem";
  it.each<[string, Partial<TrustStoreUpload>, readonly string[]]>([
    ["no PEM", { certificatesPem: "hello" }, [`${certificates} not-pem`]],
    ["nothing", { certificatesPem: "" }, [`${certificates} not-pem`]],
    [
      "a private key",
      { certificatesPem: root.rootPem + client.privateKeyPem },
      [`${certificates} wrong-kind`],
    ],
    ["a CRL among certificates", { certificatesPem: root.rootPem + crl }, [`${certificates} wrong-kind`]],
    [
      "bytes that are no certificate",
      { certificatesPem: pem("CERTIFICATE", Buffer.alloc(50)) },
      [`${certificates} unreadable-certificate`],
    ],
    [
      "an RSA key of 1024 bits",
      { certificatesPem: makeCa({ keyType: "rsa-1024" }).rootPem },
      [`${certificates} weak-key`],
    ],
    ["a certificate among CRLs", { crlPem: crl + root.rootPem }, [`${crls} wrong-kind`]],
    ["an empty CRL field", { crlPem: "" }, [`${crls} not-pem`]],
    ["bytes that are no CRL", { crlPem: pem("X509 CRL", root.der) }, [`${crls} unreadable-crl`]],
    [
      "a CRL cut short",
      { crlPem: crl.replace(/\n[^\n]+\n-----END/, "\n-----END") },
      [`${crls} unreadable-crl`],
    ],
    ["a CRL without nextUpdate", withCrl({ nextUpdate: null }), [`${crls} no-next-update`]],
    [
      "a delta CRL",
      withCrl({ extensions: [extension("2.5.29.27", true, integer(1))] }),
      [`${crls} delta-crl`],
    ],
    [
      "a CRL that another key signed in the root's name",
      withCrl({ ca: { ...root, privateKey: intermediate.privateKey } }),
      [`${crls} bad-signature`],
    ],
    ["a CRL with a SHA-1 signature", withCrl({ hash: "sha1" }), [`${crls} weak-signature`]],
    ["a stale CRL", withCrl({ nextUpdate: hoursFromNow(-0.5) }), ["RuleViolation /crlPem expired"]],
    ["a CRL of tomorrow", withCrl({ thisUpdate: hoursFromNow(24) }), ["RuleViolation /crlPem not-yet-valid"]],
    [
      "an intermediate beside CRLs",
      { certificatesPem: root.rootPem + intermediate.certificatePem, crlPem: crl },
      ["RuleViolation /certificatesPem not-a-root"],
    ],
    [
      "a bad CRL after a good one",
      { crlPem: crl + makeCrl({ ca: root, nextUpdate: null }) },
      [`${crls} no-next-update`],
    ],
    [
      "too many certificates",
      { certificatesPem: root.rootPem.repeat(201) },
      ["RuleViolation /certificatesPem too-many-certificates"],
    ],
    ["too many bytes", { certificatesPem: "x".repeat(262_145) }, ["TooLarge /certificatesPem too-large"]],
    ["too many bytes of CRLs", { crlPem: "x".repeat(524_289) }, ["TooLarge /crlPem too-large"]],
  ])("is refused with %s", (_case, change, issues) => {
    expect(outcome(change)).toEqual(issues);
  });

  it("is refused when a CRL was changed after it was signed", () => {
    const der = Buffer.from(crl.replace(/-----.*-----/g, ""), "base64");
    const serial = new X509Certificate(client.der).serialNumber;
    const at = der.indexOf(Buffer.from(serial, "hex"));
    expect(at).toBeGreaterThan(0);
    der[at] = (der[at] ?? 0) ^ 1;
    expect(outcome({ crlPem: pem("X509 CRL", der) })).toEqual(["InvalidInput /crlPem bad-signature"]);
  });

  it("quotes no private key that came in the wrong field", () => {
    const secret = client.privateKeyPem.split("\n")[1] ?? "";
    for (const change of [{ certificatesPem: client.privateKeyPem }, { crlPem: client.privateKeyPem }]) {
      let text = "";
      try {
        parseTrustStore({ certificatesPem: root.rootPem, ...change }, { nowMs });
      } catch (error) {
        const { message, stack, issues } = error as InvalidInput;
        text = JSON.stringify([message, stack, issues]);
      }
      expect(text).toContain("wrong-kind");
      expect(text).not.toContain(secret);
    }
  });
});
