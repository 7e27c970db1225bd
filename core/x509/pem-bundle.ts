/** A server certificate uploaded as PEM: key, leaf and chain in any field and order. */

import { createPrivateKey } from "node:crypto";
import { RuleViolation, TooLarge, type Issue } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { isCertificateLabel, isPrivateKeyLabel, kindOf, readPem, type PemBlock } from "./pem.ts";
import { readPrivateKeys } from "./private-key.ts";
import {
  type CheckContext,
  checkedCertificate,
  invalid,
  throwInvalid,
  type UploadedObjects,
} from "./server-certificate.ts";
import type { KeyMaterial, NewCertificate } from "./serving-material.ts";
import { readCertificates, type UploadedCertificate } from "./uploaded-certificate.ts";

/** A server certificate as it is uploaded. */
export interface PemBundle {
  /** The leaf, alone or with its chain and key; or an ECDSA and an RSA leaf, each with its chain. */
  readonly certificatePem: string;
  /** Intermediates, in any order. */
  readonly chainPem?: string | undefined;
  /** One key for each leaf. May be absent when `certificatePem` or `existingKeys` holds it. */
  readonly privateKeyPem?: string | undefined;
  readonly privateKeyPassphrase?: string | undefined;
}

export interface PemBundleContext extends CheckContext {
  /** Keys that the certificate already has, for new material without a key. */
  readonly existingKeys?: readonly Pick<KeyMaterial, "privateKeyPem">[] | undefined;
}

/**
 * Reads and checks a server certificate. No message holds anything of a key or passphrase.
 *
 * @throws InvalidInput with a pointer for each issue: not PEM, the wrong kind of object, a passphrase that is
 *   missing or wrong; and as `checkedCertificate`.
 * @throws RuleViolation for too many certificates; and as `checkedCertificate`.
 * @throws TooLarge when a field is over its cap.
 */
export function parsePemBundle(bundle: PemBundle, context: PemBundleContext): NewCertificate {
  checkSizes(bundle);
  const fields = readFields(bundle);
  throwInvalid(fields.flatMap(kindIssues));
  const certificates = bundleCertificates(fields);
  return checkedCertificate({ certificates, ...bundleKeys(fields, bundle, context) }, context);
}

/** Whether the upload brings a private key. False for a text that cannot be read. */
export const bringsKey = (bundle: PemBundle): boolean =>
  bundle.privateKeyPem !== undefined ||
  readPem(bundle.certificatePem, "").blocks.some(({ label }) => isPrivateKeyLabel(label));

const FIELDS = [
  { field: "certificatePem", pointer: "/certificatePem", holds: isCertificateLabel },
  { field: "chainPem", pointer: "/chainPem", holds: isCertificateLabel },
  { field: "privateKeyPem", pointer: "/privateKeyPem", holds: isPrivateKeyLabel },
] as const;
const KEY_POINTER = "/privateKeyPem";
const PASSPHRASE_POINTER = "/privateKeyPassphrase";

function checkSizes(bundle: PemBundle): void {
  const max = CAPS.certificatePemBytes;
  const texts = [
    ...FIELDS.map(({ field, pointer }) => ({ text: bundle[field], pointer })),
    { text: bundle.privateKeyPassphrase, pointer: PASSPHRASE_POINTER },
  ];
  const issues = texts
    .filter(({ text = "" }) => Buffer.byteLength(text) > max)
    .map(({ pointer }): Issue => ({ pointer, code: "too-large", message: `is over ${String(max)} bytes` }));
  if (issues.length > 0) throw new TooLarge("the certificate is too large", issues);
}

interface ReadField {
  readonly pointer: string;
  /** Whether a block is of the kind that the field is for. */
  readonly holds: (label: string) => boolean;
  /** Without parameters, which some tools write in front of a key. */
  readonly blocks: readonly PemBlock[];
}

function readFields(bundle: PemBundle): readonly ReadField[] {
  const fields = FIELDS.flatMap(({ field, pointer, holds }) => {
    const text = bundle[field];
    return text === undefined ? [] : [{ pointer, holds, ...readPem(text, pointer) }];
  });
  throwInvalid(fields.flatMap(({ issues }) => issues));
  return fields.map(({ blocks, ...field }) => ({
    ...field,
    blocks: blocks.filter(({ label }) => !label.endsWith(" PARAMETERS")),
  }));
}

function kindIssues({ pointer, holds, blocks }: ReadField): readonly Issue[] {
  const stranger = blocks.find(({ label }) => !isCertificateLabel(label) && !isPrivateKeyLabel(label));
  const wanted = holds === isPrivateKeyLabel ? "a private key" : "a certificate";
  if (stranger !== undefined) {
    const message = `holds ${kindOf(stranger.label)}; only certificates and private keys belong here`;
    return [{ pointer, code: "wrong-kind", message }];
  }
  if (blocks.some(({ label }) => holds(label))) return [];
  const [first] = blocks;
  const found = first === undefined ? "parameters" : kindOf(first.label);
  return [{ pointer, code: "wrong-kind", message: `holds ${found}; ${wanted} belongs here` }];
}

function bundleCertificates(fields: readonly ReadField[]): readonly UploadedCertificate[] {
  const sorted = fields.map(({ pointer, blocks }) => ({
    pointer,
    blocks: blocks.filter(({ label }) => isCertificateLabel(label)),
  }));
  if (sorted.flatMap(({ blocks }) => blocks).length > CAPS.certificatesInPem) {
    const message = `more than ${String(CAPS.certificatesInPem)} certificates`;
    const pointer = sorted.findLast(({ blocks }) => blocks.length > 0)?.pointer ?? "";
    throw new RuleViolation([{ pointer, code: "too-many-certificates", message }]);
  }
  const read = sorted.map(({ blocks, pointer }) => readCertificates(blocks, pointer));
  throwInvalid(read.flatMap(({ issues }) => issues));
  return read.flatMap(({ certificates }) => certificates);
}

function bundleKeys(
  fields: readonly ReadField[],
  bundle: PemBundle,
  context: PemBundleContext,
): Pick<UploadedObjects, "keys" | "keyPointer"> {
  const placed = fields.flatMap(({ pointer, blocks }) =>
    blocks.filter(({ label }) => isPrivateKeyLabel(label)).map((block) => ({ block, pointer })),
  );
  const [first] = placed;
  if (first !== undefined) {
    const { keys, issues } = readPrivateKeys(placed, {
      passphrase: bundle.privateKeyPassphrase,
      passphrasePointer: PASSPHRASE_POINTER,
    });
    throwInvalid(issues);
    return { keys, keyPointer: bundle.privateKeyPem === undefined ? first.pointer : KEY_POINTER };
  }
  const keys = (context.existingKeys ?? []).map((key) => createPrivateKey(key.privateKeyPem));
  if (keys.length > 0) return { keys, keyPointer: null };
  const message = "the private key is needed, here or in /certificatePem";
  throw invalid([{ pointer: KEY_POINTER, code: "required", message }]);
}
