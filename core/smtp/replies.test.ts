import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import { type Circumstance, REASONS } from "../policy/verdict.ts";
import { REPLIES, replyKey, type SmtpReply, VERDICT_REPLIES, verdictReply } from "./replies.ts";

const LONGEST = `${"a".repeat(61)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(59)}.ex`;

const isLine = ({ code, text }: SmtpReply): boolean =>
  /^[\x20-\x7e]+$/.test(text) && `${String(code)} ${text}\r\n`.length <= 512;

describe("replies", () => {
  it.each(Object.entries(REPLIES))("%s is one line of printable ASCII whose codes agree", (_name, reply) => {
    expect(isLine(reply)).toBe(true);
    if (reply.code !== 354)
      expect(reply.text).toMatch(new RegExp(`^${String(reply.code)[0] ?? ""}\\.\\d\\.\\d+ `));
  });

  const rows = REASONS.flatMap((reason) =>
    [null, ...(Object.keys(VERDICT_REPLIES[reason].circumstances) as Circumstance[])].flatMap(
      (circumstance) =>
        (["reject", "defer", "observe"] as const).map((enforcement) => ({
          reason,
          circumstance,
          enforcement,
        })),
    ),
  );

  it.each(rows)("to $reason ($circumstance, $enforcement) name the domain and fit a line", (row) => {
    const settings = domainRecord({ name: LONGEST, mxHosts: [LONGEST], enforcement: row.enforcement });
    const reply = verdictReply({ ...row, outcome: "reject" }, LONGEST, settings);
    expect(isLine(reply)).toBe(true);
    expect(reply.text).toContain(LONGEST.slice(0, 200));
    const knowsDefer = VERDICT_REPLIES[row.reason].defer !== null;
    if (row.enforcement === "defer" && knowsDefer) expect(reply.text).toMatch(/^4\.7\.1 /);
  });

  it("cannot be split or coloured by what a client wrote as a domain", () => {
    const verdict = { outcome: "reject", reason: "relay-denied", circumstance: null } as const;
    const reply = verdictReply(verdict, "x\r\n250 ok\u001b[31m\u202e\\", null);
    expect(isLine(reply)).toBe(true);
    expect(reply.text).toContain("x\\u{d}\\u{a}250 ok\\u{1b}[31m\\u{202e}\\u{5c} is not served here");
  });

  it("show as code and enhanced code in records", () => {
    expect(replyKey(REPLIES.overBudget)).toBe("452 4.3.1");
    expect(replyKey({ code: 550, text: "no such user" })).toBe("550");
  });
});
