import type { SeededRandom } from "./seeded-random.ts";

/**
 * A message as real ones are, with CRLF line ends and without NUL; what a sender adds at its end is not in
 * it.
 */
interface ShapedMessage {
  /** The shapes that it is made of, for a failure's report. */
  readonly shape: string;
  readonly octets: Buffer;
}

/**
 * Octets of a text in a charset, by the ranges of its lead and trail octets; single octets when there is no
 * trail.
 */
interface Charset {
  readonly name: string;
  readonly lead: readonly [number, number];
  readonly trail: readonly [number, number] | null;
  readonly before?: string;
  readonly after?: string;
}

const CHARSETS: readonly Charset[] = [
  { name: "us-ascii", lead: [0x20, 0x7e], trail: null },
  { name: "iso-8859-1", lead: [0xa0, 0xff], trail: null },
  { name: "iso-8859-15", lead: [0xa1, 0xff], trail: null },
  { name: "windows-1252", lead: [0x80, 0xff], trail: null },
  { name: "windows-1251", lead: [0x80, 0xff], trail: null },
  { name: "koi8-r", lead: [0xc0, 0xff], trail: null },
  { name: "ibm850", lead: [0x80, 0xff], trail: null },
  { name: "tis-620", lead: [0xa1, 0xfb], trail: null },
  { name: "shift_jis", lead: [0x81, 0x9f], trail: [0x40, 0x7e] },
  { name: "euc-jp", lead: [0xa1, 0xfe], trail: [0xa1, 0xfe] },
  { name: "iso-2022-jp", lead: [0x21, 0x7e], trail: [0x21, 0x7e], before: "\x1b$B", after: "\x1b(B" },
  { name: "euc-kr", lead: [0xb0, 0xc8], trail: [0xa1, 0xfe] },
  { name: "big5", lead: [0xa4, 0xc6], trail: [0x40, 0x7e] },
  { name: "gb18030", lead: [0x81, 0xfe], trail: [0x80, 0xfe] },
  { name: "utf-8", lead: [0xc3, 0xdf], trail: [0x80, 0xbf] },
  { name: "utf-7", lead: [0x41, 0x5a], trail: null, before: "+", after: "-" },
  // Neither is UTF-8: leads alone, and trails alone.
  { name: "utf-8, cut", lead: [0xf0, 0xf4], trail: null },
  { name: "utf-8, overlong", lead: [0xc0, 0xc1], trail: [0x80, 0xbf] },
];

const within = (random: SeededRandom, [low, high]: readonly [number, number]): number =>
  low + random.below(high - low + 1);

function textIn(
  { lead, trail, before = "", after = "" }: Charset,
  random: SeededRandom,
  octets: number,
): Buffer {
  const text: number[] = [];
  while (text.length < octets) {
    text.push(within(random, lead));
    if (trail !== null) text.push(within(random, trail));
  }
  return Buffer.concat([Buffer.from(before, "latin1"), Buffer.from(text), Buffer.from(after, "latin1")]);
}

const CRLF = Buffer.from("\r\n");
const ascii = (text: string): Buffer => Buffer.from(text, "latin1");

/** Lines that a server which counts dots, chunks or line ends wrongly would change. */
const AWKWARD_LINES: readonly string[] = [
  ".",
  "..",
  "...",
  ".hidden",
  ". ",
  " .",
  "",
  " ",
  "\t",
  "From someone Mon Jan  1 00:00:00 2026",
  ">From quoted",
  "QUIT",
  "MAIL FROM:<a@b.example>",
  "--boundary--",
  "\x01\x0b\x0c\x7f\x1b[31m",
  "=",
  "=2E",
  "begin 644 file",
];

function field(random: SeededRandom): readonly [string, Buffer] {
  const charset = random.pick(CHARSETS);
  const text = textIn(charset, random, 1 + random.below(60));
  const name = `X-Field-${String(random.below(1000))}`;
  switch (random.below(6)) {
    case 0:
      return ["8-bit field", Buffer.concat([ascii(`${name}: `), text, CRLF])];
    case 1:
      return [
        "folded field",
        Buffer.concat([ascii(`${name}:`), CRLF, ascii(" "), text, CRLF, ascii("\t"), text, CRLF]),
      ];
    case 2:
      return [
        "field of 5,000 octets",
        Buffer.concat([ascii(`${name}: `), textIn(charset, random, 5_000), CRLF]),
      ];
    case 3:
      return ["field of 5,000 folded octets", ascii(`${name}: a${"\r\n b".repeat(1_250)}\r\n`)];
    case 4:
      return ["encoded word", ascii(`${name}: =?${charset.name}?B?${text.toString("base64")}?=\r\n`)];
    default:
      return ["empty field", ascii(`${name}${random.pick([":", " :", ": ", ":\t"])}\r\n`)];
  }
}

function line(random: SeededRandom): readonly [string, Buffer] {
  const charset = random.pick(CHARSETS);
  switch (random.below(5)) {
    case 0:
      return ["long line", textIn(charset, random, random.pick([998, 999, 1_000, 2_048, 5_000, 70_000]))];
    case 1:
    case 2:
      return ["awkward line", ascii(random.pick(AWKWARD_LINES))];
    default:
      return [charset.name, textIn(charset, random, random.below(120))];
  }
}

/** A message of a few shapes. The same random numbers make the same message. */
export function shapedMessage(random: SeededRandom): ShapedMessage {
  const shapes: string[] = [];
  const parts: Buffer[] = [];
  const add = ([shape, octets]: readonly [string, Buffer]): void => {
    shapes.push(shape);
    parts.push(octets);
  };
  const fields = random.below(6);
  for (let count = 0; count < fields; count += 1) add(field(random));
  if (random.below(10) > 0) {
    parts.push(CRLF);
    const lines = random.below(40);
    for (let count = 0; count < lines; count += 1) {
      add(line(random));
      parts.push(CRLF);
    }
    if (random.below(3) === 0) add(["no final CRLF", textIn(random.pick(CHARSETS), random, 40)]);
  }
  return { shape: [...new Set(shapes)].join(", "), octets: Buffer.concat(parts) };
}

/** What a client sends after 354: dots doubled, a last line end where there is none, and the dot. */
export function asSent(message: Buffer): Buffer {
  const whole = withFinalLineEnd(message);
  return ascii(`${whole.toString("latin1").replace(/^\./gm, "..")}.\r\n`);
}

/** The message as any SMTP client must send it. */
export const withFinalLineEnd = (message: Buffer): Buffer =>
  message.length === 0 || message.subarray(-2).equals(CRLF) ? message : Buffer.concat([message, CRLF]);
