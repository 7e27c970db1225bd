import type { PeerCertificate } from "../x509/peer-certificate.ts";
import { describe, expect, it } from "vitest";
import type { ChainQuestion, ChainVerdict, ClientChainVerifier } from "./chain-verifier.ts";
import type { SessionFacts } from "./facts.ts";
import type { ListenerSituation } from "./listener.ts";
import { createTrustResolver } from "./trust.ts";
import type { DomainRecord } from "../record/domain.ts";
import { buildSnapshot } from "../snapshot/snapshot.ts";
import { makeCa } from "../../test/support/pki.ts";
import { domainRecord, name, trustStoreId } from "../../test/support/records.ts";
import { contents } from "../../test/support/settings-feed.ts";
import { trustStoreOf } from "../../test/support/test-edge.ts";
import { RecipientJudge } from "./recipient-judge.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const VALID: ChainVerdict = {
  kind: "judged",
  valid: true,
  clientAuth: true,
  serverAuth: false,
  detail: null,
};
const INVALID: ChainVerdict = { ...VALID, valid: false, detail: "self-signed certificate" };
const NOT_JUDGED: ChainVerdict = { kind: "not-judged", why: "timed out" };
const TOO_MANY: ChainVerdict = { kind: "not-judged", why: "too many", tooMany: true };

const STORES = [1, 2].map((n) => trustStoreOf(trustStoreId(n), makeCa().rootPem));
const requiring = (domainName: string, store: number, change: Partial<DomainRecord> = {}) => ({
  ...domainRecord({
    name: domainName,
    clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
    trustStoreIds: [trustStoreId(store)],
  }),
  ...change,
});

