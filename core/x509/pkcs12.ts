/** A server certificate uploaded as PKCS #12 (RFC 7292): what OpenSSL, Java, Windows and macOS write. */

import { createPrivateKey, type KeyObject } from "node:crypto";
import { InvalidInput, type Issue, RuleViolation, TooLarge } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { CAPS } from "../limits.ts";
import { type BerNode, childrenOf, encodedBytes, integerOf, octetsOf, oidOf, readBer } from "./ber.ts";
import {
  decryption,
  macVerification,
  NO_PASSPHRASES,
  passphraseOf,
  type Pause,
  type Pkcs12Passphrase,
  UnsupportedPkcs12,
} from "./pkcs12-encryption.ts";
import type { PemBlock } from "./pem.ts";
import { checkedKey } from "./private-key.ts";
import { type CheckContext, checkedCertificate, throwInvalid } from "./server-certificate.ts";
import type { NewCertificate } from "./serving-material.ts";
import { readCertificates } from "./uploaded-certificate.ts";

const POINTER = "/pkcs12";
const PASSPHRASE_POINTER = "/passphrase";

const DATA = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
const X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
const BAG = {
  key: "1.2.840.113549.1.12.10.1.1",
  shroudedKey: "1.2.840.113549.1.12.10.1.2",
  certificate: "1.2.840.113549.1.12.10.1.3",
  safeContents: "1.2.840.113549.1.12.10.1.6",
} as const;

/** A server certificate as it is uploaded. */
export interface Pkcs12Upload {
  /** Base64 of the file. */
  readonly pkcs12: string;
  /** Absent or empty = the file has none. */
  readonly passphrase?: string | undefined;
}

/** `parsePkcs12` as a function that is handed over: its libraries are loaded only where one is read. */
export type ReadPkcs12 = (upload: Pkcs12Upload, context: CheckContext) => Promise<NewCertificate>;

/** Bags and nested contents in one file: a key and ten certificates need 11. */
const MAX_BAGS = 100;
const MAX_DEPTH = 4;
/** An ECDSA and an RSA key. */
const MAX_KEYS = 2;
/** Of hashing, in the whole file: OpenSSL writes some 10,000, Java up to 400,000. */
const MAX_ROUNDS = 1_000_000;

/**
 * Reads and checks a server certificate in PKCS #12. No message holds anything of a key or passphrase.
 *
 * @throws InvalidInput with a pointer for each issue: not PKCS #12, a passphrase that is missing or wrong, an
 *   encryption that is not supported; and as `checkedCertificate`.
 * @throws RuleViolation for too many certificates; and as `checkedCertificate`.
 * @throws TooLarge when it is over its cap.
 */
export async function parsePkcs12(
  upload: Pkcs12Upload,
  context: CheckContext & { readonly pause: Pause },
): Promise<NewCertificate> {
  const bytes = decodedBytes(upload.pkcs12);
  const { certificates: found, keys } = await objectsIn(bytes, upload.passphrase, context.pause);
  if (keys.length === 0) throw refused("required", "holds no private key: export it with the key");
  if (found.length === 0) throw refused("required", "holds no certificate");
  if (keys.length > MAX_KEYS) throw refused("too-many-keys", "holds more than one ECDSA and one RSA key");
  if (found.length > CAPS.certificatesInPem) {
    const message = `more than ${String(CAPS.certificatesInPem)} certificates`;
    throw new RuleViolation([{ pointer: POINTER, code: "too-many-certificates", message }]);
  }
  const { certificates, issues } = readCertificates(found.map(asBlock), POINTER);
  throwInvalid(issues);
  return checkedCertificate({ certificates, keys: privateKeys(keys), keyPointer: POINTER }, context);
}

const asBlock = (der: Uint8Array): PemBlock => ({ label: "CERTIFICATE", der, text: "" });

function decodedBytes(text: string): Uint8Array {
  const max = CAPS.pkcs12Bytes;
  // Four characters for three octets, and line ends.
  if (text.length > max * 2) throw tooLarge(max);
  const base64 = text.replace(/\s+/g, "");
  if (base64.length === 0 || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw refused("invalid-format", "is not base64 (RFC 4648 section 4)");
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length > max) throw tooLarge(max);
  return bytes;
}

