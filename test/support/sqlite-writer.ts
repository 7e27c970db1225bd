import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { domainRecord } from "./records.ts";
import { commitWithRetry } from "../../core/store/commit-with-retry.ts";
import { setTimeout as sleep } from "node:timers/promises";

/*
 * A separate process that creates domains: `node sqlite-writer.ts <file> <prefix> <count>`. Each line it
 * prints is a revision that was acknowledged.
 */
const [file = "", prefix = "", count = "0"] = process.argv.slice(2);
const store = new SqliteStore(openDatabase(file, { busyTimeoutMs: 120_000 }));
for (let n = 1; n <= Number(count); n += 1) {
  const after = domainRecord({ name: `${prefix}${n}.example` });
  const { entry } = await commitWithRetry(
    store,
    async (expectedHead) => ({
      commit: {
        record: { kind: "domain", id: after.name, before: await store.getDomain(after.name), after },
        hosts: [],
        uses: [],
        account: after.account,
        actor: prefix,
        at: after.updatedAt,
        expectedHead,
      },
      result: null,
    }),
    {
      now: () => performance.now(),
      random: Math.random,
      sleep: async (ms) => {
        await sleep(ms);
      },
    },
  );
  process.stdout.write(`${entry?.revision}\n`);
}
