import { describe, expect, it } from "vitest";
import { CAS, pinOf } from "../../test/support/client-kinds.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  type DomainParts,
  name,
  trustStoreId,
} from "../../test/support/records.ts";
import { trustStoreOf } from "../../test/support/test-edge.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { ListenerSituation } from "./listener.ts";
import { createTrustResolver } from "./trust.ts";
import type { MxHost } from "../record/mx-host.ts";
import { buildSnapshot } from "../snapshot/snapshot.ts";
import { chooseTls, type TlsChoice } from "./tls-choice.ts";

const resolver = createTrustResolver([CAS.other.rootPem]);
const MX = "mx.example.net";

interface Situation {
  readonly certificates?: Readonly<Record<string, CertificateRecord>>;
  readonly dedicatedTo?: string;
  readonly dedicated?: readonly string[];
}

function situation(
  domains: readonly DomainParts[],
  { certificates = {}, dedicatedTo, dedicated = [] }: Situation = {},
): ListenerSituation {
  const records = domains.map((parts) => domainRecord({ mxHosts: [MX], ...parts }));
  const hosts: MxHost[] = [...new Set(records.flatMap(({ mxHosts }) => mxHosts))].map((host) => ({
    host,
    account: "default",
    certificateId: certificates[host]?.id ?? null,
    domainCount: 1,
  }));
  const stores = [
    trustStoreOf(trustStoreId(1), CAS.partner.rootPem),
    trustStoreOf(trustStoreId(2), CAS.other.rootPem),
  ];
  const snapshot = buildSnapshot(
    {
      revision: 1,
      domains: records,
      mxHosts: hosts,
      certificates: Object.values(certificates),
      trustStores: stores.map(([record]) => record),
      unreadable: [],
    },
    new Map(stores.map(([record, content]) => [record.contentSha256, content])),
  );
  const own = dedicatedTo === undefined ? null : name(dedicatedTo);
  return {
    snapshot,
    listener: { name: "smtp", dedicatedTo: own },
    dedicatedDomains: new Set(dedicated.map(name)),
    nowMs: 0,
  };
}

const choose = (given: ListenerSituation, sni: string | null): TlsChoice =>
  chooseTls(given, sni === null ? null : name(sni), resolver);

const asking = (domain: string, store: number, parts: DomainParts = {}): DomainParts => ({
  name: domain,
  server: { level: "require" },
  clientCertificate: { mode: "require" },
  trustStoreIds: [trustStoreId(store)],
  ...parts,
});
const quiet = (domain: string): DomainParts => ({ name: domain });

describe("the trust of a handshake", () => {
  it.each<{
    title: string;
    domains: readonly DomainParts[];
    sni: string | null;
    anchors: readonly string[] | null;
  }>([
    {
      title: "one domain that asks",
      domains: [asking("a.example", 1)],
      sni: MX,
      anchors: [CAS.partner.rootPem],
    },
    {
      title: "two that ask with one trust, beside one that does not ask",
      domains: [asking("a.example", 1), asking("b.example", 1), quiet("c.example")],
      sni: MX,
      anchors: [CAS.partner.rootPem],
    },
    {
      title: "two that ask with two trusts",
      domains: [asking("a.example", 1), asking("b.example", 2)],
      sni: MX,
      anchors: null,
    },
    {
      title: "public roots",
      domains: [
        asking("a.example", 1, {
          clientCertificate: {
            mode: "request",
            trust: { publicRoots: true, trustStoreIds: [trustStoreId(1)], pins: [] },
          },
        }),
      ],
      sni: MX,
      anchors: null,
    },
    {
      title: "pins",
      domains: [
        asking("a.example", 1, {
          clientCertificate: {
            mode: "request",
            trust: { publicRoots: false, trustStoreIds: [trustStoreId(1)], pins: [pinOf("good")] },
          },
        }),
      ],
      sni: MX,
      anchors: null,
    },
    {
      title: "a trust store that cannot be loaded",
      domains: [asking("a.example", 3)],
      sni: MX,
      anchors: null,
    },
    { title: "no SNI", domains: [asking("a.example", 1)], sni: null, anchors: null },
    { title: "an unknown SNI", domains: [asking("a.example", 1)], sni: "elsewhere.example", anchors: null },
    { title: "no domain that asks", domains: [quiet("a.example")], sni: MX, anchors: null },
  ])("with $title", ({ domains, sni, anchors }) => {
    const { trust } = choose(situation(domains), sni);
    expect(trust?.anchorsPem.map((pem) => pem.trim()) ?? null).toEqual(
      anchors?.map((pem) => pem.trim()) ?? null,
    );
  });

  it("is that of the domain on its dedicated listener, for its own MX hosts", () => {
    const given = situation([asking("own.example", 1, { mxHosts: ["mx.own.example"] })], {
      dedicatedTo: "own.example",
      dedicated: ["own.example"],
    });
    expect(choose(given, "mx.own.example").trust).not.toBeNull();
    expect(choose(given, "elsewhere.example")).toMatchObject({ trust: null, ask: true });
    expect(choose(given, null)).toMatchObject({ trust: null, ask: true });
  });
});

describe("asking", () => {
  const mixed = [
    asking("a.example", 1, { mxHosts: ["mx.a.example"] }),
    { name: "b.example", mxHosts: ["mx.b.example"] },
  ];

  it.each([
    ["mx.a.example", true],
    ["mx.b.example", false],
    ["elsewhere.example", true],
    [null, true],
  ])("of a client that names %s: %s", (sni, ask) => {
    expect(choose(situation(mixed), sni).ask).toBe(ask);
  });

  it("takes no notice of a domain that has a dedicated listener", () => {
    const given = situation(mixed, { dedicated: ["a.example"] });
    expect(choose(given, null).ask).toBe(false);
    expect(choose(given, "mx.a.example").ask).toBe(false);
  });
});

describe("the certificate", () => {
  const one = certificateRecord({ id: certificateId(1) });
  const two = certificateRecord({ id: certificateId(2) });
  const domains = [
    { name: "a.example", mxHosts: ["mx1.a.example", "mx2.a.example", "mx3.a.example"] },
    { name: "b.example", mxHosts: ["mx.b.example"] },
  ];
  const certificates = { "mx2.a.example": one, "mx3.a.example": two };

  it.each([
    ["mx2.a.example", one.id],
    ["mx3.a.example", two.id],
    ["mx1.a.example", null],
    ["mx.b.example", null],
    ["elsewhere.example", null],
    [null, null],
  ])("on a shared listener for %s is %s", (sni, id) => {
    expect(choose(situation(domains, { certificates }), sni).certificate?.id ?? null).toBe(id);
  });

  it.each([
    ["mx3.a.example", two.id],
    ["mx1.a.example", null],
    ["elsewhere.example", one.id],
    [null, one.id],
  ])("on a dedicated listener for %s is %s", (sni, id) => {
    const given = situation(domains, { certificates, dedicatedTo: "a.example", dedicated: ["a.example"] });
    expect(choose(given, sni).certificate?.id ?? null).toBe(id);
  });

  it("is the default on a dedicated listener whose domain is not there", () => {
    const given = situation(domains, {
      certificates,
      dedicatedTo: "gone.example",
      dedicated: ["gone.example"],
    });
    expect(choose(given, "mx2.a.example")).toEqual({
      host: null,
      certificate: null,
      trust: null,
      ask: false,
    });
  });
});
