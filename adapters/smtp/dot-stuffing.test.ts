import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DotStuffing } from "./dot-stuffing.ts";

function stuff(chunks: readonly string[]): string {
  const stuffing = new DotStuffing();
  const output = chunks.flatMap((chunk) => [...stuffing.feed(Buffer.from(chunk, "latin1"))]);
  return Buffer.concat([...output, stuffing.end()]).toString("latin1");
}

describe("a message after DATA", () => {
  it.each([
    ["", ".\r\n"],
    ["a\r\n", "a\r\n.\r\n"],
    ["a", "a\r\n.\r\n"],
    [".\r\n", "..\r\n.\r\n"],
    ["a\r\n.\r\n..b\r\n", "a\r\n..\r\n...b\r\n.\r\n"],
    ["a.b\r\n", "a.b\r\n.\r\n"],
    ["a\n.\r\nMAIL", "a\n..\r\nMAIL\r\n.\r\n"],
  ])("%j goes as %j, octet by octet too", (message, expected) => {
    expect(stuff([message])).toBe(expected);
    expect(stuff(message.split(""))).toBe(expected);
  });

  it("ends exactly once, and is itself again when the dots are taken off, however it is split", () => {
    const piece = fc.constantFrom("\r\n", ".", "a", "..", "\r\n.\r\n", ".\r\n", "");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const sent = stuff(pieces);
        const message = pieces.join("");
        const end = sent.startsWith(".\r\n") ? -2 : sent.indexOf("\r\n.\r\n");
        expect(end + 5).toBe(sent.length);
        const whole = message === "" || message.endsWith("\r\n") ? message : `${message}\r\n`;
        expect(sent.slice(0, -3).replace(/(^|\r\n)\./g, "$1")).toBe(whole);
        expect(stuff([message])).toBe(sent);
      }),
    );
  });

  it("is not copied", () => {
    const chunk = Buffer.from("a\r\nb\r\n");
    expect(new DotStuffing().feed(chunk)[0]?.buffer).toBe(chunk.buffer);
  });
});
