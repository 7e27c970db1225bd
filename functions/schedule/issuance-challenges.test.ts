import { describe, expect, it } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import type { ChallengeRecords } from "../../core/management/challenge-records.ts";
import { startIssuance } from "../../test/support/issuance.ts";

/** Effects of retries whose pauses pass at once, and are noted. */
function notedPauses() {
  const pauses: number[] = [];
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => {
    pauses.push(ms);
    nowMs += ms;
  };
  return { pauses, retry: { now: () => nowMs, random: () => 0.5, sleep } };
}

describe("Retry-After of a CA", () => {
  it("that still validates is honoured between two looks at the order", async () => {
    const under = await startIssuance({ validationPolls: 2, retryAfter: "30" });
    const id = await under.create();
    const { pauses, retry } = notedPauses();
    expect(await under.open({ retry }).advance(id)).toBe("issued");
    expect(pauses).toEqual([30_000, 30_000]);
  });

  it("that is longer than a sweep waits leaves the order to the next sweep", async () => {
    const under = await startIssuance({ validationPolls: 1, retryAfter: "3600" });
    const id = await under.create();
    const { pauses, retry } = notedPauses();
    expect(await under.open({ retry }).advance(id)).toBe("waiting");
    expect(pauses).toEqual([]);
    expect(under.ca.counts.order).toBe(1);
    under.api.advance(3_600_000);
    expect(await under.open({ retry }).advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(1);
  });

  it("is honoured by every sweep until then, and a request of the operator looks at once", async () => {
    const under = await startIssuance({ validationPolls: 1, retryAfter: "3600" });
    const [id, other] = [await under.create(), await under.create()];
    const beganMs = under.api.clock.now();
    const sweep = async () => [await under.open().advance(id), await under.open().advance(other)];
    expect(await sweep()).toEqual(["waiting", "waiting"]);
    const { timeline } = await under.show(id);
    expect(timeline.at(-1)).toMatchObject({ event: "next-attempt" });
    expect(Date.parse(timeline.at(-1).at)).toBeGreaterThanOrEqual(beganMs + 3_600_000);
    for (let minutes = 5; minutes < 60; minutes += 5) {
      under.api.advance(300_000);
      expect(await sweep()).toEqual(["waiting", "waiting"]);
    }
    expect(under.ca.counts.order).toBe(2);
    await under.api.expect(200, "POST", `/v1/certificates/${other}/renew`, { headers: { "If-Match": "*" } });
    expect(await sweep()).toEqual(["waiting", "issued"]);
    under.api.advance(300_000);
    expect(await under.open().advance(id)).toBe("issued");
  });

  it("of a load balancer's page counts as much as that of a problem document", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const headers = { "content-type": "text/html", "retry-after": "7200" };
    under.ca.faults.set("newOrder", { kind: "answer", status: 503, headers, body: "<html>" });
    await expect(under.open().advance(id)).rejects.toThrow("answered with HTTP status 503");
    const { lastError } = await under.show(id);
    expect(Date.parse(lastError.nextAt) - Date.parse(lastError.at)).toBe(7_200_000);
  });
});

const MX = "_acme-challenge.mx.example.com";

describe("records of open orders", () => {
  it("of a name and of its wildcard at the same time stand side by side, and each removes its own", async () => {
    const under = await startIssuance({ validationPolls: 1, retryAfter: "3600" });
    const first = await under.create();
    const second = await under.create({ names: ["*.mx.example.com"] });
    const { lookUpTxt } = under.ca.behaviour;
    expect(await under.open().advance(first)).toBe("waiting");
    const [own = ""] = under.dns.get(MX) ?? [];
    expect(await under.open().advance(second)).toBe("waiting");
    expect(under.dns.get(MX)).toHaveLength(2);
    expect(under.dns.get(MX)).toContain(own);
    // Some CAs look again, from other places.
    expect(await lookUpTxt(MX)).toContain(own);
    under.api.advance(3_600_000);
    expect(await under.open().advance(first)).toBe("issued");
    expect(under.dns.get(MX)).toHaveLength(1);
    expect(under.dns.get(MX)).not.toContain(own);
    expect(await under.open().advance(second)).toBe("issued");
    expect(under.dns.has(MX)).toBe(false);
  });

  it("of many orders at once are all seen by the CA, however slowly they are published", async () => {
    const under = await startIssuance();
    const ids = await Promise.all(Array.from({ length: 6 }, () => under.create()));
    const { records, release } = heldRecords(under.dns);
    const outcomes = Promise.all(ids.map((id) => under.open({ records }).advance(id)));
    release();
    expect(await outcomes).toEqual(ids.map(() => "issued"));
    expect(under.dns.size).toBe(0);
  });

  it("that a process left when it was killed go with the next order after a week", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const left = [{ value: "left", untilMs: under.api.clock.now() + 7 * 24 * 3_600_000 }];
    await under.state.put("dns/mx.example.com", left, { expected: null, expiresAtMs: null });
    under.dns.set(MX, ["left"]);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.dns.get(MX)).toEqual(["left"]);
    under.api.advance(7 * 24 * 3_600_000);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.dns.size).toBe(0);
  });

  it("go with an order that the CA refuses to sign", async () => {
    const under = await startIssuance();
    const id = await under.create();
    under.ca.faults.set("finalize", { kind: "refusal", type: "badCSR", status: 400 });
    await expect(under.open().advance(id)).rejects.toThrow("badCSR");
    expect(under.dns.size).toBe(0);
  });

  it("are untouched by a certificate that is proved by http-01", async () => {
    const under = await startIssuance();
    under.dns.set(MX, ["another's"]);
    const id = await under.create({ challenge: "http-01" });
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.dns.get(MX)).toEqual(["another's"]);
  });
});

