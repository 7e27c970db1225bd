import type { Clock } from "../../core/clock.ts";
import {
  checkStateName,
  type IssuanceState,
  type IssuanceStateItem,
  type IssuanceStateName,
  stateJson,
} from "../../core/store/issuance-state.ts";
import { parseStoredJson } from "../../core/stored-json.ts";

/** Issuance state in memory. `text` of an item is its JSON, as a store would hold it. */
export class MemoryIssuanceState implements IssuanceState {
  readonly items = new Map<string, { readonly text: string; version: number; expiresAtMs: number | null }>();
  readonly #clock: Clock;
  #versions = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async get(name: IssuanceStateName): Promise<IssuanceStateItem | null> {
    checkStateName(name);
    const item = this.#live(name);
    return item === undefined ? null : { value: parseStoredJson(item.text), version: item.version };
  }

  async put(
    name: IssuanceStateName,
    value: unknown,
    options: { readonly expected: number | null; readonly expiresAtMs: number | null },
  ): Promise<number | null> {
    checkStateName(name);
    const text = stateJson(value);
    if ((this.#live(name)?.version ?? null) !== options.expected) return null;
    this.#versions += 1;
    this.items.set(name, { text, version: this.#versions, expiresAtMs: options.expiresAtMs });
    return this.#versions;
  }

  async delete(name: IssuanceStateName): Promise<void> {
    checkStateName(name);
    this.items.delete(name);
  }

  #live(name: IssuanceStateName) {
    const item = this.items.get(name);
    if (item === undefined || item.expiresAtMs === null) return item;
    return item.expiresAtMs > this.#clock.now() ? item : undefined;
  }
}
