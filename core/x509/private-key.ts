/** Private keys in PEM, encrypted or not. */

import { createPrivateKey, createPublicKey, KeyObject } from "node:crypto";
import type { Issue } from "../errors.ts";
import { elementsOf, expectTag, readDer, readOid, readSmallInteger, TAG } from "./der.ts";
import { chainKeyProblem } from "./key-strength.ts";
import type { PemBlock } from "./pem.ts";

/** A block of PEM whose label says that it is a private key, and the field that it came in. */
export interface PlacedKey {
  readonly block: PemBlock;
  readonly pointer: string;
}

interface Passphrase {
  readonly passphrase: string | undefined;
  readonly passphrasePointer: string;
}

/** OpenSSL reads a passphrase into a buffer of 1024 octets. */
const MAX_PASSPHRASE_BYTES = 1023;
/** An ECDSA and an RSA key. */
const MAX_KEYS = 2;
/** Each key in two forms. */
const MAX_BLOCKS = 2 * MAX_KEYS;

interface ReadKeys {
  /** Each once. */
  readonly keys: readonly KeyObject[];
  readonly issues: readonly Issue[];
}

/**
 * Reads one or two private keys, of which there may be copies. Issues say what is wrong and never hold
 * anything of key or passphrase.
 */
export function readPrivateKeys(placed: readonly PlacedKey[], unlocking: Passphrase): ReadKeys {
  const distinct = [
    ...new Map(placed.toReversed().map((key) => [key.block.text, key])).values(),
  ].toReversed();
  const surplus = distinct[MAX_BLOCKS];
  if (surplus !== undefined) return { keys: [], issues: [tooManyKeys(surplus.pointer)] };
  const costly = distinct.find((_, at) => roundsOf(distinct.slice(0, at + 1)) > MAX_DERIVATION_ROUNDS);
  if (costly !== undefined) return { keys: [], issues: [{ pointer: costly.pointer, ...COSTLY_ENCRYPTION }] };
  const read = distinct.map((key) => {
    const result = readKey(key.block, unlocking);
    return isKey(result) ? checkedKey(result, key.pointer) : { pointer: key.pointer, ...result };
  });
  const keys = read.filter(isKey);
  const once = keys.filter((key, at) => !keys.slice(0, at).some((before) => before.equals(key)));
  if (once.length > MAX_KEYS) return { keys: [], issues: [tooManyKeys(distinct.at(-1)?.pointer ?? "")] };
  return { keys: once, issues: read.flatMap((each) => (isKey(each) ? [] : [each])) };
}

const isKey = (read: KeyObject | object): read is KeyObject => read instanceof KeyObject;

const tooManyKeys = (pointer: string): Issue => ({
  pointer,
  code: "too-many-keys",
  message: "holds more than one ECDSA and one RSA key",
});

/** An issue at the block, unless it names another pointer. */
type KeyIssue = Omit<Issue, "pointer"> & { readonly pointer?: string };

function readKey(block: PemBlock, { passphrase, passphrasePointer }: Passphrase): KeyObject | KeyIssue {
  if (block.label === "OPENSSH PRIVATE KEY") return OPENSSH_KEY;
  if (!isEncrypted(block)) {
    const read = unlock({ key: block.text, format: "pem" });
    return typeof read === "string" ? UNREADABLE_KEY : read;
  }
  if (passphrase !== undefined && Buffer.byteLength(passphrase) > MAX_PASSPHRASE_BYTES)
    return { ...WRONG_PASSPHRASE, pointer: passphrasePointer };
  if (block.der !== null && derivationRounds(block.der) === null) return UNSUPPORTED_ENCRYPTION;
  // Tried without a passphrase too: one should not be asked for where none would help.
  const read = unlock({ key: block.text, format: "pem", passphrase: passphrase ?? "none" });
  if (read === "unsupported") return UNSUPPORTED_ENCRYPTION;
  if (passphrase === undefined) return { ...PASSPHRASE_REQUIRED, pointer: passphrasePointer };
  return read === "unreadable" ? { ...WRONG_PASSPHRASE, pointer: passphrasePointer } : read;
}

/** A key is kept as it came, so its curve must have a name too. */
export function checkedKey(read: KeyObject, pointer: string): KeyObject | Issue {
  if (read.asymmetricKeyType !== "ec") return read;
  const publicKey = createPublicKey(read);
  const problem = chainKeyProblem(publicKey, publicKey.export({ type: "spki", format: "der" }));
  if (problem === null) return read;
  return { pointer, code: problem.code, message: `the private key ${problem.message}` };
}

