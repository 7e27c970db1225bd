import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { Contention, Unavailable } from "../../core/errors.ts";
import type { LogEntry } from "../../core/store/store.ts";
import { readableEntries, replay, sorted, wholeLog, Writer } from "../contract/store-under-test.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable } from "../support/aws/test-table.ts";

const WRITERS = 100;
/** Each is a process to the others: its writers know nothing of those of another. */
const PROCESSES = 4;

/**
 * As a client does who hears 503: on a busy machine a writer may find no place for 10 s, and has stored
 * nothing then.
 */
async function untilStored(write: () => Promise<LogEntry>): Promise<LogEntry> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof Unavailable && error.cause instanceof Contention)) throw error;
    }
  }
}

describeOnAws("a hundred writers of different records in four processes", () => {
  it("leave a log without a gap or a duplicate, and a poller sees each change once", async () => {
    const table = await createTestTable();
    const config = { TABLE_NAME: table.name, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" };
    const opened = Array.from({ length: PROCESSES + 1 }, () => openAwsStores(config, Date.now));
    const [reader, ...writers] = opened.map(({ store }) => store);
    if (reader === undefined) throw new TypeError("no store");
    const numbers = Array.from({ length: WRITERS }, (_, index) => index + 1);
    const progress = { writing: true };
    const polling = (async () => {
      const seen: LogEntry[] = [];
      while (progress.writing || seen.length < WRITERS) {
        const { entries } = await reader.changesAfter(seen.length, 20);
        for (const entry of readableEntries(entries)) {
          if (entry.revision === seen.length + 1) seen.push(entry);
        }
        // Lets the writers go on.
        await setImmediate();
      }
      return seen;
    })();
    const written = await Promise.all(
      numbers.map((n) => {
        const writer = new Writer(writers[n % PROCESSES] ?? reader);
        return untilStored(() => writer.putDomain({ name: `d${n}.example` }));
      }),
    );
    progress.writing = false;
    const seen = await polling;
    expect(written.map(({ revision }) => revision).toSorted((a, b) => a - b)).toEqual(numbers);
    expect(seen).toEqual(written.toSorted((a, b) => a.revision - b.revision));
    expect(await wholeLog(reader)).toEqual(seen);
    expect(sorted(await reader.loadAll())).toEqual(replay(seen, WRITERS));
    for (const stores of opened) stores.close();
    await table.delete();
  });
});
