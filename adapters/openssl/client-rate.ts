import { BoundedMap } from "../../core/bounded-map.ts";

const WINDOW_MS = 60_000;

/** At most `perMinute` grants for each client in any minute; remembers a bounded number of clients. */
export class ClientRate {
  readonly #grants: BoundedMap<string, readonly number[]>;
  readonly #perMinute: number;

  constructor({ perMinute, clients }: { readonly perMinute: number; readonly clients: number }) {
    this.#perMinute = perMinute;
    this.#grants = new BoundedMap(clients);
  }

  /** Whether this client may have one more, and then counts it. */
  take(client: string, nowMs: number): boolean {
    // A time after now is left from before the clock was set back; keeping it would shut the client out until
    // then.
    const recent = (this.#grants.get(client) ?? []).filter((at) => at <= nowMs && at > nowMs - WINDOW_MS);
    const granted = recent.length < this.#perMinute;
    this.#grants.set(client, granted ? [...recent, nowMs] : recent);
    return granted;
  }
}
