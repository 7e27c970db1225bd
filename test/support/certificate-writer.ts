import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";

/** Kinds of test keys: also those that Postern refuses. */
export type TestKeyType =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "ecdsa-p521"
  | "rsa-1024"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096"
  | "ed25519";

export interface TestKeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const CURVES: Readonly<Record<string, string>> = {
  "ecdsa-p256": "P-256",
  "ecdsa-p384": "P-384",
  "ecdsa-p521": "P-521",
};

/** A new key pair. ECDSA takes 0.1 ms; RSA 50 to 500 ms, so see `sharedKey`. */
export function newKey(type: TestKeyType): TestKeyPair {
  const curve = CURVES[type];
  if (curve !== undefined) return generateKeyPairSync("ec", { namedCurve: curve });
  if (type === "ed25519") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("rsa", { modulusLength: Number(type.slice("rsa-".length)) });
}

const shared = new Map<string, TestKeyPair>();

/** One key pair of a kind for each test process: made once, for leaves whose key does not matter. */
export function sharedKey(type: TestKeyType): TestKeyPair {
  const key = shared.get(type) ?? newKey(type);
  shared.set(type, key);
  return key;
}

export const EKU = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  any: "2.5.29.37.0",
} as const;

/** Bits of KeyUsage by number (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE = {
  digitalSignature: 0,
  keyEncipherment: 2,
  keyAgreement: 4,
  keyCertSign: 5,
  crlSign: 6,
} as const;

export const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));

export const basicConstraints = (ca: boolean, pathLength?: number): Buffer =>
  extension(
    "2.5.29.19",
    true,
    sequence(...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])),
  );

export function keyUsage(...bits: readonly number[]): Buffer {
  const highest = Math.max(...bits);
  const value = bits.reduce((octet, bit) => octet | (0x80 >> bit), 0);
  return extension("2.5.29.15", true, bitString(Buffer.from([value]), 7 - highest));
}

export const extKeyUsage = (...purposes: readonly string[]): Buffer =>
  extension("2.5.29.37", false, sequence(...purposes.map(oid)));

/** SAN from ready GeneralNames: see `dnsName`. */
export const subjectAltName = (...generalNames: readonly Uint8Array[]): Buffer =>
  extension("2.5.29.17", false, sequence(...generalNames));

/** dNSName byte for byte: NUL, CRLF and quotes go in as they are. */
export const dnsName = (text: string): Buffer => implicit(2, Buffer.from(text, "latin1"));
export const emailName = (text: string): Buffer => implicit(1, Buffer.from(text, "latin1"));
export const ipName = (...octets: readonly number[]): Buffer => implicit(7, Buffer.from(octets));

/** A distinguished name with a common name alone; empty text = an empty name. */
export const commonName = (text: string): Buffer =>
  text === "" ? sequence() : sequence(set(sequence(oid("2.5.4.3"), utf8String(text))));

export type SignatureHash = "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512";

const RSA_SIGNATURE: Readonly<Record<SignatureHash, string>> = {
  md5: "1.2.840.113549.1.1.4",
  sha1: "1.2.840.113549.1.1.5",
  sha224: "1.2.840.113549.1.1.14",
  sha256: "1.2.840.113549.1.1.11",
  sha384: "1.2.840.113549.1.1.12",
  sha512: "1.2.840.113549.1.1.13",
};
const ECDSA_SIGNATURE: Readonly<Record<Exclude<SignatureHash, "md5">, string>> = {
  sha1: "1.2.840.10045.4.1",
  sha224: "1.2.840.10045.4.3.1",
  sha256: "1.2.840.10045.4.3.2",
  sha384: "1.2.840.10045.4.3.3",
  sha512: "1.2.840.10045.4.3.4",
};

/** Algorithms with a hash of their own (RFC 8410). */
const OWN_HASH: Readonly<Record<string, string>> = { ed25519: "1.3.101.112", ed448: "1.3.101.113" };
/** By FIPS 186, which knows no MD5. */
const DSA_SIGNATURE: Readonly<Record<Exclude<SignatureHash, "md5">, string>> = {
  sha1: "1.2.840.10040.4.3",
  sha224: "2.16.840.1.101.3.4.3.1",
  sha256: "2.16.840.1.101.3.4.3.2",
  sha384: "2.16.840.1.101.3.4.3.3",
  sha512: "2.16.840.1.101.3.4.3.4",
};
const PSS_HASH: Readonly<
  Record<Exclude<SignatureHash, "md5">, { readonly id: string; readonly octets: number }>
> = {
  sha1: { id: "1.3.14.3.2.26", octets: 20 },
  sha224: { id: "2.16.840.1.101.3.4.2.4", octets: 28 },
  sha256: { id: "2.16.840.1.101.3.4.2.1", octets: 32 },
  sha384: { id: "2.16.840.1.101.3.4.2.2", octets: 48 },
  sha512: { id: "2.16.840.1.101.3.4.2.3", octets: 64 },
};

