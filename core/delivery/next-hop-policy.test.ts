import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../errors.ts";
import { isAllowed, NOTHING_ALLOWED, parseDeliveryAllow } from "./delivery-allow.ts";
import { isPublicAddress, judgeNextHop, type NextHopFacts } from "./next-hop-policy.ts";

const facts: NextHopFacts = {
  route: { host: "mx.example.com", port: 25, setBy: "api", tls: "opportunistic", credentials: null },
  addresses: ["8.8.8.8"],
  allow: NOTHING_ALLOWED,
  ownListeners: [],
  ownAddresses: [],
};
const api = (addresses: readonly string[], allow = "", host = "mx.example.com") =>
  judgeNextHop({ ...facts, route: { ...facts.route, host }, addresses, allow: parseDeliveryAllow(allow) });

describe("an address", () => {
  it.each([
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::5",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
  ])("%s is public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    ["loopback", "127.0.0.1"],
    ["loopback", "127.255.255.254"],
    ["loopback", "::1"],
    ["unspecified", "0.0.0.0"],
    ["unspecified", "0.1.2.3"],
    ["unspecified", "::"],
    ["private", "10.0.0.1"],
    ["private", "172.16.0.1"],
    ["private", "172.31.255.255"],
    ["private", "192.168.1.1"],
    ["unique local", "fc00::1"],
    ["unique local", "fd12:3456::1"],
    ["link-local", "169.254.1.1"],
    ["link-local", "fe80::1"],
    ["link-local", "fe80::1%eth0"],
    ["site-local", "fec0::1"],
    ["metadata", "169.254.169.254"],
    ["metadata", "fd00:ec2::254"],
    ["metadata of Alibaba (CGNAT)", "100.100.100.200"],
    ["metadata of Azure", "168.63.129.16"],
    ["CGNAT", "100.64.0.1"],
    ["CGNAT", "100.127.255.255"],
    ["multicast", "224.0.0.1"],
    ["multicast", "ff02::1"],
    ["broadcast", "255.255.255.255"],
    ["reserved", "240.0.0.1"],
    ["benchmarking", "198.18.0.1"],
    ["documentation", "192.0.2.1"],
    ["documentation", "2001:db8::1"],
    ["documentation", "3fff::1"],
    ["IETF", "192.0.0.8"],
    ["discard", "100::1"],
    ["IPv4-mapped", "::ffff:127.0.0.1"],
    ["IPv4-mapped", "::ffff:a9fe:a9fe"],
    ["IPv4-compatible", "::127.0.0.1"],
    ["IPv4-compatible", "::808:808"],
    ["IPv4-translated", "::ffff:0:127.0.0.1"],
    ["NAT64", "64:ff9b::127.0.0.1"],
    ["NAT64", "64:ff9b::a9fe:a9fe"],
    ["NAT64 of a local prefix", "64:ff9b:1::8.8.8.8"],
    ["6to4", "2002:7f00:1::1"],
    ["6to4", "2002:808:808::1"],
    ["Teredo", "2001:0:4136:e378::1"],
    ["ISATAP", "2606:4700::5efe:10.0.0.1"],
    ["ISATAP", "2606:4700::200:5efe:127.0.0.1"],
    ["segment routing", "5f00::1"],
    ["not given out", "4000::1"],
    ["no address", "localhost"],
    ["no address", "127.1"],
    ["no address", ""],
  ])("of kind %s is not public: %s", (_, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it("is judged the same when it is written as IPv4-mapped or behind NAT64", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublicAddress(`::ffff:${address}`)).toBe(isPublicAddress(address));
        expect(isPublicAddress(`64:ff9b::${address}`)).toBe(isPublicAddress(address));
      }),
    );
  });
});

describe("a next hop set through the API", () => {
  it("is connected to at exactly the addresses that were checked, and never opportunistically", () => {
    expect(api(["8.8.8.8", "::ffff:1.1.1.1", "2606:4700:0::1"])).toEqual({
      kind: "allowed",
      addresses: ["8.8.8.8", "1.1.1.1", "2606:4700::1"],
      tls: "require",
    });
  });

  it.each([[["127.0.0.1"]], [["8.8.8.8", "10.0.0.1"]], [["10.0.0.1", "8.8.8.8"]], [["169.254.169.254"]]])(
    "is refused when it resolves to %j",
    (addresses) => {
      expect(api(addresses)).toMatchObject({ kind: "refused", cause: "not-allowed" });
    },
  );

  it.each([[["nonsense"]], [["8.8.8.8", "nonsense"]], [[]]])(
    "has no usable address when it resolves to %j",
    (addresses) => {
      expect(api(addresses)).toMatchObject({ kind: "refused", cause: "lookup-failed" });
    },
  );

  it.each([
    [["10.1.2.3"], "10.0.0.0/8"],
    [["127.0.0.1", "::1"], "127.0.0.0/8, ::1"],
    [["::ffff:10.1.2.3"], "10.1.2.3"],
    [["127.0.0.1"], "mx.example.com"],
    [["127.0.0.1"], "*.example.com"],
    [["fd00::5"], "fd00::/8"],
  ])("that resolves to %j is allowed by DELIVERY_ALLOW %s, opportunistic TLS too", (addresses, allow) => {
    expect(api(addresses, allow)).toMatchObject({ kind: "allowed", tls: "opportunistic" });
  });

  it.each([
    [["10.1.2.3", "127.0.0.1"], "10.0.0.0/8"],
    [["11.1.2.3", "127.0.0.1"], "10.0.0.0/8"],
    [["127.0.0.1"], "example.com"],
    [["127.0.0.1"], "*.mx.example.com"],
    [["127.0.0.1"], "other.example.com 10.0.0.0/8"],
    [["::1"], "127.0.0.0/8"],
  ])("that resolves to %j is refused under DELIVERY_ALLOW %s", (addresses, allow) => {
    expect(api(addresses, allow)).toMatchObject({ kind: "refused", cause: "not-allowed" });
  });

  it("may go to a public address beside one that is covered, but then not opportunistically", () => {
    expect(api(["8.8.8.8"], "10.0.0.0/8")).toMatchObject({ kind: "allowed", tls: "require" });
  });

  it("is not covered by a name when it is a literal", () => {
    expect(api(["10.0.0.1"], "mx.example.com", "10.0.0.1")).toMatchObject({ kind: "refused" });
  });
});

