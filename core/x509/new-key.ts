/** New private keys. */

import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { spkiPinOf } from "./certificate-fields.ts";
import type { KeyType } from "./key-type.ts";

/** A private key that no certificate belongs to yet. Secret. */
export interface NewPrivateKey {
  readonly keyType: KeyType;
  /** PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
  readonly spkiPin: string;
}

const generate = promisify(generateKeyPair);

/** Makes a key outside the event loop: RSA-4096 takes seconds. */
export async function createPrivateKeyOf(keyType: KeyType): Promise<NewPrivateKey> {
  const { privateKey, publicKey } = await keyPairOf(keyType);
  return {
    keyType,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    spkiPin: spkiPinOf(publicKey.export({ type: "spki", format: "der" })),
  };
}

function keyPairOf(keyType: KeyType): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  switch (keyType) {
    case "ecdsa-p256":
      return generate("ec", { namedCurve: "P-256" });
    case "ecdsa-p384":
      return generate("ec", { namedCurve: "P-384" });
    case "rsa-2048":
      return generate("rsa", { modulusLength: 2048 });
    case "rsa-3072":
      return generate("rsa", { modulusLength: 3072 });
    case "rsa-4096":
      return generate("rsa", { modulusLength: 4096 });
    default:
      return keyType satisfies never;
  }
}