const tooLarge = (max: number): TooLarge =>
  new TooLarge("the certificate is too large", [
    { pointer: POINTER, code: "too-large", message: `is over ${String(max)} bytes` },
  ]);

interface FoundObjects {
  /** In DER. */
  readonly certificates: readonly Uint8Array[];
  /** PKCS #8 in DER. Secret. */
  readonly keys: readonly Uint8Array[];
}

async function objectsIn(
  bytes: Uint8Array,
  passphrase: string | undefined,
  pause: Pause,
): Promise<FoundObjects> {
  const rounds = new RoundsBudget();
  const { content, mac } = outermost(bytes);
  const isGiven = passphrase !== undefined && passphrase !== "";
  const candidates = !isGiven ? NO_PASSPHRASES : [passphraseOf(passphrase)];
  const failure = !isGiven ? PASSPHRASE_REQUIRED : WRONG_PASSPHRASE;
  const verified = mac === null ? null : await verifiedBy(mac, { candidates, content, rounds, pause });
  if (verified?.length === 0) throw new InvalidInput(CANNOT_BE_USED, [failure]);
  for (const candidate of verified ?? candidates) {
    const found = await contentsOf(content, { passphrase: candidate, rounds, pause });
    if (found !== null) return found;
  }
  // With a MAC the passphrase is known to be right.
  throw verified === null ? new InvalidInput(CANNOT_BE_USED, [failure]) : UNREADABLE();
}

/** Content that the MAC covers, and MacData. */
function outermost(bytes: Uint8Array): { readonly content: Uint8Array; readonly mac: BerNode | null } {
  try {
    const [version, safe, mac] = childrenOf(readBer(bytes));
    const [type, content] = childrenOf(safe);
    if (integerOf(version) !== 3 || oidOf(type) !== DATA) throw UNREADABLE();
    return { content: octetsOf(childrenOf(content)[0]), mac: mac ?? null };
  } catch {
    throw UNREADABLE();
  }
}

interface Verification {
  readonly candidates: readonly Pkcs12Passphrase[];
  readonly content: Uint8Array;
  readonly rounds: RoundsBudget;
  readonly pause: Pause;
}

async function verifiedBy(
  mac: BerNode,
  { candidates, content, rounds, pause }: Verification,
): Promise<readonly Pkcs12Passphrase[]> {
  const verification = await readable(() => macVerification(mac, pause));
  const fitting: Pkcs12Passphrase[] = [];
  for (const candidate of candidates) {
    rounds.spend(verification.rounds);
    if (await readable(() => verification.act(candidate, content))) fitting.push(candidate);
  }
  return fitting;
}

/** A part of the file that cannot be read, or computed with, is a fault of the file. */
async function readable<Result>(act: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof UnsupportedPkcs12 ? unsupported() : UNREADABLE();
  }
}

/** Rounds of hashing that one file may cost. @throws InvalidInput by `spend` */
class RoundsBudget {
  #left = MAX_ROUNDS;

