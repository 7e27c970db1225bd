import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { readPem } from "../../core/x509/pem.ts";
import { sharedKey } from "./certificate-writer.ts";
import { type IssueOptions, issueServer, type TestCa } from "./pki.ts";

/** The certificate that a CA issues for a signing request, as PEM without a key. */
export function signRequest(
  csrPem: string,
  ca: TestCa,
  options: Pick<IssueOptions, "names" | "notBefore" | "notAfter">,
): string {
  const der = readPem(csrPem, "").blocks[0]?.der ?? Buffer.alloc(0);
  const request = new Pkcs10CertificateRequest(new Uint8Array(der));
  const spki = Buffer.from(request.publicKey.rawData);
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  // Only the public half is used: the CA signs.
  const { privateKey } = sharedKey("ecdsa-p256");
  return issueServer({ ...options, ca, key: { publicKey, privateKey } }).certificatePem;
}
