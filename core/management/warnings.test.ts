import { describe, expect, it } from "vitest";
import {
  BUILT_AT,
  certificateId,
  certificateRecord,
  type DomainParts,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { timestamp } from "../clock.ts";
import type { TlsException } from "../record/domain.ts";
import { domainWarnings, type WarningContext } from "./warnings.ts";

const NOW = Date.parse(BUILT_AT);
const DAY_MS = 24 * 3600 * 1000;
const inDays = (days: number): string => timestamp(NOW + days * DAY_MS);
const HOST = "mx.example.com";
const ID = certificateId(1);
const STORE = trustStoreId(1);

const key = (parts: Partial<CertificateRecord["keys"][number]>) =>
  certificateRecord().keys.map((each) => ({ ...each, ...parts }));

interface Around {
  readonly account?: string;
  readonly certificate?: Partial<CertificateRecord> | null;
  readonly store?: Partial<ReturnType<typeof trustStoreRecord>> | null;
}

function context({ account = "default", certificate, store }: Around = {}): WarningContext {
  const served = certificate === undefined ? null : ID;
  return {
    nowMs: NOW,
    operatorHosts: new Set(["operator.example", "*.mx.example"]),
    surroundings: {
      hosts: new Map(
        [HOST, "mx2.example.com", "operator.example", "a.mx.example"].map((host) => [
          name(host),
          { host: name(host), account, certificateId: host === HOST ? served : null, domainCount: 1 },
        ]),
      ),
      certificates: new Map(certificate ? [[ID, certificateRecord({ id: ID, ...certificate })]] : []),
      trustStores: new Map(store ? [[STORE, trustStoreRecord({ id: STORE, ...store })]] : []),
    },
  };
}

const codes = (parts: DomainParts, around?: Around): string[] =>
  domainWarnings(domainRecord(parts), context(around)).map(({ code }) => code);

const anchor = (days: number) => ({
  ...trustStoreRecord().anchors[0],
  subject: "CN=x",
  fingerprintSha256: "01",
  notBefore: BUILT_AT,
  notAfter: inDays(days),
});
const crl = (days: number) => ({ issuer: "CN=x", thisUpdate: BUILT_AT, nextUpdate: inDays(days) });
const exception = (days: number | null, match: object = { clientCidr: "192.0.2.0/24" }) => ({
  match,
  level: "none" as const,
  reason: "x",
  ...(days === null ? {} : { expiresAt: inDays(days) }),
});
const trusting: DomainParts = { trustStoreIds: [STORE] };
const asking: DomainParts = { clientCertificate: { mode: "request" } };
const byName = (change: Partial<TlsException>): TlsException => ({
  match: { clientName: name("a.example") },
  reason: "x",
  ...change,
});
const notCa = { isCa: false, usages: ["clientAuth", "serverAuth"], dnsNames: [] } as const;
const withHost: DomainParts = { mxHosts: [HOST] };
const demanding: DomainParts = { server: { level: "require" } };

describe("warnings of a domain", () => {
  it.each<[string, DomainParts, Around, string[]]>([
    ["defaults", {}, {}, []],
    ["level require", demanding, {}, ["rfc3207-public-mx"]],
    [
      "level require at a public host",
      { ...demanding, ...withHost },
      { certificate: {} },
      ["rfc3207-public-mx"],
    ],
    ["level require at a private host", { ...demanding, mxHosts: ["mx.corp.internal"] }, {}, []],
    [
      "level require at one of each",
      { ...demanding, mxHosts: ["mx.corp.internal", HOST] },
      { certificate: {} },
      ["rfc3207-public-mx"],
    ],
    [
      "observe where something is demanded",
      { ...demanding, enforcement: "observe" },
      {},
      ["rfc3207-public-mx", "enforcement-observe"],
    ],
    ["observe where nothing is", { enforcement: "observe" }, {}, []],
    ["a good certificate", withHost, { certificate: {} }, []],
    [
      "a certificate of our making",
      withHost,
      { certificate: { source: "self-signed" } },
      ["certificate-self-signed"],
    ],
    [
      "a certificate without its issuer's",
      withHost,
      { certificate: { keys: key({ issuer: "CN=Issuing CA", issuerMissing: true }) } },
      ["certificate-issuer-missing"],
    ],
    [
      "a certificate that ends in 30 days",
      withHost,
      { certificate: { keys: key({ notAfter: inDays(30) }) } },
      ["certificate-expiring"],
    ],
    [
      "a certificate that ends in 31 days",
      withHost,
      { certificate: { keys: key({ notAfter: inDays(31) }) } },
      [],
    ],
    [
      "a certificate that has ended",
      withHost,
      { certificate: { keys: key({ notAfter: inDays(0) }) } },
      ["certificate-expired"],
    ],
    [
      "a certificate that has not begun",
      withHost,
      { certificate: { keys: key({ notBefore: inDays(1) }) } },
      ["certificate-not-yet-valid"],
    ],
    ["a certificate that cannot be read", withHost, { certificate: null }, ["certificate-unreadable"]],
    [
      "a certificate of another account",
      withHost,
      { account: "other", certificate: { keys: key({ notAfter: inDays(0) }) } },
      [],
    ],
    ["the default certificate without the name", withHost, {}, ["default-certificate-lacks-host"]],
    ["the default certificate with the name", { mxHosts: ["operator.example", "a.mx.example"] }, {}, []],
    ["hosts that differ", { mxHosts: [HOST, "operator.example"] }, { certificate: {} }, ["mx-hosts-differ"]],
    ["mode request", { clientCertificate: { mode: "request" } }, {}, ["client-certificate-asked"]],
    [
      "an exception that asks",
      { exceptions: [{ ...exception(null), clientCertificateMode: "request" }] },
      {},
      ["client-certificate-asked"],
    ],
    [
      "public roots with the usage that they lost",
      {
        clientCertificate: {
          mode: "request",
          trust: { publicRoots: true, trustStoreIds: [], pins: [] },
          purpose: "clientAuth",
        },
      },
      {},
      ["client-certificate-asked", "public-roots-client-auth"],
    ],
    [
      "public roots with the usage that they have",
      { clientCertificate: { mode: "request", trust: { publicRoots: true, trustStoreIds: [], pins: [] } } },
      {},
      ["client-certificate-asked"],
    ],
    [
      "the usage clientAuth without public roots",
      { clientCertificate: { mode: "request", purpose: "clientAuth" } },
      {},
      ["client-certificate-asked"],
    ],
    [
      "any name of a pinned key",
      { clientCertificate: { mode: "request", names: { match: "any", allowed: [] } } },
      {},
      ["client-certificate-asked"],
    ],
    [
      "one name under a trust store",
      { ...trusting, clientCertificate: { mode: "request" } },
      { store: {} },
      ["client-certificate-asked"],
    ],
    [
      "any name under a trust store",
      { ...trusting, clientCertificate: { mode: "request", names: { match: "any", allowed: [] } } },
      { store: {} },
      ["client-certificate-asked", "client-certificate-anybody"],
    ],
    ["a trust store that cannot be read", trusting, { store: null }, ["trust-store-unreadable"]],
    ["anchors that end in 31 days", trusting, { store: { anchors: [anchor(31)] } }, []],
    [
      "anchors that end in 30 days",
      trusting,
      { store: { anchors: [anchor(30), anchor(40)] } },
      ["trust-anchor-expiring"],
    ],
    [
      "anchors that have ended",
      trusting,
      { store: { anchors: [anchor(0), anchor(-1), anchor(5)] } },
      ["trust-anchor-expired", "trust-anchor-expiring"],
    ],
    ["a CRL for four days", trusting, { store: { crls: [crl(4)] } }, []],
    ["a CRL for three days", trusting, { store: { crls: [crl(3)] } }, ["crl-expiring"]],
    ["a CRL after its nextUpdate", trusting, { store: { crls: [crl(0), crl(4)] } }, ["crl-expired"]],
    [
      "an anchor without a CRL beside one with",
      trusting,
      { store: { anchors: [{ ...anchor(100), crlUntil: null }], crls: [crl(9)] } },
      ["crl-missing"],
    ],
    ["an exception for eight days", { exceptions: [exception(8)] }, {}, []],
    ["an exception for seven days", { exceptions: [exception(7)] }, {}, ["exception-expiring"]],
    ["an exception that has ended", { exceptions: [exception(0)] }, {}, ["exception-expired"]],
    ["an exception without an end", { exceptions: [exception(null)] }, {}, []],
    [
      "a client name that nothing vouches for",
      { exceptions: [exception(null, { clientName: "a.example" })] },
      {},
      ["exception-never-matches"],
    ],
    [
      "a client name that a trust store vouches for",
      { ...trusting, ...asking, exceptions: [byName({ clientCertificateMode: "none" })] },
      { store: {} },
      ["client-certificate-asked"],
    ],
    [
      "an anchor that is not valid yet",
      trusting,
      { store: { anchors: [{ ...anchor(100), notBefore: inDays(1) }] } },
      ["trust-anchor-not-yet-valid"],
    ],
    [
      "an anchor that is not a CA",
      trusting,
      { store: { anchors: [{ ...anchor(100), limits: notCa }] } },
      ["trust-anchor-limited"],
    ],
    [
      "a next hop without TLS",
      { delivery: { nextHop: "smtp://a.example", tls: "opportunistic" } },
      {},
      ["delivery-opportunistic"],
    ],
    ["a next hop with TLS", { delivery: { nextHop: "smtp://a.example", tls: "require" } }, {}, []],
  ])("%s: %j %j", (_, parts, around, expected) => expect(codes(parts, around)).toEqual(expected));

  it("say how many more anchors there are, not each of 200", () => {
    const anchors = Array.from({ length: 200 }, () => anchor(1));
    const warnings = domainWarnings(domainRecord(trusting), context({ store: { anchors } }));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.message).toContain("and 199 more");
  });

  it.each([
    { what: "a CA and its next key", subjects: ["CN=CA", "CN=CA"], prints: ["01", "02"], warned: true },
    {
      what: "names that OpenSSL takes for one",
      subjects: ["CN=CA", "CN=c A"],
      prints: ["01", "02"],
      warned: true,
    },
    { what: "one CA twice", subjects: ["CN=CA", "CN=CA"], prints: ["01", "01"], warned: false },
    { what: "two names", subjects: ["CN=CA", "CN=CB"], prints: ["01", "02"], warned: false },
  ])("name CAs that share a name: $what in one trust store or in two", ({ subjects, prints, warned }) => {
    const anchors = subjects.map((subject, at) => ({
      ...anchor(100),
      subject,
      fingerprintSha256: prints[at] ?? "",
    }));
    const second = trustStoreId(2);
    const apart = context({ store: { anchors: anchors.slice(0, 1) } });
    const stores = new Map([
      ...apart.surroundings.trustStores,
      [second, trustStoreRecord({ id: second, anchors: anchors.slice(1) })] as const,
    ]);
    const expected = warned ? ["trust-anchors-share-name"] : [];
    expect(codes(trusting, { store: { anchors } })).toEqual(expected);
    expect(
      domainWarnings(domainRecord({ trustStoreIds: [STORE, second] }), {
        ...apart,
        surroundings: { ...apart.surroundings, trustStores: stores },
      }).map(({ code }) => code),
    ).toEqual(expected);
  });
});

