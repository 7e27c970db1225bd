import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { createCsr } from "../../core/x509/certificate-request.ts";
import { KEY_TYPES } from "../../core/x509/key-type.ts";
import { createPrivateKeyOf } from "../../core/x509/new-key.ts";
import { describeWith } from "../support/peers/needs.ts";

const LONG = `${"a".repeat(60)}.${"b".repeat(60)}.example`;

/** @throws when the signature does not verify: `openssl req` then exits with 1. */
const asOpensslReads = (pem: string): string =>
  execFileSync("openssl", ["req", "-verify", "-noout", "-text"], {
    input: pem,
    encoding: "utf8",
    stdio: "pipe",
  });

describeWith(["openssl"])("openssl req -verify", () => {
  it.each(KEY_TYPES)("accepts a certificate request with a key of type %s", async (keyType) => {
    const { privateKeyPem } = await createPrivateKeyOf(keyType);
    const { pem } = await createCsr({ names: ["mx1.example", "*.mx.example"], privateKeyPem });
    const read = asOpensslReads(pem);
    expect(read).toMatch(/Subject: CN ?= ?mx1\.example/);
    expect(read).toMatch(/Subject Alternative Name: ?\n +DNS:mx1\.example, DNS:\*\.mx\.example/);
  });

  it("reads critical names where the subject is empty", async () => {
    const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p384");
    const read = asOpensslReads((await createCsr({ names: [LONG], privateKeyPem })).pem);
    expect(read).toMatch(/Subject: *\n/);
    expect(read).toMatch(/Subject Alternative Name: critical/);
  });
});
