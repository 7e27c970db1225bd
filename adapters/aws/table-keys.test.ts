import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { name } from "../../test/support/records.ts";
import {
  listKeyOf,
  listRange,
  logKey,
  logRange,
  nameAtEndOf,
  RECORD_PARTITIONS,
  recordKey,
  revisionOf,
  storedItemOf,
} from "./table-keys.ts";

/** As DynamoDB compares keys. */
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const domainName = fc.stringMatching(/^[a-z0-9]{1,8}(?:-[a-z0-9]{1,4})?[.][a-z]{2,5}$/).map(name);

describe("keys of records", () => {
  it("fill all 64 partitions about evenly", () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 64_000; n += 1) {
      const { pk } = recordKey("domain", `d${n}.example`);
      counts.set(pk, (counts.get(pk) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted()).toEqual(RECORD_PARTITIONS);
    expect(Math.min(...counts.values())).toBeGreaterThan(800);
    expect(Math.max(...counts.values())).toBeLessThan(1_200);
  });

  it("say what they are about", () => {
    expect(storedItemOf(recordKey("mx-host", "mx.example").sk)).toEqual({
      kind: "mx-host",
      id: "mx.example",
    });
    expect(storedItemOf(recordKey("trust-store", "trust_1").sk)).toEqual({
      kind: "trust-store",
      id: "trust_1",
    });
    expect(storedItemOf("later#x")).toBeNull();
  });
});

describe("keys of log entries", () => {
  it("sort as their revisions do", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(Math.sign(compare(logKey(a).sk, logKey(b).sk))).toBe(Math.sign(a - b));
        expect(revisionOf(logKey(a).sk)).toBe(a);
      }),
    );
    expect(compare(logKey(Number.MAX_SAFE_INTEGER).sk, logRange(1, 10).to)).toBe(1);
    expect(revisionOf("HEAD")).toBeNaN();
  });
});

describe("a range of the index", () => {
  it("holds exactly the names of the account with the prefix, after the last", () => {
    fc.assert(
      fc.property(
        domainName,
        fc.oneof(domainName, fc.string({ unit: "binary", maxLength: 5 }), fc.constant("")),
        fc.option(fc.oneof(domainName, fc.string({ unit: "binary", maxLength: 5 })), { nil: undefined }),
        (each, prefix, after) => {
          const range = listRange("domain", "default", { prefix, after });
          const key = listKeyOf("default", each);
          const isIn = range !== null && compare(range.from, key) <= 0 && compare(key, range.to) <= 0;
          expect(isIn).toBe(each.startsWith(prefix) && (after === undefined || compare(each, after) > 0));
        },
      ),
    );
  });

  it("never holds names of another account", () => {
    const range = listRange("domain", "default", {});
    for (const account of ["other", "default2", "default#", ""]) {
      const key = listKeyOf(account, "a.example");
      expect(compare(range?.from ?? "", key) <= 0 && compare(key, range?.to ?? "") <= 0).toBe(false);
    }
  });

  it("stays within DynamoDB's 1024 octets of a sort key, however long account and input are", () => {
    const long = "\u{10ffff}".repeat(10_000);
    const range = listRange("domain", long, { after: long });
    expect(Buffer.byteLength(range?.from ?? "")).toBeLessThanOrEqual(1024);
    expect(listRange("domain", long, { prefix: long })).toBeNull();
    expect(nameAtEndOf(listKeyOf(long, "a.example"))).toBe("a.example");
  });
});
