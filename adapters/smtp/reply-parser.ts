/** One reply of a server (RFC 5321 section 4.2), checked only in its shape. */
export interface SmtpReply {
  /** 200 to 599. */
  readonly code: number;
  /** The text of each line, Latin-1, without code, separator and line end. At least one. */
  readonly lines: readonly string[];
}

/** What a reply may be at most; RFC 5321 section 4.5.3.1.5 promises lines of 512 octets. */
export const REPLY_BOUNDS = { lineOctets: 2048, lines: 100, octets: 65_536, waitingOctets: 262_144 } as const;

/** The other side speaks no SMTP, or too much of it. */
export class GarbledReply extends Error {
  override readonly name = "GarbledReply";
}

const LF = 10;
const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/s;

/** Makes replies of octets, however they are split. A lone LF ends a line too, as Postfix reads it. */
export class ReplyParser {
  readonly #waiting: { readonly reply: SmtpReply; readonly octets: number }[] = [];
  #waitingOctets = 0;
  #rest = Buffer.alloc(0);
  /** The lines of a reply that goes on. */
  #lines: string[] = [];
  #code: number | null = null;
  #octets = 0;

  /** @throws GarbledReply */
  feed(chunk: Uint8Array): void {
    let octets = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    for (let end = octets.indexOf(LF); end !== -1; end = octets.indexOf(LF)) {
      this.#line(octets.subarray(0, end));
      octets = octets.subarray(end + 1);
    }
    if (octets.length > REPLY_BOUNDS.lineOctets) throw new GarbledReply("a line of a reply is too long");
    this.#rest = octets;
  }

  /** The first reply that is whole, taken out; null when there is none. */
  take(): SmtpReply | null {
    const first = this.#waiting.shift();
    this.#waitingOctets -= first?.octets ?? 0;
    return first?.reply ?? null;
  }

  get hasReply(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether nothing came that was not taken: neither a reply nor the beginning of one. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#code === null && this.#rest.length === 0;
  }

  #line(octets: Buffer): void {
    if (octets.length > REPLY_BOUNDS.lineOctets) throw new GarbledReply("a line of a reply is too long");
    const [, code, separator, text] = LINE.exec(octets.toString("latin1").replace(/\r$/, "")) ?? [];
    if (code === undefined) throw new GarbledReply("a line is no reply");
    if (this.#code !== null && this.#code !== Number(code))
      throw new GarbledReply("the lines of a reply differ in their codes");
    this.#code = Number(code);
    this.#lines.push(text ?? "");
    this.#octets += octets.length + 1;
    if (this.#lines.length > REPLY_BOUNDS.lines || this.#octets > REPLY_BOUNDS.octets)
      throw new GarbledReply("a reply is too long");
    if (separator !== "-") this.#finish(this.#code);
  }

  #finish(code: number): void {
    this.#waiting.push({ reply: { code, lines: this.#lines }, octets: this.#octets });
    this.#waitingOctets += this.#octets;
    if (this.#waitingOctets > REPLY_BOUNDS.waitingOctets)
      throw new GarbledReply("replies arrived that no command asked for");
    this.#lines = [];
    this.#code = null;
    this.#octets = 0;
  }
}
