import { timestamp } from "../clock.ts";
import type { Issue } from "../errors.ts";
import type { KeyType } from "../record/certificate.ts";
import { keyTypeOf, type KeyProblem } from "./key-type.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

const SERVER_AUTH = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/** What keeps a leaf from serving any host at all, its dates and key apart. */
export function leafIssues(leaf: UploadedCertificate): readonly Issue[] {
  const { pointer, x509, fields } = leaf;
  const issues: Issue[] = [];
  const keyType = leafKeyType(leaf);
  if (typeof keyType !== "string") issues.push({ pointer, ...keyType });
  if (fields.dnsNames.length === 0) {
    const message = "has no dNSName in its subjectAltName; a common name is not looked at";
    issues.push({ pointer, code: "no-names", message });
  }
  // Node shows extended key usages under this name; undefined = no such extension, so every purpose.
  if (x509.keyUsage !== undefined && !x509.keyUsage.some((purpose) => SERVER_AUTH.includes(purpose))) {
    const message = "is not for servers: its extended key usage lacks serverAuth";
    issues.push({ pointer, code: "not-for-servers", message });
  }
  return issues;
}

/** The type of a leaf's public key, or why it cannot be served. */
export function leafKeyType({ x509 }: UploadedCertificate): KeyType | KeyProblem {
  try {
    return keyTypeOf(x509.publicKey);
  } catch {
    return { code: "unsupported-key", message: "its public key is of a kind that OpenSSL does not know" };
  }
}

export function dateIssues(
  { fields, pointer, position }: UploadedCertificate,
  nowMs: number,
): readonly Issue[] {
  const which = `certificate ${String(position)}`;
  if (fields.notAfter <= nowMs) {
    return [{ pointer, code: "expired", message: `${which} expired at ${timestamp(fields.notAfter)}` }];
  }
  if (fields.notBefore <= nowMs) return [];
  const message = `${which} is not valid before ${timestamp(fields.notBefore)}`;
  return [{ pointer, code: "not-yet-valid", message }];
}
