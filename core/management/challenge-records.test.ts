import { describe, expect, it } from "vitest";
import { RuleViolation } from "../errors.ts";
import { type ChallengeRecords, firstOf } from "./challenge-records.ts";

function publisherOf(suffix: string, done: string[]): ChallengeRecords {
  return {
    publishes: (name) => name.endsWith(suffix),
    put: async (name, values) => {
      done.push(`${suffix} put ${name} ${values.join()}`);
    },
    delete: async (name) => {
      done.push(`${suffix} delete ${name}`);
    },
  };
}

describe("several publishers of challenge records", () => {
  it("leave each name to the first that publishes it", async () => {
    const done: string[] = [];
    const records = firstOf([publisherOf("b.example", done), publisherOf("example", done)]);
    await records.put("a.example", ["1", "2"]);
    await records.put("b.example", ["3"]);
    await records.delete("b.example");
    await records.delete("a.example");
    expect(done).toEqual([
      "example put a.example 1,2",
      "b.example put b.example 3",
      "b.example delete b.example",
      "example delete a.example",
    ]);
  });

  it("publish what one of them does; other records are refused, and their removal does nothing", async () => {
    const done: string[] = [];
    const records = firstOf([publisherOf("a.example", done), publisherOf("b.example", done)]);
    expect(["a.example", "b.example", "c.example"].map(records.publishes)).toEqual([true, true, false]);
    await expect(records.put("c.example", ["1"])).rejects.toBeInstanceOf(RuleViolation);
    await records.delete("c.example");
    expect(done).toEqual([]);
    expect(firstOf([]).publishes("a.example")).toBe(false);
  });
});
