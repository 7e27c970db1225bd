import { describe, expect, it } from "vitest";
import { BUILT_AT } from "../../test/support/records.ts";
import { DEFAULT_LIMITS } from "../config/limits.ts";
import { hasRefusedEnough, limitPassed } from "./refusal-limits.ts";
import { SessionLog } from "./session-log.ts";

const limits = { ...DEFAULT_LIMITS, maxErrors: 2, maxRefusedRecipients: 2, maxRefusedMessages: 2 };

function newLog(): SessionLog {
  return new SessionLog({
    id: "s1",
    listener: "smtp",
    client: "192.0.2.1",
    clientPort: 1,
    startedAtMs: Date.parse(BUILT_AT),
    revision: 1,
  });
}

const counted = ({ errors, refusedRecipients, refusedMessages }: SessionLog) => ({
  errors,
  refusedRecipients,
  refusedMessages,
});
const NOTHING = { errors: 0, refusedRecipients: 0, refusedMessages: 0 };
const COUNTINGS = ["command", "recipient", "message", "nothing"] as const;

describe("a reply", () => {
  it.each([250, 354, 221, 451, 452])("of %i never counts as the client's error", (code) => {
    const log = newLog();
    const limitsHit = COUNTINGS.flatMap((countsAs) =>
      Array.from({ length: 5 }, () => limitPassed(log, limits, { code, countsAs })),
    );
    expect(new Set(limitsHit)).toEqual(new Set([null]));
    expect(counted(log)).toEqual(NOTHING);
    expect(hasRefusedEnough(log, limits)).toBe(false);
  });

  it.each([
    [400, "command", "errors"],
    [450, "recipient", "refusedRecipients"],
    [454, "command", "errors"],
    [500, "command", "errors"],
    [530, "command", "errors"],
    [550, "recipient", "refusedRecipients"],
    [552, "message", "refusedMessages"],
    [550, "nothing", null],
  ] as const)("of %i to a %s counts as %s", (code, countsAs, as) => {
    const log = newLog();
    expect(limitPassed(log, limits, { code, countsAs })).toBeNull();
    expect(counted(log)).toEqual(as === null ? NOTHING : { ...NOTHING, [as]: 1 });
  });

  it.each([
    ["command", "maxErrors"],
    ["recipient", "maxRefusedRecipients"],
    ["message", null],
    ["nothing", null],
  ] as const)(
    "that refuses a %s ends the session at %s, once there is one more than it allows",
    (as, limit) => {
      const log = newLog();
      const answers = Array.from({ length: 3 }, () => limitPassed(log, limits, { code: 550, countsAs: as }));
      expect(answers).toEqual([null, null, limit]);
    },
  );
});

describe("refused messages", () => {
  it("end the session at the MAIL after the last that the limit allows", () => {
    const log = newLog();
    limitPassed(log, limits, { code: 552, countsAs: "message" });
    expect(hasRefusedEnough(log, limits)).toBe(false);
    limitPassed(log, limits, { code: 552, countsAs: "message" });
    expect(hasRefusedEnough(log, limits)).toBe(true);
  });
});
