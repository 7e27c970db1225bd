import { describe, expect, it } from "vitest";
import { contents, domainAtLevel } from "../../test/support/settings-feed.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { ClientCertificateMode, DomainRecord, TlsException, TlsLevel } from "../record/domain.ts";
import { buildSnapshot } from "../snapshot/snapshot.ts";
import { asksForCertificate, mailNeedsTls, offersStarttls, reachableDomain } from "./listener.ts";

const name = (text: string) => text as DomainName;

function domain(
  text: string,
  level: TlsLevel,
  mode: ClientCertificateMode = "none",
  exceptions: TlsException[] = [],
): DomainRecord {
  const base = domainAtLevel(text, level, 1);
  const clientCertificate = { ...base.tls.clientCertificate, mode };
  return { ...base, mxHosts: [name(`mx.${text}`)], tls: { ...base.tls, clientCertificate, exceptions } };
}

const exception = (change: Partial<TlsException>): TlsException => ({
  match: { clientCidr: "192.0.2.0/24" },
  reason: "test",
  ...change,
});

const broken = { kind: "domain", id: "broken.example", problem: "not JSON" } as const;

const situation = (
  domains: DomainRecord[],
  dedicatedTo: string | null = null,
  elsewhere: string[] = [],
  unreadable: readonly (typeof broken)[] = [],
) => ({
  snapshot: buildSnapshot({ ...contents(1, domains), unreadable }, new Map()),
  listener: { name: "smtp", dedicatedTo: dedicatedTo === null ? null : name(dedicatedTo) },
  dedicatedDomains: new Set([...elsewhere, ...(dedicatedTo === null ? [] : [dedicatedTo])].map(name)),
  nowMs: Date.parse("2026-11-24T12:00:00Z"),
});

const A = "a.example";
const B = "b.example";

describe("offersStarttls", () => {
  it.each([
    ["a shared listener without any domain", [], null, [], true],
    ["only `none`", [domain(A, "none"), domain(B, "none")], null, [], false],
    ["one `accept`", [domain(A, "none"), domain(B, "accept")], null, [], true],
    ["one `require`", [domain(A, "require")], null, [], true],
    [
      "`none` with an exception",
      [domain(A, "none", "none", [exception({ level: "require" })])],
      null,
      [],
      true,
    ],
    [
      "`none` with an expired exception",
      [domain(A, "none", "none", [exception({ level: "require", expiresAt: "2026-11-24T11:00:00Z" })])],
      null,
      [],
      false,
    ],
    [
      "`none` with an exception that leaves the level alone",
      [domain(A, "none", "none", [exception({})])],
      null,
      [],
      false,
    ],
    ["the only `accept` served elsewhere", [domain(A, "none"), domain(B, "accept")], null, [B], false],
    ["every domain served elsewhere", [domain(B, "none")], null, [B], true],
    ["a listener dedicated to `none`", [domain(A, "none"), domain(B, "accept")], A, [], false],
    ["a listener dedicated to `accept`", [domain(A, "accept"), domain(B, "none")], A, [], true],
    ["a listener dedicated to a domain that is not there", [domain(B, "accept")], A, [], false],
  ] as const)("for %s", (_, domains, dedicatedTo, elsewhere, offered) =>
    expect(offersStarttls(situation([...domains], dedicatedTo, [...elsewhere]))).toBe(offered),
  );

  it("on a listener dedicated to a domain whose settings cannot be read, since they may ask for it", () =>
    expect(offersStarttls(situation([], broken.id, [], [broken]))).toBe(true));
});

