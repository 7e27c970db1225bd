import { describe, expect, it } from "vitest";
import { parseDeliveryAllow } from "../../core/delivery/delivery-allow.ts";
import { parseApiDelivery, parseOperatorDelivery } from "../../core/delivery/route.ts";
import { startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import { createTarget, domain, messageOf, plainMail, said } from "../../test/support/next-hop-delivery.ts";
import { systemLookup } from "./next-hop-address.ts";

describe("the address that is connected to", () => {
  it("is the one that was checked: a name that changes between two lookups gains nothing", async () => {
    const hop = await startFakeNextHop();
    const answers = [["127.0.0.1"], ["169.254.169.254"]];
    let lookups = 0;
    const target = createTarget({
      allow: parseDeliveryAllow("127.0.0.0/8"),
      lookup: () => {
        const answer = answers[lookups] ?? [];
        lookups += 1;
        return Promise.resolve(answer);
      },
    });
    const route = parseApiDelivery({
      nextHop: `smtp://hop.example:${String(hop.port)}`,
      tls: "opportunistic",
    });
    const mail = target.begin(route, plainMail);
    for (const localPart of ["a", "b"])
      expect(said(await mail.recipient({ localPart, domain }))).toBe("accepted");
    expect(said(await mail.message(messageOf("a: b\r\n\r\n")))).toBe("accepted");
    expect([lookups, hop.connections]).toEqual([1, 1]);
    const next = target.begin(route, plainMail);
    expect(said(await next.recipient({ localPart: "a", domain }))).toContain("(not-allowed)");
    expect(hop.connections).toBe(1);
    await target.close();
    await hop.close();
  });

  it("is the next one when the first does not answer", async () => {
    const hop = await startFakeNextHop();
    // Nothing listens on this port of the second loopback address.
    const target = createTarget({ lookup: () => Promise.resolve(["127.0.0.2", "127.0.0.1"]) });
    const mail = target.begin(
      parseOperatorDelivery(`smtp://hop.example:${String(hop.port)}?tls=opportunistic`),
      plainMail,
    );
    expect(said(await mail.recipient({ localPart: "a", domain }))).toBe("accepted");
    mail.abort();
    await target.close();
    await hop.close();
  });
});

describe("a next hop that is a listener of our own", () => {
  it("is a loop, by name and by address, for the operator and for the API", async () => {
    const hop = await startFakeNextHop();
    const target = createTarget({
      allow: parseDeliveryAllow("hop.example"),
      ownListeners: () => [{ address: "0.0.0.0", port: hop.port }],
    });
    const port = String(hop.port);
    const routes = [
      parseOperatorDelivery(`smtp://hop.example:${port}`),
      parseOperatorDelivery(`lmtp://127.0.0.1:${port}`),
      parseOperatorDelivery(`smtp://[::ffff:127.0.0.1]:${port}`),
      parseApiDelivery({ nextHop: `smtp://hop.example:${port}`, tls: "require" }),
    ];
    for (const route of routes) {
      const reply = await target.begin(route, plainMail).recipient({ localPart: "a", domain });
      expect(said(reply)).toBe("451 4.4.1 The next hop may not be used, try again later (loop)");
    }
    expect(hop.connections).toBe(0);
    await target.close();
    await hop.close();
  });
});

describe("the system's lookup", () => {
  it.each(["operator", "api"] as const)("knows localhost (set by %s)", async (setBy) => {
    const addresses = await systemLookup("localhost", setBy);
    expect(addresses.some((address) => address === "127.0.0.1" || address === "::1")).toBe(true);
  });

  it.each(["operator", "api"] as const)("says why a name has no address (set by %s)", async (setBy) => {
    // RFC 6761: nothing is ever named .invalid. Without a network the code is another one.
    await expect(systemLookup("nothing.invalid", setBy)).rejects.toMatchObject({
      code: expect.stringMatching(/^E/),
    });
  });
});
