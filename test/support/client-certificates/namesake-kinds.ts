import { createPublicKey } from "node:crypto";
import {
  basicConstraints,
  EKU,
  hoursFromNow,
  KEY_USAGE,
  keyUsage,
  newKey,
  signCertificate,
  type TestKeyPair,
} from "../certificate-writer.ts";
import { makeCrl } from "../crl-writer.ts";
import {
  type CaOptions,
  issued,
  type IssuedCertificate,
  type IssueOptions,
  makeCa,
  type TestCa,
} from "../pki.ts";
import {
  bad,
  client,
  type ClientCertificateKind,
  good,
  intermediate,
  root,
  stranger,
  type TrustStorePem,
  valid,
} from "./kind.ts";

/** What `openssl x509 -req` makes without an extension file: nothing in it names the key of its issuer. */
const plain = (ca: TestCa, options: Partial<IssueOptions> = {}): IssuedCertificate =>
  client({ ca, keyIdentifiers: false, ...options });
const plainCa = (options: CaOptions): TestCa => makeCa({ keyIdentifiers: false, ...options });

const store = (anchors: readonly TestCa[], crlsPem: readonly string[] = []): TrustStorePem => ({
  anchorsPem: anchors.map(({ certificatePem }) => certificatePem),
  crlsPem,
});

/** A CA before and after it changed its key. */
const old = plainCa({ name: "Rekeyed CA" });
const fresh = plainCa({ name: "Rekeyed CA" });
const third = plainCa({ name: "Rekeyed CA" });
const either = { handshakeOk: null } as const;

const anchorKinds = (): readonly ClientCertificateKind[] => {
  const many = [...Array.from({ length: 20 }, () => plainCa({ name: "Rekeyed CA" })), fresh];
  return [
    good("a leaf of the first of two CAs of one name", {
      leaf: plain(old),
      anchors: [old, fresh],
      ...either,
    }),
    good("a leaf of the second of two CAs of one name", {
      leaf: plain(fresh),
      anchors: [old, fresh],
      ...either,
    }),
    good("a leaf of the old key in another trust store", {
      leaf: plain(old),
      stores: [store([fresh]), store([old])],
      ...either,
    }),
    good("a leaf of the new key in another trust store", {
      leaf: plain(fresh),
      stores: [store([old]), store([fresh])],
      ...either,
    }),
    good("a leaf of the last of 21 CAs of one name", { leaf: plain(fresh), anchors: many, ...either }),
    good("an RSA key after an ECDSA key of one CA", rsaAfterEcdsa()),
    bad("a leaf of another RSA CA of the anchor's name", otherRsa()),
    bad("a third CA of the name of two anchors", { leaf: plain(third), anchors: [old, fresh] }),
    bad("an expired leaf of the second of two CAs of one name", {
      leaf: plain(fresh, { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) }),
      anchors: [old, fresh],
    }),
    valid("a server's leaf of the second of two CAs of one name", "serverAuth", {
      leaf: plain(fresh, { purposes: [EKU.serverAuth] }),
      anchors: [old, fresh],
      ...either,
    }),
    good("a CA that was renewed with its key, the expired certificate first", renewed()),
    good("an expired root above an intermediate that is an anchor itself", expiredRoot()),
  ];
};

function rsaAfterEcdsa(): { leaf: IssuedCertificate; anchors: readonly TestCa[]; handshakeOk: null } {
  const rsa = plainCa({ name: "Rekeyed CA", keyType: "rsa-2048" });
  return { leaf: plain(rsa), anchors: [old, rsa], ...either };
}

function otherRsa(): { leaf: IssuedCertificate; anchors: readonly TestCa[] } {
  const [ours, theirs] = [newKey("rsa-2048"), newKey("rsa-2048")].map((key) =>
    plainCa({ name: "RSA CA", keyType: "rsa-2048", key }),
  );
  if (ours === undefined || theirs === undefined) throw new Error("two were made");
  return { leaf: plain(theirs), anchors: [ours] };
}

const keyOf = ({ privateKey }: TestCa): TestKeyPair => ({
  privateKey,
  publicKey: createPublicKey(privateKey),
});

function renewed(): { leaf: IssuedCertificate; anchors: readonly TestCa[]; handshakeOk: null } {
  const past = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
  const expired = plainCa({ name: "Renewed CA", key: keyOf(old), ...past });
  const present = plainCa({ name: "Renewed CA", key: keyOf(old) });
  return { leaf: plain(present), anchors: [expired, present], ...either };
}

function expiredRoot(): { leaf: IssuedCertificate; anchors: readonly TestCa[]; handshakeOk: null } {
  const past = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
  const above = makeCa({ name: "Old root", ...past });
  const below = makeCa({ parent: above });
  return { leaf: client({ ca: below }), anchors: [above, below], ...either };
}

const intermediateKinds = (): readonly ClientCertificateKind[] => {
  const [first, second] = [1, 2].map(() => plainCa({ name: "Twin", parent: root }));
  if (first === undefined || second === undefined) throw new Error("two were made");
  const elsewhere = plainCa({ name: "Twin", parent: stranger });
  const leaf = plain(second);
  const below = plainCa({ name: "Below", parent: fresh });
  return [
    good("two intermediates of one name sent, the right one first", {
      leaf,
      chain: [leaf.der, second.der, first.der],
      ...either,
    }),
    good("two intermediates of one name sent, the right one last", {
      leaf,
      chain: [leaf.der, first.der, second.der],
      ...either,
    }),
    good("an intermediate of one name under an unknown root sent first", {
      leaf,
      chain: [leaf.der, elsewhere.der, second.der],
      ...either,
    }),
    good("nine intermediates of one name sent", {
      leaf,
      chain: [
        leaf.der,
        ...Array.from({ length: 8 }, () => plainCa({ name: "Twin", parent: root }).der),
        second.der,
      ],
      ...either,
    }),
    bad("two intermediates of one name sent, the right one missing", {
      leaf: plain(plainCa({ name: "Twin", parent: root })),
      chain: [leaf.der, first.der, elsewhere.der],
    }),
    good("an intermediate of a CA that changed its key", {
      leaf: plain(below),
      anchors: [old, fresh],
      ...either,
    }),
    good("the CA's new key, vouched for by its old one", rollover()),
    bad("a leaf signed by itself with the name of two anchors", {
      leaf: plain(old, { ca: undefined, subject: "Rekeyed CA" }),
      anchors: [old, fresh],
    }),
  ];
};

