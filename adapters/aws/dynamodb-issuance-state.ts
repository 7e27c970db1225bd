import { randomInt } from "node:crypto";
import {
  checkStateName,
  type IssuanceState,
  type IssuanceStateItem,
  type IssuanceStateName,
  stateJson,
  VERSION_RANGE,
} from "../../core/store/issuance-state.ts";
import { parseStoredJson } from "../../core/stored-json.ts";
import { ABSENT, type Condition, type DynamoDbTable, keyItem, numberOf, textOf } from "./dynamodb-table.ts";
import type { HeardClock } from "./service-clock.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { issuanceStateKey } from "./table-keys.ts";

/**
 * Issuance state beside the settings, one partition for each item. `clock` is the store's (service-clock.ts).
 * Expired items go by the table's time to live, which may be two days late: the condition judges them too.
 */
export class DynamoDbIssuanceState implements IssuanceState {
  readonly #table: DynamoDbTable;
  readonly #clock: HeardClock;

  constructor(table: DynamoDbTable, clock: HeardClock) {
    this.#table = table;
    this.#clock = clock;
  }

  async get(name: IssuanceStateName): Promise<IssuanceStateItem | null> {
    checkStateName(name);
    const item = await this.#table.get(issuanceStateKey(name));
    const version = numberOf(item, "version");
    // After the answer: it has brought the time.
    const isExpired = (numberOf(item, "expiresAtMs") ?? Number.POSITIVE_INFINITY) <= this.#clock.now();
    if (version === undefined || isExpired) return null;
    return { value: parseStoredJson(textOf(item, "json") ?? ""), version };
  }

  async put(
    name: IssuanceStateName,
    value: unknown,
    { expected, expiresAtMs }: { readonly expected: number | null; readonly expiresAtMs: number | null },
  ): Promise<number | null> {
    checkStateName(name);
    const json = stateJson(value);
    const key = issuanceStateKey(name);
    // Any answer brings the time; before the first there is none to judge an expiry by.
    if (!this.#clock.isHeard) await this.#table.get(key);
    const version = randomInt(VERSION_RANGE.from, VERSION_RANGE.below);
    const item = {
      ...keyItem(key),
      version: { N: String(version) },
      json: { S: json },
      ...(expiresAtMs === null ? {} : expiryAttributes(expiresAtMs)),
    };
    if (await this.#table.putIf(item, asExpected(expected, this.#clock.now()))) return version;
    // A first try whose answer was lost may have written it.
    const stored = await this.#table.get(key);
    return numberOf(stored, "version") === version ? version : null;
  }

  async delete(name: IssuanceStateName): Promise<void> {
    checkStateName(name);
    await this.#table.delete(issuanceStateKey(name));
  }
}

const expiryAttributes = (expiresAtMs: number) => ({
  expiresAtMs: { N: String(expiresAtMs) },
  [TABLE_DEFINITION.timeToLive]: { N: String(Math.ceil(expiresAtMs / 1000)) },
});

function asExpected(expected: number | null, nowMs: number): Condition {
  const now = { ":now": { N: String(nowMs) } };
  if (expected === null) return { expression: `${ABSENT.expression} OR expiresAtMs <= :now`, values: now };
  return {
    expression: "version = :expected AND (attribute_not_exists(expiresAtMs) OR expiresAtMs > :now)",
    values: { ":expected": { N: String(expected) }, ...now },
  };
}