const isEncrypted = (block: PemBlock): boolean =>
  block.label === "ENCRYPTED PRIVATE KEY" || block.der === null;

/**
 * Codes of OpenSSL for an encryption that it refuses to try: an algorithm that it does not know or has
 * retired to its legacy provider (EVP), a header that it does not understand (PEM). A wrong passphrase ends
 * in `BAD_DECRYPT` or in an error of the parser (measured with OpenSSL 3.5 on 40 kinds of encryption).
 */
const REFUSED_ENCRYPTION = /^ERR_OSSL_(?:EVP|PEM)_/;

function unlock(input: Parameters<typeof createPrivateKey>[0]): KeyObject | "unreadable" | "unsupported" {
  try {
    return createPrivateKey(input);
  } catch (error) {
    // OpenSSL's reason is dropped: it tells a guesser more than the caller needs.
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return REFUSED_ENCRYPTION.test(code) ? "unsupported" : "unreadable";
  }
}

const UNREADABLE_KEY: Omit<Issue, "pointer"> = {
  code: "unreadable-key",
  message: "the private key cannot be read: damaged, or of a kind that OpenSSL does not know",
};
const OPENSSH_KEY: Omit<Issue, "pointer"> = {
  code: "unreadable-key",
  message: "the private key is in the form of OpenSSH; convert it with: ssh-keygen -p -m PKCS8 -f key.pem",
};
const PASSPHRASE_REQUIRED: Omit<Issue, "pointer"> = {
  code: "passphrase-required",
  message: "the private key is encrypted: its passphrase is needed",
};
const WRONG_PASSPHRASE: Omit<Issue, "pointer"> = {
  code: "wrong-passphrase",
  message: "the private key cannot be decrypted with this passphrase",
};
const UNSUPPORTED_ENCRYPTION: Omit<Issue, "pointer"> = {
  code: "unsupported-encryption",
  message:
    "the encryption of the private key is not supported; convert it with: " +
    "openssl pkey -provider legacy -provider default -in key.pem -aes256 -out new.pem",
};
const COSTLY_ENCRYPTION: Omit<Issue, "pointer"> = {
  code: "costly-encryption",
  message:
    "the encryption of the private keys needs too many rounds: at most 1000000 in all; write the key again with: " +
    "openssl pkey -in key.pem -aes256 -out new.pem",
};

/**
 * OpenSSL does as many rounds as the file asks for, and Node does them on the only thread: 2^31 would stop
 * the process for an hour. A million take half a second; `openssl` itself writes 2048.
 */
const MAX_DERIVATION_ROUNDS = 1_000_000;
const roundsOf = (keys: readonly PlacedKey[]): number =>
  keys.reduce(
    (sum, { block }) =>
      sum + (block.der === null || !isEncrypted(block) ? 0 : (derivationRounds(block.der) ?? 0)),
    0,
  );

const PBES2 = "1.2.840.113549.1.5.13";
const SCRYPT = "1.3.6.1.4.1.11591.4.11";

/**
 * Rounds of the key derivation of an EncryptedPrivateKeyInfo (RFC 5958, RFC 8018, RFC 7914); null = in none
 * of these forms.
 */
function derivationRounds(der: Uint8Array): number | null {
  try {
    const [encryption] = elementsOf(readDer(der, TAG.sequence).content);
    const outer = algorithmOf(encryption?.raw);
    if (outer.id !== PBES2) return readSmallInteger(outer.parameters[1]);
    const derivation = algorithmOf(outer.parameters[0]?.raw);
    const [, rounds, blockSize, parallel] = derivation.parameters;
    if (derivation.id !== SCRYPT) return readSmallInteger(rounds);
    return readSmallInteger(rounds) * readSmallInteger(blockSize) * readSmallInteger(parallel);
  } catch {
    return null;
  }
}

function algorithmOf(raw: Uint8Array | undefined): {
  id: string;
  parameters: readonly ReturnType<typeof readDer>[];
} {
  const [id, parameters] = elementsOf(readDer(raw ?? new Uint8Array(), TAG.sequence).content);
  return { id: readOid(id), parameters: [...elementsOf(expectTag(parameters, TAG.sequence).content)] };
}
