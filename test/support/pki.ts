import type { KeyObject } from "node:crypto";
import {
  basicConstraints,
  dnsName,
  EKU,
  extKeyUsage,
  KEY_USAGE,
  keyUsage,
  newKey,
  sharedKey,
  signCertificate,
  subjectAltName,
  type SignatureHash,
  type Signer,
  type TestKeyPair,
  type TestKeyType,
} from "./certificate-writer.ts";
import { pem } from "./der.ts";

/** A certificate authority that can issue; `certificates` holds it and what is above it, without the root. */
export interface TestCa extends Signer {
  readonly subject: string;
  readonly privateKey: KeyObject;
  readonly der: Buffer;
  readonly certificatePem: string;
  /** This CA and its issuers, the root left out; empty for a root. What a server sends after its leaf. */
  readonly chain: readonly Buffer[];
  /** The self-signed certificate at the top: what goes into a trust store. */
  readonly rootPem: string;
}

export interface CaOptions {
  readonly name?: string;
  /** Issues this CA; absent = a self-signed root. */
  readonly parent?: TestCa;
  readonly keyType?: TestKeyType;
  /** Replaces basicConstraints and keyUsage. */
  readonly extensions?: readonly Uint8Array[];
  readonly pathLength?: number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly hash?: SignatureHash;
  readonly keyIdentifiers?: boolean;
  /** Replaces the new key. */
  readonly key?: TestKeyPair;
}

let caCount = 0;

/** A root or, with `parent`, an intermediate CA with a separate key. */
export function makeCa(options: CaOptions = {}): TestCa {
  caCount += 1;
  const { name = `Test CA ${String(caCount)}`, parent, keyType = "ecdsa-p256", pathLength } = options;
  const key = options.key ?? (keyType.startsWith("rsa") ? sharedKey(keyType) : newKey(keyType));
  const signer = parent ?? { subject: name, privateKey: key.privateKey };
  const extensions = options.extensions ?? [
    basicConstraints(true, pathLength),
    keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.crlSign),
  ];
  const der = signCertificate(
    { ...dated(options), subject: name, publicKey: key.publicKey, extensions },
    signer,
  );
  const certificatePem = pem("CERTIFICATE", der);
  return {
    subject: name,
    privateKey: key.privateKey,
    der,
    certificatePem,
    chain: parent === undefined ? [] : [der, ...parent.chain],
    rootPem: parent === undefined ? certificatePem : parent.rootPem,
  };
}

interface Dated {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly hash?: SignatureHash;
  readonly keyIdentifiers?: boolean;
  readonly serial?: bigint;
}

const dated = ({ notBefore, notAfter, hash, keyIdentifiers, serial }: Dated): Dated => ({
  ...(keyIdentifiers === undefined ? {} : { keyIdentifiers }),
  ...(serial === undefined ? {} : { serial }),
  ...(notBefore === undefined ? {} : { notBefore }),
  ...(notAfter === undefined ? {} : { notAfter }),
  ...(hash === undefined ? {} : { hash }),
});

/** A leaf with its key and the intermediates above it, ready for files, TLS options and API bodies. */
export interface IssuedCertificate {
  readonly der: Buffer;
  readonly certificatePem: string;
  /** Intermediates in order, without the root; empty when the root issued the leaf. */
  readonly chainPem: string;
  /** Leaf and intermediates: `cert` of TLS options. */
  readonly bundlePem: string;
  /** DER, leaf first, as it goes over the wire. */
  readonly chain: readonly Buffer[];
  /** PKCS #8. */
  readonly privateKeyPem: string;
  readonly privateKey: KeyObject;
}

export interface IssueOptions extends Dated {
  /** dNSNames of the SAN; the first is also the common name. */
  readonly names: readonly string[];
  /** Absent = self-signed. */
  readonly ca?: TestCa | undefined;
  readonly keyType?: TestKeyType;
  /** Replaces the shared key of the kind. */
  readonly key?: TestKeyPair;
  /** Extended key usages; null = no such extension. */
  readonly purposes?: readonly string[] | null;
  /** Replaces every extension. */
  readonly extensions?: readonly Uint8Array[];
  readonly subject?: string | Uint8Array;
}

/** A server's leaf: serverAuth. */
export const issueServer = (options: IssueOptions): IssuedCertificate =>
  issue({ purposes: [EKU.serverAuth], ...options });

/** A client's leaf: clientAuth. */
export const issueClient = (options: IssueOptions): IssuedCertificate =>
  issue({ purposes: [EKU.clientAuth], ...options });

function issue(options: IssueOptions): IssuedCertificate {
  const { names, ca, keyType = "ecdsa-p256", purposes = null } = options;
  const key = options.key ?? sharedKey(keyType);
  const subject = options.subject ?? names[0] ?? "";
  const extensions = options.extensions ?? [
    basicConstraints(false),
    keyUsage(KEY_USAGE.digitalSignature),
    ...(purposes === null ? [] : [extKeyUsage(...purposes)]),
    ...(names.length === 0 ? [] : [subjectAltName(...names.map(dnsName))]),
  ];
  const signer = ca ?? { subject, privateKey: key.privateKey };
  const der = signCertificate({ ...dated(options), subject, publicKey: key.publicKey, extensions }, signer);
  return issued([der, ...(ca?.chain ?? [])], key);
}

/** Puts a chain and its leaf's key together. */
export function issued(chain: readonly Buffer[], key: TestKeyPair): IssuedCertificate {
  const [der = Buffer.alloc(0), ...rest] = chain;
  const certificatePem = pem("CERTIFICATE", der);
  const chainPem = rest.map((certificate) => pem("CERTIFICATE", certificate)).join("");
  return {
    der,
    certificatePem,
    chainPem,
    bundlePem: certificatePem + chainPem,
    chain,
    privateKeyPem: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKey: key.privateKey,
  };
}
