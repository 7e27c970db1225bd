import { describe, expect, it } from "vitest";
import { trustOf } from "../../test/support/client-certificates/kind.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import { readPeerCertificate } from "../x509/peer-certificate.ts";
import type { ChainVerdict } from "./chain-verifier.ts";
import { judgeClient } from "./client-judgement.ts";

const [old, fresh, other] = [makeCa({ name: "CA" }), makeCa({ name: "CA" }), makeCa({ name: "Other" })];
const { chain } = issueClient({ names: ["client.example"], ca: fresh });
const GOOD: ChainVerdict = { kind: "judged", valid: true, clientAuth: true, serverAuth: false, detail: null };

/** A client that the handshake refused under the very trust that judges it now. */
function judged(anchors: readonly { certificatePem: string }[], verdict: ChainVerdict | null) {
  const trust = trustOf(anchors.map(({ certificatePem }) => certificatePem));
  const read = readPeerCertificate(chain);
  if (read === null) throw new Error("no certificate");
  const handshake = { trustHash: trust.hash, ok: false, code: "CERT_SIGNATURE_FAILURE" };
  return judgeClient({
    peer: { ...read, handshake },
    settings: { trust: { publicRoots: false, trustStoreIds: [], pins: [] }, purpose: "clientAuth" },
    trust,
    nowMs: Date.now(),
    chain: verdict,
  });
}

describe("a client that the handshake refused", () => {
  it("is untrusted where no two anchors share a name", () =>
    expect(judged([fresh, other], null)).toEqual({ kind: "untrusted", detail: "CERT_SIGNATURE_FAILURE" }));
  it("goes to the verifier where two do, and its answer counts", () => {
    expect(judged([old, fresh], null)).toEqual({ kind: "chain-needed" });
    expect(judged([old, fresh], GOOD)).toEqual({ kind: "passed", pinned: false });
    expect(judged([old, fresh], { ...GOOD, valid: false, clientAuth: false, detail: "x" })).toEqual({
      kind: "untrusted",
      detail: "x",
    });
  });
  it("is deferred where the verifier has no answer, and never refused", () =>
    expect(judged([old, fresh], { kind: "not-judged", why: "busy" })).toEqual({
      kind: "not-judged",
      detail: "busy",
    }));
});
