import {
  basicConstraints,
  dnsName,
  EKU,
  extension,
  extKeyUsage,
  KEY_USAGE,
  keyUsage,
  signCertificate,
  sharedKey,
  subjectAltName,
  type SignatureHash,
  type TestKeyType,
} from "../certificate-writer.ts";
import { explicit, implicit, octetString, sequence } from "../der.ts";
import { issued, makeCa, type CaOptions, type IssuedCertificate } from "../pki.ts";
import { bad, client, good, NAME, root, type ClientCertificateKind } from "./kind.ts";

const caExtensions = [basicConstraints(true), keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.crlSign)];
const leafUnder = (options: CaOptions): IssuedCertificate =>
  client({ ca: makeCa({ parent: root, ...options }) });
const unknown = (critical: boolean): Buffer =>
  extension("1.3.6.1.4.1.99999.1", critical, octetString(Buffer.from("x")));

/** NameConstraints (RFC 5280 section 4.2.1.10): 0 = permitted, 1 = excluded subtrees, of dNSNames. */
const nameConstraints = (which: 0 | 1, ...domains: readonly string[]): Buffer => {
  const subtrees = domains.map((domain) => sequence(implicit(2, Buffer.from(domain))));
  return extension("2.5.29.30", true, sequence(explicit(which, ...subtrees)));
};
const underConstraint = (constraint: Buffer): IssuedCertificate =>
  leafUnder({ extensions: [...caExtensions, constraint] });

const nameConstraintKinds = (): readonly ClientCertificateKind[] => [
  good("name constraints that permit the name", { leaf: underConstraint(nameConstraints(0, "example")) }),
  bad("name constraints that permit other names", { leaf: underConstraint(nameConstraints(0, "test")) }),
  good("name constraints that exclude other names", { leaf: underConstraint(nameConstraints(1, "test")) }),
  bad("name constraints that exclude the name", { leaf: underConstraint(nameConstraints(1, NAME)) }),
  bad("name constraints that permit one of two names", {
    leaf: client({
      ca: makeCa({ parent: root, extensions: [...caExtensions, nameConstraints(0, NAME)] }),
      names: [NAME, "other.example"],
    }),
    dnsNames: [NAME, "other.example"],
  }),
];

const pathConstraintKinds = (): readonly ClientCertificateKind[] => {
  const lowest = makeCa({ parent: makeCa({ parent: root, pathLength: 0 }) });
  const second = makeCa({ parent: makeCa({ parent: root, pathLength: 1 }) });
  return [
    good("a path as long as it may be", { leaf: client({ ca: second }) }),
    bad("a path longer than it may be", { leaf: client({ ca: lowest }) }),
    bad("an issuer that is no CA", {
      leaf: leafUnder({ extensions: [basicConstraints(false), keyUsage(KEY_USAGE.digitalSignature)] }),
    }),
    bad("an issuer that says nothing of being a CA", { leaf: leafUnder({ extensions: [] }) }),
    bad("an issuer that is a leaf", issuedByLeaf()),
    bad("an intermediate that may not sign certificates", {
      leaf: leafUnder({ extensions: [basicConstraints(true), keyUsage(KEY_USAGE.crlSign)] }),
    }),
    bad("an unknown critical extension in the leaf", {
      leaf: client({ extensions: [unknown(true), subjectAltName(dnsName(NAME))] }),
    }),
    bad("an unknown critical extension in the intermediate", {
      leaf: leafUnder({ extensions: [...caExtensions, unknown(true)] }),
    }),
    good("an unknown extension that is not critical", {
      leaf: client({
        extensions: [unknown(false), extKeyUsage(EKU.clientAuth), subjectAltName(dnsName(NAME))],
      }),
    }),
  ];
};

function issuedByLeaf(): { leaf: IssuedCertificate } {
  const holder = client({ names: ["holder.example"] });
  const ca = { ...root, subject: "holder.example", privateKey: holder.privateKey, chain: holder.chain };
  return { leaf: client({ ca }) };
}

const versionKinds = (): readonly ClientCertificateKind[] => {
  const key = sharedKey("ecdsa-p256");
  const old = { publicKey: key.publicKey, version: 1 } as const;
  const v1Root = {
    ...root,
    subject: "Old",
    der: signCertificate({ ...old, subject: "Old" }, { subject: "Old", privateKey: key.privateKey }),
  };
  const v1Ca = signCertificate({ ...old, subject: "Old" }, root);
  return [
    good("a version 1 leaf", {
      leaf: issued([signCertificate({ ...old, subject: NAME }, root)], key),
      dnsNames: [],
    }),
    bad("a version 1 intermediate", {
      leaf: client({ ca: { ...v1Root, privateKey: key.privateKey, chain: [v1Ca] } }),
    }),
  ];
};

const withKey = (keyType: TestKeyType): IssuedCertificate => client({ keyType });
const signedWith = (hash: SignatureHash): IssuedCertificate => client({ hash });

const strengthKinds = (): readonly ClientCertificateKind[] => {
  const rsaRoot = makeCa({ keyType: "rsa-2048" });
  const weakRoot = makeCa({ keyType: "rsa-1024" });
  const oldRoot = makeCa({ hash: "sha1" });
  const edwards = makeCa({ keyType: "ed25519" });
  return [
    good("an ECDSA P-384 leaf", { leaf: withKey("ecdsa-p384") }),
    good("an ECDSA P-521 leaf", { leaf: withKey("ecdsa-p521") }),
    good("an Ed25519 leaf", { leaf: withKey("ed25519") }),
    good("an RSA 2048 leaf", { leaf: withKey("rsa-2048") }),
    good("an RSA root", { leaf: client({ ca: rsaRoot }), anchors: [rsaRoot] }),
    good("an Ed25519 root", { leaf: client({ ca: edwards }), anchors: [edwards] }),
    bad("an RSA 1024 leaf", { leaf: withKey("rsa-1024") }),
    bad("an RSA 1024 intermediate", { leaf: leafUnder({ keyType: "rsa-1024" }) }),
    bad("an RSA 1024 root", { leaf: client({ ca: weakRoot }), anchors: [weakRoot] }),
    bad("a leaf signed with SHA-1", { leaf: signedWith("sha1") }),
    bad("a leaf signed with MD5", { leaf: client({ ca: rsaRoot, hash: "md5" }), anchors: [rsaRoot] }),
    bad("an intermediate signed with SHA-1", { leaf: leafUnder({ hash: "sha1" }) }),
    good("a root signed with SHA-1", { leaf: client({ ca: oldRoot }), anchors: [oldRoot] }),
  ];
};

/** What CAs and algorithms allow: names, path length, critical extensions, versions, strength. */
export const constraintKinds = (): readonly ClientCertificateKind[] => [
  ...nameConstraintKinds(),
  ...pathConstraintKinds(),
  ...versionKinds(),
  ...strengthKinds(),
];
