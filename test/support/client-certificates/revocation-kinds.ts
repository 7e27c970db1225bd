import { hoursFromNow } from "../certificate-writer.ts";
import { CRL_SCOPE, makeCrl, USELESS_SCOPES } from "../crl-writer.ts";
import { makeCa } from "../pki.ts";
import { bad, client, good, intermediate, root, stranger, type ClientCertificateKind } from "./kind.ts";

const leaf = client();
const underRoot = client({ ca: root });
const ofRoot = makeCrl({ ca: root });
const ofIntermediate = makeCrl({ ca: intermediate });
const stale = { thisUpdate: hoursFromNow(-48), nextUpdate: hoursFromNow(-24) };
const early = { thisUpdate: hoursFromNow(24), nextUpdate: hoursFromNow(48) };

/** Trusts with CRLs. */
export const revocationKinds = (): readonly ClientCertificateKind[] => [
  good("no certificate revoked", { leaf, crls: [ofRoot, ofIntermediate] }),
  good("no certificate revoked, the root sent along", {
    leaf,
    chain: [...leaf.chain, root.der],
    crls: [ofRoot, ofIntermediate],
  }),
  good("another certificate revoked", {
    leaf,
    crls: [ofRoot, makeCrl({ ca: intermediate, revoked: [client().der] })],
  }),
  bad("a revoked leaf", { leaf, crls: [ofRoot, makeCrl({ ca: intermediate, revoked: [leaf.der] })] }),
  bad("a revoked leaf under the root itself", {
    leaf: underRoot,
    crls: [makeCrl({ ca: root, revoked: [underRoot.der] })],
  }),
  bad("a revoked intermediate", {
    leaf,
    crls: [makeCrl({ ca: root, revoked: [intermediate.der] }), ofIntermediate],
  }),
  bad("no CRL of the intermediate", { leaf, crls: [ofRoot] }),
  bad("no CRL of the root", { leaf, crls: [ofIntermediate] }),
  bad("a CRL of another CA alone", { leaf, crls: [makeCrl({ ca: stranger })] }),
  bad("a stale CRL of the intermediate", { leaf, crls: [ofRoot, makeCrl({ ca: intermediate, ...stale })] }),
  bad("a stale CRL of the root", { leaf, crls: [makeCrl({ ca: root, ...stale }), ofIntermediate] }),
  bad("a CRL that is not valid yet", { leaf, crls: [ofRoot, makeCrl({ ca: intermediate, ...early })] }),
  bad("a CRL that another key signed", {
    leaf,
    crls: [ofRoot, makeCrl({ ca: { ...intermediate, privateKey: stranger.privateKey } })],
  }),
  good("a CRL of the intermediate for leaves", {
    leaf,
    crls: [ofRoot, makeCrl({ ca: intermediate, extensions: [CRL_SCOPE.leaves] })],
  }),
  good("a CRL of the root for CAs", {
    leaf,
    crls: [makeCrl({ ca: root, extensions: [CRL_SCOPE.cas] }), ofIntermediate],
  }),
  bad("a CRL of the root for leaves", {
    leaf,
    crls: [makeCrl({ ca: root, extensions: [CRL_SCOPE.leaves] }), ofIntermediate],
  }),
  // Trust stores with these are refused when written: core/x509/trust-anchors.test.ts.
  ...USELESS_SCOPES.map(([what, scope]) =>
    bad(`a CRL of the intermediate ${what}`, {
      leaf,
      crls: [ofRoot, makeCrl({ ca: intermediate, extensions: [scope] })],
    }),
  ),
  good("a CRL of the intermediate for some reasons beside a whole one", {
    leaf,
    crls: [
      ofRoot,
      ofIntermediate,
      makeCrl({ ca: intermediate, extensions: USELESS_SCOPES.slice(0, 1).map(([, scope]) => scope) }),
    ],
  }),
  bad("CRLs under an intermediate as the anchor", {
    leaf,
    anchors: [intermediate],
    crls: [ofRoot, ofIntermediate],
  }),
  bad(
    "CRLs beside an anchor without one",
    (() => {
      const other = makeCa();
      return { leaf: client({ ca: other }), anchors: [root, other], crls: [ofRoot] };
    })(),
  ),
];
