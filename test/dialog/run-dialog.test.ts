import { REASONS } from "../../core/policy/verdict.ts";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VERDICT_REPLIES } from "../../core/smtp/replies.ts";
import { parseDialog } from "./dialog-file.ts";
import { expectDialog } from "./run-dialog.ts";

const play = (...lines: readonly string[]): Promise<void> =>
  expectDialog(parseDialog(["# test", ...lines].join("\n")));

describe("the dialog runner", () => {
  it.each([
    ["another code", ["S: 250"], /line 2: expected 250, heard 220/],
    ["another text", ["S: 220 other.example"], /line 2/],
    ["a missing keyword", ["S: 220", "C: EHLO c.example", "S: 250-AUTH"], /expected 250-AUTH/],
    [
      "a keyword that must be absent",
      ["S: 220", "C: EHLO c.example", "S: 250-!PIPELINING"],
      /expected no PIPELINING/,
    ],
    ["an end that does not come", ["S: 220", "C: NOOP", "!closed"], /expected the end/],
    ["an end that comes", ["S: 220", "C: QUIT", "S: 221", "S: 250"], /was closed/],
    ["a delivery that was not made", ["S: 220", "!delivered x@a.example"], /delivered were: none/],
    ["an event that was not seen", ["S: 220", "!event health-check"], /no event health-check/],
    ["another record", ["S: 220", "C: QUIT", "S: 221", "!closed", "!record end=limit"], /record end is quit/],
    ["a directive that does not exist", ["!nonsense"], /!nonsense means nothing/],
    ["a value that does not exist", ["!settings a.example level=strict"], /level=strict: expected one of/],
  ])("fails at %s", async (_title, lines, message) => {
    await expect(play(...lines)).rejects.toThrow(message);
  });

  it("rejects a line without a meaning, and a file without a title", () => {
    expect(() => parseDialog("# x\nS 220")).toThrow(/line 2 means nothing/);
    expect(() => parseDialog("S: 220")).toThrow(/begins with a comment/);
  });
});

describe("the dialogs of the verdict table", () => {
  const folder = join(import.meta.dirname, "verdict");
  const files = readdirSync(folder).map((file) => ({ file, text: readFileSync(join(folder, file), "utf8") }));

  it.each(REASONS)("have each answer of %s", (reason) => {
    const texts = files.filter(({ file }) => file.startsWith(reason)).map(({ text }) => text);
    const { reject, defer, circumstances } = VERDICT_REPLIES[reason];
    const rows = [reject, ...(defer === null ? [] : [defer]), ...Object.values(circumstances)];
    for (const [code, enhanced] of rows) {
      expect(
        texts.some((text) => text.includes(`S: ${String(code)} ${enhanced}`)),
        `${String(code)} ${enhanced}`,
      ).toBe(true);
    }
    const observed = defer === null || texts.some((text) => text.includes("enforcement=observe"));
    expect(observed, "a dialog under observe").toBe(true);
  });
});
