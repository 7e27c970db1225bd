import { describe, expect, it } from "vitest";
import {
  certificateId,
  certificateRecord,
  type DomainParts,
  domainRecord,
  name,
} from "../../test/support/records.ts";
import type { CertificateId, EdgeId } from "../name/ids.ts";
import type { ReportedEdge, ReportedListener, ServedCertificate } from "../edge-report/edge-reports.ts";
import { domainStatus, type StatusFacts } from "./domain-status.ts";

const id = (n: number): EdgeId => `edge_${n}` as EdgeId;

const shared: ReportedListener = {
  name: "mx",
  address: "0.0.0.0",
  port: 25,
  domain: null,
  proxyProtocol: false,
};
const dedicated = (domain: string): ReportedListener => ({
  ...shared,
  name: `own ${domain}`,
  domain: name(domain),
});

const edge = (n: number, parts: Partial<ReportedEdge> = {}): ReportedEdge => ({
  id: id(n),
  release: "0.1.0",
  listeners: [shared],
  revision: 17,
  certificates: [],
  certificateProblems: [],
  unreadable: [],
  stale: false,
  chainVerifier: true,
  omitted: 0,
  lastReportAt: "2026-11-24T12:00:00.000Z",
  state: "live",
  ...parts,
});

const facts = (
  edges: readonly ReportedEdge[],
  domain: DomainParts = {},
  more: Partial<StatusFacts> = {},
): StatusFacts => ({
  domain: domainRecord({ revision: 17, ...domain }),
  hosts: new Map(),
  certificates: new Map(),
  edges,
  sharedWithOthers: new Set(),
  warnings: [],
  check: null,
  nowMs: Date.parse("2026-11-24T12:00:00.000Z"),
  ...more,
});

const codes = (of: StatusFacts): string[] => domainStatus(of).warnings.map(({ code }) => code);

describe("edges at the revision of a domain", () => {
  const unreadable = [{ kind: "domain" as const, id: "example.com", problem: "tls (invalid)" }];

  it.each([
    ["0 edges", []],
    ["0 edges", [edge(1, { state: "lost" })]],
    ["1 of 1 edges at revision 17", [edge(1)]],
    ["3 of 3 edges at revision 17", [edge(1), edge(2, { revision: 18 }), edge(3, { revision: 400 })]],
    ["1 of 3 edges at revision 17", [edge(1), edge(2, { revision: 16 }), edge(3, { revision: null })]],
    ["0 of 1 edges at revision 17", [edge(1, { revision: 16 }), edge(2, { state: "lost" })]],
    ["1 of 2 edges at revision 17", [edge(1, { revision: 20, unreadable }), edge(2)]],
    [
      "1 of 1 edges at revision 17",
      [edge(1, { unreadable: [{ kind: "domain", id: "b.example", problem: "x" }] })],
    ],
    ["1 of 1 edges at revision 17", [edge(1, { stale: true })]],
  ])("are %s", (summary, edges) => expect(domainStatus(facts(edges)).summary).toBe(summary));

  it("that are lost stand apart and are not counted", () => {
    const { edges } = domainStatus(facts([edge(1), edge(2, { state: "lost", revision: 17 })]));
    expect(edges.live.map((each) => each.id)).toEqual([id(1)]);
    expect(edges.lost).toMatchObject([{ id: id(2), revision: 17 }]);
    expect(edges.atRevision).toBe(1);
  });
});

