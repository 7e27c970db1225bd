const WINDOW_MS = 60_000;

/** At most `perMinute` grants for each client in any minute; remembers a bounded number of clients. */
export class ClientRate {
  readonly #grants = new Map<string, readonly number[]>();
  readonly #perMinute: number;
  readonly #clients: number;

  constructor({ perMinute, clients }: { readonly perMinute: number; readonly clients: number }) {
    this.#perMinute = perMinute;
    this.#clients = clients;
  }

  /** Whether this client may have one more, and then counts it. */
  take(client: string, nowMs: number): boolean {
    // A time after now is left from before the clock was set back; keeping it would shut the client out until then.
    const recent = (this.#grants.get(client) ?? []).filter((at) => at <= nowMs && at > nowMs - WINDOW_MS);
    const granted = recent.length < this.#perMinute;
    this.#grants.delete(client);
    if (this.#grants.size >= this.#clients) this.#grants.delete(this.#grants.keys().next().value ?? "");
    this.#grants.set(client, granted ? [...recent, nowMs] : recent);
    return granted;
  }
}
