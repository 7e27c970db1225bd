import { latin1, STANDARD_LINE_OCTETS } from "./line-ends.ts";
import { MessageRefused } from "./delivery-refusals.ts";
import { TLS_FIELD } from "./trace-headers.ts";

/** Exim's header_maxsize. A million tiny fields would cost seconds of CPU. */
const MAX_HEADER_SECTION_OCTETS = 1_048_576;

const LF = 10;
const CRLF = Buffer.from("\r\n");

/** RFC 5322 section 2.2, with the blanks before the colon that section 4.5.3 still allows. */
const FIELD = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/;
const RECEIVED = /^received[ \t]*:/i;
/**
 * Our name where a line, or what some reader takes for a line, begins: Python's splitlines breaks at VT, FF,
 * FS to RS and NEL; trim() takes any blank off. What follows the name need not be the colon, it may be on the
 * next line.
 */
const OWN_NAME = `${TLS_FIELD}(?![\\x21-\\x39\\x3b-\\x7e])`;
const OWN_FIELD = new RegExp(`(?:^|[^\\t\\x20-\\x7e][ \\t]*)${OWN_NAME}`, "i");
const OWN_FIELD_INSIDE = new RegExp(`[^\\t\\x20-\\x7e][ \\t]*${OWN_NAME}`, "i");

/**
 * The line between messages of an mbox file, quoted or not. Local programs pass it on, and Postfix keeps it
 * under the name below.
 */
const MAILBOX_LINE = /^>*From /;
/** A field but for octets over 127 in its name: a byte order mark in front of it, most often. */
const EIGHT_BIT_FIELD = /^[\x21-\x39\x3b-\x7e\x80-\xff]+[ \t]*:/;
const MARK = Buffer.from("X-Mailbox-Line: ");
/** Octets of a line that has room for the mark: RFC 5322 section 2.1.1. */
const MAX_MARKED_OCTETS = STANDARD_LINE_OCTETS - MARK.length;

type LineFate = "keep" | "mark" | "drop" | "end" | "body-starts";

/**
 * The header section of a message as it passes: takes every field named Postern-TLS out and counts Received
 * fields. It ends at the first empty line, as for every reader. A line that is no field does not end it:
 * readers that go on after one would find a look-alike behind it; for readers that stop there, only body text
 * is lost, of a message that pretends.
 *
 * Our own fields go on top, so a first line that continues a field, or is no field, would be read as part of
 * them. An empty line goes before it then, as Postfix does, and all of it is body. But an mbox line and a
 * field with octets over 127 in its name have a header section behind them that readers would lose: they
 * become the value of X-Mailbox-Line.
 *
 * A next hop that breaks a line over 998 octets at its own limit can make a line begin anywhere in it
 * (Sendmail, and Postfix towards the next server). So such a line counts as our field when its name is
 * anywhere in it.
 */
export class HeaderSection {
  readonly #maxReceived: number;
  #isFirst = true;
  #dropping = false;
  #received = 0;
  #octets = 0;
  /** The beginning of a line, from earlier chunks: at most what the header section may have. */
  #partial = Buffer.alloc(0);
  #partialOctets = 0;
  #isOver = false;

  constructor(maxReceived: number) {
    this.#maxReceived = maxReceived;
  }

  /**
   * @param chunk lines that end in CRLF, split anywhere.
   * @param output takes views of the chunk.
   * @throws MessageRefused
   */
  feed(chunk: Uint8Array, output: Uint8Array[]): void {
    let from = 0;
    while (!this.#isOver) {
      const lineEnd = chunk.indexOf(LF, from);
      if (lineEnd === -1) {
        this.#hold(chunk.subarray(from));
        return;
      }
      this.#line(chunk.subarray(from, lineEnd + 1), output);
      from = lineEnd + 1;
    }
    if (from < chunk.length) output.push(chunk.subarray(from));
  }

  #hold(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#count(rest);
    const octets = this.#partialOctets + rest.length;
    // Twice the room each time: a client may send 1 MB octet by octet, and neither copies nor objects may
    // grow with that.
    if (octets > this.#partial.length) {
      const room = Buffer.allocUnsafe(Math.max(2 * this.#partial.length, octets));
      this.#partial.copy(room, 0, 0, this.#partialOctets);
      this.#partial = room;
    }
    this.#partial.set(rest, this.#partialOctets);
    this.#partialOctets = octets;
  }

  /** The line that ends with `tail`. */
  #whole(tail: Uint8Array): Uint8Array {
    if (this.#partialOctets === 0) return tail;
    const line = Buffer.concat([this.#partial.subarray(0, this.#partialOctets), tail]);
    this.#partialOctets = 0;
    return line;
  }

  #count({ length }: Uint8Array): void {
    this.#octets += length;
    if (this.#octets > MAX_HEADER_SECTION_OCTETS) throw new MessageRefused("header-too-large");
  }

  #line(tail: Uint8Array, output: Uint8Array[]): void {
    this.#count(tail);
    const line = this.#whole(tail);
    const fate = this.#fateOf(latin1(line.subarray(0, -2)));
    if (fate === "drop") return;
    if (fate === "body-starts") output.push(CRLF);
    if (fate === "mark") output.push(MARK);
    this.#isOver = fate === "end" || fate === "body-starts";
    output.push(line);
  }

  #fateOf(text: string): LineFate {
    if (text === "") return "end";
    if (text.startsWith(" ") || text.startsWith("\t")) return this.#fateOfContinuation(text);
    this.#dropping = isOwnField(text);
    if (this.#dropping) return "drop";
    if (this.#isFirst && !FIELD.test(text)) return this.#fateOfFirst(text);
    this.#isFirst = false;
    if (RECEIVED.test(text)) this.#countReceived();
    return "keep";
  }

  #fateOfFirst(text: string): LineFate {
    if (text.length > MAX_MARKED_OCTETS) return "body-starts";
    // Several may come, and what continues one is body: both as in Postfix.
    if (MAILBOX_LINE.test(text)) return "mark";
    this.#isFirst = false;
    return EIGHT_BIT_FIELD.test(text) ? "mark" : "body-starts";
  }

  #fateOfContinuation(text: string): LineFate {
    if (!this.#dropping && this.#isFirst) return "body-starts";
    this.#dropping ||= OWN_FIELD_INSIDE.test(text) || hidesOwnName(text);
    return this.#dropping ? "drop" : "keep";
  }

  #countReceived(): void {
    this.#received += 1;
    if (this.#received > this.#maxReceived) throw new MessageRefused("too-many-hops");
  }
}

function isOwnField(text: string): boolean {
  if (OWN_FIELD.test(text) || hidesOwnName(text)) return true;
  const name = text.split(":", 1)[0] ?? "";
  return /[^\x00-\x7f]/.test(name) && asRead(name) === TLS_FIELD.toUpperCase();
}

/**
 * A name as the most lenient readers compare it: Java's equalsIgnoreCase and a JavaScript /iu take U+017F for
 * an S.
 */
const asRead = (text: string): string =>
  Buffer.from(text, "latin1")
    .toString("utf8")
    .normalize("NFKC")
    .toUpperCase()
    .replace(/[^\x21-\x7e]/g, "");

/** Whether a line is long enough to be broken, and would then hold one of our fields. */
const hidesOwnName = (text: string): boolean =>
  text.length > STANDARD_LINE_OCTETS && asRead(text).includes(TLS_FIELD.toUpperCase());
