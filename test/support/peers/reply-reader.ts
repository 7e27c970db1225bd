/** One SMTP reply: its lines joined by newlines, without CRLF. `250-a` and `250 b` are one reply. */
export type ReplyText = string;

/** Cuts what a server says into replies, and hands them out in order to those who wait. */
export class ReplyReader {
  #rest = "";
  #lines: string[] = [];
  readonly #replies: ReplyText[] = [];
  readonly #waiting: ((reply: ReplyText | null) => void)[] = [];
  #ended = false;

  push(text: string): void {
    this.#rest += text;
    const lines = this.#rest.split(/\r?\n/u);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve(null);
  }

  /** The next reply; null = there is none any more. */
  next(): Promise<ReplyText | null> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(line: string): void {
    if (!/^\d{3}[ -]/u.test(line)) return;
    this.#lines.push(line);
    if (line[3] === "-") return;
    const reply = this.#lines.join("\n");
    this.#lines = [];
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#replies.push(reply);
    else waiter(reply);
  }
}
