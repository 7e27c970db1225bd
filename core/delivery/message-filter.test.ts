import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMessageFilter, type MessageFilterOptions } from "./message-filter.ts";
import { MessageRefused } from "./delivery-refusals.ts";

const options: MessageFilterOptions = {
  maxMessageBytes: 100_000,
  maxReceivedHeaders: 3,
  lineEnds: "refuse",
  longLines: "pass",
};
const strict: MessageFilterOptions = { ...options, longLines: "refuse" };
const normalising: MessageFilterOptions = { ...options, lineEnds: "normalise" };

/**
 * What comes out in all, or the code and enhanced code of the refusal. Latin-1, so that one character is one
 * octet.
 */
function run(chunks: readonly string[], change: Partial<MessageFilterOptions> = {}): string {
  const filter = createMessageFilter({ ...options, ...change });
  const output: Uint8Array[] = [];
  try {
    for (const chunk of chunks) output.push(...filter.feed(Buffer.from(chunk, "latin1")));
    output.push(...filter.end());
  } catch (error) {
    if (!(error instanceof MessageRefused)) throw error;
    return `${String(error.reply.code)} ${error.reply.text}`;
  }
  return Buffer.concat(output).toString("latin1");
}

const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const octetByOctet = (message: string): readonly string[] => message.split("");

describe("a clean message", () => {
  it.each([
    ["with headers and body", "From: a\r\nTo: b\r\n\r\nhello\r\n.dot\r\n"],
    ["without a body", "From: a\r\n"],
    ["that is empty", ""],
    ["with 998 octets in a line", `X: ${"a".repeat(995)}\r\n\r\n${"b".repeat(998)}\r\n`],
    ["with control characters other than CR, LF and NUL", "X: \x01\x0b\x7f\xff\r\n\r\n\x01\x0b\xff\r\n"],
    ["with our name in the body", "X: a\r\n\r\nPostern-TLS: client=verified\r\n"],
    [
      "with our name in a value, folded or not",
      "Subject: Postern-TLS:\r\n Postern-TLS: x\r\n\tPostern-TLS: x\r\n\r\n",
    ],
    [
      "with names that only begin or end like ours",
      "Postern-TLS-Info: a\r\nX-Postern-TLS: b\r\nPostern: c\r\n\r\n",
    ],
    ["with a malformed line among its headers", "From: a\r\nno colon here\r\nTo: b\r\n\r\n"],
  ])("%s passes unchanged", (_, message) => {
    expect(run([message])).toBe(message);
    expect(run(octetByOctet(message))).toBe(message);
    expect(run([message], normalising)).toBe(message);
  });

  it("gets a line end when its last line has none, in header and body", () => {
    expect(run(["From: a"])).toBe("From: a\r\n");
    expect(run(["From: a\r\n\r\nbody"])).toBe("From: a\r\n\r\nbody\r\n");
    expect(run(["Postern-TLS: a"])).toBe("");
  });

  it("is not copied in its body", () => {
    const body = Buffer.from("aaaa\r\n".repeat(100));
    const filter = createMessageFilter(options);
    filter.feed(Buffer.from("From: a\r\n\r\n"));
    const output = filter.feed(body);
    expect(output).toHaveLength(1);
    expect([output[0]?.buffer, output[0]?.byteOffset, output[0]?.length]).toEqual([
      body.buffer,
      body.byteOffset,
      body.length,
    ]);
    expect(filter.octets).toBe(611);
  });
});

