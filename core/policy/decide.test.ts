import type { HandshakeVerdict, PeerCertificate } from "../x509/peer-certificate.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, TlsException, TlsSettings } from "../record/domain.ts";
import type { ChainVerdict, ResolvedTrust } from "./chain-verifier.ts";
import { decide, type Decision } from "./decide.ts";
import type { RecipientFacts, SessionFacts, TlsFacts } from "./facts.ts";
import type { Verdict } from "./verdict.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const REQUIRE = { level: "require", mode: "require" } as const;
const NO_TRUST: ResolvedTrust = { hash: "", anchorsPem: [], crlsPem: [], exemptPem: [], unusable: false };
const TRUST: ResolvedTrust = { ...NO_TRUST, hash: "trust-a", anchorsPem: ["PEM"] };
const host = (text: string) => text as DomainName;

/** The settings that rows 3 to 8 read, in one level. */
type Rule = Partial<
  Omit<TlsSettings["server"], "certificateId"> &
    Omit<TlsSettings["clientCertificate"], "trust"> &
    Pick<TlsSettings, "enforcement" | "exceptions"> & { readonly pins: readonly string[] }
>;

function domain(rule: Rule): DomainRecord {
  const { level = "accept", minVersion = "TLSv1.2", enforcement = "reject", exceptions = [], ...rest } = rule;
  const { pins = [], ...clientCertificate } = rest;
  return domainRecord({
    server: { level, minVersion },
    clientCertificate: { ...clientCertificate, trust: { publicRoots: false, trustStoreIds: [], pins } },
    enforcement,
    exceptions,
  });
}

