/** Slots of a certificate for its keys: one ECDSA and one RSA, served side by side. */

import { readCertificateFields } from "./certificate-fields.ts";
import { type CertificateKey, isEcdsa, type KeyType, slotOf } from "./key-type.ts";
import { readPem } from "./pem.ts";
import type { CertificateMaterial, KeyMaterial } from "./serving-material.ts";

/** What a version is made of. `material` is secret. */
export interface SlotContents {
  readonly keys: readonly CertificateKey[];
  readonly names: readonly string[];
  readonly material: CertificateMaterial;
}

/** `made`, with the slots of `present` that it does not bring. Names: dNSNames that every leaf carries. */
export function withOtherSlots(present: Omit<SlotContents, "names">, made: SlotContents): SlotContents {
  const brought = new Set(made.keys.map(({ keyType }) => slotOf(keyType)));
  const isKept = ({ keyType }: { readonly keyType: KeyType }): boolean => !brought.has(slotOf(keyType));
  const keptMaterial = present.material.keys.filter(isKept);
  if (keptMaterial.length === 0) return made;
  const kept = keptMaterial.map((each) => new Set(namesOfLeaf(each)));
  return {
    keys: ecdsaFirst([...made.keys, ...present.keys.filter(isKept)]),
    names: made.names.filter((name) => kept.every((names) => names.has(name))),
    material: { keys: ecdsaFirst([...made.material.keys, ...keptMaterial]) },
  };
}

const ecdsaFirst = <T extends { readonly keyType: KeyType }>(keys: readonly T[]): readonly T[] =>
  keys.toSorted((a, b) => Number(isEcdsa(b.keyType)) - Number(isEcdsa(a.keyType)));

function namesOfLeaf({ certificateChainPem }: KeyMaterial): readonly string[] {
  const der = readPem(certificateChainPem, "").blocks[0]?.der ?? null;
  return der === null ? [] : readCertificateFields(der, Infinity).dnsNames;
}
