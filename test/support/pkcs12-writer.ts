import { explicit, integer, octetString, oid, sequence } from "./der.ts";

const DATA = "1.2.840.113549.1.7.1";
const BAGS = "1.2.840.113549.1.12.10.1.";

/** SafeBag of a private key in PKCS #8, not encrypted. */
export const keyBag = (pkcs8: Uint8Array): Buffer => sequence(oid(`${BAGS}1`), explicit(0, pkcs8));

export const certificateBag = (der: Uint8Array): Buffer =>
  sequence(
    oid(`${BAGS}3`),
    explicit(0, sequence(oid("1.2.840.113549.1.9.22.1"), explicit(0, octetString(der)))),
  );

/** SafeBag of more SafeContents. */
export const nestedBag = (...bags: readonly Uint8Array[]): Buffer =>
  sequence(oid(`${BAGS}6`), explicit(0, sequence(...bags)));

export interface PfxParts {
  /** SafeBags of one ContentInfo that is not encrypted. */
  readonly bags?: readonly Uint8Array[];
  /** Replaces the ContentInfos. */
  readonly contents?: readonly Uint8Array[];
  readonly macData?: Uint8Array;
  readonly version?: number;
}

/** A PFX (RFC 7292 section 4) without encryption; without MAC unless MacData is given. */
export function pfx({ bags = [], contents, macData, version = 3 }: PfxParts): Buffer {
  const data = (content: Uint8Array): Buffer => sequence(oid(DATA), explicit(0, octetString(content)));
  const safe = data(sequence(...(contents ?? [data(sequence(...bags))])));
  return sequence(integer(version), safe, ...(macData === undefined ? [] : [macData]));
}

const SHA1 = "1.3.14.3.2.26";

/** MacData that verifies with no passphrase. */
export const falseMac = (rounds: number | bigint, digest = SHA1): Buffer =>
  sequence(
    sequence(sequence(oid(digest)), octetString(Buffer.alloc(20))),
    octetString(Buffer.alloc(8)),
    integer(rounds),
  );

/** MacData of PBMAC1 (RFC 9579) with HMAC-SHA-256 that verifies with no passphrase. */
export function falsePbmac1({ rounds = 1, keyBytes = 32 }: { rounds?: number; keyBytes?: number }): Buffer {
  const prf = sequence(oid("1.2.840.113549.2.9"));
  const derivation = sequence(
    oid("1.2.840.113549.1.5.12"),
    sequence(octetString(Buffer.alloc(8)), integer(rounds), integer(keyBytes), prf),
  );
  const algorithm = sequence(oid("1.2.840.113549.1.5.14"), sequence(derivation, prf));
  return sequence(
    sequence(algorithm, octetString(Buffer.alloc(32))),
    octetString(Buffer.alloc(8)),
    integer(1),
  );
}

/** EncryptedData whose content is nothing, by the AlgorithmIdentifier. */
export const encryptedContent = (algorithm: Uint8Array): Buffer =>
  sequence(
    oid("1.2.840.113549.1.7.6"),
    explicit(
      0,
      sequence(
        integer(0),
        sequence(oid(DATA), algorithm, Buffer.concat([Buffer.from([0x80, 16]), Buffer.alloc(16)])),
      ),
    ),
  );

/** AlgorithmIdentifier of PBES2 with PBKDF2 and AES-256. */
export const pbes2 = (rounds: number): Buffer =>
  sequence(
    oid("1.2.840.113549.1.5.13"),
    sequence(
      sequence(oid("1.2.840.113549.1.5.12"), sequence(octetString(Buffer.alloc(8)), integer(rounds))),
      sequence(oid("2.16.840.1.101.3.4.1.42"), octetString(Buffer.alloc(16))),
    ),
  );

/** AlgorithmIdentifier of PKCS #12's own encryption: 1 = RC4 of 128 bits, 3 = 3DES, 6 = RC2 of 40 bits. */
export const pkcs12Pbe = (suffix: number, rounds: number): Buffer =>
  sequence(
    oid(`1.2.840.113549.1.12.1.${String(suffix)}`),
    sequence(octetString(Buffer.alloc(8)), integer(rounds)),
  );
