/** What keeps a leaf from serving any host, its dates and private key apart. */

import type { Issue } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { extensionOf, invalidDnsNames } from "./certificate-fields.ts";
import { elementsOf, readDer, readSmallInteger, TAG } from "./der.ts";
import { type KeyProblem, keyTypeOf } from "./key-strength.ts";
import type { KeyType } from "./key-type.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

const SERVER_AUTH = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/** Rules without which no client can use the leaf. */
export function leafIssues(leaf: UploadedCertificate): readonly Issue[] {
  const { pointer, x509, fields } = leaf;
  const issues: Issue[] = [];
  const keyType = leafKeyType(leaf);
  if (typeof keyType !== "string") issues.push({ pointer, ...keyType });
  if (fields.dnsNames.length === 0) issues.push({ pointer, ...withoutNames(leaf) });
  // Node shows extended key usages under this name; undefined = no such extension, so every purpose.
  if (x509.keyUsage !== undefined && !x509.keyUsage.some((purpose) => SERVER_AUTH.includes(purpose))) {
    const message = "is not for servers: its extended key usage lacks serverAuth";
    issues.push({ pointer, code: "not-for-servers", message });
  }
  return issues;
}

/** Why no name is left: it has no dNSName, or none that is a host name. */
function withoutNames({ der }: UploadedCertificate): Pick<Issue, "code" | "message"> {
  const [name] = invalidDnsNames(der);
  if (name !== undefined) return invalidName(name);
  return { code: "no-names", message: "has no dNSName in its subjectAltName; the common name is not used" };
}

const invalidName = (name: string): Pick<Issue, "code" | "message"> => ({
  code: "invalid-name",
  message: `${name} in its subjectAltName is no host name: have it issued with the names of the MX hosts`,
});

/** Rules for imports: a leaf that some clients would reject, or that edges cannot serve as it demands. */
export function importIssues(leaf: UploadedCertificate): readonly Issue[] {
  const issue = (code: IssueCode, message: string): Issue => ({ pointer: leaf.pointer, code, message });
  const issues: Issue[] = [];
  if (leaf.x509.ca)
    issues.push(
      issue(
        "ca-certificate",
        "is a certificate of a CA (basicConstraints CA:TRUE): a server certificate must not be one",
      ),
    );
  const [name] = leaf.fields.dnsNames.length === 0 ? [] : invalidDnsNames(leaf.der);
  if (name !== undefined) issues.push({ pointer: leaf.pointer, ...invalidName(name) });
  if (asksForStapling(leaf.der))
    issues.push(
      issue(
        "must-staple",
        "demands a stapled OCSP response (must-staple, RFC 7633), and edges staple none: have it issued without",
      ),
    );
  return issues;
}

const TLS_FEATURE = "1.3.6.1.5.5.7.1.24";
/** status_request (RFC 6066) and status_request_v2 (RFC 6961), as numbers of TLS extensions. */
const STAPLING = [5, 17];

function asksForStapling(der: Uint8Array): boolean {
  const features = extensionOf(der, TLS_FEATURE);
  if (features === null) return false;
  try {
    return [...elementsOf(readDer(features, TAG.sequence).content)].some((feature) =>
      STAPLING.includes(readSmallInteger(feature)),
    );
  } catch {
    // An extension that cannot be read: clients that know it may reject the certificate as well.
    return true;
  }
}

/** The type of a leaf's public key, or why it cannot be served. */
export function leafKeyType({ x509 }: UploadedCertificate): KeyType | KeyProblem {
  try {
    return keyTypeOf(x509.publicKey);
  } catch {
    return { code: "unsupported-key", message: "its public key is of a kind that OpenSSL does not know" };
  }
}