const OK: HandshakeVerdict = { trustHash: TRUST.hash, ok: true, code: null };
const refused = (code: string): HandshakeVerdict => ({ trustHash: TRUST.hash, ok: false, code });
const UNJUDGED: HandshakeVerdict = { trustHash: null, ok: false, code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" };

function peer(handshake: HandshakeVerdict, change: Partial<PeerCertificate> = {}): PeerCertificate {
  return {
    chain: [new Uint8Array([1])],
    spkiPin: "sha256//leaf",
    notBefore: NOW - 1000,
    notAfter: NOW + 1000,
    dnsNames: ["client.example"],
    fingerprintSha256: "aa",
    handshake,
    ...change,
  } as PeerCertificate;
}

const tls = (change: Partial<TlsFacts> = {}): TlsFacts => ({
  protocol: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  sni: host("mx1.example.com"),
  asked: true,
  peer: null,
  ...change,
});

const facts = (session: TlsFacts | null, change: Partial<SessionFacts> = {}): SessionFacts => ({
  listener: { name: "smtp", dedicatedTo: null },
  clientAddress: "192.0.2.1",
  tlsPossible: true,
  tls: session,
  helo: host("client.example"),
  senderDomain: host("sender.example"),
  ...change,
});

const recipient = (session: SessionFacts, change: Partial<RecipientFacts> = {}): RecipientFacts => ({
  session,
  localPart: "x",
  nowMs: NOW,
  staleForMs: 0,
  chain: null,
  ...change,
});

const ask = (rule: Rule, session: SessionFacts, change: Partial<RecipientFacts> = {}): Decision =>
  decide({ domain: domain(rule), trust: TRUST }, recipient(session, change));

function verdict(
  rule: Rule,
  given: SessionFacts,
  chain: ChainVerdict | null = null,
  trust: ResolvedTrust = TRUST,
): Verdict {
  const decision = decide({ domain: domain(rule), trust }, recipient(given, { chain }));
  if (decision.kind !== "verdict") throw new Error("the chain verifier was asked for");
  return decision.verdict;
}

const brief = ({ outcome, reason, circumstance }: Verdict): string =>
  [outcome, reason, circumstance].filter((part) => part !== null).join(" ");

describe("rows 1 and 2: a recipient without settings", () => {
  const CERTIFICATE = facts(tls({ peer: peer(UNJUDGED) }));

  it.each([
    ["absent", 0, "reject relay-denied"],
    ["absent", 60_000, "reject relay-denied"],
    ["absent", 60_001, "defer relay-denied stale"],
    ["unusable", 0, "defer settings-unusable"],
    ["unusable", 60_001, "defer settings-unusable"],
  ] as const)("whose domain is %s is judged at settings %d ms old: %s", (settings, staleForMs, expected) => {
    for (const session of [facts(null), CERTIFICATE]) {
      const decision = decide(settings, recipient(session, { staleForMs }));
      expect(decision).toMatchObject({ verdict: { clientCertificate: "not-requested", exception: null } });
      expect(decision.kind === "verdict" && brief(decision.verdict)).toBe(expected);
    }
  });

  it("are the only rows that the age of the settings changes", () => {
    const settings = { domain: domain(REQUIRE), trust: TRUST };
    for (const session of [facts(null), CERTIFICATE, facts(tls({ peer: peer(OK) }))]) {
      const fresh = decide(settings, recipient(session));
      expect(decide(settings, recipient(session, { staleForMs: 86_400_000 }))).toEqual(fresh);
    }
  });
});

describe("rows 3 and 4: the server side of TLS", () => {
  it.each([
    [{ level: "none" }, null, "accept"],
    [{ level: "accept" }, null, "accept"],
    [{ level: "require" }, null, "reject tls-required"],
    [{ level: "require", enforcement: "defer" }, null, "defer tls-required"],
    [{ level: "require", enforcement: "observe" }, null, "accept tls-required"],
    [{ level: "none" }, "TLSv1.2", "accept"],
    [{ level: "require" }, "TLSv1.2", "accept"],
    [{ level: "require", minVersion: "TLSv1.3" }, "TLSv1.2", "reject tls-too-old"],
    [{ level: "require", minVersion: "TLSv1.3", enforcement: "defer" }, "TLSv1.2", "defer tls-too-old"],
    [{ level: "require", minVersion: "TLSv1.3", enforcement: "observe" }, "TLSv1.2", "accept tls-too-old"],
    [{ level: "require", minVersion: "TLSv1.3" }, "TLSv1.3", "accept"],
    [{ level: "require" }, "TLSv1.1", "reject tls-too-old"],
  ] as const)("answers %j to %s with %s", (rule, protocol, expected) =>
    expect(brief(verdict(rule, facts(protocol === null ? null : tls({ protocol }))))).toBe(expected),
  );

  it.each([
    ["reject", "defer tls-required tls-not-possible"],
    ["defer", "defer tls-required tls-not-possible"],
    ["observe", "accept tls-required tls-not-possible"],
  ] as const)("defers under %s where the connection could not have had TLS", (enforcement, expected) =>
    expect(brief(verdict({ level: "require", enforcement }, facts(null, { tlsPossible: false })))).toBe(
      expected,
    ),
  );
});

const exception = (change: Partial<TlsException>): TlsException => ({ match: {}, reason: "test", ...change });
const judged = (valid: boolean, clientAuth: boolean, serverAuth: boolean): ChainVerdict => ({
  kind: "judged",
  valid,
  clientAuth,
  serverAuth,
  detail: null,
});
const NOT_JUDGED: ChainVerdict = { kind: "not-judged", why: "timed out" };

describe("rows 5 to 8: the client's certificate", () => {
  it.each([
    ["asked", true, "reject client-certificate-missing"],
    ["not asked", false, "defer client-certificate-missing not-asked"],
  ] as const)("refuses a client without one that was %s", (_, asked, expected) =>
    expect(brief(verdict(REQUIRE, facts(tls({ asked }))))).toBe(expected),
  );

  it.each([
    // purpose, handshake, verifier's answer, verdict
    ["clientAuth", OK, null, "accept"],
    ["clientAuthOrServerAuth", OK, null, "accept"],
    ["clientAuth", refused("CERT_HAS_EXPIRED"), null, "reject client-certificate-untrusted"],
    [
      "clientAuth",
      refused("CERT_HAS_EXPIRED"),
      judged(true, true, true),
      "reject client-certificate-untrusted",
    ],
    [
      "clientAuth",
      refused("INVALID_PURPOSE"),
      judged(true, false, true),
      "reject client-certificate-purpose",
    ],
    [
      "clientAuth",
      refused("INVALID_PURPOSE"),
      judged(false, false, true),
      "reject client-certificate-untrusted",
    ],
    ["clientAuth", refused("INVALID_PURPOSE"), NOT_JUDGED, "reject client-certificate-purpose"],
    ["clientAuth", refused("INVALID_PURPOSE"), judged(true, true, true), "reject client-certificate-purpose"],
    ["clientAuthOrServerAuth", refused("INVALID_PURPOSE"), judged(true, false, true), "accept"],
    [
      "clientAuthOrServerAuth",
      refused("INVALID_PURPOSE"),
      judged(true, false, false),
      "reject client-certificate-purpose",
    ],
    [
      "clientAuthOrServerAuth",
      refused("INVALID_PURPOSE"),
      judged(false, false, true),
      "reject client-certificate-untrusted",
    ],
    [
      "clientAuthOrServerAuth",
      refused("INVALID_PURPOSE"),
      NOT_JUDGED,
      "defer client-certificate-untrusted not-judged",
    ],
    ["clientAuth", UNJUDGED, judged(true, true, false), "accept"],
    ["clientAuth", UNJUDGED, judged(true, false, true), "reject client-certificate-purpose"],
    ["clientAuthOrServerAuth", UNJUDGED, judged(true, false, true), "accept"],
    ["clientAuthOrServerAuth", UNJUDGED, judged(false, true, true), "reject client-certificate-untrusted"],
    ["clientAuth", UNJUDGED, NOT_JUDGED, "defer client-certificate-untrusted not-judged"],
  ] as const)(
    "with purpose %s, handshake %j and verifier %j answers %s",
    (purpose, handshake, chain, expected) =>
      expect(brief(verdict({ ...REQUIRE, purpose }, facts(tls({ peer: peer(handshake) })), chain))).toBe(
        expected,
      ),
  );

  it.each([
    ["the handshake trusted no anchor", "clientAuth", UNJUDGED],
    ["the handshake judged under another trust", "clientAuth", { ...OK, trustHash: "trust-b" }],
    ["a wider purpose may still pass", "clientAuthOrServerAuth", refused("INVALID_PURPOSE")],
    ["the last error may hide an earlier one", "clientAuth", refused("INVALID_PURPOSE")],
  ] as const)("asks the chain verifier when %s", (_, purpose, handshake) =>
    expect(ask({ ...REQUIRE, purpose }, facts(tls({ peer: peer(handshake) }))).kind).toBe("chain-needed"),
  );

  it("asks the chain verifier about a chain that is longer than a path may be, though the handshake took it", () => {
    const ofLength = (length: number) => ({ chain: Array.from({ length }, () => new Uint8Array([1])) });
    const answer = (length: number, chain: ChainVerdict | null) =>
      ask(REQUIRE, facts(tls({ peer: peer(OK, ofLength(length)) })), { chain });
    expect(answer(7, null)).toMatchObject({ verdict: { outcome: "accept" } });
    expect(answer(8, null).kind).toBe("chain-needed");
    expect(answer(8, judged(true, true, false))).toMatchObject({ verdict: { outcome: "accept" } });
    expect(answer(8, judged(false, false, false))).toMatchObject({
      verdict: { reason: "client-certificate-untrusted" },
    });
  });

  it("never takes a handshake without trust for one under a domain's trust", () =>
    expect(ask(REQUIRE, facts(tls({ peer: peer({ trustHash: null, ok: true, code: null }) }))).kind).toBe(
      "chain-needed",
    ));

  it("calls every client untrusted when there is no anchor, without the verifier", () =>
    expect(
      brief(
        verdict(REQUIRE, facts(tls({ peer: peer(OK) })), null, { ...TRUST, anchorsPem: [], hash: "none" }),
      ),
    ).toBe("reject client-certificate-untrusted"));

  it("defers when a trust store could not be loaded", () =>
    expect(brief(verdict(REQUIRE, facts(tls({ peer: peer(OK) })), null, { ...TRUST, unusable: true }))).toBe(
      "defer client-certificate-untrusted not-judged",
    ));

  it.each([
    ["within its dates", {}, "accept"],
    ["in its first millisecond", { notBefore: NOW }, "accept"],
    ["in its last", { notAfter: NOW }, "accept"],
    ["before its dates", { notBefore: NOW + 1 }, "reject client-certificate-untrusted"],
    ["after its dates", { notAfter: NOW - 1 }, "reject client-certificate-untrusted"],
    ["with another key", { spkiPin: "sha256//other" }, "reject client-certificate-untrusted"],
  ] as const)("judges a pinned leaf %s", (_, change, expected) =>
    expect(
      brief(
        verdict(
          {
            ...REQUIRE,
            pins: ["sha256//leaf"],
            names: { match: "list", allowed: [host("elsewhere.example")] },
          },
          facts(tls({ peer: peer(UNJUDGED, change) })),
          null,
          { ...TRUST, anchorsPem: [] },
        ),
      ),
    ).toBe(expected),
  );

  const list = (...allowed: string[]) => ({ match: "list" as const, allowed: allowed.map(host) });
  it.each([
    [{ match: "any" as const, allowed: [] }, [], "accept"],
    [{ match: "helo" as const, allowed: [] }, ["client.example"], "accept"],
    [{ match: "helo" as const, allowed: [] }, ["other.example"], "reject client-certificate-name"],
    [{ match: "helo" as const, allowed: [] }, ["*.example"], "reject client-certificate-name"],
    [{ match: "helo" as const, allowed: [] }, [], "reject client-certificate-name"],
    [list("a.example"), ["a.example"], "accept"],
    [list("a.example"), ["b.example", "a.example"], "accept"],
    [list("a.example"), ["*.example"], "reject client-certificate-name"],
    [list("*.example"), ["a.example"], "accept"],
    [list("*.example"), ["*.example"], "accept"],
    [list("*.example"), ["a.b.example"], "reject client-certificate-name"],
    [list("*.example"), ["*.b.example"], "reject client-certificate-name"],
    [list("*.example"), ["example"], "reject client-certificate-name"],
  ] as const)("with names %j and dNSNames %j answers %s", (names, dnsNames, expected) =>
    expect(brief(verdict({ ...REQUIRE, names }, facts(tls({ peer: peer(OK, { dnsNames }) }))))).toBe(
      expected,
    ),
  );

  it("asks a name of a chain that the verifier judged, as of one that the handshake did", () => {
    const given = facts(tls({ peer: peer(UNJUDGED, { dnsNames: ["other.example"] }) }));
    expect(brief(verdict(REQUIRE, given, judged(true, true, false)))).toBe("reject client-certificate-name");
  });

  it("refuses `helo` to a client whose EHLO is no host name", () =>
    expect(brief(verdict(REQUIRE, facts(tls({ peer: peer(OK) }), { helo: null })))).toBe(
      "reject client-certificate-name",
    ));

  it.each([
    [peer(OK), null, "verified"],
    [null, null, "none"],
    [peer(UNJUDGED), judged(false, false, false), "untrusted"],
    [peer(UNJUDGED), judged(true, false, false), "purpose"],
    [peer(OK, { dnsNames: [] }), null, "name"],
    [peer(UNJUDGED), NOT_JUDGED, "not-judged"],
  ] as const)("records under `request` and never refuses: %#", (given, chain, recorded) => {
    const result = verdict({ level: "accept", mode: "request" }, facts(tls({ peer: given })), chain);
    expect([result.outcome, result.reason, result.clientCertificate]).toEqual(["accept", null, recorded]);
  });

  it("gives the reason why a certificate did not pass, and none for one that no rule asks about", () => {
    const expired = facts(tls({ peer: peer(refused("CERT_HAS_EXPIRED")) }));
    const clientAuth = { purpose: "clientAuth" } as const;
    expect(verdict({ ...REQUIRE, ...clientAuth }, expired).detail).toBe("CERT_HAS_EXPIRED");
    const others = [
      exception({ match: { clientCidr: "198.51.100.0/24" }, clientCertificateMode: "request" }),
    ];
    expect(verdict({ mode: "none", ...clientAuth, exceptions: others }, expired)).toMatchObject({
      clientCertificate: "not-requested",
      detail: null,
    });
    expect(verdict(REQUIRE, facts(tls({ peer: peer(OK) }))).detail).toBeNull();
  });

  it("does not judge a certificate that no rule asks about", () =>
    expect(verdict({ mode: "none" }, facts(tls({ peer: peer(UNJUDGED) }))).clientCertificate).toBe(
      "not-requested",
    ));
});

describe("exceptions", () => {
  it.each([
    ["the network", { clientCidr: "192.0.2.0/24" }, "accept"],
    ["another network", { clientCidr: "198.51.100.0/24" }, "reject tls-required"],
    ["network and sender", { clientCidr: "192.0.2.0/24", senderDomain: host("sender.example") }, "accept"],
    [
      "network but another sender",
      { clientCidr: "192.0.2.0/24", senderDomain: host("x.example") },
      "reject tls-required",
    ],
    ["a client name, in plaintext", { clientName: host("client.example") }, "reject tls-required"],
    ["nothing at all", {}, "reject tls-required"],
  ] as const)("loosen `require` when matching %s: %j → %s", (_, match, expected) =>
    expect(
      brief(verdict({ level: "require", exceptions: [exception({ match, level: "accept" })] }, facts(null))),
    ).toBe(expected),
  );

  it.each([
    ["2026-11-24T12:00:00.001Z", "accept"],
    ["2026-11-24T12:00:00.000Z", "reject tls-required"],
  ])("hold until they expire: %s → %s", (expiresAt, expected) =>
    expect(
      brief(
        verdict(
          {
            level: "require",
            exceptions: [exception({ match: { clientCidr: "192.0.2.1/32" }, level: "accept", expiresAt })],
          },
          facts(null),
        ),
      ),
    ).toBe(expected),
  );

  it("take the first that holds", () => {
    const first = exception({ match: { clientCidr: "192.0.2.0/24" }, level: "require" });
    const second = exception({ match: { clientCidr: "192.0.0.0/16" }, level: "none" });
    const result = verdict({ level: "accept", exceptions: [first, second] }, facts(null));
    expect([brief(result), result.exception]).toEqual(["reject tls-required", 0]);
  });

  const named = exception({
    match: { clientName: host("client.example") },
    clientCertificateMode: "request",
  });
  const strictNames = { match: "list" as const, allowed: [host("other.example")] };
  it.each([
    ["verified chain", peer(OK), null, "accept"],
    ["chain verified apart", peer(UNJUDGED), judged(true, true, true), "accept"],
    ["untrusted chain", peer(UNJUDGED), judged(false, false, false), "reject client-certificate-untrusted"],
    ["wrong purpose", peer(UNJUDGED), judged(true, false, false), "reject client-certificate-purpose"],
    ["chain not judged", peer(UNJUDGED), NOT_JUDGED, "defer client-certificate-untrusted not-judged"],
    ["another name", peer(OK, { dnsNames: ["x.example"] }), null, "reject client-certificate-name"],
    ["no certificate", null, null, "reject client-certificate-missing"],
  ] as const)("by client name need rows 6 and 7: %s", (_, given, chain, expected) =>
    expect(
      brief(
        verdict({ ...REQUIRE, names: strictNames, exceptions: [named] }, facts(tls({ peer: given })), chain),
      ),
    ).toBe(expected),
  );

  it.each([
    ["verified, by any of its names", peer(OK, { dnsNames: ["x.example", "client.example"] }), null, 0],
    ["verified, under another name", peer(OK, { dnsNames: ["x.example"] }), null, null],
    ["untrusted", peer(UNJUDGED), judged(false, false, false), null],
  ] as const)(
    "by client name hold at a domain that asks for none when the certificate is %s",
    (_, given, chain, index) => {
      const rule: Rule = {
        level: "require",
        mode: "none",
        exceptions: [exception({ match: named.match, level: "accept" })],
      };
      expect(verdict(rule, facts(tls({ peer: given })), chain)).toMatchObject({
        outcome: "accept",
        exception: index,
        clientCertificate: "not-requested",
      });
    },
  );

  const REPORTS = "tlsrpt@example.com";
  const forReports = (change: Partial<TlsException> = {}) =>
    exception({ match: { recipient: REPORTS }, level: "accept", clientCertificateMode: "none", ...change });
  const at = (
    localPart: string,
    rule: Rule,
    given: SessionFacts,
    chain: ChainVerdict | null = null,
  ): string => {
    const decision = ask(rule, given, { localPart, chain });
    return decision.kind === "verdict" ? brief(decision.verdict) : decision.kind;
  };
  const strict: Rule = { ...REQUIRE, minVersion: "TLSv1.3", exceptions: [forReports()] };

  it.each([
    ["plaintext", facts(null), null, "reject tls-required"],
    [
      "TLS that was not to be had",
      facts(null, { tlsPossible: false }),
      null,
      "defer tls-required tls-not-possible",
    ],
    ["TLS 1.2", facts(tls({ protocol: "TLSv1.2" })), null, "reject tls-too-old"],
    ["no certificate", facts(tls()), null, "reject client-certificate-missing"],
    [
      "an untrusted chain",
      facts(tls({ peer: peer(UNJUDGED) })),
      judged(false, false, false),
      "reject client-certificate-untrusted",
    ],
    [
      "a chain that is not judged",
      facts(tls({ peer: peer(UNJUDGED) })),
      NOT_JUDGED,
      "defer client-certificate-untrusted not-judged",
    ],
    [
      "a purpose",
      facts(tls({ peer: peer(UNJUDGED) })),
      judged(true, false, false),
      "reject client-certificate-purpose",
    ],
    ["a name", facts(tls({ peer: peer(OK, { dnsNames: [] }) })), null, "reject client-certificate-name"],
  ] as const)("for a recipient loosen rows 3 to 8 for that mailbox alone: %s", (_, given, chain, others) => {
    expect(at("tlsrpt", { ...strict, names: { match: "helo", allowed: [] } }, given, chain)).toBe("accept");
    expect(at("sales", { ...strict, names: { match: "helo", allowed: [] } }, given, chain)).toBe(others);
  });

  it.each([
    ["tlsrpt", "accept"],
    ["TLSRPT", "accept"],
    ['"tlsrpt"', "accept"],
    ['"tls\\rpt"', "accept"],
    ["tlsrpt+x", "reject tls-required"],
    ["tls.rpt", "reject tls-required"],
    ['"tlsrpt "', "reject tls-required"],
    ["tl\u017frpt", "reject tls-required"],
  ])("for tlsrpt@ judge a RCPT to %s@: %s", (localPart, expected) =>
    expect(at(localPart, { level: "require", exceptions: [forReports()] }, facts(null))).toBe(expected),
  );

  it("for a recipient can be stricter, and no spelling walks around them", () => {
    const rule: Rule = { level: "accept", exceptions: [forReports({ level: "require" })] };
    expect(
      ["tlsrpt", "TlsRpt", '"tlsrpt"', "sales"].map((localPart) => at(localPart, rule, facts(null))),
    ).toEqual(["reject tls-required", "reject tls-required", "reject tls-required", "accept"]);
  });

  it("need all keys: a recipient and a network", () => {
    const match = { recipient: REPORTS, clientCidr: "198.51.100.0/24" };
    const rule: Rule = { level: "require", exceptions: [forReports({ match })] };
    expect(at("tlsrpt", rule, facts(null))).toBe("reject tls-required");
    expect(at("tlsrpt", rule, facts(null, { clientAddress: "198.51.100.1" }))).toBe("accept");
    expect(at("sales", rule, facts(null, { clientAddress: "198.51.100.1" }))).toBe("reject tls-required");
  });

  it("of other senders do not keep a certificate from being judged", () => {
    const elsewhere = exception({ match: { clientCidr: "198.51.100.0/24" }, level: "require" });
    expect(verdict({ ...REQUIRE, exceptions: [elsewhere] }, facts(tls({ peer: peer(OK) })))).toMatchObject({
      outcome: "accept",
      exception: null,
      clientCertificate: "verified",
    });
  });

  it("by client name change nothing for a domain that takes either way when the chain cannot be judged", () =>
    expect(
      brief(
        verdict(
          { level: "accept", mode: "none", exceptions: [{ ...named, level: "require" }] },
          facts(tls({ peer: peer(UNJUDGED) })),
          NOT_JUDGED,
        ),
      ),
    ).toBe("accept"));
});

describe("whatever the facts", () => {
  const anyRule = fc.record({
    level: fc.constantFrom("none" as const, "accept" as const, "require" as const),
    minVersion: fc.constantFrom("TLSv1.2" as const, "TLSv1.3" as const),
    mode: fc.constantFrom("none" as const, "request" as const, "require" as const),
    purpose: fc.constantFrom("clientAuth" as const, "clientAuthOrServerAuth" as const),
  });
  const anyHandshake = fc.constantFrom(OK, UNJUDGED, refused("CERT_HAS_EXPIRED"), refused("INVALID_PURPOSE"));
  const anyFacts = fc
    .record({
      protocol: fc.constantFrom(null, "TLSv1.2", "TLSv1.3"),
      handshake: fc.option(anyHandshake),
      asked: fc.boolean(),
      tlsPossible: fc.boolean(),
      dnsNames: fc.subarray(["client.example", "x.example"]),
    })
    .map(({ protocol, handshake, asked, tlsPossible, dnsNames }) => {
      const given = handshake === null ? null : peer(handshake, { dnsNames });
      return facts(protocol === null ? null : tls({ protocol, asked, peer: given }), { tlsPossible });
    });
  const anyChain = fc.constantFrom(
    NOT_JUDGED,
    judged(true, true, true),
    judged(true, false, true),
    judged(false, true, true),
  );

  it("accepts under a looser rule whatever a stricter one accepts", () =>
    fc.assert(
      fc.property(anyRule, anyFacts, anyChain, (rule, given, chain) => {
        fc.pre(verdict(rule, given, chain).outcome === "accept");
        expect(verdict({ ...rule, level: "accept" }, given, chain).outcome).toBe("accept");
        expect(verdict({ ...rule, mode: "request" }, given, chain).outcome).toBe("accept");
        expect(verdict({ ...rule, minVersion: "TLSv1.2" }, given, chain).outcome).toBe("accept");
        expect(verdict({ ...rule, purpose: "clientAuthOrServerAuth" }, given, chain).outcome).toBe("accept");
      }),
    ));

  it("gives the same reason under every enforcement, and refuses under none but reject", () =>
    fc.assert(
      fc.property(anyRule, anyFacts, anyChain, (rule, given, chain) => {
        const [observe, defer, reject] = (["observe", "defer", "reject"] as const).map((enforcement) =>
          verdict({ ...rule, enforcement }, given, chain),
        );
        expect(defer?.reason).toBe(observe?.reason);
        expect(reject?.reason).toBe(observe?.reason);
        expect(observe?.outcome).toBe("accept");
        expect(defer?.outcome).toBe(defer?.reason === null ? "accept" : "defer");
        expect(reject?.outcome).not.toBe(reject?.reason === null ? "reject" : "accept");
      }),
    ));

  it("accepts under mode `require` only with a certificate that passed", () =>
    fc.assert(
      fc.property(anyRule, anyFacts, anyChain, (rule, given, chain) => {
        const result = verdict({ ...rule, level: "require", mode: "require" }, given, chain);
        fc.pre(result.outcome === "accept");
        expect(given.tls?.peer).not.toBeNull();
        expect(result.clientCertificate).toBe("verified");
        const { handshake } = given.tls?.peer ?? peer(UNJUDGED);
        expect(
          (handshake.ok && handshake.trustHash === TRUST.hash) || (chain.kind === "judged" && chain.valid),
        ).toBe(true);
      }),
    ));
});
