import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSelfSigned } from "../core/x509/self-signed.ts";
import { hoursFromNow, newKey } from "../test/support/certificate-writer.ts";
import { pem } from "../test/support/der.ts";
import { issueServer, makeCa } from "../test/support/pki.ts";
import { parseDomainName } from "../core/name/domain-name.ts";
import { type DefaultCertificate, obtainDefaultCertificate } from "./default-certificate.ts";

const DAY_MS = 24 * 3600 * 1000;
const NOW = Date.parse("2026-11-24T00:00:00Z");
let root = "";
let path = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-"));
  path = join(root, "default-certificate.pem");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const obtain = (name: string, nowMs = NOW): Promise<DefaultCertificate> =>
  obtainDefaultCertificate({ path, name: parseDomainName(name), nowMs });

const fingerprints = ({ material }: DefaultCertificate): string[] =>
  material.keys.map((key) => new X509Certificate(key.certificateChainPem).fingerprint256);

describe("the default certificate", () => {
  it("is made at first start: ECDSA and RSA for the SMTP name, kept for its owner alone", async () => {
    const made = await obtain("mx.example.org");
    expect(made).toMatchObject({ isNew: true, names: ["mx.example.org"] });
    expect(made.material.keys.map((key) => key.keyType)).toEqual(["ecdsa-p256", "rsa-3072"]);
    for (const key of made.material.keys) {
      createSecureContext({ key: key.privateKeyPem, cert: key.certificateChainPem });
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is the same one after a restart", async () => {
    const made = await obtain("mx.example.org");
    const kept = await obtain("mx.example.org", NOW + 300 * DAY_MS);
    expect(kept.isNew).toBe(false);
    expect(fingerprints(kept)).toEqual(fingerprints(made));
  });

  it.each([
    { what: "ends within 30 days", name: "mx.example.org", nowMs: NOW + 336 * DAY_MS },
    { what: "has ended", name: "mx.example.org", nowMs: NOW + 400 * DAY_MS },
    { what: "is for another name", name: "mx.example.net", nowMs: NOW },
  ])("is renewed when it $what", async ({ name, nowMs }) => {
    const made = await obtain("mx.example.org");
    const renewed = await obtain(name, nowMs);
    expect(renewed).toMatchObject({ isNew: true, names: [name] });
    expect(renewed.notAfterMs).toBeGreaterThan(nowMs + 360 * DAY_MS);
    expect(fingerprints(renewed)).not.toEqual(fingerprints(made));
  });

  it("is made again when the one made here was damaged", async () => {
    await obtain("mx.example.org");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 700));
    expect(await obtain("mx.example.org")).toMatchObject({ isNew: true });
  });

  it("is the operator's own where the file is not ours, whatever names it has", async () => {
    const own = await createSelfSigned({ names: ["gate.example.net"], days: 20 }, { nowMs: NOW });
    const text = own.material.keys.map((key) => key.certificateChainPem + key.privateKeyPem).join("");
    writeFileSync(path, text);
    expect(await obtain("mx.example.org")).toMatchObject({ isNew: false, names: ["gate.example.net"] });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  const ca = makeCa({ name: "CA", parent: makeCa({ name: "Root" }) });
  const expired = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
  const oldRoot = makeCa({ name: "Old root", ...expired });
  const crossSigned = makeCa({ name: "Cross-signed", parent: oldRoot, ...expired });
  const served = issueServer({ names: ["gate.example.net"], ca });
  const belowExpired = issueServer({ names: ["gate.example.net"], ca: makeCa({ parent: crossSigned }) });

  it.each([
    [
      "the leaf has expired",
      issueServer({ names: ["gate.example.net"], ca, ...expired }),
      /"CN=gate.*expired at/,
    ],
    [
      "a cross-signed CA above has expired, which is left out",
      belowExpired,
      /"CN=Cross-signed" expired at .* and is left out/,
    ],
    [
      "the leaf is not valid yet",
      issueServer({ names: ["gate.example.net"], ca, notBefore: hoursFromNow(1) }),
      /"CN=gate.*not valid before/,
    ],
  ])("is served with the problem shown when %s", async (_, own, problem) => {
    writeFileSync(path, own.privateKeyPem + own.bundlePem);
    const obtained = await obtain("mx.example.org", Date.now());
    expect(obtained).toMatchObject({ isNew: false, problem: expect.stringMatching(problem) });
    const sent = own === belowExpired ? own.chain.slice(0, 2) : own.chain;
    expect(obtained.material.keys[0]?.certificateChainPem).toBe(
      sent.map((der) => pem("CERTIFICATE", der)).join(""),
    );
  });

  it.each([
    [
      "the key is encrypted",
      served.privateKey
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString() + served.bundlePem,
      /private key is encrypted/,
    ],
    ["the key is missing", served.bundlePem, /holds no private key/],
    ["the certificate is missing", served.privateKeyPem, /holds no certificate/],
    [
      "the key is another's",
      newKey("ecdsa-p256").privateKey.export({ type: "pkcs8", format: "pem" }).toString() + served.bundlePem,
      /does not belong to the certificate/,
    ],
    ["it is cut off", served.privateKeyPem + served.bundlePem.slice(0, -40), /no END line/],
  ])("stops the start with the reason when %s", async (_, text, reason) => {
    writeFileSync(path, text);
    await expect(obtain("mx.example.org", Date.now())).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(reason),
    });
  });

  it("stops the start with the reason when it cannot be read", async () => {
    mkdirSync(path);
    await expect(obtain("mx.example.org")).rejects.toMatchObject({
      message: expect.stringMatching(/cannot be read: EISDIR/),
    });
  });

  it("stops the start when the operator's own cannot be served, and says what to do, without the key", async () => {
    const own = await createSelfSigned({ names: ["gate.example.net"] }, { nowMs: NOW });
    const [key] = own.material.keys;
    const text = key?.privateKeyPem ?? "";
    writeFileSync(path, text);
    const error = await obtain("mx.example.org").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "StartFailure",
      exitCode: 78,
      message: expect.stringMatching(/^DATA_DIR: .*remove it/),
    });
    expect(String(error)).not.toContain(text.split("\n")[1]);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});
