/** Private keys in PEM, encrypted or not. */

import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type { Issue } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { elementsOf, expectTag, readDer, readOid, readSmallInteger, TAG } from "./der.ts";
import { chainKeyProblem } from "./key-type.ts";
import { isPrivateKeyLabel, kindOf, readPem, type PemBlock } from "./pem.ts";

export interface PrivateKeyInput {
  readonly privateKeyPem: string;
  readonly privateKeyPassphrase?: string | undefined;
}

const KEY_POINTER = "/privateKeyPem";
const PASSPHRASE_POINTER = "/privateKeyPassphrase";

/** OpenSSL reads a passphrase into a buffer of 1024 octets. */
const MAX_PASSPHRASE_BYTES = 1023;
/** An ECDSA and an RSA key. */
const MAX_KEYS = 2;

/** Reads one or two private keys. Issues say what is wrong and never hold anything of key or passphrase. */
export function readPrivateKeys(input: PrivateKeyInput): {
  keys: readonly KeyObject[];
  issues: readonly Issue[];
} {
  const { blocks, issues } = readPem(input.privateKeyPem, KEY_POINTER);
  if (issues.length > 0) return { keys: [], issues };
  // `openssl ecparam -genkey` writes the curve as a separate block in front of the key.
  const relevant = blocks.filter((block) => block.label !== "EC PARAMETERS");
  const stranger = relevant.find((block) => !isPrivateKeyLabel(block.label));
  if (stranger !== undefined) {
    return failed("wrong-kind", `holds ${kindOf(stranger.label)}; only private keys belong here`);
  }
  if (relevant.length === 0) return failed("wrong-kind", "holds no private key");
  if (relevant.length > MAX_KEYS) return failed("too-many-keys", "holds more than one ECDSA and one RSA key");
  const read = relevant.map((block) => checked(readKey(block, input.privateKeyPassphrase)));
  return {
    keys: read.flatMap((result) => ("pointer" in result ? [] : [result])),
    issues: read.flatMap((result) => ("pointer" in result ? [result] : [])),
  };
}

const failed = (
  code: IssueCode,
  message: string,
): { keys: readonly KeyObject[]; issues: readonly Issue[] } => ({
  keys: [],
  issues: [{ pointer: KEY_POINTER, code, message }],
});

function readKey(block: PemBlock, passphrase: string | undefined): KeyObject | Issue {
  if (!isEncrypted(block)) {
    const read = unlock({ key: block.text, format: "pem" });
    return typeof read === "string" ? UNREADABLE_KEY : read;
  }
  if (passphrase !== undefined && Buffer.byteLength(passphrase) > MAX_PASSPHRASE_BYTES)
    return WRONG_PASSPHRASE;
  const rounds = block.der === null ? 1 : derivationRounds(block.der);
  if (rounds === null) return UNSUPPORTED_ENCRYPTION;
  if (rounds > MAX_DERIVATION_ROUNDS) return COSTLY_ENCRYPTION;
  // Tried without a passphrase too: one should not be asked for where none would help.
  const read = unlock({ key: block.text, format: "pem", passphrase: passphrase ?? "none" });
  if (read === "unsupported") return UNSUPPORTED_ENCRYPTION;
  if (passphrase === undefined) return PASSPHRASE_REQUIRED;
  return read === "unreadable" ? WRONG_PASSPHRASE : read;
}

/** A key is kept as it came, so its curve must have a name too. */
function checked(read: KeyObject | Issue): KeyObject | Issue {
  if ("pointer" in read || read.asymmetricKeyType !== "ec") return read;
  const publicKey = createPublicKey(read);
  const problem = chainKeyProblem(publicKey, publicKey.export({ type: "spki", format: "der" }));
  if (problem === null) return read;
  return { pointer: KEY_POINTER, code: problem.code, message: `the private key ${problem.message}` };
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

const UNREADABLE_KEY: Issue = {
  pointer: KEY_POINTER,
  code: "unreadable-key",
  message: "the private key cannot be read: damaged, or of a kind that OpenSSL does not know",
};
const PASSPHRASE_REQUIRED: Issue = {
  pointer: PASSPHRASE_POINTER,
  code: "passphrase-required",
  message: "the private key is encrypted: its passphrase is needed",
};
const WRONG_PASSPHRASE: Issue = {
  pointer: PASSPHRASE_POINTER,
  code: "wrong-passphrase",
  message: "the private key cannot be decrypted with this passphrase",
};
const UNSUPPORTED_ENCRYPTION: Issue = {
  pointer: KEY_POINTER,
  code: "unsupported-encryption",
  message:
    "the encryption of the private key is not supported; convert it with: " +
    "openssl pkey -provider legacy -provider default -in key.pem -aes256 -out new.pem",
};
const COSTLY_ENCRYPTION: Issue = {
  pointer: KEY_POINTER,
  code: "costly-encryption",
  message: "the private key's encryption needs too many rounds: at most 1000000",
};

/**
 * OpenSSL does as many rounds as the file asks for, and Node does them on the only thread: 2^31 would stop
 * the process for an hour. A million take half a second; `openssl` itself writes 2048.
 */
const MAX_DERIVATION_ROUNDS = 1_000_000;
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