/** The new key signed with the old one (RFC 4210 section 4.4: "new with old"), sent along. */
function rollover(): { leaf: IssuedCertificate; chain: readonly Buffer[]; anchors: readonly TestCa[] } {
  const [before, after] = [makeCa({ name: "Rolling CA" }), makeCa({ name: "Rolling CA" })];
  const newWithOld = signCertificate(
    {
      subject: "Rolling CA",
      publicKey: createPublicKey(after.privateKey),
      extensions: [basicConstraints(true), keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.crlSign)],
    },
    before,
  );
  const leaf = client({ ca: after });
  return { leaf, chain: [leaf.der, newWithOld], anchors: [before] };
}

const revoking = (ca: TestCa, ...revoked: readonly IssuedCertificate[]): string =>
  makeCrl({ ca, revoked: revoked.map(({ der }) => der) });

const crlKinds = (): readonly ClientCertificateKind[] => {
  const [ofOld, ofFresh] = [plain(old), plain(fresh)];
  const both = { anchors: [old, fresh] };
  const [oldSerial, freshSerial] = [plain(old, { serial: 77n }), plain(fresh, { serial: 77n })];
  return [
    good("CRLs of both keys, a leaf of the old one", {
      leaf: ofOld,
      ...both,
      crls: [revoking(old), revoking(fresh)],
      ...either,
    }),
    good("CRLs of both keys, a leaf of the new one", {
      leaf: ofFresh,
      ...both,
      crls: [revoking(old), revoking(fresh)],
      ...either,
    }),
    good("CRLs of both keys the other way round", {
      leaf: ofOld,
      anchors: [fresh, old],
      crls: [revoking(fresh), revoking(old)],
      ...either,
    }),
    bad("CRLs of both keys, a revoked leaf of the old one", {
      leaf: ofOld,
      ...both,
      crls: [revoking(old, ofOld), revoking(fresh)],
    }),
    bad("CRLs of both keys, a revoked leaf of the new one", {
      leaf: ofFresh,
      ...both,
      crls: [revoking(old), revoking(fresh, ofFresh)],
    }),
    bad("CRLs of both keys in two trust stores, a revoked leaf", {
      leaf: ofOld,
      stores: [store([fresh], [revoking(fresh)]), store([old], [revoking(old, ofOld)])],
    }),
    good("a serial number that the other key's CRL revokes", {
      leaf: freshSerial,
      ...both,
      crls: [revoking(old, oldSerial), revoking(fresh)],
      ...either,
    }),
    bad("a serial number that only its own key's CRL revokes", {
      leaf: freshSerial,
      ...both,
      crls: [revoking(old), revoking(fresh, freshSerial)],
    }),
    bad("a CRL of the other key alone", { leaf: ofFresh, ...both, crls: [revoking(old)] }),
    bad("a stale CRL of its key beside a fresh one of the other", {
      leaf: ofFresh,
      ...both,
      crls: [
        revoking(old),
        makeCrl({ ca: fresh, thisUpdate: hoursFromNow(-48), nextUpdate: hoursFromNow(-24) }),
      ],
    }),
    bad("an older CRL of the CA that does not revoke the leaf yet", {
      leaf: ofOld,
      anchors: [old],
      crls: [makeCrl({ ca: old, thisUpdate: hoursFromNow(-9) }), revoking(old, ofOld)],
    }),
    ...storeKinds(),
  ];
};

/** A trust store without CRLs beside one with some. */
const storeKinds = (): readonly ClientCertificateKind[] => {
  const partner = makeCa({ name: "Partner" });
  const [listed, revoked, unlisted] = [client({ ca: root }), client({ ca: root }), client({ ca: partner })];
  const stores = [store([root], [revoking(root, revoked)]), store([partner])];
  const again = signCertificate(
    {
      subject: intermediate.subject,
      publicKey: createPublicKey(intermediate.privateKey),
      extensions: [basicConstraints(true), keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.crlSign)],
    },
    partner,
  );
  const below = client({ ca: intermediate });
  return [
    good("a client of the trust store with CRLs, beside one without", { leaf: listed, stores }),
    bad("a revoked client of the trust store with CRLs, beside one without", { leaf: revoked, stores }),
    good("a client of the trust store without CRLs, beside one with some", {
      leaf: unlisted,
      stores,
      handshakeOk: false,
    }),
    bad("a CA with a CRL in one trust store, in another without", {
      leaf: revoked,
      stores: [...stores, store([root])],
    }),
    bad("a revoked client whose CA a trust store without CRLs vouches for too", {
      leaf: issued([below.der, again, intermediate.der], keyOf({ ...root, privateKey: below.privateKey })),
      stores: [store([root], [revoking(root), revoking(intermediate, below)]), store([partner])],
    }),
  ];
};

/** Anchors, intermediates and CRLs of which two share a subject. */
export const namesakeKinds = (): readonly ClientCertificateKind[] => [
  ...anchorKinds(),
  ...intermediateKinds(),
  ...crlKinds(),
];