describe("an unclean message", () => {
  it.each([
    ["a bare LF", "a: b\r\n\r\nx\ny\r\n", /^550 5\.6\.0 Bare/],
    ["a bare LF at its very start", "\na: b\r\n", /^550 5\.6\.0 Bare/],
    ["a bare LF between headers", "a: b\nc: d\r\n\r\n", /^550 5\.6\.0 Bare/],
    ["LF CR", "a: b\r\n\r\nx\n\ry\r\n", /^550 5\.6\.0 Bare/],
    ["a bare CR", "a: b\r\n\r\nx\ry\r\n", /^550 5\.6\.0 Bare/],
    ["CR CR LF", "a: b\r\n\r\nx\r\r\n", /^550 5\.6\.0 Bare/],
    ["a CR at its very end", "a: b\r\n\r\nx\r", /^550 5\.6\.0 Bare/],
    ["a CR before NUL", "a: b\r\n\r\nx\r\0", /^550 5\.6\.0 Bare/],
    ["a lone dot between bare line ends", "a: b\r\n\r\nx\n.\nMAIL FROM:<a@b>\r\n", /^550 5\.6\.0 Bare/],
    ["NUL", "a: b\r\n\r\nx\0y\r\n", /^550 5\.6\.0 NUL/],
    ["NUL in a header", "a: \0b\r\n\r\n", /^550 5\.6\.0 NUL/],
    [
      "four Received fields where three are allowed",
      "Received: a\r\nRECEIVED : b\r\nreceived\t:c\r\nReceived:d\r\n\r\n",
      /^554 5\.4\.6/,
    ],
    ["one octet too many", `a: b\r\n\r\n${"aaaa\r\n".repeat(16_665)}123`, /^552 5\.3\.4 The message/],
  ])("with %s is refused, whole or octet by octet", (_, message, reply) => {
    expect(run([message])).toMatch(reply);
    expect(run(octetByOctet(message))).toMatch(reply);
  });

  it.each([
    ["its body", `a: b\r\n\r\n${"b".repeat(999)}\r\n`],
    ["its header section", `X: ${"a".repeat(996)}\r\n\r\n`],
    ["a last line without an end", `a: b\r\n\r\n${"b".repeat(999)}\r\n`.slice(0, -2)],
  ])(
    "with 999 octets in a line of %s passes unchanged, or is refused where the operator wants it",
    (_, message) => {
      const whole = message.endsWith("\n") ? message : `${message}\r\n`;
      for (const chunks of [[message], octetByOctet(message)]) {
        expect(run(chunks)).toBe(whole);
        expect(run(chunks, normalising)).toBe(whole);
        expect(run(chunks, strict)).toMatch(/^550 5\.6\.0 A line is longer than 998/);
      }
    },
  );

  const pieces = (message: string): string[] => message.match(/.{1,37}/gs) ?? [];
  const roomy = { maxMessageBytes: 10_000_000 };
  it("may have 1 MB in a line of its body and not an octet more", () => {
    const longest = `a: b\r\n\r\n${"b".repeat(1_048_576)}`;
    for (const split of [(message: string) => [message], pieces]) {
      expect(run(split(`${longest}\r\nc\r\n`), roomy) === `${longest}\r\nc\r\n`).toBe(true);
      expect(run(split(`${longest}b\r\nc\r\n`), roomy)).toMatch(/^550 5\.6\.0 A line is longer than 1 MB/);
      expect(run(split(`${longest}b`), roomy)).toMatch(/^550 5\.6\.0 A line is longer than 1 MB/);
    }
  });

  it("may have a header line as long as a header section may be", () => {
    const field = (octets: number): string => `X: ${"a".repeat(octets - 5)}\r\n`;
    for (const split of [(message: string) => [message], pieces]) {
      expect(run(split(field(1_048_576)), roomy)).toHaveLength(1_048_576);
      expect(run(split(field(1_048_577)), roomy)).toMatch(/^552 5\.3\.4 The header section/);
      expect(run(split(field(1_500_000)), roomy)).toMatch(/^550 5\.6\.0 A line is longer than 1 MB/);
      expect(run(split(`A: b\r\n${field(1_500_000)}`), roomy)).toMatch(/^552 5\.3\.4 The header section/);
      expect(run(split(`A: b\r\n${field(1_500_000)}`), { ...roomy, longLines: "refuse" })).toMatch(/998/);
    }
  });

  it("does not hold a long line of its body back", () => {
    const filter = createMessageFilter(options);
    filter.feed(Buffer.from("a: b\r\n\r\n"));
    const sizes = [37, 5_000, 1].map((octets) =>
      filter.feed(Buffer.alloc(octets, "b")).reduce((sum, { length }) => sum + length, 0),
    );
    expect(sizes).toEqual([37, 5_000, 1]);
  });

  it("may have as many octets and Received fields as are allowed", () => {
    const message = `${"Received: x\r\n by y\r\n".repeat(3)}\r\nReceived: z\r\n`;
    expect(run([message], { maxMessageBytes: message.length })).toBe(message);
    expect(run([message], { maxMessageBytes: message.length - 1 })).toMatch(/^552/);
  });

  it("is refused for a header section over 1 MB", () => {
    const message = "X: aaaa\r\n".repeat(120_000);
    expect(run([message], { maxMessageBytes: 10_000_000 })).toMatch(/^552 5\.3\.4 The header section/);
    expect(run([`\r\n${message}`], { maxMessageBytes: 10_000_000 })).toHaveLength(message.length + 2);
  });

  it("is refused for what comes first in it", () => {
    expect(run(["Received: a\r\n".repeat(4), "\0"])).toMatch(/^554/);
    expect(run([`${"Received: a\r\n".repeat(4)}\0`])).toMatch(/^554/);
    expect(run([`A: \0\r\n${"Received: a\r\n".repeat(4)}`])).toMatch(/^550/);
    expect(run(["a: b\r\n\r\n\n"], { maxMessageBytes: 8 })).toMatch(/^552/);
  });
});

