import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../errors.ts";
import type { DeliveryRoute } from "./delivery.ts";
import { describeRoute, parseApiDelivery, parseOperatorDelivery, sameRoute } from "./route.ts";

const operator = { setBy: "operator", credentials: null } as const;

function errorOf(parse: () => unknown): InvalidInput {
  try {
    parse();
  } catch (error) {
    if (error instanceof InvalidInput) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("the operator's DELIVERY", () => {
  it.each<[string, DeliveryRoute]>([
    ["maildir:/var/mail", { kind: "maildir", directory: "/var/mail" }],
    ["maildir:./.data/mail with %20", { kind: "maildir", directory: "./.data/mail with %20" }],
    [
      "smtp://mx.example.com",
      { ...operator, kind: "smtp", host: "mx.example.com", port: 25, tls: "require" },
    ],
    [
      "smtp://MX.Example.com.:2525/",
      { ...operator, kind: "smtp", host: "mx.example.com", port: 2525, tls: "require" },
    ],
    ["smtp://localhost", { ...operator, kind: "smtp", host: "localhost", port: 25, tls: "opportunistic" }],
    ["smtp://127.9.9.9:1", { ...operator, kind: "smtp", host: "127.9.9.9", port: 1, tls: "opportunistic" }],
    ["smtp://[::1]:26", { ...operator, kind: "smtp", host: "::1", port: 26, tls: "opportunistic" }],
    [
      "smtp://[::ffff:127.0.0.1]",
      { ...operator, kind: "smtp", host: "127.0.0.1", port: 25, tls: "opportunistic" },
    ],
    ["smtp://10.0.0.1", { ...operator, kind: "smtp", host: "10.0.0.1", port: 25, tls: "require" }],
    [
      "smtp://localhost?tls=require",
      { ...operator, kind: "smtp", host: "localhost", port: 25, tls: "require" },
    ],
    [
      "smtps://mx.example.com?tls=opportunistic",
      { ...operator, kind: "smtps", host: "mx.example.com", port: 465, tls: "opportunistic" },
    ],
    ["lmtp://[2001:db8:0::1]", { ...operator, kind: "lmtp", host: "2001:db8::1", port: 24, tls: "require" }],
    [
      "smtp://me:p%40ss%3Aword@mx.example.com:587",
      {
        kind: "smtp",
        host: "mx.example.com",
        port: 587,
        tls: "require",
        setBy: "operator",
        credentials: { user: "me", password: "p@ss:word" },
      },
    ],
    ["s3://mail-bucket/in/here/", { kind: "s3", bucket: "mail-bucket", prefix: "in/here" }],
    ["s3://mail-bucket", { kind: "s3", bucket: "mail-bucket", prefix: "" }],
  ])("reads %s", (text, route) => {
    expect(parseOperatorDelivery(text)).toEqual(route);
  });

  it.each([
    "",
    "maildir:",
    "maildir:a\0b",
    "mx.example.com",
    "http://mx.example.com",
    "smtp:mx.example.com",
    "smtp://",
    "smtp://mx.example.com:0",
    "smtp://mx.example.com:65536",
    "smtp://mx.example.com:abc",
    "smtp://mx.example.com/path",
    "smtp://mx.example.com#x",
    "smtp://mx.example.com?tls=none",
    "smtp://mx.example.com?TLS=require",
    "smtp://mx.example.com?tls=require&tls=require",
    "smtp://mx.example.com?tls=require=x",
    "smtp://::1",
    "smtp://[::1",
    "smtp://[fe80::1%25eth0]",
    "smtp://[mx.example.com]",
    "smtp://127.1",
    "smtp://0x7f000001",
    "smtp://0x7f.0x1",
    "smtp://127.0.0.01",
    "smtp://mx_1.example.com",
    "smtp://mx.example.com\r\nX",
    "smtp:// mx.example.com",
    "smtp://me@mx.example.com",
    "smtp://:pw@mx.example.com",
    "smtp://me:@mx.example.com",
    "smtp://me:a:b@mx.example.com",
    "smtp://me:%zz@mx.example.com",
    "smtp://me:a%00b@mx.example.com",
    "smtp://me:a/b@mx.example.com",
    "s3://",
    "s3://UPPER/x",
    "s3://ab/x",
    "s3://a..b/x",
    "s3://bucket/a//b",
    "s3://bucket/../x",
    "s3://bucket/a b",
    "s3://bucket/*",
    "s3://bucket/in*/here",
    "s3://bucket/in/?",
    "s3://bucket/${aws:username}",
    `smtp://${"a".repeat(3000)}`,
    `s3://${"a-".repeat(31)}_`,
  ])("refuses %j and names the variable", (text) => {
    expect(errorOf(() => parseOperatorDelivery(text)).message).toMatch(/^DELIVERY: /);
  });

  it("never shows credentials, whether it takes the text or not", () => {
    const secret = "s3cr3t-Passw0rd";
    const around = fc.string({ unit: "grapheme-ascii", maxLength: 12 });
    fc.assert(
      fc.property(around, around, (before, after) => {
        const text = `smtp://user:${secret}${before}@${after}`;
        try {
          expect(describeRoute(parseOperatorDelivery(text))).not.toContain(secret);
        } catch (error) {
          if (!(error instanceof InvalidInput)) throw error;
          expect(JSON.stringify([error.message, error.issues, String(error.cause)])).not.toContain(secret);
        }
      }),
    );
  });
});

describe("a domain's delivery through the API", () => {
  it.each([
    ["smtp://mx.example.com", { kind: "smtp", host: "mx.example.com", port: 25 }],
    ["smtps://mx.example.com:4650", { kind: "smtps", host: "mx.example.com", port: 4650 }],
    ["lmtp://192.0.2.1", { kind: "lmtp", host: "192.0.2.1", port: 24 }],
    ["smtp://[2001:db8::1]:25", { kind: "smtp", host: "2001:db8::1", port: 25 }],
  ])("reads %s", (nextHop, expected) => {
    const route = parseApiDelivery({ nextHop, tls: "opportunistic" });
    expect(route).toEqual({ ...expected, tls: "opportunistic", setBy: "api", credentials: null });
  });

  it.each([
    "maildir:/var/mail",
    "s3://bucket/prefix",
    "smtp://me:secret@mx.example.com",
    "smtp://mx.example.com?tls=require",
    "smtp://mx.example.com?",
    "smtp://MX.example.com",
    "smtp://mx.example.com.",
    "smtp://bücher.example",
    "SMTP://mx.example.com",
    "file:///etc/passwd",
    "",
  ])("refuses %j and points at the field", (nextHop) => {
    const error = errorOf(() => parseApiDelivery({ nextHop, tls: "require" }, "/a/delivery"));
    expect(error.issues).toEqual([
      { pointer: "/a/delivery/nextHop", code: "next-hop", message: error.message },
    ]);
    expect(error.message).not.toContain("secret");
  });
});

describe("two routes", () => {
  const base = "smtp://u:p@mx.example.com:25?tls=require";

  it.each([
    "smtps://u:p@mx.example.com:25?tls=require",
    "lmtp://u:p@mx.example.com:25?tls=require",
    "smtp://u:p@mx2.example.com:25?tls=require",
    "smtp://u:p@mx.example.com:26?tls=require",
    "smtp://u:p@mx.example.com:25?tls=opportunistic",
    "smtp://v:p@mx.example.com:25?tls=require",
    "smtp://u:q@mx.example.com:25?tls=require",
    "smtp://mx.example.com:25?tls=require",
    "maildir:/a",
    "s3://bucket/a",
  ])("are not the same when one is %s", (text) => {
    const [a, b] = [parseOperatorDelivery(base), parseOperatorDelivery(text)];
    expect([sameRoute(a, b), sameRoute(b, a)]).toEqual([false, false]);
  });

  it("are not the same when another hand set one: the API's is checked, the operator's trusted", () => {
    const api = parseApiDelivery({ nextHop: "smtp://mx.example.com", tls: "require" });
    expect(sameRoute(api, parseOperatorDelivery("smtp://mx.example.com"))).toBe(false);
  });

  it.each([base, "maildir:/a", "s3://bucket/a", "smtp://[::1]:25"])(
    "are the same when both are %s",
    (text) => {
      expect(sameRoute(parseOperatorDelivery(text), parseOperatorDelivery(text))).toBe(true);
    },
  );

  it.each([
    ["maildir:/a", "maildir:/b"],
    ["s3://bucket/a", "s3://bucket/b"],
    ["s3://bucket/a", "s3://bucket2/a"],
  ])("are not the same when they are %s and %s", (a, b) => {
    expect(sameRoute(parseOperatorDelivery(a), parseOperatorDelivery(b))).toBe(false);
  });
});
