import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type CertificateSpec,
  extension,
  newKey,
  signCertificate,
} from "../../test/support/certificate-writer.ts";
import { implicit, sequence } from "../../test/support/der.ts";
import { writePem } from "../x509/pem.ts";
import { AcmeProblem, dnsChallengeValue, keyAuthorization, renewalId } from "./acme-ca.ts";

const key = newKey("ecdsa-p256");
const pemOf = (type: Parameters<typeof newKey>[0]): string =>
  newKey(type).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("the key authorization of a challenge", () => {
  it("is the token and the thumbprint of the account's key (RFC 8555 section 8.1, RFC 7638)", () => {
    const pem = key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const { x, y } = key.publicKey.export({ format: "jwk" });
    const thumbprint = createHash("sha256")
      .update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`)
      .digest("base64url");
    expect(keyAuthorization("to_ken-1", pem)).toBe(`to_ken-1.${thumbprint}`);
  });

  it("has a SHA-256 in base64url without padding as its TXT value (section 8.4)", () => {
    // `printf abc.def | openssl dgst -sha256 -binary | basenc --base64url`
    expect(dnsChallengeValue("abc.def")).toBe("67MSe_XHxLTkK1FxD0lGwcHQWzMdI3ndFeOlQx7ZNBY");
  });

  it.each(["ecdsa-p384", "rsa-2048", "ed25519"] as const)("takes no %s key", (type) => {
    expect(() => keyAuthorization("t", pemOf(type))).toThrow(TypeError);
  });
});

describe("the identifier of a certificate in renewal information", () => {
  const hex = (text: string): Buffer => Buffer.from(text, "hex");
  const made = (spec: Partial<CertificateSpec>): string => {
    const whole = { subject: "leaf", publicKey: key.publicKey, keyIdentifiers: false, ...spec };
    return writePem("CERTIFICATE", signCertificate(whole, { subject: "ca", privateKey: key.privateKey }));
  };
  const authorityOf = (...parts: readonly Buffer[]): Buffer =>
    extension("2.5.29.35", false, sequence(...parts));
  const authority = implicit(0, hex("69885b6b87464041e1b37b847ba0ae2cde01c8d4"));

  it.each([
    ["a serial whose first bit is set", 0x87654321n, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"],
    ["a short serial", 0x7fn, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.fw"],
  ])("is that of the example of RFC 9773 section 4.1, with %s", (_title, serial, id) => {
    const leaf = made({ serial, extensions: [authorityOf(authority)] });
    expect(renewalId(leaf)).toBe(id);
    expect(renewalId(leaf + made({ serial: 1n }))).toBe(id);
  });

  it.each([
    ["without extensions", made({ version: 1 })],
    ["without an authority key identifier", made({})],
    ["whose authority is named by serial alone", made({ extensions: [authorityOf(implicit(2, hex("01")))] })],
    ["that is a key", pemOf("ecdsa-p256")],
    ["that is no DER", writePem("CERTIFICATE", hex("3003020101ff"))],
    ["that is no PEM", "hello"],
  ])("is null for a certificate %s", (_title, pem) => {
    expect(renewalId(pem)).toBeNull();
  });
});

describe("a refusal of a CA", () => {
  it("reads as one line with what is wrong at each name", () => {
    const problem = new AcmeProblem({
      type: "compound",
      detail: "two names were refused",
      status: 403,
      retryAfterMs: null,
      subproblems: [
        { name: "mx.example.com", type: "caa", detail: "CAA forbids it" },
        { name: null, type: "dns", detail: "" },
      ],
    });
    expect(problem.message).toBe(
      "compound: two names were refused (mx.example.com: caa: CAA forbids it; dns)",
    );
  });
});
