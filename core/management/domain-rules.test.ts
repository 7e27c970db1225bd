import { describe, expect, it } from "vitest";
import { domainInput, domainSettings } from "./domain-schema.ts";
import type { DomainSettings } from "../record/domain.ts";
import { parseDomainName } from "../name/domain-name.ts";
import { settingsIssues } from "./domain-rules.ts";

/** A domain with one MX host, the given TLS settings, and defaults for the rest. */
function domain(tls: object, rest: object = {}): DomainSettings {
  const input = domainInput.parse({ mxHosts: ["mx.example.com"], ...rest, tls });
  return domainSettings(parseDomainName("example.com"), input);
}

const found = (settings: DomainSettings): string[] =>
  settingsIssues(settings).map(({ code, pointer }) => `${code} ${pointer}`);

const STORE = { trustStoreIds: ["trust_01JD0000000000000000000000"] };
const server = (level: string, more: object = {}) => ({ server: { level, ...more } });
const client = (mode: string, more: object = {}) => ({ clientCertificate: { mode, trust: STORE, ...more } });
const REPORTS = { recipient: "tlsrpt@example.com" };
const exception = (match: object, change: object) => ({ match, reason: "test", ...change });
const CIDR = { clientCidr: "192.0.2.0/24" };
const SENDER = { senderDomain: "partner.example" };
const NAME = { clientName: "mail.partner.example" };
const REQUIRE_BOTH = { ...server("require"), ...client("require") };

describe("settings of one domain", () => {
  it.each([
    ["the defaults", domain({})],
    ["level none", domain(server("none"))],
    ["level require without hosts", domain(server("require"), { mxHosts: [] })],
    ["TLS 1.3 with level require", domain(server("require", { minVersion: "TLSv1.3" }))],
    [
      "mode request with level accept and nothing to trust",
      domain({ clientCertificate: { mode: "request" } }),
    ],
    ["mode require with a trust store", domain(REQUIRE_BOTH)],
    [
      "mode require with a pin alone",
      domain({
        ...server("require"),
        ...client("require", { trust: { pins: [`sha256//${"A".repeat(43)}=`] } }),
      }),
    ],
    [
      "mode require with public roots and a list",
      domain({
        ...server("require"),
        ...client("require", {
          trust: { publicRoots: true },
          names: { match: "list", allowed: ["*.partner.example"] },
        }),
      }),
    ],
    [
      "public roots with helo while no certificate is required",
      domain(client("request", { trust: { publicRoots: true } })),
    ],
    [
      "match any with a private CA",
      domain({ ...server("require"), ...client("require", { names: { match: "any" } }) }),
    ],
    [
      "20 MX hosts",
      domain({}, { mxHosts: Array.from({ length: 20 }, (_, index) => `mx${index}.example.com`) }),
    ],
  ])("are taken: %s", (_, settings) => expect(found(settings)).toEqual([]));

  it.each([
    [
      "mode request with level none",
      domain({ ...server("none"), ...client("request") }),
      ["client-certificate-without-tls /tls/clientCertificate/mode"],
    ],
    [
      "mode require with level none",
      domain({ ...server("none"), ...client("require") }),
      ["client-certificate-without-tls /tls/clientCertificate/mode"],
    ],
    [
      "mode require with level accept",
      domain({ ...server("accept"), ...client("require") }),
      ["client-certificate-without-required-tls /tls/clientCertificate/mode"],
    ],
    [
      "TLS 1.3 with level accept",
      domain(server("accept", { minVersion: "TLSv1.3" })),
      ["min-version-without-required-tls /tls/server/minVersion"],
    ],
    [
      "TLS 1.3 with level none",
      domain(server("none", { minVersion: "TLSv1.3" })),
      ["min-version-without-required-tls /tls/server/minVersion"],
    ],
    [
      "a certificate without hosts",
      domain(server("accept", { certificateId: "cert_x" }), { mxHosts: [] }),
      ["certificate-without-hosts /tls/server/certificateId"],
    ],
    [
      "a client mode without hosts",
      domain(client("request"), { mxHosts: [] }),
      ["client-certificate-without-hosts /tls/clientCertificate/mode"],
    ],
    [
      "an empty list, also while no client is asked",
      domain({ clientCertificate: { names: { match: "list" } } }),
      ["list-empty /tls/clientCertificate/names/allowed"],
    ],
    [
      "public roots with any name, also while no client is asked",
      domain({ clientCertificate: { trust: { publicRoots: true }, names: { match: "any" } } }),
      ["public-roots-any-name /tls/clientCertificate/trust/publicRoots"],
    ],
    [
      "public roots with helo and mode require",
      domain({ ...server("require"), ...client("require", { trust: { publicRoots: true, ...STORE } }) }),
      ["public-roots-helo-require /tls/clientCertificate/trust/publicRoots"],
    ],
    [
      "mode require with nothing to trust",
      domain({ ...server("require"), clientCertificate: { mode: "require" } }),
      ["nothing-can-pass /tls/clientCertificate/trust"],
    ],
  ])("are refused: %s", (_, settings, issues) => expect(found(settings)).toEqual(issues));

  it.each([
    ["/mxHosts", domain({}, { mxHosts: Array.from({ length: 21 }, (_, index) => `mx${index}.example.com`) })],
    [
      "/tls/exceptions",
      domain({ exceptions: Array.from({ length: 101 }, () => exception(CIDR, { level: "none" })) }),
    ],
    [
      "/tls/clientCertificate/names/allowed",
      domain({
        clientCertificate: {
          names: { match: "list", allowed: Array.from({ length: 101 }, (_, index) => `a${index}.example`) },
        },
      }),
    ],
    [
      "/tls/clientCertificate/trust/pins",
      domain({
        clientCertificate: {
          trust: {
            pins: Array.from(
              { length: 21 },
              (_, index) => `sha256//${Buffer.alloc(32, index).toString("base64")}`,
            ),
          },
        },
      }),
    ],
    [
      "/tls/clientCertificate/trust/trustStoreIds",
      domain({
        clientCertificate: {
          trust: { trustStoreIds: Array.from({ length: 11 }, (_, index) => `trust_${index}`) },
        },
      }),
    ],
  ])("are refused over the cap of %s", (pointer, settings) => {
    expect(found(settings)).toEqual([`too-many ${pointer}`]);
  });
});

