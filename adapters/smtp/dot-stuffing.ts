const LF = 10;
const DOT = 46;
const STUFFED_DOT = Buffer.from("..");

/**
 * Makes the octets after DATA of a message (RFC 5321 section 4.5.2), over chunks: a dot in front of each dot
 * that begins a line, and the line with the lone dot at the end. A line begins after any LF: with clean mail
 * that is the same as after CRLF, and with any other it cannot end DATA at a next hop that takes a bare LF
 * for a line end.
 */
export class DotStuffing {
  #isAtLineStart = true;

  /** Views of the chunk, with dots between them. */
  feed(chunk: Uint8Array): readonly Uint8Array[] {
    if (chunk.length === 0) return [];
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const output: Uint8Array[] = [];
    let from = 0;
    if (this.#isAtLineStart && octets[0] === DOT) {
      output.push(STUFFED_DOT);
      from = 1;
    }
    for (let at = octets.indexOf("\n.", from); at !== -1; at = octets.indexOf("\n.", from)) {
      output.push(octets.subarray(from, at + 1), STUFFED_DOT);
      from = at + 2;
    }
    if (from < octets.length) output.push(octets.subarray(from));
    this.#isAtLineStart = octets.at(-1) === LF;
    return output;
  }

  async *over(message: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of message) yield* this.feed(chunk);
  }

  /** The line with the lone dot, and a line end before it where the message has none. */
  end(): Uint8Array {
    return Buffer.from(this.#isAtLineStart ? ".\r\n" : "\r\n.\r\n");
  }
}