describe("effective settings", () => {
  const none: DomainParts = { server: { level: "none" } };
  const others = { sharedWithOthers: new Set([id(1)]) };
  const own = edge(1, { listeners: [shared, dedicated("example.com")] });

  it.each([
    ["none, literal, alone on a shared listener", facts([edge(1)], none), ["mx shared none "]],
    [
      "none on a shared listener with others is accept",
      facts([edge(1)], none, others),
      ["mx shared accept level-none-on-shared-listener"],
    ],
    ["accept is accept", facts([edge(1)], {}, others), ["mx shared accept "]],
    [
      "require is require",
      facts([edge(1)], { server: { level: "require" } }, others),
      ["mx shared require "],
    ],
    [
      "none on its own listener, and nothing on the shared one",
      facts([own], none, others),
      ["mx shared - served-by-dedicated-listener", "own example.com dedicated none "],
    ],
    [
      "another domain's own listener is not shown",
      facts([edge(1, { listeners: [shared, dedicated("b.example")] })]),
      ["mx shared accept "],
    ],
    [
      "edges that differ stand apart",
      facts([own, edge(2)]),
      ["mx shared - served-by-dedicated-listener", "own example.com dedicated accept ", "mx shared accept "],
    ],
    ["lost edges have none", facts([edge(1, { state: "lost" })]), []],
  ])("%s", (_, of, expected) => {
    const shown = domainStatus(of).listeners.map(
      ({ listener, kind, effective, reasons }) =>
        `${listener} ${kind} ${effective?.level ?? "-"} ${reasons.map(({ code }) => code).join()}`,
    );
    expect(shown).toEqual(expected);
  });

  it("of edges that agree are one, with all that show it", () => {
    const { listeners } = domainStatus(facts([edge(1), edge(2)]));
    expect(listeners).toEqual([
      {
        listener: "mx",
        kind: "shared",
        edges: [id(1), id(2)],
        effective: {
          level: "accept",
          minVersion: "TLSv1.2",
          clientCertificateMode: "none",
          enforcement: "reject",
        },
        reasons: [],
      },
    ]);
  });
});

describe("certificates of MX hosts", () => {
  const ours = certificateId(1);
  const host = name("mx.example.com");
  const served = (parts: Partial<ServedCertificate> = {}): ServedCertificate => ({
    certificateId: ours,
    version: 2,
    fingerprintsSha256: ["ab"],
    notAfter: "2027-01-01T00:00:00.000Z",
    problem: null,
    ...parts,
  });
  const item = (account: string) => new Map([[host, { host, account, certificateId: ours, domainCount: 1 }]]);
  const certificates = new Map([
    [ours, certificateRecord({ material: { version: 2, sha256: "cd".repeat(32) } })],
  ]);
  const parts: DomainParts = { mxHosts: [host] };

  it("are shown as the live edges serve them", () => {
    const edges = [
      edge(1, { certificates: [served(), served({ certificateId: null })] }),
      edge(2, { certificates: [served({ version: 1, problem: "the key is gone" })] }),
      edge(3, { certificates: [served()], state: "lost" }),
    ];
    const status = domainStatus(facts(edges, parts, { hosts: item("default"), certificates }));
    expect(status.mxHosts).toMatchObject([
      {
        host,
        own: true,
        pending: false,
        certificateId: ours,
        version: 2,
        served: [
          { edge: id(1), version: 2, problem: null },
          { edge: id(2), version: 1, problem: "the key is gone" },
        ],
      },
    ]);
    expect(status.warnings.map(({ code }) => code)).toEqual(["certificate-problem-at-edge"]);
  });

  it("that never loaded are shown with the reason, and warned of", () => {
    const never = {
      certificateId: ours,
      version: 2,
      reason: "key-missing",
      problem: "the key is gone",
      serves: null,
    } as const;
    const edges = [
      edge(1, { certificateProblems: [never] }),
      edge(2, { certificateProblems: [{ ...never, serves: 1 }] }),
      edge(3, { certificateProblems: [never], state: "lost" }),
      edge(4, { certificateProblems: [{ ...never, certificateId: certificateId(9) }] }),
    ];
    const status = domainStatus(facts(edges, parts, { hosts: item("default"), certificates }));
    const { certificateId: _id, ...shown } = never;
    expect(status.mxHosts[0]).toMatchObject({
      served: [],
      problems: [
        { edge: id(1), ...shown },
        { edge: id(2), ...shown, serves: 1 },
      ],
    });
    expect(status.warnings).toMatchObject([
      { code: "certificate-problem-at-edge" },
      { code: "certificate-not-loaded-at-edge", message: expect.stringContaining("1 of 3 edges") },
    ]);
  });

  it("of another account are not", () => {
    const problem = { version: 2, reason: "context", problem: "x", serves: null } as const;
    const troubled = {
      certificates: [served({ problem: "x" })],
      certificateProblems: [{ certificateId: ours, ...problem }],
    };
    const of = facts([edge(1, troubled)], parts, {
      hosts: item("other"),
      certificates,
    });
    const status = domainStatus(of);
    expect(status.mxHosts).toEqual([
      { host, own: false, pending: false, certificateId: null, version: null, served: [], problems: [] },
    ]);
    expect(JSON.stringify(status)).not.toContain(ours);
    expect(status.warnings).toEqual([]);
  });
});

