import {
  basicConstraints,
  dnsName,
  EKU,
  extKeyUsage,
  KEY_USAGE,
  keyUsage,
  subjectAltName,
} from "../certificate-writer.ts";
import { makeCa, type IssuedCertificate, type TestCa } from "../pki.ts";
import { bad, client, good, NAME, root, stranger, valid, type ClientCertificateKind } from "./kind.ts";

const both = [EKU.clientAuth, EKU.serverAuth];
const caFor = (...purposes: readonly string[]): TestCa =>
  makeCa({
    parent: root,
    extensions: [basicConstraints(true), keyUsage(KEY_USAGE.keyCertSign), extKeyUsage(...purposes)],
  });
const leafFor = (...bits: readonly number[]): IssuedCertificate =>
  client({ extensions: [keyUsage(...bits), subjectAltName(dnsName(NAME))] });
const expired = { notBefore: new Date("2020-01-01T00:00:00Z"), notAfter: new Date("2021-01-01T00:00:00Z") };

function alongWith(ca: TestCa): { leaf: IssuedCertificate; chain: readonly Buffer[] } {
  const leaf = client({ ca, purposes: [EKU.serverAuth] });
  return { leaf, chain: [leaf.der, ca.der] };
}

/** Extended key usage and key usage, on the leaf and above it. */
export const purposeKinds = (): readonly ClientCertificateKind[] => [
  good("clientAuth", { leaf: client() }),
  good("clientAuth and serverAuth", { leaf: client({ purposes: both }) }),
  good("no extended key usage", { leaf: client({ purposes: null }) }),
  valid("serverAuth alone", "serverAuth", { leaf: client({ purposes: [EKU.serverAuth] }) }),
  // OpenSSL takes anyExtendedKeyUsage for no purpose of TLS.
  valid("any extended key usage", "none", { leaf: client({ purposes: [EKU.any] }) }),
  valid("codeSigning alone", "none", { leaf: client({ purposes: [EKU.codeSigning] }) }),
  good("an intermediate for both purposes", { leaf: client({ ca: caFor(...both) }) }),
  good("an intermediate for clients", { leaf: client({ ca: caFor(EKU.clientAuth), purposes: both }) }),
  valid("an intermediate for servers", "serverAuth", {
    leaf: client({ ca: caFor(EKU.serverAuth), purposes: both }),
  }),
  valid("an intermediate for servers above a leaf for clients", "none", {
    leaf: client({ ca: caFor(EKU.serverAuth) }),
  }),
  valid("an intermediate for code signing", "none", {
    leaf: client({ ca: caFor(EKU.codeSigning), purposes: both }),
  }),
  bad("serverAuth under an unknown root", { leaf: client({ ca: stranger, purposes: [EKU.serverAuth] }) }),
  bad("serverAuth under an unknown root that is sent along", alongWith(stranger)),
  bad("serverAuth in an expired leaf", { leaf: client({ purposes: [EKU.serverAuth], ...expired }) }),
  good("key usage for signatures", { leaf: leafFor(KEY_USAGE.digitalSignature) }),
  good("key usage for key agreement", { leaf: leafFor(KEY_USAGE.keyAgreement) }),
  valid("key usage for key encipherment alone", "serverAuth", { leaf: leafFor(KEY_USAGE.keyEncipherment) }),
  valid("key usage for CRLs alone", "none", { leaf: leafFor(KEY_USAGE.crlSign) }),
  good("a leaf that is a CA", {
    leaf: client({ extensions: [basicConstraints(true), subjectAltName(dnsName(NAME))] }),
  }),
];
