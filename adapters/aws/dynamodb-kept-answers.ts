import { Unavailable } from "../../core/errors.ts";
import {
  type BegunRequest,
  checkKeptSize,
  type KeptAnswers,
  type RequestRun,
} from "../../core/store/kept-answers.ts";
import {
  ABSENT,
  type Condition,
  type DynamoDbTable,
  type Item,
  keyItem,
  numberOf,
  textOf,
} from "./dynamodb-table.ts";
import type { HeardClock } from "./service-clock.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { keptAnswerKey } from "./table-keys.ts";

/** Of a name whose item expires, or is released, while it is looked at. */
const TRIES = 3;

/**
 * Kept answers, one partition for each. `clock` is the store's (service-clock.ts). Expired items go by the
 * table's time to live, which may be two days late: the condition judges them too.
 */
export class DynamoDbKeptAnswers implements KeptAnswers {
  readonly #table: DynamoDbTable;
  readonly #clock: HeardClock;

  constructor(table: DynamoDbTable, clock: HeardClock) {
    this.#table = table;
    this.#clock = clock;
  }

  async begin(name: string, begun: RequestRun, expiresAtMs: number): Promise<BegunRequest | null> {
    const key = keptAnswerKey(name);
    // Any answer brings the time; before the first there is none to judge an expiry by.
    if (!this.#clock.isHeard) await this.#table.get(key);
    const item = itemOf(name, begun, expiresAtMs);
    for (let tries = 0; tries < TRIES; tries++) {
      if (await this.#table.putIf(item, absentAt(this.#clock.now()))) return null;
      const stored = await this.#table.get(key);
      // A first try whose answer was lost has written it.
      if (textOf(stored, "run") === begun.run) return null;
      const isPresent = (numberOf(stored, "expiresAtMs") ?? 0) > this.#clock.now();
      if (isPresent)
        return { request: textOf(stored, "request") ?? "", answer: stored?.["answer"]?.B ?? null };
    }
    throw new Unavailable("the name of a kept answer is taken and released again and again");
  }

  async keep(
    name: string,
    run: RequestRun,
    { answer, expiresAtMs }: { readonly answer: Uint8Array; readonly expiresAtMs: number },
  ): Promise<boolean> {
    checkKeptSize(answer);
    const item = { ...itemOf(name, run, expiresAtMs), answer: { B: answer } };
    return this.#table.putIf(item, ofRun(run));
  }

  async release(name: string, run: RequestRun): Promise<void> {
    await this.#table.transact([{ delete: keptAnswerKey(name), condition: ofRun(run) }]);
  }
}

const itemOf = (name: string, { request, run }: RequestRun, expiresAtMs: number): Item => ({
  ...keyItem(keptAnswerKey(name)),
  request: { S: request },
  run: { S: run },
  expiresAtMs: { N: String(expiresAtMs) },
  [TABLE_DEFINITION.timeToLive]: { N: String(Math.ceil(expiresAtMs / 1000)) },
});

const absentAt = (nowMs: number): Condition => ({
  expression: `${ABSENT.expression} OR expiresAtMs <= :now`,
  values: { ":now": { N: String(nowMs) } },
});

/** Holds for a second try, too, whose first one was done. */
const ofRun = ({ run }: RequestRun): Condition => ({
  expression: "run = :run",
  values: { ":run": { S: run } },
});
