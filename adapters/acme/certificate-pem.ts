import { X509Certificate } from "node:crypto";
import { readPem } from "../../core/x509/pem.ts";

/** A text that is certificates in PEM and nothing else, as OpenSSL reads it; null when it is not. */
export function certificatesOf(text: string): string | null {
  const { blocks, issues } = readPem(text, "");
  if (issues.length > 0 || !blocks.every(({ label, der }) => label === "CERTIFICATE" && isLoadable(der)))
    return null;
  return blocks.map((block) => block.text).join("");
}

function isLoadable(der: Uint8Array | null): boolean {
  try {
    return der !== null && new X509Certificate(der).raw.length === der.length;
  } catch {
    return false;
  }
}
