/** Passwords of PKCS #12 files: keys made of them, decryption, and the MAC (RFC 7292, RFC 8018, RFC 9579). */

import { createDecipheriv, createHmac, hash, pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import rc2 from "node-forge/lib/rc2.js";
import util from "node-forge/lib/util.js";
import { type BerNode, childrenOf, integerOf, octetsOf, oidOf } from "./ber.ts";

/** A passphrase as the two derivations take it. */
export interface Pkcs12Passphrase {
  /** UCS-2 in big-endian order with its end mark; empty = no passphrase at all (RFC 7292 appendix B.1). */
  readonly bmp: Uint8Array;
  readonly utf8: Uint8Array;
}

export const passphraseOf = (text: string): Pkcs12Passphrase => ({
  bmp: Buffer.from(`${text}\0`, "utf16le").swap16(),
  utf8: Buffer.from(text, "utf8"),
});

/** Files without a passphrase: some tools derive from an empty text, others from nothing. */
export const NO_PASSPHRASES: readonly Pkcs12Passphrase[] = [
  passphraseOf(""),
  { bmp: new Uint8Array(), utf8: new Uint8Array() },
];

/** An encryption or MAC of another kind than those below. Caught by the reader. */
export class UnsupportedPkcs12 extends Error {
  override readonly name = "UnsupportedPkcs12";
}

type Decrypt = (passphrase: Pkcs12Passphrase, ciphertext: Uint8Array) => Promise<Uint8Array>;

/** What opens a part of the file. */
export interface Opener<Act> {
  /** Rounds of hashing, known before any is done. */
  readonly rounds: number;
  readonly act: Act;
}

const PKCS12_PBE = "1.2.840.113549.1.12.1.";
const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const PBMAC1 = "1.2.840.113549.1.5.14";

/** Digests by the number of the hash and of its HMAC, with the block size that the derivation pads to. */
const DIGESTS: ReadonlyMap<string, { readonly name: string; readonly block: number; readonly size: number }> =
  new Map(
    (
      [
        ["1.3.14.3.2.26", "1.2.840.113549.2.7", "sha1", 64, 20],
        ["2.16.840.1.101.3.4.2.4", "1.2.840.113549.2.8", "sha224", 64, 28],
        ["2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9", "sha256", 64, 32],
        ["2.16.840.1.101.3.4.2.2", "1.2.840.113549.2.10", "sha384", 128, 48],
        ["2.16.840.1.101.3.4.2.3", "1.2.840.113549.2.11", "sha512", 128, 64],
      ] as const
    ).flatMap(([plain, hmac, name, block, size]) => [
      [plain, { name, block, size }],
      [hmac, { name, block, size }],
    ]),
  );

function digestOf(id: string): { readonly name: string; readonly block: number; readonly size: number } {
  const digest = DIGESTS.get(id);
  if (digest === undefined) throw new UnsupportedPkcs12(`digest ${id}`);
  return digest;
}

/** Ciphers of PKCS #12 itself, by the last number of their identifier. RC4 is in no library used here. */
const PBE_CIPHERS: ReadonlyMap<string, { readonly keyBytes: number; readonly cipher: "3des" | "rc2" }> =
  new Map([
    ["3", { keyBytes: 24, cipher: "3des" }],
    ["4", { keyBytes: 16, cipher: "3des" }],
    ["5", { keyBytes: 16, cipher: "rc2" }],
    ["6", { keyBytes: 5, cipher: "rc2" }],
  ]);

const AES_CIPHERS: ReadonlyMap<string, { readonly name: string; readonly keyBytes: number }> = new Map([
  ["2.16.840.1.101.3.4.1.2", { name: "aes-128-cbc", keyBytes: 16 }],
  ["2.16.840.1.101.3.4.1.22", { name: "aes-192-cbc", keyBytes: 24 }],
  ["2.16.840.1.101.3.4.1.42", { name: "aes-256-cbc", keyBytes: 32 }],
  ["1.2.840.113549.3.7", { name: "des-ede3-cbc", keyBytes: 24 }],
]);

/** Lets other work of the process run: a file may take seconds of hashing. */
export type Pause = () => Promise<void>;

/** Reads an AlgorithmIdentifier of an encryption. @throws UnsupportedPkcs12; as the readers of ber.ts */
export function decryption(algorithm: BerNode | undefined, pause: Pause): Opener<Decrypt> {
  const [id, parameters] = childrenOf(algorithm);
  const name = oidOf(id);
  if (name === PBES2) return pbes2(parameters);
  const suffix = name.startsWith(PKCS12_PBE) ? name.slice(PKCS12_PBE.length) : "";
  const pbe = PBE_CIPHERS.get(suffix);
  if (pbe === undefined) throw new UnsupportedPkcs12(`encryption ${name}`);
  const [salt, iterations] = childrenOf(parameters);
  const derived = { pause, salt: octetsOf(salt), iterations: countOf(iterations), digest: digestOf(SHA1) };
  const blocks = Math.ceil(pbe.keyBytes / derived.digest.size) + 1;
  return {
    rounds: derived.iterations * blocks,
    act: async ({ bmp }, ciphertext) => {
      const key = await derivedBytes(bmp, { ...derived, purpose: 1, bytes: pbe.keyBytes });
      const iv = await derivedBytes(bmp, { ...derived, purpose: 2, bytes: 8 });
      if (pbe.cipher === "rc2") return rc2Decrypted(ciphertext, key, iv);
      // Two-key 3DES uses the first key again as the third.
      const full = pbe.keyBytes === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key;
      return decrypted("des-ede3-cbc", { key: full, iv, ciphertext });
    },
  };
}

const SHA1 = "1.3.14.3.2.26";
const HMAC_SHA1 = "1.2.840.113549.2.7";

function pbes2(parameters: BerNode | undefined): Opener<Decrypt> {
  const [derivation, encryption] = childrenOf(parameters);
  const { salt, iterations, digest } = pbkdf2Parameters(derivation);
  const [id, iv] = childrenOf(encryption);
  const cipher = AES_CIPHERS.get(oidOf(id));
  if (cipher === undefined) throw new UnsupportedPkcs12(`cipher ${oidOf(id)}`);
  const vector = octetsOf(iv);
  return {
    rounds: iterations,
    act: async ({ utf8 }, ciphertext) => {
      const key = await derive(utf8, salt, iterations, cipher.keyBytes, digest.name);
      return decrypted(cipher.name, { key, iv: vector, ciphertext });
    },
  };
}

const derive = promisify(pbkdf2);

function pbkdf2Parameters(derivation: BerNode | undefined) {
  const [id, parameters] = childrenOf(derivation);
  if (oidOf(id) !== PBKDF2) throw new UnsupportedPkcs12(`derivation ${oidOf(id)}`);
  const [salt, iterations, ...rest] = childrenOf(parameters);
  // keyLength INTEGER OPTIONAL, prf AlgorithmIdentifier DEFAULT hmacWithSHA1.
  const prf = rest.map((each) => childrenOf(each, "optional")).find((children) => children.length > 0);
  return {
    salt: octetsOf(salt),
    iterations: countOf(iterations),
    keyBytes: rest[0] !== undefined && childrenOf(rest[0], "optional").length === 0 ? countOf(rest[0]) : null,
    digest: digestOf(prf === undefined ? HMAC_SHA1 : oidOf(prf[0])),
  };
}

/** INTEGER (1..MAX) of rounds and key bytes. @throws TypeError; as `integerOf` */
function countOf(node: BerNode | undefined): number {
  const count = integerOf(node);
  if (count < 1) throw new TypeError("no count");
  return count;
}

/** Of a MAC: the longest HMAC, beyond which OpenSSL takes none either. */
const MAX_MAC_KEY_BYTES = 64;

type Verify = (passphrase: Pkcs12Passphrase, content: Uint8Array) => Promise<boolean>;

/** Reads MacData. @throws UnsupportedPkcs12; as the readers of ber.ts */
export function macVerification(macData: BerNode, pause: Pause): Opener<Verify> {
  const [digestInfo, saltNode, iterationsNode] = childrenOf(macData);
  const [algorithm, expectedNode] = childrenOf(digestInfo);
  const [id, parameters] = childrenOf(algorithm);
  const expected = octetsOf(expectedNode);
  const matches = (key: Uint8Array, digest: string, content: Uint8Array): boolean => {
    const mac = createHmac(digest, key).update(content).digest();
    return mac.length === expected.length && timingSafeEqual(mac, expected);
  };
  if (oidOf(id) === PBMAC1) {
    const [derivation, scheme] = childrenOf(parameters);
    const { salt, iterations, digest, keyBytes } = pbkdf2Parameters(derivation);
    const hmac = digestOf(oidOf(childrenOf(scheme)[0]));
    const bytes = keyBytes ?? hmac.size;
    if (bytes > MAX_MAC_KEY_BYTES) throw new UnsupportedPkcs12(`MAC key of ${String(bytes)} bytes`);
    return {
      rounds: iterations,
      act: async ({ utf8 }, content) =>
        matches(await derive(utf8, salt, iterations, bytes, digest.name), hmac.name, content),
    };
  }
  const digest = digestOf(oidOf(id));
  const iterations = iterationsNode === undefined ? 1 : countOf(iterationsNode);
  const salt = octetsOf(saltNode);
  return {
    rounds: iterations,
    act: async ({ bmp }, content) =>
      matches(
        await derivedBytes(bmp, { salt, iterations, digest, purpose: 3, bytes: digest.size, pause }),
        digest.name,
        content,
      ),
  };
}

/** Rounds between two looks at the event loop: some milliseconds. */
const ROUNDS_AT_ONCE = 2_000;

interface Derivation {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly digest: { readonly name: string; readonly block: number; readonly size: number };
  /** 1 = key, 2 = initial vector, 3 = MAC. */
  readonly purpose: 1 | 2 | 3;
  readonly bytes: number;
  readonly pause: Pause;
}

/** RFC 7292 appendix B.2, which node:crypto does not have. Other requests are served meanwhile. */
async function derivedBytes(password: Uint8Array, derivation: Derivation): Promise<Uint8Array> {
  const { salt, iterations, digest, purpose, bytes, pause } = derivation;
  const { name, block } = digest;
  const input = Buffer.concat([repeated(salt, block), repeated(password, block)]);
  const blocks: Buffer[] = [];
  for (let made = 0; made < bytes; made += digest.size) {
    let value = hash(name, Buffer.concat([Buffer.alloc(block, purpose), input]), "buffer");
    for (let round = 1; round < iterations; round += 1) {
      value = hash(name, value, "buffer");
      if (round % ROUNDS_AT_ONCE === 0) await pause();
    }
    blocks.push(value);
    addToEach(input, repeated(value, block).subarray(0, block), block);
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}

/** As many copies as fill whole blocks; none of nothing. */
function repeated(bytes: Uint8Array, block: number): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0);
  const length = Math.ceil(bytes.length / block) * block;
  return Buffer.alloc(length, bytes);
}

/** Each block of `input` becomes (block + addend + 1) modulo 2^(8 * block). */
function addToEach(input: Buffer, addend: Uint8Array, block: number): void {
  for (let start = 0; start < input.length; start += block) {
    let carry = 1;
    for (let at = block - 1; at >= 0; at -= 1) {
      const sum = (input[start + at] ?? 0) + (addend[at] ?? 0) + carry;
      input[start + at] = sum & 0xff;
      carry = sum >> 8;
    }
  }
}

/** @throws Error of OpenSSL for a wrong key */
function decrypted(
  name: string,
  { key, iv, ciphertext }: { key: Uint8Array; iv: Uint8Array; ciphertext: Uint8Array },
): Uint8Array {
  const decipher = createDecipheriv(name, key, iv);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

function rc2Decrypted(ciphertext: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  const decipher = rc2.createDecryptionCipher(binary(key), key.length * 8);
  decipher.start(binary(iv));
  decipher.update(util.createBuffer(binary(ciphertext)));
  if (!decipher.finish()) throw new TypeError("RC2 padding");
  return Buffer.from(decipher.output.getBytes(), "latin1");
}
