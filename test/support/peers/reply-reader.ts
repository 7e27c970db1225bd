/** One SMTP reply: its lines joined by newlines, without CRLF. `250-a` and `250 b` are one reply. */
export type ReplyText = string;

interface Waiter {
  readonly resolve: (reply: ReplyText) => void;
  readonly reject: (error: Error) => void;
}

/** Cuts what a server says into replies, and hands them out in order to those who wait. */
export class ReplyReader {
  #rest = "";
  #lines: string[] = [];
  readonly #replies: ReplyText[] = [];
  readonly #waiting: Waiter[] = [];
  #ended: Error | null = null;

  push(text: string): void {
    this.#rest += text;
    const lines = this.#rest.split(/\r?\n/u);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  /** Nothing more will come: everyone who waits, or will wait, hears why. */
  end(reason: string): void {
    this.#ended ??= new Error(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }

  next(): Promise<ReplyText> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #take(line: string): void {
    if (!/^\d{3}[ -]/u.test(line)) return;
    this.#lines.push(line);
    if (line[3] === "-") return;
    const reply = this.#lines.join("\n");
    this.#lines = [];
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#replies.push(reply);
    else waiter.resolve(reply);
  }
}
