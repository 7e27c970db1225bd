import { describe, expect, it } from "vitest";
import { parseDomainName } from "./domain-name.ts";
import { isSafeAddress, isSourceRoute, mailboxKey } from "./mailbox.ts";

describe("an address that goes between angle brackets", () => {
  it.each([
    "a@b",
    "",
    "postmaster",
    '"a b"@c',
    '"a> x=<\\"b\\\\"@c',
    "grün@xn--bcher-kva.example",
    "a,b:c@d",
    "a@[192.0.2.1]",
    "a@[IPv6:::1]",
  ])("may be %s", (address) => {
    expect(isSafeAddress(address)).toBe(true);
  });

  it.each([
    "a b@c",
    "a> SIZE=1 <b@c",
    "a\r\n@b",
    '"a\r\n"@b',
    "a\0b@c",
    "a\u0085@b",
    "a\u2028@b",
    '"a\u2029"@b',
    "a\ud800@b",

    '"a"@b> X=<c',
    '"a\\"@b c',
    `${"a".repeat(1024)}@b`,
  ])("may not be %j", (address) => {
    expect(isSafeAddress(address)).toBe(false);
  });

  it.each([
    ["a%b", true],
    ["b!a", true],
    ['"a@b"', true],
    ["a+b=c", false],
    ['"a b"', false],
  ])("hides another destination in the local part %s: %s", (localPart, expected) => {
    expect(isSourceRoute({ localPart, domain: parseDomainName("example.com") })).toBe(expected);
  });
});

describe("the key of a mailbox", () => {
  it.each([
    ["tlsrpt@a.example", "TLSRPT@a.example"],
    ["tlsrpt@a.example", '"tlsrpt"@a.example'],
    ["tlsrpt@a.example", '"tls\\rpt"@a.example'],
    ['"a b"@a.example', '"A\\ b"@a.example'],
    ['"a\\"b"@a.example', '"A\\"B"@a.example'],
  ])("is the same for %s and %s", (one, other) => expect(mailboxKey(other)).toBe(mailboxKey(one)));

  it.each([
    ["tlsrpt@a.example", "tlsrpt@b.example"],
    ["tlsrpt@a.example", "tlsrpt+x@a.example"],
    ["tlsrpt@a.example", "tl\u017frpt@a.example"],
    ["gr\u00fcn@a.example", "gru\u0308n@a.example"],
    ['"a b"@a.example', '"a  b"@a.example'],
    ["a@a.example", '"a@"@a.example'],
  ])("differs for %s and %s", (one, other) => expect(mailboxKey(other)).not.toBe(mailboxKey(one)));
});
