import { describe, expect, it } from "vitest";
import { canonicalAddress, clientKey } from "./client-address.ts";

describe("canonicalAddress", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["127.1", null],
    ["0x7f.0.0.1", null],
    ["192.0.2.256", null],
    ["mail.example", null],
    ["", null],
  ])("spells %s as %s", (text, expected) => expect(canonicalAddress(text)).toBe(expected));
});

describe("clientKey", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::9", "2001:db8:1:3::/64"],
  ])("counts %s as %s", (address, key) => expect(clientKey(address)).toBe(key));
});
