import { describe, expect, it } from "vitest";
import { differences } from "./differences.ts";

describe("two states of a record", () => {
  it("differ in fields that have a value in one of them", () => {
    const before = { label: null, expiresAt: "2027-01-01T00:00:00Z", names: [] };
    const after = { names: ["a.example"], quotas: { domains: null } };
    expect(differences(before, after)).toEqual([
      { path: "expiresAt", from: "2027-01-01T00:00:00Z", to: "absent" },
      { path: "names", from: "none", to: "a.example" },
    ]);
  });
});
