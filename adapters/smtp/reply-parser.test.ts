import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GarbledReply, REPLY_BOUNDS, ReplyParser, type SmtpReply } from "./reply-parser.ts";

function parse(chunks: readonly string[]): readonly SmtpReply[] {
  const parser = new ReplyParser();
  for (const chunk of chunks) parser.feed(Buffer.from(chunk, "latin1"));
  const replies: SmtpReply[] = [];
  for (let reply = parser.take(); reply !== null; reply = parser.take()) replies.push(reply);
  return replies;
}

describe("replies of a server", () => {
  it.each<[string, readonly SmtpReply[]]>([
    ["250 ok\r\n", [{ code: 250, lines: ["ok"] }]],
    ["250\r\n", [{ code: 250, lines: [""] }]],
    ["250-a\r\n250-\r\n250 c\r\n", [{ code: 250, lines: ["a", "", "c"] }]],
    ["250-a\r\n250\r\n", [{ code: 250, lines: ["a", ""] }]],
    [
      "250 lone LF\n354 go\n",
      [
        { code: 250, lines: ["lone LF"] },
        { code: 354, lines: ["go"] },
      ],
    ],
    ["550 5.1.1 \xe4 \0 \x1b[31m\r\n", [{ code: 550, lines: ["5.1.1 \xe4 \0 \x1b[31m"] }]],
    ["250-not yet\r\n250", []],
  ])("are read from %j, octet by octet too", (text, replies) => {
    expect(parse([text])).toEqual(replies);
    expect(parse(text.split(""))).toEqual(replies);
  });

  it.each([
    ["differ in their codes", "250-a\r\n550 b\r\n"],
    ["have no code", "hello\r\n"],
    ["are empty", "\r\n"],
    ["have a code of four digits", "2500 x\r\n"],
    ["have a code below 200", "150 x\r\n"],
    ["have a code above 599", "600 x\r\n"],
    ["have another separator", "250\tx\r\n"],
    ["are TLS", "\x16\x03\x01\x02\x00\x01\n"],
    ["are HTTP", "HTTP/1.1 400 Bad Request\r\n"],
    ["have a line that is too long", `250 ${"a".repeat(REPLY_BOUNDS.lineOctets)}\r\n`],
    ["have a line that is too long and never ends", `250 ${"a".repeat(REPLY_BOUNDS.lineOctets)}`],
    ["have too many lines", "250-a\r\n".repeat(REPLY_BOUNDS.lines + 1)],
    ["are too long in all", `250-${"a".repeat(2000)}\r\n`.repeat(33)],
    ["are many that no command asked for", `250 ${"a".repeat(1000)}\r\n`.repeat(300)],
  ])("are garbled when they %s", (_, text) => {
    expect(() => parse([text])).toThrow(GarbledReply);
    expect(() => parse(text.match(/.{1,7}/gs) ?? [])).toThrow(GarbledReply);
  });

  it("may be as long as the bounds", () => {
    expect(parse([`250-a\r\n`.repeat(REPLY_BOUNDS.lines - 1), "250 b\r\n"])[0]?.lines).toHaveLength(
      REPLY_BOUNDS.lines,
    );
    expect(parse([`250 ${"a".repeat(REPLY_BOUNDS.lineOctets - 5)}\r\n`])).toHaveLength(1);
  });

  it("leave the parser empty only when all of them were taken", () => {
    const parser = new ReplyParser();
    const states: boolean[] = [];
    for (const chunk of ["2", "50 a\r\n", "250-b\r\n"]) {
      parser.feed(Buffer.from(chunk));
      states.push(parser.isEmpty);
    }
    parser.take();
    expect([...states, parser.isEmpty]).toEqual([false, false, false, false]);
    parser.feed(Buffer.from("250 c\r\n"));
    parser.take();
    expect(parser.isEmpty).toBe(true);
  });

  it("do not count against the bound once they were taken", () => {
    const parser = new ReplyParser();
    for (let count = 0; count < 1000; count += 1) {
      parser.feed(Buffer.from(`250 ${"a".repeat(1000)}\r\n`));
      expect(parser.take()?.code).toBe(250);
    }
  });

  it("come out the same, or are refused the same, however they are split", () => {
    const piece = fc.constantFrom(
      "250",
      "550",
      " ",
      "-",
      "a",
      "\r\n",
      "\n",
      "\r",
      "250-x\r\n",
      "250 y\r\n",
      "\0",
    );
    const attempt = (chunks: readonly string[]) => {
      try {
        return parse(chunks);
      } catch (error) {
        return error instanceof GarbledReply ? "garbled" : "crashed";
      }
    };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const whole = attempt([pieces.join("")]);
        expect(whole).not.toBe("crashed");
        expect(attempt(pieces)).toEqual(whole);
        expect(attempt(pieces.join("").split(""))).toEqual(whole);
      }),
    );
  });
});
