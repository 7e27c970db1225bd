import { issueServer, type TestCa } from "./pki.ts";
import type { KeyKind } from "./handshake-load.ts";
import { X509Certificate } from "node:crypto";

/** Material of both key slots, as an upload takes it. */
export interface TwoKeyMaterial {
  readonly upload: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** SHA-256 of each leaf, lower-case hex. */
  readonly fingerprints: Readonly<Record<KeyKind, string>>;
}

/** With new keys. */
export function twoKeyMaterial(names: readonly string[], ca: TestCa): TwoKeyMaterial {
  const [ecdsa, rsa] = [
    issueServer({ names: [...names], ca }),
    issueServer({ names: [...names], ca, keyType: "rsa-2048" }),
  ];
  const fingerprint = (der: Buffer): string =>
    new X509Certificate(der).fingerprint256.replaceAll(":", "").toLowerCase();
  return {
    upload: {
      certificatePem: ecdsa.bundlePem + rsa.bundlePem,
      privateKeyPem: ecdsa.privateKeyPem + rsa.privateKeyPem,
    },
    fingerprints: { ecdsa: fingerprint(ecdsa.der), rsa: fingerprint(rsa.der) },
  };
}