describe("line ends that are normalised", () => {
  it.each([
    ["a bare LF", "a: b\n\nx\ny\n", "a: b\r\n\r\nx\r\ny\r\n"],
    ["a bare CR", "a: b\r\n\r\nx\ry\r\n", "a: b\r\n\r\nx y\r\n"],
    ["CRs before LF", "a: b\r\r\n\r\r\r\nx\r\n", "a: b\r\n\r\nx\r\n"],
    ["a CR at the very end", "a: b\r\n\r\nx\r", "a: b\r\n\r\nx \r\n"],
    ["NUL", "a\0: b\0\r\n\r\nx\0y\r\0", "a: b\r\n\r\nxy \r\n"],
    ["NUL between CR and LF", "a: b\r\0\n\r\nx\r\n\0.\0\r\n", "a: b\r\n\r\nx\r\n.\r\n"],
    ["NUL alone", "\0\0", ""],
    ["our field with NULs in its name", "a: b\r\nPost\0ern-T\0LS: x\r\n\r\n", "a: b\r\n\r\n"],
    ["our field behind a bare LF", "a: b\nPostern-TLS: x\nc: d\n\n", "a: b\r\nc: d\r\n\r\n"],
    ["our field behind a bare CR", "a: b\rPostern-TLS: x\r\n\r\n", "a: b Postern-TLS: x\r\n\r\n"],
    [
      "our field with NUL before its colon",
      "a: b\r\nPostern-TLS\0: x\r\nc: d\r\n\r\n",
      "a: b\r\nc: d\r\n\r\n",
    ],
  ])("come out clean from %s", (_, message, expected) => {
    expect(run([message], normalising)).toBe(expected);
    expect(run(octetByOctet(message), normalising)).toBe(expected);
  });
});

