import { HeaderSection } from "./header-fields.ts";
import { LineEndCheck, LineEndNormaliser, type LongLines } from "./line-ends.ts";
import { MessageRefused, type Refusal } from "./delivery-refusals.ts";

export interface MessageFilterOptions {
  /** Octets that the client may send, before anything is changed; more is `552 5.3.4`. */
  readonly maxMessageBytes: number;
  /** More is `554 5.4.6`, a loop (RFC 5321 section 6.3). */
  readonly maxReceivedHeaders: number;
  /** What becomes of bare CR, bare LF and NUL: `550 5.6.0`, or clean line ends without NUL. */
  readonly lineEnds: "refuse" | "normalise";
  readonly longLines: LongLines;
}

/** A message on its way in, chunk by chunk. */
export interface MessageFilter {
  /**
   * Output for a chunk: views of the chunk wherever it is unchanged.
   *
   * @throws MessageRefused at the first thing wrong, by position; the filter is of no more use then.
   */
  feed(chunk: Uint8Array): readonly Uint8Array[];
  /** What is left at the end; a last line without CRLF gets one. @throws MessageRefused */
  end(): readonly Uint8Array[];
  /** Octets that came in so far. */
  readonly octets: number;
}

/**
 * Lets clean mail pass and nothing else (semantics.md section 4): CRLF line ends, no NUL, no line over 1 MB
 * (or 998 octets), a bounded size and header section, no loop, and no field that only we may write. How the
 * input is split into chunks never matters. Memory: one line of the header section; lines of the body are
 * never held.
 */
export function createMessageFilter(options: MessageFilterOptions): MessageFilter {
  const check = new LineEndCheck(options.longLines);
  const headers = new HeaderSection(options.maxReceivedHeaders);
  const normaliser = options.lineEnds === "normalise" ? new LineEndNormaliser() : null;
  let octets = 0;

  function pass(chunk: Uint8Array, output: Uint8Array[]): void {
    const { clean, refusal } = check.check(chunk);
    // What comes first in the message decides, so the headers before a bad octet are looked at before it is
    // refused.
    headers.feed(clean === chunk.length ? chunk : chunk.subarray(0, clean), output);
    refuseIf(refusal);
  }

  return {
    get octets() {
      return octets;
    },
    feed(chunk) {
      const room = options.maxMessageBytes - octets;
      octets += chunk.length;
      const taken = chunk.length > room ? chunk.subarray(0, room) : chunk;
      const output: Uint8Array[] = [];
      pass(normaliser === null ? taken : normaliser.feed(taken), output);
      refuseIf(chunk.length > room ? "too-large" : null);
      return output;
    },
    end() {
      const output: Uint8Array[] = [];
      if (normaliser !== null) pass(normaliser.end(), output);
      // After a lone CR this is a bare CR, and refused as one.
      if (check.isInLine) pass(Uint8Array.of(13, 10), output);
      return output;
    },
  };
}

function refuseIf(refusal: Refusal | null): void {
  if (refusal !== null) throw new MessageRefused(refusal);
}