describe("warnings of an exception", () => {
  const LAN = { clientCidr: "192.0.2.0/24" };
  const HALF = { clientCidr: "192.0.2.128/25" };
  const rule = (match: object, change: Partial<TlsException> = {}): TlsException => ({
    match,
    reason: "x",
    ...change,
  });
  const loose = { level: "none" } as const;
  const recipient = (localPart: string) => ({ recipient: `${localPart}@example.com` });
  const ofExceptions = (exceptions: readonly TlsException[], parts: DomainParts = {}, around: Around = {}) =>
    domainWarnings(domainRecord({ ...parts, exceptions }), context(around)).flatMap(({ code, message }) => {
      const at = /exception (\d+) \(/.exec(message)?.[1];
      return at === undefined ? [] : `${code} ${at}`;
    });

  it.each<[string, readonly TlsException[], DomainParts, Around, string[]]>([
    [
      "by name where no client is asked",
      [byName(loose)],
      trusting,
      { store: {} },
      ["exception-never-matches 0"],
    ],
    [
      "by name where only an exception that has ended asks",
      [byName({}), rule(LAN, { clientCertificateMode: "request", expiresAt: inDays(-1) })],
      trusting,
      { store: {} },
      ["exception-never-matches 0", "exception-expired 1"],
    ],
    [
      "by name where another exception asks",
      [
        byName({ clientCertificateMode: "require", level: "require" }),
        rule(LAN, { clientCertificateMode: "request" }),
      ],
      trusting,
      { store: {} },
      [],
    ],
    [
      "by name under CAs that have all ended",
      [byName({ clientCertificateMode: "none" })],
      { ...trusting, ...asking },
      { store: { anchors: [anchor(-1)] } },
      ["exception-never-matches 0"],
    ],
    [
      "by name at a looser level",
      [byName(loose)],
      { ...trusting, ...asking, ...demanding },
      { store: {} },
      ["exception-without-effect 0"],
    ],
    [
      "by name at a stricter level",
      [byName({ level: "require" })],
      { ...trusting, ...asking },
      { store: {} },
      ["exception-without-effect 0"],
    ],
    ["the same twice", [rule(LAN, loose), rule(LAN, { level: "require" })], {}, {}, ["exception-shadowed 1"]],
    [
      "a part after the whole",
      [rule(LAN, loose), rule(HALF, { level: "require" })],
      {},
      {},
      ["exception-shadowed 1"],
    ],
    ["a part before the whole", [rule(HALF, { level: "require" }), rule(LAN, loose)], {}, {}, []],
    [
      "with more keys after fewer",
      [rule(LAN, loose), rule({ ...HALF, senderDomain: "a.example" }, { level: "require" })],
      {},
      {},
      ["exception-shadowed 1"],
    ],
    [
      "with fewer keys after more",
      [rule({ ...LAN, senderDomain: "a.example" }, loose), rule(HALF, { level: "require" })],
      {},
      {},
      [],
    ],
    [
      "after one that ends before it",
      [rule(LAN, { ...loose, expiresAt: inDays(20) }), rule(HALF, { level: "require" })],
      {},
      {},
      [],
    ],
    [
      "after one that ends with it",
      [
        rule(LAN, { ...loose, expiresAt: inDays(20) }),
        rule(HALF, { level: "require", expiresAt: inDays(20) }),
      ],
      {},
      {},
      ["exception-shadowed 1"],
    ],
    [
      "after one that has ended",
      [rule(LAN, { ...loose, expiresAt: inDays(-1) }), rule(HALF, { level: "require" })],
      {},
      {},
      ["exception-expired 0"],
    ],
    ["another family", [rule({ clientCidr: "::/0" }, loose), rule(LAN, { level: "require" })], {}, {}, []],
    [
      "for one recipient beside another",
      [rule(recipient("tlsrpt"), loose), rule(recipient("sales"), { level: "require" })],
      {},
      {},
      [],
    ],
    [
      "for a recipient before a network",
      [rule(recipient("tlsrpt"), loose), rule(LAN, { level: "require" })],
      {},
      {},
      [],
    ],
    [
      "for the same recipient, written otherwise",
      [rule(recipient("tlsrpt"), loose), rule({ ...recipient("TLSRPT"), ...LAN }, { level: "require" })],
      {},
      {},
      ["exception-shadowed 1"],
    ],
    [
      "for a recipient and a name, which loosens the version of TLS",
      [
        rule(
          { ...recipient("tlsrpt"), clientName: "mail.partner.example" },
          { level: "accept", clientCertificateMode: "none" },
        ),
      ],
      { ...trusting, ...asking, server: { level: "require", minVersion: "TLSv1.3" } },
      { store: {} },
      [],
    ],
    ["that names neither level nor mode", [rule(LAN)], {}, {}, ["exception-without-effect 0"]],
    ["that names the domain's own", [rule(LAN, { level: "accept" })], {}, {}, ["exception-without-effect 0"]],
    ["that names nothing and spares from a later one", [rule(HALF), rule(LAN, loose)], {}, {}, []],
    [
      "that names nothing and cannot meet the later one",
      [rule({ clientCidr: "198.51.100.0/24" }), rule(LAN, loose)],
      {},
      {},
      ["exception-without-effect 0"],
    ],
  ])("%s", (_, exceptions, parts, around, expected) =>
    expect(ofExceptions(exceptions, parts, around)).toEqual(expected),
  );
});