  spend(rounds: number): void {
    this.#left -= rounds;
    if (this.#left < 0)
      throw refused(
        "costly-encryption",
        `its encryption needs over ${String(MAX_ROUNDS)} rounds of hashing; write it again with: ` +
          "openssl pkcs12 -in old.p12 -nodes -out all.pem && openssl pkcs12 -export -in all.pem -out new.p12; " +
          "or upload all.pem as certificatePem",
      );
  }
}

interface Opening {
  readonly passphrase: Pkcs12Passphrase;
  readonly rounds: RoundsBudget;
  readonly pause: Pause;
}

/**
 * Certificates and keys of an AuthenticatedSafe; null when it cannot be decrypted or read.
 *
 * @throws InvalidInput for an encryption that is not supported or costs too much.
 */
async function contentsOf(content: Uint8Array, opening: Opening): Promise<FoundObjects | null> {
  try {
    const found = { certificates: [] as Uint8Array[], keys: [] as Uint8Array[] };
    for (const part of childrenOf(readBer(content))) {
      const bags = childrenOf(readBer(await partOf(part, opening)));
      await collect(bags, { found, opening, depth: 0 });
    }
    return found;
  } catch (error) {
    if (error instanceof UnsupportedPkcs12) throw unsupported();
    if (error instanceof InvalidInput) throw error;
    return null;
  }
}

/** SafeContents of one ContentInfo. */
async function partOf(part: BerNode, opening: Opening): Promise<Uint8Array> {
  const [type, content] = childrenOf(part);
  const kind = oidOf(type);
  const [inner] = childrenOf(content);
  if (kind === DATA) return octetsOf(inner);
  if (kind !== ENCRYPTED_DATA) throw new UnsupportedPkcs12(`content ${kind}`);
  const [, encrypted] = childrenOf(inner);
  const [, algorithm, ciphertext] = childrenOf(encrypted);
  return opened(algorithm, octetsOf(ciphertext), opening);
}

async function opened(
  algorithm: BerNode | undefined,
  ciphertext: Uint8Array,
  { passphrase, rounds, pause }: Opening,
): Promise<Uint8Array> {
  const { rounds: needed, act } = decryption(algorithm, pause);
  rounds.spend(needed);
  return act(passphrase, ciphertext);
}

interface Collection {
  readonly found: { readonly certificates: Uint8Array[]; readonly keys: Uint8Array[] };
  readonly opening: Opening;
  readonly depth: number;
}

async function collect(bags: readonly BerNode[], { found, opening, depth }: Collection): Promise<void> {
  if (bags.length > MAX_BAGS || depth > MAX_DEPTH) throw refused("too-large", TOO_MANY_BAGS);
  for (const bag of bags) {
    const [type, value] = childrenOf(bag);
    const [content] = childrenOf(value);
    // CRLs, secrets and bags of later kinds are passed over.
    switch (oidOf(type)) {
      case BAG.key:
        if (content !== undefined) found.keys.push(encodedBytes(content));
        break;
      case BAG.shroudedKey: {
        const [algorithm, ciphertext] = childrenOf(content);
        found.keys.push(await opened(algorithm, octetsOf(ciphertext), opening));
        break;
      }
      case BAG.certificate: {
        const [kind, certificate] = childrenOf(content);
        if (oidOf(kind) === X509_CERTIFICATE) found.certificates.push(octetsOf(childrenOf(certificate)[0]));
        break;
      }
      case BAG.safeContents:
        await collect(childrenOf(content), { found, opening, depth: depth + 1 });
        break;
    }
    if (found.keys.length + found.certificates.length > MAX_BAGS) throw refused("too-large", TOO_MANY_BAGS);
  }
}

const TOO_MANY_BAGS = `holds more than ${String(MAX_BAGS)} objects`;

function privateKeys(pkcs8: readonly Uint8Array[]): readonly KeyObject[] {
  const keys: KeyObject[] = [];
  for (const der of pkcs8) {
    const key = privateKey(der);
    if (!keys.some((each) => each.equals(key))) keys.push(key);
  }
  return keys;
}

function privateKey(der: Uint8Array): KeyObject {
  let read: KeyObject;
  try {
    read = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  } catch {
    // OpenSSL's reason is dropped: it may be about the key.
    throw refused("unreadable-key", "its private key cannot be read");
  }
  const checked = checkedKey(read, POINTER);
  if ("pointer" in checked) throw new InvalidInput(CANNOT_BE_USED, [checked]);
  return checked;
}

const CANNOT_BE_USED = "the certificate cannot be used";
const refused = (code: IssueCode, message: string): InvalidInput =>
  new InvalidInput(CANNOT_BE_USED, [{ pointer: POINTER, code, message }]);

const UNREADABLE = (): InvalidInput =>
  refused("unreadable-file", "is not PKCS #12 (a .p12 or .pfx file in base64), or damaged");
const unsupported = (): InvalidInput =>
  refused(
    "unsupported-encryption",
    "its encryption is not supported; convert it with: openssl pkcs12 -legacy -in old.p12 -nodes -out all.pem && " +
      "openssl pkcs12 -export -in all.pem -out new.p12; or upload all.pem as certificatePem",
  );

const PASSPHRASE_REQUIRED: Issue = {
  pointer: PASSPHRASE_POINTER,
  code: "passphrase-required",
  message: "the file is encrypted: its passphrase is needed",
};
const WRONG_PASSPHRASE: Issue = {
  pointer: PASSPHRASE_POINTER,
  code: "wrong-passphrase",
  message: "the file cannot be opened with this passphrase",
};
