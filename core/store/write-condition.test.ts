import { describe, expect, it } from "vitest";
import { ConditionMissing, StaleRevision } from "../errors.ts";
import { checkCondition, type WriteCondition } from "./write-condition.ts";

const UNCONDITIONAL: WriteCondition = { matches: null, matchesNot: null };

const matches = (...revisions: number[]): WriteCondition => ({ matches: revisions, matchesNot: null });
const ANY: WriteCondition = { matches: "any", matchesNot: null };
const ABSENT: WriteCondition = { matches: null, matchesNot: "any" };

describe("checkCondition", () => {
  it.each([
    ["no condition on an absent record", UNCONDITIONAL, null],
    ["If-None-Match: * on an absent record", ABSENT, null],
    ["the revision of the record", matches(7), 7],
    ["one of several revisions", matches(6, 7), 7],
    ["If-Match: *", ANY, 7],
    ["another revision that must not be", { matches: [7], matchesNot: [6] } satisfies WriteCondition, 7],
  ])("passes %s", (_, condition, revision) => {
    expect(() => checkCondition(condition, revision === null ? null : { revision })).not.toThrow();
  });

  it.each([
    ["no condition on an existing record", UNCONDITIONAL, 7, ConditionMissing],
    [
      "only a revision that must not be",
      { matches: null, matchesNot: [6] } satisfies WriteCondition,
      7,
      ConditionMissing,
    ],
    ["another revision", matches(6), 7, StaleRevision],
    ["no revision at all", matches(), 7, StaleRevision],
    ["a revision of an absent record", matches(7), null, StaleRevision],
    ["If-Match: * on an absent record", ANY, null, StaleRevision],
    ["If-None-Match: * on an existing record", ABSENT, 7, StaleRevision],
    [
      "a revision that must not be",
      { matches: "any", matchesNot: [7] } satisfies WriteCondition,
      7,
      StaleRevision,
    ],
  ])("refuses %s", (_, condition, revision, error) => {
    expect(() => checkCondition(condition, revision === null ? null : { revision })).toThrow(error);
  });
});
