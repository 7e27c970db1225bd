import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ChallengeRecords, challengeName } from "../../core/management/challenge-records.ts";

/** A publisher for `a.example` and the names below it, and what it has published. */
export interface ChallengeRecordsUnderTest {
  readonly records: ChallengeRecords;
  /** Values of a TXT record set, in any order; [] = none. */
  published(recordName: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface ChallengeRecordsContract {
  readonly name: string;
  readonly create: () => Promise<ChallengeRecordsUnderTest>;
}

/** As RFC 8555 section 8.4 makes them: base64url of a SHA-256. */
const [first, second] = [
  "Gfj9Xq_uFpM1gPVMnHpm0eY-Kjd1Hsi7UyFzl4cVrKk",
  "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
];

/** The contract of the port ChallengeRecords (core/management/challenge-records.ts). */
export function challengeRecordsContract(contract: ChallengeRecordsContract): void {
  describe(`challenge records by ${contract.name}`, () => {
    let subject: ChallengeRecordsUnderTest;
    beforeEach(async () => {
      subject = await contract.create();
    });
    afterEach(() => subject.close());
    const published = async (name: string) =>
      (await subject.published(challengeName(name))).toSorted((a, b) => (a < b ? -1 : 1));

    it("publishes names of its domain", () => {
      for (const name of ["a.example", "mx.a.example", "b.mx.a.example"])
        expect(subject.records.publishes(name)).toBe(true);
    });

    it("has published a record when put resolves", async () => {
      await subject.records.put("mx.a.example", [first]);
      expect(await published("mx.a.example")).toEqual([first]);
    });

    it("publishes two values at once, of a name and its wildcard", async () => {
      await subject.records.put("a.example", [first, second]);
      expect(await published("a.example")).toEqual([first, second]);
    });

    it("replaces the values that were there", async () => {
      await subject.records.put("a.example", [first, second]);
      await subject.records.put("a.example", [second]);
      await subject.records.put("a.example", [second]);
      expect(await published("a.example")).toEqual([second]);
    });

    it("removes the record set; an absent one is not an error", async () => {
      await subject.records.put("a.example", [first, second]);
      await subject.records.delete("a.example");
      expect(await published("a.example")).toEqual([]);
      await subject.records.delete("a.example");
      await subject.records.delete("never.a.example");
    });

    it("leaves the records of other names untouched", async () => {
      for (const name of ["a.example", "mx.a.example", "mx2.a.example"])
        await subject.records.put(name, [first]);
      await subject.records.put("mx.a.example", [second]);
      await subject.records.delete("mx2.a.example");
      await subject.records.delete("m.a.example");
      expect(await published("a.example")).toEqual([first]);
      expect(await published("mx.a.example")).toEqual([second]);
    });
  });
}
