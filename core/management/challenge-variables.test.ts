import { describe, expect, it } from "vitest";
import {
  dnsResolversVariable,
  dnsWebhookSecretVariable,
  dnsWebhookUrlVariable,
  route53ZonesVariable,
} from "./challenge-variables.ts";

describe("ROUTE53_ZONES", () => {
  it("is zone ids with their domains", () => {
    expect(route53ZonesVariable.parse("Z0A1:example.com, Z2:Sub.Example.com")).toEqual([
      { id: "Z0A1", domain: "example.com" },
      { id: "Z2", domain: "sub.example.com" },
    ]);
  });

  it.each([
    ["Z1", "must be <zone id>:<domain>"],
    ["Z1:example.com,", "must be <zone id>:<domain>"],
    ["example.com:Z1", "must be <zone id>:<domain>"],
    ["/hostedzone/Z1:example.com", "must be <zone id>:<domain>"],
    ["Z1:exa mple.com", "must be <zone id>:<domain>"],
    ["Z1:*.example.com", "must be <zone id>:<domain>"],
    ["Z1:example.com:x", "must be <zone id>:<domain>"],
    ["Z1:example.com,Z2:EXAMPLE.com", "must have each domain once"],
    [Array.from({ length: 101 }, (_, n) => `Z${n}:d${n}.example`).join(), "must have at most 100 zones"],
  ])("cannot be %j", (text, reason) => {
    const { error } = route53ZonesVariable.safeParse(text);
    expect(error?.issues[0]?.message).toContain(reason);
  });
});

describe("DNS_WEBHOOK_URL", () => {
  it.each([
    "https://dns.example/postern?zone=1",
    "https://192.0.2.1:8443/",
    "http://localhost:8053/set",
    "http://127.0.0.1:8053/",
    "http://127.8.9.1/",
    "http://[::1]:8053/",
  ])("may be %s", (url) => {
    expect(dnsWebhookUrlVariable.parse(url)).toBe(url);
  });

  it.each([
    "http://dns.example/",
    "http://10.0.0.1/",
    "http://localhost.example/",
    "http://127.0.0.1.example/",
    "http://[::ffff:192.0.2.1]/",
    "https://user:secret@dns.example/",
    "https://dns.example/#part",
    "ftp://127.0.0.1/",
    "dns.example",
    `https://dns.example/${"a".repeat(2_048)}`,
  ])("cannot be %s", (url) => {
    expect(dnsWebhookUrlVariable.safeParse(url).success).toBe(false);
  });
});

describe("DNS_WEBHOOK_SECRET", () => {
  it.each([
    ["a".repeat(16), true],
    ["a".repeat(15), false],
    ["a".repeat(513), false],
    [`${"a".repeat(16)} `, false],
    ["ä".repeat(16), false],
  ])("%j: %s", (text, isTaken) => {
    const { success, error } = dnsWebhookSecretVariable.safeParse(text);
    expect(success).toBe(isTaken);
    expect(error?.message ?? "").not.toContain(text.slice(0, 15));
  });
});

describe("DNS_RESOLVERS", () => {
  it.each([
    ["192.0.2.53", ["192.0.2.53"]],
    ["192.0.2.53:5353, [2001:db8::53]:5353", ["192.0.2.53:5353", "[2001:db8::53]:5353"]],
    ["2001:db8::53,[::1]", ["2001:db8::53", "[::1]"]],
  ])("may be %s", (text, resolvers) => {
    expect(dnsResolversVariable.parse(text)).toEqual(resolvers);
  });

  it.each([
    ",",
    "dns.example",
    "192.0.2",
    "192.0.2.53:0",
    "192.0.2.53:65536",
    "192.0.2.53:",
    "[192.0.2.53]:53",
    "[2001:db8::53",
    "[]",
    "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5,6.6.6.6,7.7.7.7",
  ])("cannot be %s", (text) => {
    expect(dnsResolversVariable.safeParse(text).error?.issues[0]?.message).toContain(
      "must be 1 to 6 addresses",
    );
  });
});