describe("what edges give reason to warn of", () => {
  const asks: DomainParts = {
    server: { level: "require" },
    clientCertificate: { mode: "request" },
    mxHosts: ["mx.example.com"],
  };

  it.each([
    ["no edge at all", facts([]), ["no-live-edge"]],
    ["only lost edges", facts([edge(1, { state: "lost" })]), ["no-live-edge"]],
    ["one live edge", facts([edge(1)]), []],
    ["an edge without the store", facts([edge(1, { stale: true }), edge(2)]), ["edge-stale"]],
    ["no listener", facts([edge(1, { listeners: [] })]), ["not-served"]],
    [
      "only another domain's listener",
      facts([edge(1, { listeners: [dedicated("b.example")] })]),
      ["not-served"],
    ],
    [
      "level none among others",
      facts([edge(1)], { server: { level: "none" } }, { sharedWithOthers: new Set([id(1)]) }),
      ["level-none-on-shared-listener"],
    ],
    ["no chain verifier where no client is asked", facts([edge(1, { chainVerifier: false })]), []],
    [
      "no chain verifier where clients are asked",
      facts([edge(1, { chainVerifier: false })], asks),
      ["chain-verifier-missing"],
    ],
    [
      "a record that it cannot read",
      facts([edge(1, { unreadable: [{ kind: "mx-host", id: "mx.example.com", problem: "x" }] })], asks),
      ["settings-unreadable-at-edge"],
    ],
    [
      "a record of others that it cannot read",
      facts([edge(1, { unreadable: [{ kind: "mx-host", id: "mx.b.example", problem: "x" }] })], asks),
      [],
    ],
  ])("%s", (_, of, expected) => expect(codes(of)).toEqual(expected));
});

describe("a default certificate at an edge", () => {
  const own = (notAfter: string): Partial<ReportedEdge> => ({
    certificates: [
      { certificateId: null, version: null, fingerprintsSha256: ["ab".repeat(32)], notAfter, problem: null },
    ],
  });
  const good = own("2027-11-24T12:00:00.000Z");
  const ended = own("2026-11-24T12:00:00.000Z");
  const ofOthers = (ended.certificates ?? []).map((each) => ({
    ...each,
    certificateId: certificateId(2),
    version: 1,
  }));
  const besideOthers = { certificates: [...ofOthers, ...(good.certificates ?? [])] };
  const host = name("mx.example.com");
  const named: DomainParts = { mxHosts: [host] };
  const itemOf = (account: string, served: CertificateId | null) =>
    new Map([[host, { host, account, certificateId: served, domainCount: 1 }]]);

  it.each<[string, StatusFacts, readonly string[]]>([
    ["that is good", facts([edge(1, good)]), []],
    ["that has ended", facts([edge(1, good), edge(2, ended)]), ["default-certificate-expired"]],
    [
      "that ends in 30 days",
      facts([edge(1, own("2026-12-24T12:00:00.000Z"))]),
      ["default-certificate-expiring"],
    ],
    ["that ends a moment later", facts([edge(1, own("2026-12-24T12:00:00.001Z"))]), []],
    ["that is good, beside a certificate of others that has ended", facts([edge(1, besideOthers)]), []],
    ["that has ended at a lost edge", facts([edge(1, good), edge(2, { ...ended, state: "lost" })]), []],
    [
      "that has ended, at a host without a certificate",
      facts([edge(1, ended)], named, { hosts: itemOf("default", null) }),
      ["default-certificate-expired"],
    ],
    [
      "that has ended, at the operator's host",
      facts([edge(1, ended)], named),
      ["default-certificate-expired"],
    ],
    [
      "that has ended, at a host with a certificate",
      facts([edge(1, ended)], named, { hosts: itemOf("default", certificateId(1)) }),
      [],
    ],
    [
      "that has ended, at a host of another account",
      facts([edge(1, ended)], named, { hosts: itemOf("other", null) }),
      [],
    ],
  ])("%s", (_, of, expected) => expect(codes(of)).toEqual(expected));
});
