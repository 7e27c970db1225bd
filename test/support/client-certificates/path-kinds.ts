import { createPublicKey } from "node:crypto";
import {
  basicConstraints,
  hoursFromNow,
  KEY_USAGE,
  keyUsage,
  signCertificate,
} from "../certificate-writer.ts";
import { issued, makeCa, type CaOptions, type IssuedCertificate, type TestCa } from "../pki.ts";
import { bad, client, good, intermediate, root, stranger, type ClientCertificateKind } from "./kind.ts";

const past = { notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) };
const future = { notBefore: hoursFromNow(24), notAfter: hoursFromNow(48) };
const leaf = client();
const twin = makeCa({ name: "Root" });
const leafUnder = (options: CaOptions): IssuedCertificate =>
  client({ ca: makeCa({ parent: root, ...options }) });

/** Another certificate for a CA's name and key, issued by another CA. */
const crossCertificate = (ca: TestCa, issuer: TestCa): Buffer =>
  signCertificate(
    {
      subject: ca.subject,
      publicKey: createPublicKey(ca.privateKey),
      extensions: [basicConstraints(true), keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.crlSign)],
    },
    issuer,
  );

const cross = crossCertificate(intermediate, stranger);

/** The lowest of `count` CAs below the root. */
function tower(count: number): TestCa {
  let ca = root;
  for (let level = 0; level < count; level += 1) ca = makeCa({ parent: ca });
  return ca;
}

function withOneBitChanged(der: Buffer, fromEnd: number): Buffer {
  const changed = Buffer.from(der);
  changed[der.length - fromEnd] = (changed[der.length - fromEnd] ?? 0) ^ 1;
  return changed;
}

const dateKinds = (): readonly ClientCertificateKind[] => [
  bad("an expired leaf", { leaf: client(past) }),
  bad("a leaf that is not valid yet", { leaf: client(future) }),
  bad("an expired intermediate", { leaf: leafUnder(past) }),
  bad("an intermediate that is not valid yet", { leaf: leafUnder(future) }),
  bad("an expired root", { leaf: client({ ca: twin }), anchors: [makeCa({ name: "Old root", ...past })] }),
  bad(
    "an expired anchor that did issue the leaf",
    (() => {
      const old = makeCa({ name: "Old root", ...past });
      return { leaf: client({ ca: old }), anchors: [old] };
    })(),
  ),
  bad("an expired leaf under an unknown root", { leaf: client({ ca: stranger, ...past }) }),
];

const issuerKinds = (): readonly ClientCertificateKind[] => [
  bad("an unknown root", { leaf: client({ ca: stranger }) }),
  bad("an unknown root that is sent along", {
    leaf: client({ ca: stranger }),
    chain: [client({ ca: stranger }).der, stranger.der],
  }),
  bad("an unknown root with the name of the anchor", { leaf: client({ ca: twin }) }),
  good("two anchors of one name, one of them the issuer", { leaf, anchors: [twin, root] }),
  bad("no CA trusted", { leaf, anchors: [] }),
  bad("a missing intermediate", { leaf, chain: [leaf.der] }),
  good("the root sent along", { leaf, chain: [...leaf.chain, root.der] }),
  good("a leaf under the root itself", { leaf: client({ ca: root }) }),
  good("an intermediate as the anchor, not sent", { leaf, chain: [leaf.der], anchors: [intermediate] }),
  good("an intermediate as the anchor, sent along", { leaf, anchors: [intermediate] }),
  good("root and intermediate as anchors", { leaf, anchors: [root, intermediate] }),
  good("the leaf itself as the anchor", { leaf, chain: [leaf.der], anchors: [leaf] }),
  bad("another leaf as the anchor", { leaf, chain: [leaf.der], anchors: [client()] }),
  bad("self-signed", { leaf: client({ ca: undefined }) }),
  good("self-signed and itself the anchor", selfAnchored()),
  bad("self-signed with the name and purpose of the anchor", {
    leaf: client({ ca: undefined, subject: "Root" }),
  }),
];

function selfAnchored(): { leaf: IssuedCertificate; anchors: readonly IssuedCertificate[] } {
  const own = client({ ca: undefined });
  return { leaf: own, anchors: [own] };
}

const orderKinds = (): readonly ClientCertificateKind[] => [
  good("unrelated certificates after the chain", { leaf, chain: [...leaf.chain, stranger.der, twin.der] }),
  good("unrelated certificates within the chain", {
    leaf,
    chain: [leaf.der, stranger.der, ...leaf.chain.slice(1)],
  }),
  good(
    "a chain out of order",
    (() => {
      const high = client({ ca: tower(3) });
      return { leaf: high, chain: [high.der, ...high.chain.slice(1).toReversed()] };
    })(),
  ),
  good("the leaf twice", { leaf, chain: [leaf.der, ...leaf.chain] }),
  good("the intermediate twice", { leaf, chain: [...leaf.chain, ...leaf.chain.slice(1)] }),
  good("a cross certificate to the trusted root", { leaf, chain: [leaf.der, cross], anchors: [stranger] }),
  good("two certificates of the intermediate, the one to the trusted root first", {
    leaf,
    chain: [leaf.der, cross, intermediate.der],
    anchors: [stranger],
  }),
  // OpenSSL takes the first that fits by name and key, and does not come back to try another.
  good("two certificates of the intermediate, the one to the trusted root last", {
    leaf,
    chain: [leaf.der, intermediate.der, cross],
    anchors: [stranger],
    handshakeOk: false,
  }),
  bad("the certificate of a cross-signed intermediate that leads elsewhere", { leaf, anchors: [stranger] }),
  good("six intermediates", { leaf: client({ ca: tower(6) }) }),
  // Node cannot set the depth of a handshake, which is then 100.
  bad("seven intermediates", { leaf: client({ ca: tower(7) }), handshakeOk: true }),
];

const signatureKinds = (): readonly ClientCertificateKind[] => {
  const der = withOneBitChanged(leaf.der, 3);
  const spoiled = withOneBitChanged(intermediate.der, 3);
  return [
    bad("a leaf with a bad signature", { leaf: issued([der, ...leaf.chain.slice(1)], keyOf(leaf)) }),
    bad("an intermediate with a bad signature", { leaf, chain: [leaf.der, spoiled] }),
  ];
};

const keyOf = ({ privateKey }: IssuedCertificate): Parameters<typeof issued>[1] => ({
  privateKey,
  publicKey: createPublicKey(privateKey),
});

/** Dates, issuers, what is sent and in which order, signatures. */
export const pathKinds = (): readonly ClientCertificateKind[] => [
  ...dateKinds(),
  ...issuerKinds(),
  ...orderKinds(),
  ...signatureKinds(),
];
