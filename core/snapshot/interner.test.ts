import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import { createInterner } from "./interner.ts";

const names = ["a.example", "b.example", "c.example"];
const anyRecord = fc
  .record({
    name: fc.constantFrom(...names),
    mxHosts: fc.subarray(["mx1.example", "mx2.example", "a.example"]),
    level: fc.constantFrom("none" as const, "accept" as const, "require" as const),
    account: fc.constantFrom("default", "other"),
    updatedAt: fc.constantFrom("2026-11-24T12:00:00.000Z", "2026-11-25T12:00:00.000Z"),
    revision: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ level, ...rest }) => domainRecord({ ...rest, server: { level } }));

describe("an interner", () => {
  it("gives every record back as it came, whatever came before", () =>
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 30 }), (records) => {
        const interner = createInterner();
        const expected = structuredClone(records);
        expect(records.map((record) => interner.domain(record))).toEqual(expected);
      }),
    ));

  it("keeps records apart when more are seen than it remembers", () => {
    const interner = createInterner();
    const many = Array.from({ length: 10_000 }, (_, n) =>
      domainRecord({ name: `d${n}.example`, mxHosts: [`mx${n}.example`], updatedBy: `token-${n}` }),
    );
    expect(many.map((record) => interner.domain(record))).toEqual(many);
  });

  it("gives settings back as they came when more of them are seen than it shares", () => {
    const interner = createInterner();
    const many = Array.from({ length: 10_050 }, (_, n) =>
      domainRecord({ exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, reason: `n ${n}` }] }),
    );
    const twice = [...many, ...many].map((record) => interner.domain(record).tls.exceptions[0]?.reason);
    expect(twice).toEqual([...many, ...many].map((_, index) => `n ${index % many.length}`));
  });

  it("shares the first 10,000 different settings and no more, so that its table stays bounded", () => {
    const interner = createInterner();
    const withReason = (n: number) =>
      domainRecord({ exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, reason: `n ${n}` }] }).tls;
    const first = Array.from({ length: 10_001 }, (_, n) => interner.tls(withReason(n)));
    const isShared = (n: number) => interner.tls(withReason(n)) === first[n];
    expect([isShared(0), isShared(9_999), isShared(10_000)]).toEqual([true, true, false]);
    // A new table for what comes later would grow without bound as well.
    expect(interner.tls(withReason(10_000))).not.toBe(interner.tls(withReason(10_000)));
  });

  it("makes equal settings and equal host lists one object, frozen where it is shared by settings", () => {
    const interner = createInterner();
    const [first, second] = ["a.example", "b.example"].map((name) =>
      interner.domain(domainRecord({ name, mxHosts: ["mx1.example", "mx2.example"] })),
    );
    expect(first?.tls).toBe(second?.tls);
    expect(first?.mxHosts).toBe(second?.mxHosts);
    expect(Object.isFrozen(first?.tls.clientCertificate.trust)).toBe(true);
  });

  it("does not share settings that differ in one place", () => {
    const interner = createInterner();
    const [first, second] = (["TLSv1.2", "TLSv1.3"] as const).map((minVersion) =>
      interner.domain(domainRecord({ server: { minVersion } })),
    );
    expect([first?.tls.server.minVersion, second?.tls.server.minVersion]).toEqual(["TLSv1.2", "TLSv1.3"]);
  });
});