describe("exceptions", () => {
  it.each([
    [
      "a network at a looser level",
      domain({ ...server("require"), exceptions: [exception(CIDR, { level: "accept" })] }),
    ],
    [
      "a network at a looser level and mode",
      domain({
        ...REQUIRE_BOTH,
        exceptions: [exception(CIDR, { level: "none", clientCertificateMode: "none" })],
      }),
    ],
    [
      "a network that keeps to the domain's own rule inside one that does not",
      domain({
        ...server("require"),
        exceptions: [
          exception({ clientCidr: "192.0.2.128/25" }, {}),
          exception({ clientCidr: "192.0.2.0/24" }, { level: "accept" }),
        ],
      }),
    ],
    [
      "a client name at a looser mode",
      domain({ ...REQUIRE_BOTH, exceptions: [exception(NAME, { clientCertificateMode: "request" })] }),
    ],
    [
      "a recipient at a looser level and mode, whatever TLS the others need",
      domain({
        ...REQUIRE_BOTH,
        server: { level: "require", minVersion: "TLSv1.3" },
        exceptions: [exception(REPORTS, { level: "accept", clientCertificateMode: "none" })],
      }),
    ],
    [
      "a sender and a recipient at a looser level",
      domain({
        ...server("require"),
        exceptions: [exception({ ...SENDER, ...REPORTS }, { level: "accept" })],
      }),
    ],
    [
      "a sender and a recipient before a stricter rule for another recipient",
      domain({
        exceptions: [
          exception({ ...SENDER, ...REPORTS }, { level: "accept" }),
          exception({ recipient: "sales@example.com" }, { level: "require" }),
        ],
      }),
    ],
    ["a sender at a stricter level", domain({ exceptions: [exception(SENDER, { level: "require" })] })],
    ["a sender at the same level", domain({ exceptions: [exception(SENDER, { level: "accept" })] })],
    [
      "a sender in a network at a looser level",
      domain({ ...server("require"), exceptions: [exception({ ...SENDER, ...CIDR }, { level: "accept" })] }),
    ],
    [
      "senders of two domains, the second stricter",
      domain({
        clientCertificate: { trust: STORE },
        exceptions: [
          exception(SENDER, { level: "require" }),
          exception({ senderDomain: "bank.example" }, { level: "require", clientCertificateMode: "require" }),
        ],
      }),
    ],
    [
      "a stricter network before a sender",
      domain({
        clientCertificate: { trust: STORE },
        exceptions: [
          exception(CIDR, { level: "require", clientCertificateMode: "require" }),
          exception(SENDER, { level: "require" }),
        ],
      }),
    ],
  ])("are taken: %s", (_, settings) => expect(found(settings)).toEqual([]));

  const on = (base: object, ...exceptions: object[]) => domain({ ...base, exceptions });

  it.each([
    ["an empty match", on({}, exception({}, { level: "require" })), ["match-empty /tls/exceptions/0/match"]],
    [
      "mode request where the level is none",
      on(server("none"), exception(CIDR, { clientCertificateMode: "request" })),
      ["client-certificate-without-tls /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "level none where the mode is request",
      on(client("request"), exception(CIDR, { level: "none" })),
      ["client-certificate-without-tls /tls/exceptions/0/level"],
    ],
    [
      "level accept where the mode is require",
      on(REQUIRE_BOTH, exception(CIDR, { level: "accept" })),
      ["client-certificate-without-required-tls /tls/exceptions/0/level"],
    ],
    [
      "mode require where the level is accept",
      on({ clientCertificate: { trust: STORE } }, exception(CIDR, { clientCertificateMode: "require" })),
      ["client-certificate-without-required-tls /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "level accept where TLS 1.3 is the least",
      on(server("require", { minVersion: "TLSv1.3" }), exception(CIDR, { level: "accept" })),
      ["min-version-without-required-tls /tls/exceptions/0/level"],
    ],
    [
      "mode require with nothing to trust",
      on({}, exception(CIDR, { level: "require", clientCertificateMode: "require" })),
      ["nothing-can-pass /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "mode require with public roots and helo",
      on(
        client("request", { trust: { publicRoots: true } }),
        exception(CIDR, { level: "require", clientCertificateMode: "require" }),
      ),
      ["public-roots-helo-require /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "a client mode without hosts",
      domain({ exceptions: [exception(CIDR, { clientCertificateMode: "request" })] }, { mxHosts: [] }),
      ["client-certificate-without-hosts /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "a sender alone at a looser level",
      on(server("require"), exception(SENDER, { level: "accept" })),
      ["sender-domain-loosens /tls/exceptions/0/level"],
    ],
    [
      "a sender alone at a looser mode",
      on(REQUIRE_BOTH, exception(SENDER, { clientCertificateMode: "request" })),
      ["sender-domain-loosens /tls/exceptions/0/clientCertificateMode"],
    ],
    [
      "a sender alone that hides a stricter network",
      on(
        { clientCertificate: { trust: STORE } },
        exception(SENDER, { level: "require" }),
        exception(CIDR, { level: "require", clientCertificateMode: "require" }),
      ),
      ["sender-domain-loosens /tls/exceptions/0/match/senderDomain"],
    ],
    [
      "a recipient of another domain",
      on({}, exception({ recipient: "tlsrpt@other.example" }, { level: "none" })),
      ["recipient-of-other-domain /tls/exceptions/0/match/recipient"],
    ],
    [
      "a recipient at a looser level that keeps mode require",
      on(REQUIRE_BOTH, exception(REPORTS, { level: "accept" })),
      ["client-certificate-without-required-tls /tls/exceptions/0/level"],
    ],
    [
      "a sender and a recipient that hide a stricter network",
      on(
        {},
        exception({ ...SENDER, ...REPORTS }, { level: "accept" }),
        exception(CIDR, { level: "require" }),
      ),
      ["sender-domain-loosens /tls/exceptions/0/level"],
    ],
    [
      "a sender and a recipient that hide a stricter rule for another spelling of that recipient",
      on(
        {},
        exception({ ...SENDER, ...REPORTS }, { level: "accept" }),
        exception({ recipient: "TLSRPT@example.com" }, { level: "require" }),
      ),
      ["sender-domain-loosens /tls/exceptions/0/level"],
    ],
    [
      "a sender alone that hides a stricter recipient",
      on({}, exception(SENDER, { level: "accept" }), exception(REPORTS, { level: "require" })),
      ["sender-domain-loosens /tls/exceptions/0/level"],
    ],
    [
      "the second of two",
      on({}, exception(CIDR, { level: "none" }), exception({}, { level: "require" })),
      ["match-empty /tls/exceptions/1/match"],
    ],
  ])("are refused: %s", (_, settings, issues) => expect(found(settings)).toEqual(issues));

  it("say that a level alone keeps the mode require, where both are needed", () => {
    const issues = settingsIssues(on(REQUIRE_BOTH, exception(CIDR, { level: "accept" })));
    expect(issues[0]?.message).toContain(
      "keeps the domain's mode require, so name clientCertificateMode too",
    );
    const both = exception(CIDR, { level: "accept", clientCertificateMode: "none" });
    expect(settingsIssues(on(REQUIRE_BOTH, both))).toEqual([]);
  });

  it("say what to do where a network's level breaks minVersion TLSv1.3, which a mailbox's may", () => {
    const settings = on(
      server("require", { minVersion: "TLSv1.3" }),
      exception(CIDR, { level: "accept" }),
      exception(REPORTS, { level: "accept" }),
    );
    expect(settingsIssues(settings).map(({ pointer, message }) => [pointer, message])).toEqual([
      [
        "/tls/exceptions/0/level",
        expect.stringMatching(/; set minVersion TLSv1\.2 at the domain, or match a recipient/v),
      ],
    ]);
  });

  it("say a mistake of the domain once, not again for each exception", () => {
    const settings = on({ ...server("none"), ...client("request") }, exception(CIDR, { level: "none" }));
    expect(found(settings)).toEqual(["client-certificate-without-tls /tls/clientCertificate/mode"]);
  });
});