describe("a field that only we may write", () => {
  it.each([
    ["as it is", "Postern-TLS: client=verified\r\n"],
    ["in any case", "pOSTERN-tls: x\r\n"],
    ["with blanks before the colon", "Postern-TLS \t : x\r\n"],
    ["with its value folded", "Postern-TLS:\r\n client=verified;\r\n\tsubject=x\r\n"],
    ["with its colon on the next line", "Postern-TLS\r\n : x\r\n"],
    ["with a line of blanks inside", "Postern-TLS: x\r\n \r\n y\r\n"],
    ["without any colon", "Postern-TLS\r\n"],
    ["with a word before the colon", "Postern-TLS x: y\r\n"],
    ["without a value", "Postern-TLS:\r\n"],
    ["twice", "Postern-TLS: x\r\nPostern-TLS: y\r\n"],
    ["behind a vertical tab, where Python breaks lines", "X: a\x0bPostern-TLS: x\r\n"],
    ["behind U+2028, where Python breaks lines", `X: a${utf8("\u2028")}Postern-TLS: x\r\n`],
    ["behind NEL and blanks", `X: a${utf8("\u0085")} \tPostern-TLS: x\r\n`],
    ["behind a no-break space that trim() takes off", `${utf8("\u00a0")}Postern-TLS: x\r\n`],
    ["before a no-break space that trim() takes off", `Postern-TLS${utf8("\u00a0")}: x\r\n`],
    ["with a form feed before the colon", "Postern-TLS\f: x\r\n"],
    ["with a long s, which Java takes for an S", `${utf8("Poſtern-TLS")}: x\r\n`],
  ])("is removed %s, wherever it stands", (_, field) => {
    expect(run([`A: b\r\n${field}C: d\r\n\r\nbody\r\n`])).toBe("A: b\r\nC: d\r\n\r\nbody\r\n");
    expect(run([`${field}C: d\r\n\r\nbody\r\n`])).toMatch(/^(?:\r\n.*)?C: d\r\n\r\nbody\r\n$/s);
    expect(run([`A: b\r\n${field}\r\nbody\r\n`])).toBe("A: b\r\n\r\nbody\r\n");
    expect(run([`A: b\r\n${field}`])).toBe("A: b\r\n");
    expect(run([`A: b\r\n${field.slice(0, -2)}`])).toBe("A: b\r\n");
    expect(run([`A: b\r\nno colon\r\n${field}\r\n`])).toBe("A: b\r\nno colon\r\n\r\n");
    expect(run(octetByOctet(`A: b\r\n${field}C: d\r\n\r\n`))).toBe("A: b\r\nC: d\r\n\r\n");
  });

  it.each([
    ["inside", `X: ${"a".repeat(995)}Postern-TLS: client=verified`],
    ["at its end", `X: ${"a".repeat(2_000)}POSTERN-tls`],
    ["with a long s", `X: ${"a".repeat(2_000)}${utf8("Poſtern-TLS")}: x`],
  ])(
    "is removed with a line over 998 octets that carries our name %s, where a next hop may break it",
    (_, line) => {
      expect(run([`A: b\r\n${line}\r\n c\r\nD: e\r\n\r\n`])).toBe("A: b\r\nD: e\r\n\r\n");
      expect(run(octetByOctet(`A: b\r\n${line}\r\n c\r\nD: e\r\n\r\n`))).toBe("A: b\r\nD: e\r\n\r\n");
      expect(run([`A: b\r\n ${line}\r\nD: e\r\n\r\n`])).toBe("A: b\r\nD: e\r\n\r\n");
      expect(run([`A: b\r\n\r\n${line}\r\n`])).toBe(`A: b\r\n\r\n${line}\r\n`);
    },
  );

  it("takes the lines that continue it along, and not the field after it", () => {
    expect(run(["Postern-TLS: x\r\n y\r\n\tz\r\nA: b\r\n c\r\n\r\n"])).toBe("A: b\r\n c\r\n\r\n");
  });

  it("is removed where it hides behind a control character in a continuation line", () => {
    expect(run(["A: b\r\n c\x0cPostern-TLS: x\r\n d\r\nE: f\r\n\r\n"])).toBe("A: b\r\nE: f\r\n\r\n");
  });
});

describe("a message whose first line would be read as part of our own fields on top", () => {
  it.each([
    ["continues a field", " client=verified\r\nA: b\r\n\r\n"],
    ["continues a field, with a tab", "\tclient=verified\r\n"],
    ["is no field", "client=verified\r\nA: b\r\n"],
    ["is a name with a blank inside", "hello there: b\r\n"],
    ["begins with a vertical tab, which some take for a blank", "\x0b client=verified: x\r\n"],
    ["has its colon on the next line", "A\r\n : b\r\n"],
  ])("is all body when it %s", (_, message) => {
    expect(run([message])).toBe(`\r\n${message}`);
    expect(run(octetByOctet(message))).toBe(`\r\n${message}`);
  });

  it("is all body when removing one of our fields uncovers such a line", () => {
    expect(run(["Postern-TLS: x\r\nno field\r\nA: b\r\n"])).toBe("\r\nno field\r\nA: b\r\n");
  });
});

