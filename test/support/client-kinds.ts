import { createHash, X509Certificate } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import { EKU, hoursFromNow, newKey } from "./certificate-writer.ts";
import { issueClient, makeCa, type IssuedCertificate } from "./pki.ts";

/** CAs of the tests: domains trust `partner`, and none trusts `stranger`. */
export const CAS = {
  partner: makeCa({ name: "Partner CA" }),
  other: makeCa({ name: "Other CA" }),
  stranger: makeCa(),
};

/** The name that good client certificates carry. */
export const CLIENT_NAME = "mail.partner.example";

const names = [CLIENT_NAME];
/** A separate key for each: pins distinguish them. */
const own = () => ({ key: newKey("ecdsa-p256") });

/** Client certificates by what is wrong with them under the trust `partner` and the name CLIENT_NAME. */
export const CLIENT_KINDS = {
  good: issueClient({ ...own(), names, ca: CAS.partner }),
  untrusted: issueClient({ ...own(), names, ca: CAS.stranger }),
  "other-ca": issueClient({ ...own(), names, ca: CAS.other }),
  "wrong-name": issueClient({ ...own(), names: ["mail.elsewhere.example"], ca: CAS.partner }),
  "server-only": issueClient({ ...own(), names, ca: CAS.partner, purposes: [EKU.serverAuth] }),
  "code-signing": issueClient({ ...own(), names, ca: CAS.partner, purposes: [EKU.codeSigning] }),
  expired: issueClient({
    ...own(),
    names,
    ca: CAS.partner,
    notBefore: hoursFromNow(-48),
    notAfter: hoursFromNow(-24),
  }),
  "untrusted-server-only": issueClient({ ...own(), names, ca: CAS.stranger, purposes: [EKU.serverAuth] }),
  "self-signed": issueClient({ ...own(), names }),
} as const satisfies Readonly<Record<string, IssuedCertificate>>;

export type ClientKind = keyof typeof CLIENT_KINDS;

/** As an operator writes it: by Node's own reading of the certificate, not by the product's. */
export function pinOf(kind: ClientKind): string {
  const spki = new X509Certificate(CLIENT_KINDS[kind].der).publicKey.export({ type: "spki", format: "der" });
  return `sha256//${createHash("sha256").update(spki).digest("base64")}`;
}

export const isClientKind = (text: string): text is ClientKind => Object.hasOwn(CLIENT_KINDS, text);

/** TLS options that present a certificate. */
export function presenting(kind: ClientKind): ConnectionOptions {
  const { privateKeyPem, bundlePem } = CLIENT_KINDS[kind];
  return { key: privateKeyPem, cert: bundlePem };
}
