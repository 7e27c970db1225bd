import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDeliveryAllow } from "../delivery/delivery-allow.ts";
import { checkCidr } from "../management/text-formats.ts";
import { network } from "../../test/support/records.ts";
import { isInAny, isSubnetOf, parseNetwork } from "./network.ts";

describe("a network", () => {
  it.each([
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["192.0.2.77/24", "192.0.2.0/24"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["10.0.0.0/08", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8:0::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::ffff:192.0.2.0/120", "192.0.2.0/24"],
    ["::ffff:192.0.2.1", "192.0.2.1/32"],
  ])("in %j is %s", (text, canonical) => expect(parseNetwork(text)).toBe(canonical));

  it.each([
    ["10/8"],
    ["010.0.0.0/8"],
    ["10.0.0.0/33"],
    ["10.0.0.0/"],
    ["10.0.0.0/8/8"],
    ["10.0.0.0/-1"],
    ["fe80::1%eth0"],
    ["::/129"],
    ["::ffff:10.0.0.0/95"],
    ["mx.example"],
    [""],
  ])("is not in %j", (text) => expect(parseNetwork(text)).toBeNull());

  it.each([
    ["192.0.2.1", "192.0.2.0/24", true],
    ["192.0.3.1", "192.0.2.0/24", false],
    ["192.0.2.1", "0.0.0.0/0", true],
    ["::ffff:192.0.2.1", "192.0.2.0/24", true],
    ["192.0.2.1", "::ffff:192.0.2.0/120", true],
    ["2001:db8::1", "2001:db8::/32", true],
    ["2001:db8::1%eth0", "2001:db8::/32", true],
    ["2001:db9::1", "2001:db8::/32", false],
    ["2001:db8::1", "0.0.0.0/0", false],
    ["192.0.2.1", "::/0", false],
    ["nonsense", "0.0.0.0/0", false],
  ])("finds %s in %s: %s", (address, cidr, inside) => expect(isInAny(address, [network(cidr)])).toBe(inside));

  it("is one of several, and of none in an empty list", () => {
    const networks = [network("192.0.2.0/24"), network("2001:db8::/32")];
    expect(["192.0.2.9", "2001:db8::9", "198.51.100.1"].map((each) => isInAny(each, networks))).toEqual([
      true,
      true,
      false,
    ]);
    expect(isInAny("192.0.2.9", [])).toBe(false);
  });

  it.each([
    ["192.0.2.0/25", "192.0.2.0/24", true],
    ["192.0.2.0/24", "192.0.2.0/24", true],
    ["192.0.2.0/23", "192.0.2.0/24", false],
    ["192.0.3.0/25", "192.0.2.0/24", false],
    ["192.0.2.0/25", "::/0", false],
  ])("holds %s within %s: %s", (inner, outer, expected) => expect(isSubnetOf(inner, outer)).toBe(expected));

  it("is the same to the API and to DELIVERY_ALLOW wherever both take its text", () => {
    const octets = fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, bits]) => `${address}/${bits}`);
    // `::1.2.3.4`, the form that RFC 4291 deprecates, is no address here; mapped addresses are in the table
    // above.
    const groups = fc
      .tuple(
        fc.ipV6().filter((text) => !text.includes(".")),
        fc.nat(128),
      )
      .map(([address, bits]) => `${address}/${bits}`);
    fc.assert(
      fc.property(fc.oneof(octets, groups), (text) => {
        const canonical = network(text);
        expect(() => checkCidr(canonical)).not.toThrow();
        expect(parseDeliveryAllow(canonical).networks).toEqual([canonical]);
        expect(isInAny(canonical.slice(0, canonical.indexOf("/")), [canonical])).toBe(true);
        if (text !== canonical) expect(() => checkCidr(text)).toThrow();
      }),
    );
  });
});
