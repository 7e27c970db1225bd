import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeCa, type TestCa } from "../../test/support/pki.ts";
import { trustStoreRecord } from "../../test/support/records.ts";
import { contents } from "../../test/support/settings-feed.ts";
import type { TrustStoreId } from "../name/ids.ts";
import { buildSnapshot } from "../snapshot/snapshot.ts";
import { createTrustResolver } from "./trust.ts";

const block = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;
const keysOf = ({ privateKey }: TestCa) => ({ privateKey, publicKey: createPublicKey(privateKey) });
const crl = (text: string) => `-----BEGIN X509 CRL-----\n${text}\n-----END X509 CRL-----`;
const storeOf = (id: string, contentSha256: string) =>
  trustStoreRecord({ id: id as TrustStoreId, contentSha256 });
const stores = ["aa", "bb", "cc"].map((sha256, n) => storeOf(`trust_${n}`, sha256));
const [first, second, third] = stores.map((store) => store.id) as [TrustStoreId, TrustStoreId, TrustStoreId];
const snapshot = buildSnapshot(
  {
    ...contents(1, []),
    trustStores: [...stores, storeOf("trust_gone", "gone")],
  },
  new Map([
    ["aa", { certificatesPem: `${block("AAAA")}\n${block("BBBB")}\n`, crlPem: null }],
    ["bb", { certificatesPem: block("CCCC"), crlPem: `${crl("DDDD")}\n${crl("EEEE")}\n` }],
    ["cc", { certificatesPem: block("CCCC"), crlPem: "no CRL" }],
  ]),
);
const resolver = createTrustResolver([block("ROOT")]);
const resolve = (trustStoreIds: TrustStoreId[], publicRoots = false) =>
  resolver.resolve(snapshot, { publicRoots, trustStoreIds, pins: [] });

describe("a domain's trust", () => {
  it("is every anchor and CRL of its stores", () =>
    expect(resolve([first, second])).toMatchObject({
      anchorsPem: [block("AAAA"), block("BBBB"), block("CCCC")],
      crlsPem: [crl("DDDD"), crl("EEEE")],
      unusable: false,
    }));
  it("keeps a CRL text that it cannot read, so that nothing is accepted without it", () =>
    expect(resolve([third]).crlsPem).toEqual(["no CRL"]));
  it("has public roots only where they are asked for", () => {
    expect(resolve([first]).anchorsPem).not.toContain(block("ROOT"));
    expect(resolve([first], true).anchorsPem).toContain(block("ROOT"));
  });
  it("has no anchors when nothing is named", () => expect(resolve([]).anchorsPem).toEqual([]));
  it("has one hash for the same content in any order, and another for any other content", () => {
    expect(resolve([second, first]).hash).toBe(resolve([first, second]).hash);
    const hashes = [
      resolve([]),
      resolve([first]),
      resolve([second]),
      resolve([first, second]),
      resolve([first], true),
    ];
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(hashes.length);
  });
  it.each(["trust_gone", "trust_unknown"])(
    "is unusable when %s cannot be read, and has no anchors then",
    (id) => expect(resolve([first, id as TrustStoreId])).toMatchObject({ unusable: true, anchorsPem: [] }),
  );

  describe("revocation", () => {
    const [listed, unlisted] = [makeCa(), makeCa()];
    const renewed = makeCa({ name: "Renewed", key: keysOf(listed) });
    const stored = ["l", "u", "r"].map((sha256, n) => storeOf(`trust_rev${n}`, sha256));
    const given = buildSnapshot(
      { ...contents(1, []), trustStores: stored },
      new Map([
        ["l", { certificatesPem: listed.certificatePem, crlPem: crl("DDDD") }],
        ["u", { certificatesPem: unlisted.certificatePem, crlPem: null }],
        ["r", { certificatesPem: renewed.certificatePem, crlPem: null }],
      ]),
    );
    const exempt = (numbers: readonly number[], publicRoots = false) =>
      createTrustResolver([block("ROOT")]).resolve(given, {
        publicRoots,
        trustStoreIds: numbers.map((n) => stored[n]?.id ?? first),
        pins: [],
      }).exemptPem;

    it.each([
      { of: "one store with CRLs", exempts: "no anchor", result: exempt([0]), anchors: [] },
      { of: "one store without", exempts: "no anchor: nothing is checked", result: exempt([1]), anchors: [] },
      {
        of: "both",
        exempts: "the anchor of the store without",
        result: exempt([0, 1]),
        anchors: [unlisted.certificatePem.trim()],
      },
      {
        of: "a store with CRLs and public roots",
        exempts: "the roots",
        result: exempt([0], true),
        anchors: [block("ROOT")],
      },
      {
        of: "two certificates of one key, one with CRLs",
        exempts: "neither",
        result: exempt([0, 2]),
        anchors: [],
      },
    ])("$of exempts $exempts", ({ result, anchors }) => expect(result).toEqual(anchors));
  });
});