describe("mailNeedsTls", () => {
  const observed = {
    ...domain(A, "require"),
    tls: { ...domain(A, "require").tls, enforcement: "observe" as const },
  };
  it.each([
    ["no domain", [], null, [], false],
    ["every domain requires", [domain(A, "require"), domain(B, "require")], null, [], true],
    ["one accepts", [domain(A, "require"), domain(B, "accept")], null, [], false],
    ["one only observes", [observed, domain(B, "require")], null, [], false],
    [
      "the one that accepts is served elsewhere",
      [domain(A, "require"), domain(B, "accept")],
      null,
      [B],
      true,
    ],
    [
      "an exception loosens",
      [domain(A, "require", "none", [exception({ level: "accept" })])],
      null,
      [],
      false,
    ],
    [
      "an exception by client name, which never holds in plaintext",
      [
        domain(A, "require", "none", [
          exception({ match: { clientName: name("c.example") }, level: "accept" }),
        ]),
      ],
      null,
      [],
      true,
    ],
    [
      "an exception that has expired",
      [domain(A, "require", "none", [exception({ level: "accept", expiresAt: "2026-11-24T12:00:00Z" })])],
      null,
      [],
      true,
    ],
    [
      "an exception that demands as much",
      [domain(A, "require", "none", [exception({ level: "require" })])],
      null,
      [],
      true,
    ],
    ["the dedicated domain requires", [domain(A, "require"), domain(B, "accept")], A, [], true],
    ["the dedicated domain is not there", [domain(B, "require")], A, [], false],
  ] as const)("when %s", (_, domains, dedicatedTo, elsewhere, needed) =>
    expect(mailNeedsTls(situation([...domains], dedicatedTo, [...elsewhere]))).toBe(needed),
  );

  it("but not while a domain may have any level, because its record was never readable", () => {
    const domains = [domain(A, "require")];
    expect(mailNeedsTls(situation(domains, null, [], [broken]))).toBe(false);
    expect(mailNeedsTls(situation(domains, null, [broken.id], [broken]))).toBe(true);
    expect(mailNeedsTls(situation(domains, A, [], [broken]))).toBe(true);
  });
});

describe("asksForCertificate", () => {
  const mixed = [domain(A, "require", "require"), domain(B, "accept")];
  const shared = [
    { ...domain(A, "require", "request"), mxHosts: [name("mx.shared.example")] },
    { ...domain(B, "accept"), mxHosts: [name("mx.shared.example")] },
  ];
  it.each([
    ["the SNI of a domain that wants one", mixed, null, [], "mx.a.example", true],
    ["the SNI of a domain that does not", mixed, null, [], "mx.b.example", false],
    ["an unknown SNI", mixed, null, [], "mx.x.example", true],
    ["no SNI", mixed, null, [], null, true],
    ["no SNI where no domain wants one", [domain(B, "accept")], null, [], null, false],
    ["no SNI where who wants one is served elsewhere", mixed, null, [A], null, false],
    ["a host shared by one that wants one", shared, null, [], "mx.shared.example", true],
    ["a shared host whose wanting domain is served elsewhere", shared, null, [A], "mx.shared.example", false],
    [
      "an exception that wants one",
      [domain(A, "require", "none", [exception({ clientCertificateMode: "request" })])],
      null,
      [],
      "mx.a.example",
      true,
    ],
    [
      "exceptions that want none, or leave the mode alone",
      [
        domain(A, "accept", "none", [
          exception({ clientCertificateMode: "none" }),
          exception({ level: "require" }),
        ]),
      ],
      null,
      [],
      "mx.a.example",
      false,
    ],
    ["a dedicated listener, whatever the SNI", mixed, A, [], "mx.b.example", true],
    ["a dedicated listener that does not want one", mixed, B, [], "mx.a.example", false],
  ] as const)("for %s", (_, domains, dedicatedTo, elsewhere, sni, asked) =>
    expect(
      asksForCertificate(
        situation([...domains], dedicatedTo, [...elsewhere]),
        sni === null ? null : name(sni),
      ),
    ).toBe(asked),
  );
});

describe("reachableDomain", () => {
  const domains = [domain(A, "accept"), domain(B, "none")];
  const found = (dedicatedTo: string | null, elsewhere: string[], text: string) => {
    const entry = reachableDomain(situation(domains, dedicatedTo, elsewhere, [broken]), name(text));
    return typeof entry === "object" ? entry.name : entry;
  };
  it.each([
    [null, [], A, A],
    [null, [A], A, "absent"],
    [null, [], "x.example", "absent"],
    [null, [], "broken.example", "unusable"],
    [A, [], A, A],
    [A, [], B, "absent"],
  ] as const)(
    "on a listener for %s with %j elsewhere finds %s as %s",
    (dedicatedTo, elsewhere, text, expected) =>
      expect(found(dedicatedTo, [...elsewhere], text)).toBe(expected),
  );
});
