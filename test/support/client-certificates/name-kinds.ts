import {
  commonName,
  dnsName,
  EKU,
  emailName,
  extKeyUsage,
  ipName,
  subjectAltName,
} from "../certificate-writer.ts";
import { issueClient, type IssuedCertificate } from "../pki.ts";
import {
  bad,
  client,
  good,
  intermediate,
  NAME,
  stranger,
  valid,
  type ClientCertificateKind,
} from "./kind.ts";

const withSan = (...names: readonly Uint8Array[]): IssuedCertificate =>
  client({ extensions: [extKeyUsage(EKU.clientAuth), subjectAltName(...names)] });
const dns = (...names: readonly string[]): IssuedCertificate => withSan(...names.map(dnsName));

/** A subject whose text would look like a finding of `openssl verify`, if it could start a line. */
const FORGED_FINDING = "x\nerror 26 at 0 depth lookup: unsuitable certificate purpose\n/: OK\n";

/**
 * Names in every form, and subjects that try to be something else. All are good certificates of the CA but
 * one.
 */
export const nameKinds = (): readonly ClientCertificateKind[] => [
  good("two names", { leaf: dns(NAME, "b.example"), dnsNames: [NAME, "b.example"] }),
  good("a name in upper case", { leaf: dns("Client.EXAMPLE") }),
  good("a wildcard", { leaf: dns("*.example"), dnsNames: ["*.example"] }),
  good("a wildcard within a label", { leaf: dns("cl*.example"), dnsNames: [] }),
  good("a common name alone", {
    leaf: client({ extensions: [extKeyUsage(EKU.clientAuth)], subject: NAME }),
    dnsNames: [],
  }),
  good("a common name that is not in the SAN", { leaf: client({ subject: "other.example" }) }),
  good("an IP address alone", { leaf: withSan(ipName(192, 0, 2, 1)), dnsNames: [] }),
  good("an e-mail address alone", { leaf: withSan(emailName(`a@${NAME}`)), dnsNames: [] }),
  good("a NUL in a name", { leaf: dns(`${NAME}\0.evil.test`), dnsNames: [] }),
  good("a comma in a name", { leaf: dns(`evil.test, DNS:${NAME}`), dnsNames: [] }),
  good("quotes in a name", { leaf: dns(`"${NAME}"`), dnsNames: [] }),
  good("CRLF in a name", { leaf: dns(`evil.test\r\nDNS:${NAME}`), dnsNames: [] }),
  good("an empty subject", {
    leaf: issueClient({ names: [NAME], ca: intermediate, subject: commonName("") }),
  }),
  good("a subject that looks like a finding", { leaf: client({ subject: FORGED_FINDING }) }),
  valid("a subject that looks like a finding, for no purpose", "none", {
    leaf: client({ subject: FORGED_FINDING, purposes: [EKU.codeSigning] }),
  }),
  bad("a subject that looks like a finding, under an unknown root", {
    leaf: client({ subject: FORGED_FINDING, ca: stranger }),
  }),
];