describe("a message whose first line is no field, but has a header section behind it", () => {
  const REST = "Subject: x\r\nTo: y\r\n\r\nbody\r\n";
  it.each([
    ["an mbox line", "From a@b Mon Jan  1 00:00:00 2026\r\n"],
    ["a quoted mbox line", ">From a@b\r\n"],
    ["an mbox line that is quoted twice", ">>From a@b\r\n"],
    ["a name with octets over 127", "S\xfcbject: y\r\n"],
    ["a byte order mark", `${utf8("\ufeff")}From: a\r\n`],
    ["a name in UTF-8, with blanks before the colon", `${utf8("Betreff-ü")} \t: y\r\n`],
    ["a name with octets over 127 and a folded value", "S\xfcbject: y\r\n z\r\n"],
  ])("keeps it behind %s", (_, line) => {
    expect(run([line + REST])).toBe(`X-Mailbox-Line: ${line}${REST}`);
    expect(run(octetByOctet(line + REST))).toBe(`X-Mailbox-Line: ${line}${REST}`);
    expect(run([line + REST], normalising)).toBe(`X-Mailbox-Line: ${line}${REST}`);
  });

  it.each([
    ["several mbox lines", "From a\r\n>From b\r\n", "X-Mailbox-Line: From a\r\nX-Mailbox-Line: >From b\r\n"],
    [
      "an mbox line before a name with octets over 127",
      "From a\r\n\xe9: b\r\n",
      "X-Mailbox-Line: From a\r\nX-Mailbox-Line: \xe9: b\r\n",
    ],
    ["an mbox line behind one of our fields", "Postern-TLS: x\r\nFrom a\r\n", "X-Mailbox-Line: From a\r\n"],
    [
      "one of our fields behind an mbox line",
      "From a\r\nPostern-TLS: x\r\n y\r\n",
      "X-Mailbox-Line: From a\r\n",
    ],
    ["an mbox line that hides one of our fields", "From a\x0bPostern-TLS: x\r\n", ""],
    ["From with a blank before its colon, a field", "From : a@b\r\n", "From : a@b\r\n"],
  ])("keeps it behind %s", (_, lines, expected) => {
    expect(run([lines + REST])).toBe(expected + REST);
    expect(run(octetByOctet(lines + REST))).toBe(expected + REST);
  });

  it.each([
    ["text", "From a\r\nhello there\r\n"],
    ["a continuation", "From a\r\n client=verified\r\n"],
    ["an mbox line without room for the name", `From a\r\nFrom ${"b".repeat(978)}\r\n`],
  ])("has none when %s follows the mbox line", (_, lines) => {
    const [first = "", ...rest] = lines.split(/(?<=\n)/u);
    expect(run([lines + REST])).toBe(`X-Mailbox-Line: ${first}\r\n${rest.join("")}${REST}`);
  });

  it.each([
    ["behind other fields", "A: b\r\nFrom a\r\n>From b\r\n\xe9: c\r\n\r\n"],
    ["in the body", "A: b\r\n\r\nFrom a\r\n>From b\r\n\xe9: c\r\n"],
    ["at the start of a body without a header", "\r\nFrom a\r\nA: b\r\n"],
  ])("marks no such line %s", (_, message) => {
    expect(run([message])).toBe(message);
  });
});

describe("the split into chunks", () => {
  const piece = fc.constantFrom(
    "\r\n",
    "\r\n",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "A: b",
    "Postern-TLS",
    "postern-tls",
    ":",
    " ",
    "\t",
    "x",
    "\x0b",
    "\xa0",
    "Received: x",
    "From ",
    ">",
    "\xe9",
    "\r\n\r\n",
    ".",
    "y".repeat(499),
    "z".repeat(990),
  );
  const message = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
  const clean = fc
    .array(
      fc.constantFrom(
        "A: b\r\n",
        " c\r\n",
        "Postern-TLS: x\r\n",
        "postern-tls\t:\r\n",
        "\tfold\r\n",
        "no field\r\n",
        "\r\n",
        "Received: x\r\n",
      ),
      { maxLength: 12 },
    )
    .map((lines) => lines.join(""));
  const cuts = fc.array(fc.nat(2000), { maxLength: 12 });

  function split(text: string, at: readonly number[]): readonly string[] {
    const positions = [0, ...at.map((cut) => cut % (text.length + 1)), text.length].toSorted((a, b) => a - b);
    return positions.slice(1).map((end, index) => text.slice(positions[index], end));
  }

  it.each([
    ["refuse", "pass"],
    ["normalise", "pass"],
    ["refuse", "refuse"],
    ["normalise", "refuse"],
  ] as const)("never changes the outcome (line ends %s, long lines %s)", (lineEnds, longLines) => {
    fc.assert(
      fc.property(
        fc.oneof(message, clean),
        cuts,
        fc.integer({ min: 0, max: 3000 }),
        (text, at, maxMessageBytes) => {
          const change = { lineEnds, longLines, maxMessageBytes };
          const whole = run([text], change);
          expect(run(split(text, at), change)).toBe(whole);
          expect(run(octetByOctet(text), change)).toBe(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("leaves none of our fields, and every clean line end as it was", () => {
    fc.assert(
      fc.property(clean, (text) => {
        const header = run([text], { maxReceivedHeaders: 100 }).split("\r\n\r\n")[0] ?? "";
        if (!header.startsWith("\r\n"))
          expect(header.replace(/\r\n[ \t]/g, "")).not.toMatch(/^postern-tls[ \t]*(?::|$)/im);
      }),
    );
  });

  it("lets normalised mail pass a filter that refuses", () => {
    fc.assert(
      fc.property(message, (text) => {
        const once = run([text], normalising);
        if (!/^55\d /.test(once)) expect(run([once])).toBe(once);
      }),
    );
  });
});
