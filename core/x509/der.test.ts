import { describe, expect, it } from "vitest";
import { oid, sequence, time, tlv } from "../../test/support/der.ts";
import { elementsOf, MalformedDer, readDer, readOid, readSmallInteger, readTime, TAG } from "./der.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");

describe("DER", () => {
  it("is read in its one form: tag, shortest length, content, nothing after it", () => {
    expect(readDer(bytes("30 02 05 00"), TAG.sequence).content).toEqual(bytes("05 00"));
    const long = sequence(tlv(0x04, Buffer.alloc(300)));
    expect(readDer(long, TAG.sequence).content).toHaveLength(304);
    expect([...elementsOf(bytes("05 00 01 01 ff"))].map(({ tag }) => tag)).toEqual([0x05, 0x01]);
  });

  it.each([
    ["nothing", ""],
    ["a tag alone", "30"],
    ["less than the length says", "30 02 05"],
    ["more than the length says", "30 01 05 00"],
    ["another tag", "31 00"],
    ["a tag of two octets", "3f 30 00"],
    ["an indefinite length", "30 80 05 00 00 00"],
    ["a long length that is short", "30 81 01 00"],
    ["a length with a leading zero", `30 82 00 80 ${"00".repeat(128)}`],
    ["a length without its octets", "30 82 01"],
    ["a length of four octets", "30 84 00 00 00 01 00"],
  ])("is not %s", (_case, hex) => {
    expect(() => readDer(bytes(hex), TAG.sequence)).toThrow(MalformedDer);
  });

  it.each([
    "2.5.29.17",
    "1.2.840.113549.1.1.11",
    "0.9.2342.19200300.100.1.25",
    "1.3.6.1.4.1.99999.1",
    "2.999.1",
  ])("holds the object identifier %s", (dotted) => {
    const der = dotted === "2.999.1" ? bytes("06 03 88 37 01") : oid(dotted);
    expect(readOid(readDer(der, TAG.objectIdentifier))).toBe(dotted);
  });

  it("holds no object identifier without arcs or with endless ones", () => {
    for (const hex of ["06 00", `06 20 ${"ff".repeat(31)}7f`, `06 21 ${"01".repeat(33)}`]) {
      expect(() => readOid(readDer(bytes(hex), TAG.objectIdentifier))).toThrow(MalformedDer);
    }
  });

  it("holds small integers, and calls a large one infinite", () => {
    const read = (hex: string): number => readSmallInteger(readDer(bytes(hex), TAG.integer));
    expect([read("02 01 00"), read("02 02 08 00"), read("02 05 00 ff ff ff ff")]).toEqual([
      0, 2048, 0xffffffff,
    ]);
    expect(read(`02 07 7f${"ff".repeat(6)}`)).toBe(Infinity);
    expect(() => read("02 01 ff")).toThrow(MalformedDer);
    expect(() => read("02 00")).toThrow(MalformedDer);
  });

  it.each([
    "1950-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2049-12-31T23:59:59Z",
    "2050-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0050-02-28T12:00:00Z",
  ])("holds the time %s", (text) => {
    const [element] = elementsOf(time(new Date(text)));
    expect(readTime(element)).toBe(Date.parse(text));
  });

  it.each([
    "991231235959",
    "9912312359Z",
    "991331000000Z",
    "990229000000Z",
    "990101240000Z",
    "990101000060Z",
    "990101000000+0100",
    "99010100000 Z",
  ])("holds no time in %s", (text) => {
    const [element] = elementsOf(tlv(TAG.utcTime, Buffer.from(text)));
    expect(() => readTime(element)).toThrow(MalformedDer);
  });
});