describe("the operator's own next hop", () => {
  it.each(["127.0.0.1", "10.0.0.1", "169.254.1.1", "8.8.8.8"])("is trusted at %s", (address) => {
    const route = { ...facts.route, setBy: "operator" } as const;
    expect(judgeNextHop({ ...facts, route, addresses: [address] })).toMatchObject({
      kind: "allowed",
      tls: "opportunistic",
    });
  });
});

describe("what a route asks of TLS", () => {
  const tls = (change: Partial<NextHopFacts["route"]>) =>
    judgeNextHop({ ...facts, route: { ...facts.route, ...change }, allow: parseDeliveryAllow("8.8.8.8") });

  it("is never made looser", () => {
    for (const setBy of ["api", "operator"] as const)
      expect(tls({ setBy, tls: "require" })).toMatchObject({ tls: "require" });
  });

  it("is verified TLS wherever there is a password", () => {
    const credentials = { user: "me", password: "secret" };
    expect(tls({ setBy: "operator", tls: "opportunistic", credentials })).toMatchObject({ tls: "require" });
  });
});

describe("a listener of our own", () => {
  const judge = (address: string, listening: string, port = 25) =>
    judgeNextHop({
      ...facts,
      route: { ...facts.route, setBy: "operator" },
      addresses: ["8.8.8.8", address],
      allow: parseDeliveryAllow("0.0.0.0/0 ::/0"),
      ownListeners: [
        { address: "203.0.113.9", port: 25 },
        { address: listening, port },
      ],
      ownAddresses: ["192.168.7.7", "2606:4700::7"],
    });

  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "0.0.0.0"],
    ["127.0.0.1", "::"],
    ["127.9.9.9", "::"],
    ["::1", "::1"],
    ["::1", "::"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["192.168.7.7", "0.0.0.0"],
    ["2606:4700::7", "::"],
    ["192.168.7.7", "192.168.7.7"],
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
    ["0.0.0.0", "0.0.0.0"],
  ])("is a loop when the next hop is %s and we listen on %s", (address, listening) => {
    expect(judge(address, listening)).toMatchObject({ kind: "refused", cause: "loop" });
  });

  it.each([
    ["127.0.0.2", "127.0.0.1", 25],
    ["127.0.0.1", "127.0.0.1", 26],
    ["192.168.7.8", "0.0.0.0", 25],
    ["127.0.0.1", "192.168.7.7", 25],
  ])("is none when the next hop is %s port 25 and we listen on %s port %i", (address, listening, port) => {
    expect(judge(address, listening, port)).toMatchObject({ kind: "allowed" });
  });

  it("is a loop for the API too, whatever DELIVERY_ALLOW says", () => {
    const allow = parseDeliveryAllow("mx.example.com");
    const ownListeners = [{ address: "127.0.0.1", port: 25 }];
    expect(judgeNextHop({ ...facts, addresses: ["127.0.0.1"], allow, ownListeners })).toMatchObject({
      cause: "loop",
    });
  });
});

describe("DELIVERY_ALLOW", () => {
  it("reads networks, addresses and names", () => {
    expect(
      parseDeliveryAllow(" 10.0.0.0/08,192.168.1.1 ::1\tfd00:0::/8, mx.example.com *.example.net"),
    ).toEqual({
      networks: ["10.0.0.0/8", "192.168.1.1/32", "::1/128", "fd00::/8"],
      names: ["mx.example.com", "*.example.net"],
    });
    expect(parseDeliveryAllow("")).toEqual(NOTHING_ALLOWED);
  });

  it.each([
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0/8",
    "10.1",
    "::ffff:10.0.0.0/104",
    "fe80::1%eth0",
    "MX.example.com",
    "mx.example.com.",
    "a_b",
    "*",
    "*.*.x",
    "10.0.0.0/8/8",
    "http://x",
  ])("refuses %j and names it", (entry) => {
    const parse = () => parseDeliveryAllow(`10.0.0.0/8, ${entry}`);
    expect(parse).toThrow(InvalidInput);
    expect(parse).toThrow(`DELIVERY_ALLOW: ${JSON.stringify(entry)} `);
  });

  it("covers no address by default", () => {
    expect(isAllowed(NOTHING_ALLOWED, "mx.example.com", ["8.8.8.8"])).toBe(false);
  });
});