/** RSASSA-PSS with one hash and a salt of its length (RFC 4055 section 3.1). */
function pssAlgorithm(hash: Exclude<SignatureHash, "md5">): Buffer {
  const { id, octets } = PSS_HASH[hash];
  const digest = sequence(oid(id), nullValue());
  const mask = sequence(oid("1.2.840.113549.1.1.8"), digest);
  const parameters = sequence(explicit(0, digest), explicit(1, mask), explicit(2, integer(octets)));
  return sequence(oid("1.2.840.113549.1.1.10"), parameters);
}

export function signatureAlgorithm(key: KeyObject, hash: SignatureHash): Buffer {
  const own = OWN_HASH[key.asymmetricKeyType ?? ""];
  if (own !== undefined) return sequence(oid(own));
  if (key.asymmetricKeyType === "rsa") return sequence(oid(RSA_SIGNATURE[hash]), nullValue());
  if (hash === "md5") throw new Error("only RSA signs with MD5");
  if (key.asymmetricKeyType === "rsa-pss") return pssAlgorithm(hash);
  if (key.asymmetricKeyType === "dsa") return sequence(oid(DSA_SIGNATURE[hash]));
  return sequence(oid(ECDSA_SIGNATURE[hash]));
}

/** SIGNED{…} of RFC 5280: the part to be signed, the algorithm, the signature. */
export function signed(toBeSigned: Buffer, key: KeyObject, hash: SignatureHash): Buffer {
  const saltLength = key.asymmetricKeyType === "rsa-pss" ? constants.RSA_PSS_SALTLEN_DIGEST : undefined;
  const isOwn = Object.hasOwn(OWN_HASH, key.asymmetricKeyType ?? "");
  const signature = sign(isOwn ? null : hash, toBeSigned, {
    key,
    ...(saltLength !== undefined && { saltLength }),
  });
  return sequence(toBeSigned, signatureAlgorithm(key, hash), bitString(signature));
}

/** Everything in a certificate. Defaults: valid from an hour ago for 90 days, signed with SHA-256. */
export interface CertificateSpec {
  /** A common name, or a whole Name in DER. */
  readonly subject: string | Uint8Array;
  readonly publicKey: KeyObject;
  readonly extensions?: readonly Uint8Array[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly serial?: bigint;
  readonly hash?: SignatureHash;
  /**
   * False = no subject and no authority key identifier, as `openssl x509 -req` without an extension file
   * makes it.
   */
  readonly keyIdentifiers?: boolean;
  /** 1 = no version field and no extensions. */
  readonly version?: 1 | 3;
}

/** Who signs: a subject and its key; for a self-signed certificate the same as in the certificate. */
export interface Signer {
  readonly subject: string | Uint8Array;
  readonly privateKey: KeyObject;
}

const HOUR_MS = 3_600_000;
export const hoursFromNow = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);
/**
 * One period for every certificate of a test process: made apart, a leaf of the next second would outlive its
 * CA.
 */
const DEFAULT_PERIOD = { notBefore: hoursFromNow(-1), notAfter: hoursFromNow(90 * 24) } as const;

export const nameOf = (subject: string | Uint8Array): Uint8Array =>
  typeof subject === "string" ? commonName(subject) : subject;
const randomSerial = (): bigint => BigInt(`0x7f${randomBytes(15).toString("hex")}`);

/** @returns the certificate in DER. */
export function signCertificate(spec: CertificateSpec, signer: Signer): Buffer {
  const hash = spec.hash ?? "sha256";
  const v3 = spec.version !== 1;
  const toBeSigned = sequence(
    ...(v3 ? [explicit(0, integer(2))] : []),
    integer(spec.serial ?? randomSerial()),
    signatureAlgorithm(signer.privateKey, hash),
    nameOf(signer.subject),
    sequence(
      time(spec.notBefore ?? DEFAULT_PERIOD.notBefore),
      time(spec.notAfter ?? DEFAULT_PERIOD.notAfter),
    ),
    nameOf(spec.subject),
    spec.publicKey.export({ type: "spki", format: "der" }),
    ...(v3 ? [explicit(3, sequence(...extensionsOf(spec, signer)))] : []),
  );
  return signed(toBeSigned, signer.privateKey, hash);
}

function extensionsOf(spec: CertificateSpec, signer: Signer): readonly Uint8Array[] {
  if (spec.keyIdentifiers === false) return spec.extensions ?? [];
  const issuer = implicit(0, keyIdentifier(createPublicKey(signer.privateKey)));
  return [
    extension("2.5.29.14", false, octetString(keyIdentifier(spec.publicKey))),
    extension("2.5.29.35", false, sequence(issuer)),
    ...(spec.extensions ?? []),
  ];
}

const keyIdentifier = (key: KeyObject): Buffer =>
  createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
