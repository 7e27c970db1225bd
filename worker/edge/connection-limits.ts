/** Connections open at one time, in all and for each client. */
export class ConnectionLimits {
  readonly #maxTotal: number;
  readonly #maxPerClient: number;
  readonly #perClient = new Map<string, number>();
  #total = 0;

  constructor(maxTotal: number, maxPerClient: number) {
    this.#maxTotal = maxTotal;
    this.#maxPerClient = maxPerClient;
  }

  get total(): number {
    return this.#total;
  }

  /** Counts one more connection, or answers false and counts nothing. */
  tryOpen(): boolean {
    if (this.#total >= this.#maxTotal) return false;
    this.#total += 1;
    return true;
  }

  close(): void {
    this.#total -= 1;
  }

  /** The same for one client: see `clientKey`. */
  tryOpenFor(client: string): boolean {
    const open = this.#perClient.get(client) ?? 0;
    if (open >= this.#maxPerClient) return false;
    this.#perClient.set(client, open + 1);
    return true;
  }

  closeFor(client: string): void {
    const open = (this.#perClient.get(client) ?? 0) - 1;
    if (open > 0) this.#perClient.set(client, open);
    else this.#perClient.delete(client);
  }
}
