import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import type { DomainName } from "../name/domain-name.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  ENFORCEMENTS,
  MIN_VERSIONS,
  NAME_MATCHES,
  TLS_LEVELS,
} from "../record/domain.ts";
import type { PeerCertificate } from "../x509/peer-certificate.ts";
import type { ChainVerdict, ResolvedTrust } from "./chain-verifier.ts";
import { decide } from "./decide.ts";
import { explain } from "./explanation.ts";
import type { SessionFacts } from "./facts.ts";
import { REASONS } from "./verdict.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const TRUST: ResolvedTrust = { hash: "a", anchorsPem: ["PEM"], crlsPem: [], exemptPem: [], unusable: false };
const name = (text: string) => text as DomainName;
const PEER = {
  chain: [new Uint8Array([1])],
  spkiPin: "sha256//leaf",
  notBefore: NOW - 1,
  notAfter: NOW + 1,
  dnsNames: ["client.example"],
  fingerprintSha256: "aa",
  subjectName: "client.example",
  handshake: { trustHash: null, ok: false, code: null },
} satisfies PeerCertificate;

const chains = fc.constantFrom<ChainVerdict>(
  { kind: "judged", valid: true, clientAuth: true, serverAuth: false, detail: null },
  { kind: "judged", valid: true, clientAuth: false, serverAuth: false, detail: "purpose" },
  { kind: "judged", valid: false, clientAuth: false, serverAuth: false, detail: "expired" },
  { kind: "not-judged", why: "no time" },
);
const sessions = fc.record({
  protocol: fc.constantFrom(null, "TLSv1.2", "TLSv1.3"),
  asked: fc.boolean(),
  peer: fc.constantFrom(null, PEER),
  helo: fc.constantFrom(null, name("client.example"), name("other.example")),
  tlsPossible: fc.boolean(),
});
const domains = fc.record({
  level: fc.constantFrom(...TLS_LEVELS),
  minVersion: fc.constantFrom(...MIN_VERSIONS),
  mode: fc.constantFrom(...CLIENT_CERTIFICATE_MODES),
  match: fc.constantFrom(...NAME_MATCHES),
  enforcement: fc.constantFrom(...ENFORCEMENTS),
  excepted: fc.boolean(),
});

describe("an explanation", () => {
  it("has one line a row: passed before the row that failed, failed there, not reached after it", () => {
    fc.assert(
      fc.property(domains, sessions, chains, (rules, given, chain) => {
        const { level, minVersion, mode, match, enforcement, excepted } = rules;
        const domain = domainRecord({
          server: { level, minVersion },
          clientCertificate: { mode, names: { match, allowed: [name("client.example")] } },
          enforcement,
          exceptions: excepted ? [{ match: { clientCidr: "192.0.2.0/24" }, level: "none", reason: "x" }] : [],
        });
        const { protocol, asked, peer, helo, tlsPossible } = given;
        const session: SessionFacts = {
          listener: { name: "smtp", dedicatedTo: null },
          clientAddress: "192.0.2.1",
          tlsPossible,
          tls: protocol === null ? null : { protocol, cipher: "", sni: null, asked, peer },
          helo,
          senderDomain: null,
        };
        const facts = { session, localPart: "a", nowMs: NOW, staleForMs: 0, chain };
        const decision = decide({ domain, trust: TRUST }, facts);
        const verdict = decision.kind === "verdict" ? decision.verdict : null;
        expect(verdict).not.toBeNull();
        const rows =
          verdict === null
            ? []
            : explain({ recipientDomain: domain.name, settings: domain, session, verdict });
        const reason = verdict?.reason ?? null;
        const failedAt = reason === null ? REASONS.length : REASONS.indexOf(reason);
        expect(rows.map(({ row }) => row)).toEqual(REASONS.map((_, at) => at + 1));
        expect(rows.map(({ passed }) => passed)).toEqual(
          REASONS.map((_, at) => (at === failedAt ? false : at < failedAt ? true : null)),
        );
        for (const { text } of rows) expect(text).toMatch(/^[\x20-\x7e]+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it("names the rule of the exception that applied", () => {
    const domain = domainRecord({
      server: { level: "require" },
      exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, level: "accept", reason: "x" }],
    });
    const session: SessionFacts = {
      listener: { name: "smtp", dedicatedTo: null },
      clientAddress: "192.0.2.1",
      tlsPossible: true,
      tls: null,
      helo: null,
      senderDomain: null,
    };
    const decision = decide(
      { domain, trust: TRUST },
      { session, localPart: "a", nowMs: NOW, staleForMs: 0, chain: null },
    );
    if (decision.kind !== "verdict") throw new Error(decision.kind);
    const [, , row3] = explain({
      recipientDomain: domain.name,
      settings: domain,
      session,
      verdict: decision.verdict,
    });
    expect(row3).toMatchObject({
      passed: true,
      text: "level accept accepts mail in plaintext",
      facts: { level: "accept", exception: 0 },
    });
  });
});