describe("a CA that asks for a proof of a name that was not ordered", () => {
  it.each([
    ["another host of a published zone", "dns-01", { name: "www.example.com", isWildcard: false }],
    ["the zone itself", "dns-01", { name: "example.com", isWildcard: false }],
    ["a wildcard", "dns-01", { name: "mx.example.com", isWildcard: true }],
    ["another host", "http-01", { name: "www.example.com", isWildcard: false }],
  ])("(%s) by %s gets none, and the order is forgotten", async (_, challenge, shown) => {
    const under = await startIssuance();
    const written: string[] = [];
    const note = async (name: string): Promise<void> => void written.push(name);
    const records = { publishes: () => true, put: note, delete: note };
    const id = await under.create({ challenge });
    under.ca.behaviour.shownName = () => shown;
    const asked = shown.isWildcard ? `*.${shown.name}` : shown.name;
    await expect(under.open({ records }).advance(id)).rejects.toThrow(
      `the CA asks for a proof of ${asked}, which the order does not name`,
    );
    expect(written).toEqual([]);
    expect(under.ca.counts.challenge ?? 0).toBe(0);
    expect(await under.show(id)).toMatchObject({ validation: [], lastError: { failures: 1 } });

    under.ca.behaviour.shownName = (name, isWildcard) => ({ name, isWildcard });
    under.api.advance(3_600_000);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(2);
  });

  it.each([
    [
      "in upper case",
      ["mx.example.com"],
      (name: string) => ({ name: name.toUpperCase(), isWildcard: false }),
    ],
    [
      "with a dot at its end",
      ["mx.example.com"],
      (name: string) => ({ name: `${name}.`, isWildcard: false }),
    ],
    ["without the mark of a wildcard", ["*.mx.example.com"], (name: string) => ({ name, isWildcard: false })],
    [
      "as the U-label of the A-label that was ordered",
      ["xn--mller-kva.example.com"],
      () => ({ name: "müller.example.com", isWildcard: false }),
    ],
  ])("is not one that writes an ordered name %s", async (_, names, shownName) => {
    const under = await startIssuance();
    under.published.add("xn--mller-kva.example.com");
    const id = await under.create({ names });
    under.ca.behaviour.shownName = shownName;
    expect(await under.open().advance(id)).toBe("issued");
  });
});

/** Records whose changes wait for `release`, and end in the reverse order of their begin. */
function heldRecords(dns: Map<string, readonly string[]>) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const waiting: (() => void)[] = [];
  const turn = async (): Promise<void> => {
    await released;
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    setImmediate(() => waiting.pop()?.());
    await promise;
  };
  const records: ChallengeRecords = {
    publishes: () => true,
    put: async (name, values) => {
      await turn();
      dns.set(`_acme-challenge.${name}`, values);
    },
    delete: async (name) => {
      await turn();
      dns.delete(`_acme-challenge.${name}`);
    },
  };
  return { records, release };
}

describe("a lookup that fails", () => {
  it("hides no record, and holds no other name up", async () => {
    const under = await startIssuance();
    under.published.clear();
    const broken = new Set(["_acme-challenge.a.example.com"]);
    const readTxt = async (name: string): Promise<readonly string[]> => {
      if (broken.has(name)) throw new Unavailable(`no resolver answers for ${name}`);
      return under.dns.get(name) ?? [];
    };
    const id = await under.create({ names: ["a.example.com", "b.example.com"] });
    expect(await under.open({ readTxt }).advance(id)).toBe("waiting");
    const { validation, lastError } = await under.show(id);
    expect(lastError).toBeNull();
    expect(validation).toMatchObject([{ domain: "a.example.com" }, { domain: "b.example.com" }]);
    for (const { name, value } of validation) under.dns.set(name, [value]);
    expect(await under.open({ readTxt }).advance(id)).toBe("waiting");
    expect(under.ca.counts.challenge).toBe(1);
    broken.clear();
    expect(await under.open({ readTxt }).advance(id)).toBe("issued");
    expect(under.ca.counts).toMatchObject({ newOrder: 1, challenge: 2 });
  });
});

describe("an order of many names", () => {
  const names = Array.from({ length: 25 }, (_, n) => `mx${String(n)}.example.com`);

  it("publishes up to ten at once", async () => {
    const under = await startIssuance();
    const id = await under.create({ names });
    let running = 0;
    const seen: number[] = [];
    const put = async (name: string, values: readonly string[]): Promise<void> => {
      running += 1;
      seen.push(running);
      await new Promise((resolve) => setImmediate(resolve));
      under.dns.set(`_acme-challenge.${name}`, values);
      running -= 1;
    };
    const records = { publishes: () => true, put, delete: async () => undefined };
    expect(await under.open({ records }).advance(id)).toBe("issued");
    expect(Math.max(...seen)).toBe(10);
    expect(seen).toHaveLength(25);
  });

  it("goes on with the names that were not published when one fails", async () => {
    const under = await startIssuance();
    const id = await under.create({ names });
    const put = async (name: string, values: readonly string[]): Promise<void> => {
      if (name === "mx3.example.com") throw new Unavailable("Route 53 has not published the TXT record");
      under.dns.set(`_acme-challenge.${name}`, values);
    };
    const records = { publishes: () => true, put, delete: async () => undefined };
    await expect(under.open({ records }).advance(id)).rejects.toThrow("has not published");
    expect(under.ca.counts.challenge).toBe(24);
  });
});