const peer: PeerCertificate = {
  chain: [new Uint8Array([1])],
  spkiPin: "sha256//leaf",
  notBefore: NOW - 1_000,
  notAfter: NOW + 1_000,
  dnsNames: ["client.example"],
  fingerprintSha256: "aa",
  subjectName: "client.example",
  handshake: { trustHash: null, ok: false, code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
};

const facts: SessionFacts = {
  listener: { name: "smtp", dedicatedTo: null },
  clientAddress: "192.0.2.1",
  tlsPossible: true,
  tls: {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_128_GCM_SHA256",
    sni: null,
    asked: true,
    peer,
  },
  helo: name("client.example"),
  senderDomain: null,
};

interface Given {
  /** What the verifier answers, in order; an Error is thrown. */
  readonly answers?: readonly (ChainVerdict | Error | Promise<ChainVerdict>)[];
  readonly chainVerifier?: null;
  readonly staleForMs?: number;
  readonly domains?: readonly DomainRecord[];
}

/** A judge of one connection, and what it asked of the verifier. */
function judgeWith({ answers = [], staleForMs = 0, domains, ...rest }: Given) {
  const questions: ChainQuestion[] = [];
  const tooMany = { times: 0 };
  const verifier: ClientChainVerifier = {
    available: true,
    async verify(question) {
      questions.push(question);
      const answer = answers[questions.length - 1] ?? new Error("asked more often than expected");
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const served = domains ?? [requiring("a.example", 1), requiring("b.example", 1), requiring("c.example", 2)];
  const situation: ListenerSituation = {
    snapshot: buildSnapshot(
      {
        ...contents(1, served),
        trustStores: STORES.map(([record]) => record),
        unreadable: [{ kind: "domain", id: "damaged.example", problem: "not JSON" }],
      },
      new Map(STORES.map(([record, content]) => [record.contentSha256, content])),
    ),
    listener: facts.listener,
    dedicatedDomains: new Set([name("dedicated.example")]),
    nowMs: NOW,
  };
  const judge = new RecipientJudge({
    trust: createTrustResolver([]),
    chainVerifier: rest.chainVerifier === null ? null : verifier,
    staleForMs: () => staleForMs,
    clientKey: "192.0.2.1",
    onTooMany: () => (tooMany.times += 1),
  });
  const verdictOn = async (domain: string | null, given: SessionFacts = facts) => {
    const recipient = { domain: domain === null ? null : name(domain), localPart: "x" };
    const { verdict } = await judge.judge(situation, given, recipient);
    return [verdict.outcome, verdict.reason, verdict.circumstance].filter((part) => part !== null).join(" ");
  };
  return { judge, situation, verdictOn, questions, tooMany };
}

const DEFERRED = "defer client-certificate-untrusted not-judged";
const UNTRUSTED = "reject client-certificate-untrusted";

describe("the judge of a connection's recipients", () => {
  it.each([
    ["no domain name", null, 0, "reject relay-denied"],
    ["a domain without settings", "other.example", 0, "reject relay-denied"],
    [
      "a domain without settings, when settings are stale",
      "other.example",
      60_001,
      "defer relay-denied stale",
    ],
    ["a domain of another listener", "dedicated.example", 0, "reject relay-denied"],
    ["a domain whose settings cannot be read", "damaged.example", 0, "defer settings-unusable"],
  ])("judges %s without settings, and asks no verifier", async (_, domain, staleForMs, expected) => {
    const { judge, situation, verdictOn, questions } = judgeWith({ staleForMs });
    expect(await verdictOn(domain)).toBe(expected);
    const recipient = { domain: domain === null ? null : name(domain), localPart: "x" };
    expect((await judge.judge(situation, facts, recipient)).settings).toBeNull();
    expect(questions).toEqual([]);
  });

  it("names the settings that it judged by", async () => {
    const { judge, situation } = judgeWith({ answers: [VALID] });
    const { settings } = await judge.judge(situation, facts, { domain: name("a.example"), localPart: "x" });
    expect(settings?.name).toBe("a.example");
  });

  it("asks the verifier once for each trust, also for recipients judged at the same time", async () => {
    const { verdictOn, questions } = judgeWith({ answers: [VALID, INVALID] });
    const together = await Promise.all(["a.example", "b.example"].map((domain) => verdictOn(domain)));
    expect(together).toEqual(["accept", "accept"]);
    expect(await verdictOn("c.example")).toBe(UNTRUSTED);
    expect([await verdictOn("a.example"), await verdictOn("c.example")]).toEqual(["accept", UNTRUSTED]);
    expect(questions).toMatchObject([
      { chain: peer.chain, client: "192.0.2.1", trust: { unusable: false } },
      { chain: peer.chain, client: "192.0.2.1", trust: { unusable: false } },
    ]);
    expect(new Set(questions.map(({ trust }) => trust.hash)).size).toBe(2);
  });

  it("asks again at the next recipient when the chain could not be judged", async () => {
    const { verdictOn, questions, tooMany } = judgeWith({ answers: [NOT_JUDGED, NOT_JUDGED, VALID] });
    expect(await verdictOn("a.example")).toBe(DEFERRED);
    expect(await verdictOn("a.example")).toBe(DEFERRED);
    expect(await verdictOn("a.example")).toBe("accept");
    expect(await verdictOn("b.example")).toBe("accept");
    expect([questions.length, tooMany.times]).toEqual([3, 0]);
  });

  it("reports once for each refused question that the client has had too many, and asks again", async () => {
    const { verdictOn, tooMany } = judgeWith({ answers: [TOO_MANY, TOO_MANY, VALID] });
    const together = await Promise.all(["a.example", "b.example"].map((domain) => verdictOn(domain)));
    expect([together, tooMany.times]).toEqual([[DEFERRED, DEFERRED], 1]);
    expect([await verdictOn("a.example"), tooMany.times]).toEqual([DEFERRED, 2]);
    expect([await verdictOn("a.example"), tooMany.times]).toEqual(["accept", 2]);
  });

  it("accepts nothing when the verifier fails, and asks again at the next recipient", async () => {
    const { verdictOn } = judgeWith({ answers: [new Error("out of memory"), VALID] });
    await expect(verdictOn("a.example")).rejects.toThrow("out of memory");
    expect(await verdictOn("a.example")).toBe("accept");
  });

  it("defers what only a chain verifier could judge where there is none", async () => {
    const { verdictOn } = judgeWith({ chainVerifier: null });
    expect(await verdictOn("a.example")).toBe(DEFERRED);
  });

  it("asks no verifier for what the facts decide alone", async () => {
    const { verdictOn, questions } = judgeWith({});
    expect(await verdictOn("a.example", { ...facts, tls: null })).toBe("reject client-certificate-missing");
    const { hash } = createTrustResolver([]).resolve(
      judgeWith({}).situation.snapshot,
      requiring("a.example", 1).tls.clientCertificate.trust,
    );
    const judged = { ...peer, handshake: { trustHash: hash, ok: true, code: null } };
    const tls = facts.tls === null ? null : { ...facts.tls, peer: judged };
    expect(await verdictOn("a.example", { ...facts, tls })).toBe("accept");
    expect(questions).toEqual([]);
  });
});
