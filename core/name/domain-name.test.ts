import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../errors.ts";
import { coversHost, parseDomainName, parseNamePattern, toDomainName, wildcardOf } from "./domain-name.ts";

describe("toDomainName", () => {
  it.each([
    ["mail.example", "mail.example"],
    ["Mail.Example.COM", "mail.example.com"],
    ["mail.example.", "mail.example"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["BÜCHER.example", "xn--bcher-kva.example"],
    ["bu\u0308cher.example", "xn--bcher-kva.example"],
    ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
    ["faß.example", "xn--fa-hia.example"],
    ["localhost", "localhost"],
    ["1and1.example", "1and1.example"],
  ])("reads %s as %s", (text, name) => expect(toDomainName(text)).toBe(name));

  it.each([
    ["empty", ""],
    ["a lone dot", "."],
    ["two trailing dots", "a.example.."],
    ["an empty label", "a..example"],
    ["a leading hyphen", "-a.example"],
    ["an underscore", "a_b.example"],
    ["a label of 64 octets", `${"x".repeat(64)}.example`],
    ["254 octets", `${"x.".repeat(126)}xx`],
    ["an IPv4 literal", "192.0.2.1"],
    ["a short IPv4 literal", "127.1"],
    ["an all-digit top level", "a.1"],
    ["an IPv6 literal", "2001:db8::1"],
    ["a bracketed literal", "[192.0.2.1]"],
    ["white space", " a.example"],
    ["NUL", "a\0.example"],
    ["CRLF", "a.example\r\nb"],
    ["NEL at the end", "a.example\u0085"],
    ["a soft hyphen", "a\u00ad.example"],
    ["an ideographic full stop", "a\u3002example"],
    ["full-width letters", "\uff41.example"],
    ["a right-to-left override", "a\u202e.example"],
    ["an emoji A-label, which IDNA 2008 disallows", "xn--ls8h.example"],
    ["an A-label that decodes to nothing", "xn--a.example"],
    ["an A-label of plain ASCII", "xn--abc-.example"],
    ["a wildcard", "*.example"],
  ])("takes no name from %s", (_, text) => expect(toDomainName(text)).toBeNull());

  it("changes nothing that it has made", () =>
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.string(), fc.string({ unit: "grapheme" })), (text) => {
        const name = toDomainName(text);
        if (name !== null) expect(toDomainName(name)).toBe(name);
      }),
    ));
});

describe("parseDomainName", () => {
  it.each(["Mail.example", "mail.example.", "bücher.example"])("shows the canonical spelling of %s", (text) =>
    expect(() => parseDomainName(text)).toThrow(
      new RegExp(String(toDomainName(text)).replaceAll(".", "\\.")),
    ),
  );
  it.each(["", "a b", "192.0.2.1"])("refuses %j", (text) =>
    expect(() => parseDomainName(text)).toThrow(InvalidInput),
  );
  it.each([
    ["192.0.2.1", '"192.0.2.1" is not a domain name'],
    ["a_b.example", '"a_b.example" is not a domain name'],
    // A private key in the wrong field: whole, and one line of it.
    ["-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n", "this text is not a domain name"],
    ["M".repeat(64), "this text is not a domain name"],
  ])("quotes %j only where it could have been meant as a name", (text, message) =>
    expect(() => parseDomainName(text)).toThrow(new InvalidInput(message)),
  );
  it.each(["*.*.example", "*", "a.*.example", "**.example", "*.192.0.2.1"])(
    "refuses the pattern %s",
    (text) => expect(() => parseNamePattern(text)).toThrow(InvalidInput),
  );
});

describe("coversHost (RFC 9525 section 6.3)", () => {
  it.each([
    ["a.example", "a.example", true],
    ["*.example", "a.example", true],
    ["*.example", "a.b.example", false],
    ["*.example", "example", false],
    ["a*.example", "ab.example", false],
    ["b.example", "a.example", false],
  ])("lets %s cover %s: %s", (pattern, host, covered) =>
    expect(coversHost(pattern, parseDomainName(host))).toBe(covered),
  );
  it("knows no wildcard for a single label", () =>
    expect(wildcardOf(parseDomainName("localhost"))).toBeNull());
});
