import { checkMailbox } from "../name/mailbox.ts";
import { checkPlainText, type FormatCheck } from "../plain-text.ts";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../errors.ts";
import { checkCidr, checkNextHop, checkPin, checkTimestamp, PATTERNS } from "./text-formats.ts";

const digest = (last: string): string => `sha256//${"A".repeat(42)}${last}=`;

const TAKEN: readonly [FormatCheck, string][] = [
  [checkCidr, "192.0.2.0/24"],
  [checkCidr, "192.0.2.1/32"],
  [checkCidr, "0.0.0.0/0"],
  [checkCidr, "2001:db8::/32"],
  [checkCidr, "::/0"],
  [checkTimestamp, "2027-01-31T00:00:00Z"],
  [checkTimestamp, "2028-02-29T23:59:59.123456789Z"],
  [checkPin, digest("A")],
  [checkNextHop, "smtp://mx.example.com"],
  [checkNextHop, "smtp://localhost:2525"],
  [checkNextHop, "smtps://192.0.2.1"],
  [checkNextHop, "lmtp://[2001:db8::1]:24"],
  [checkNextHop, "smtp://xn--bcher-kva.example:65535"],
  [checkPlainText, "Büro München, until they upgrade (#12)"],
  ...[
    "tlsrpt@example.com",
    "TLS-Rpt+x@example.com",
    '"a b"@example.com',
    '"a@b\\"c"@example.com',
    "grün@example.com",
  ].map((text): [FormatCheck, string] => [checkMailbox, text]),
];

const REFUSED: readonly [FormatCheck, string][] = [
  ...["", "192.0.2.0", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/24/1"].map(
    (text): [FormatCheck, string] => [checkCidr, text],
  ),
  ...[
    "1/8",
    "010.0.0.0/8",
    "0x0a.0.0.0/8",
    "2001:DB8::/32",
    "2001:db8:0::/32",
    "2001:db8::1/32",
    "fe80::%eth0/64",
  ].map((text): [FormatCheck, string] => [checkCidr, text]),
  ...["::ffff:192.0.2.0/120", "::/129", "::1.2.3.4/128", "example.com/24", "192.0.2.0/ 24"].map(
    (text): [FormatCheck, string] => [checkCidr, text],
  ),
  ...["", "2027-01-31", "2027-01-31T00:00Z", "2027-01-31T00:00:00", "2027-01-31T00:00:00+00:00"].map(
    (text): [FormatCheck, string] => [checkTimestamp, text],
  ),
  ...[
    "2027-02-30T00:00:00Z",
    "2027-01-31T24:00:00Z",
    "2027-01-31t00:00:00z",
    "2027-13-01T00:00:00Z",
    "tomorrow",
  ].map((text): [FormatCheck, string] => [checkTimestamp, text]),
  // The 43rd character carries two bits that must be zero.
  ...[
    digest("B"),
    digest("A").slice(0, -1),
    digest("A").replace("//", "/"),
    digest("A").toUpperCase(),
    "",
  ].map((text): [FormatCheck, string] => [checkPin, text]),
  ...["", "mx.example.com", "http://mx.example.com", "SMTP://mx.example.com", "smtp://mx.example.com/"].map(
    (text): [FormatCheck, string] => [checkNextHop, text],
  ),
  ...[
    "smtp://user:secret@mx.example.com",
    "smtp://mx.example.com?tls=no",
    "smtp://mx.example.com#x",
    "smtp://",
  ].map((text): [FormatCheck, string] => [checkNextHop, text]),
  ...[
    "smtp://mx.example.com:0",
    "smtp://mx.example.com:65536",
    "smtp://mx.example.com:",
    "lmtp://mx.example.com",
  ].map((text): [FormatCheck, string] => [checkNextHop, text]),
  ...[
    "smtp://2001:db8::1",
    "smtp://[2001:DB8::1]",
    "smtp://[::g]",
    "smtp://MX.example.com",
    "smtp://bücher.example",
  ].map((text): [FormatCheck, string] => [checkNextHop, text]),
  // Resolvers read these as 127.0.0.1.
  ...[
    "smtp://127.1",
    "smtp://2130706433",
    "smtp://0x7f000001",
    "smtp://127.0.0.0x1",
    "smtp://0177.0.0.1",
  ].map((text): [FormatCheck, string] => [checkNextHop, text]),
  ...["maildir:/var/mail", "s3://bucket", "smtp://mx.example.com\n", "smtp://mx.example.com."].map(
    (text): [FormatCheck, string] => [checkNextHop, text],
  ),
  ...["", "@example.com", "tlsrpt@", "tlsrpt", "a b@example.com", "<a@example.com>", "a@[192.0.2.1]"].map(
    (text): [FormatCheck, string] => [checkMailbox, text],
  ),
  ...[
    "a@b@example.com",
    "a\r\nb@example.com",
    '"a\n"@example.com',
    "a\u202eb@example.com",
    `${"a".repeat(250)}@b.example`,
  ].map((text): [FormatCheck, string] => [checkMailbox, text]),
  ...["a\u0000b", "a\nb", "a\u202eb", "a\u2028b", "\u001b[31m"].map((text): [FormatCheck, string] => [
    checkPlainText,
    text,
  ]),
];

const PATTERN_OF: ReadonlyMap<FormatCheck, string> = new Map([
  [checkCidr, PATTERNS.cidr],
  [checkTimestamp, PATTERNS.timestamp],
  [checkPin, PATTERNS.pin],
  [checkNextHop, PATTERNS.nextHop],
  [checkMailbox, PATTERNS.mailbox],
  [checkPlainText, PATTERNS.statement],
]);

describe("formats of fields", () => {
  it.each(TAKEN)("%o takes %j", (check, text) => expect(() => check(text)).not.toThrow());
  it.each(TAKEN)("%o takes %j, as its pattern in the OpenAPI document does", (check, text) => {
    const pattern = PATTERN_OF.get(check);
    expect(pattern).toBeDefined();
    expect(text).toMatch(new RegExp(pattern ?? "", "u"));
  });
  it.each(REFUSED)("%o refuses %j", (check, text) => expect(() => check(text)).toThrow(InvalidInput));

  it.each([
    [checkCidr, "192.0.2.1/24", "192.0.2.0/24"],
    [checkCidr, "192.0.2.1", "192.0.2.1/32"],
    [checkCidr, "2001:DB8::/32", "2001:db8::/32"],
    [checkCidr, "::ffff:192.0.2.0/120", "192.0.2.0/24"],
    [checkNextHop, "smtp://MX.example.com", "mx.example.com"],
    [checkMailbox, "tlsrpt@Example.COM.", "tlsrpt@example.com"],
    [checkMailbox, "tlsrpt@bücher.example", "tlsrpt@xn--bcher-kva.example"],
    [checkMailbox, '"tlsrpt"@example.com', "tlsrpt@example.com"],
    [checkMailbox, '"a\\b"@example.com', "ab@example.com"],
  ] as const)("%o shows the canonical form of %j", (check, text, canonical) => {
    expect(() => check(text)).toThrow(JSON.stringify(canonical));
  });

  it("never quotes a next hop, which may hold a password", () => {
    expect(() => checkNextHop("smtp://user:s3cret@mx.example.com")).toThrow(/^(?!.*s3cret)/);
  });
});
