import type { KeyObject } from "node:crypto";
import type { KeyType } from "./certificate.ts";

export interface KeyProblem {
  readonly code: "weak-key" | "unsupported-key";
  readonly message: string;
}

const CURVES: ReadonlyMap<string | undefined, KeyType> = new Map([
  ["prime256v1", "ecdsa-p256"],
  ["secp384r1", "ecdsa-p384"],
]);
const RSA_BITS: ReadonlyMap<number | undefined, KeyType> = new Map([
  [2048, "rsa-2048"],
  [3072, "rsa-3072"],
  [4096, "rsa-4096"],
]);

/** Which of the key types a server certificate may have this one is, or why it is none. */
export function keyTypeOf(key: KeyObject): KeyType | KeyProblem {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") return CURVES.get(namedCurve) ?? unsupported("this elliptic curve");
  if (key.asymmetricKeyType !== "rsa") return unsupported(`${key.asymmetricKeyType ?? "this kind of"} keys`);
  if (modulusLength !== undefined && modulusLength < 2048) {
    return {
      code: "weak-key",
      message: `an RSA key of ${String(modulusLength)} bits is too weak: 2048 at least`,
    };
  }
  return RSA_BITS.get(modulusLength) ?? unsupported(`RSA keys of ${String(modulusLength)} bits`);
}

const unsupported = (what: string): KeyProblem => ({
  code: "unsupported-key",
  message: `${what} cannot be used: take ECDSA P-256 or P-384, or RSA with 2048, 3072 or 4096 bits`,
});

export const isEcdsa = (keyType: KeyType): boolean => keyType.startsWith("ecdsa");
