import { afterEach, beforeEach, expect, it } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { recordKey } from "../../adapters/aws/table-keys.ts";
import type { Store } from "../../core/store/store.ts";
import { eventually, readableEntries, wholeLog, Writer } from "../contract/store-under-test.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

/**
 * DynamoDB reads 1 MB at most for one request; a dozen of these are more, and a dozen changes of them are
 * too.
 */
const exceptions = Array.from({ length: 100 }, (_, index) => ({
  match: { senderDomain: "sender.example" as never },
  reason: `${index}`.padEnd(500, "-"),
}));
const COUNT = 24;

/** Names that all lie in one partition of the table. */
function namesInOnePartition(): string[] {
  const names: string[] = [];
  for (let n = 0; names.length < COUNT; n += 1) {
    const name = `d${n}.example`;
    if (recordKey("domain", name).pk === "RECORDS#07") names.push(name);
  }
  return names.toSorted();
}

describeOnAws("what is more than one request of DynamoDB reads", () => {
  const names = namesInOnePartition();
  let table: TestTable;
  let store: Store;
  let close: () => void;
  beforeEach(async () => {
    table = await createTestTable();
    const config = { TABLE_NAME: table.name, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" };
    const stores = openAwsStores(config, Date.now);
    ({ store } = stores);
    close = () => stores.close();
    for (const name of names)
      await new Writer(store).putDomain({ name, mxHosts: ["mx.example"], exceptions });
  });
  afterEach(async () => {
    close();
    await table.delete();
  });

  it("is loaded, listed and followed completely", async () => {
    const contents = await store.loadAll();
    expect(contents.domains.map((domain) => domain.name).toSorted()).toEqual(names);
    await eventually(async () => {
      const { items } = await store.listDomains({ account: "default" }, { limit: 200 });
      expect(items.map((domain) => domain.name)).toEqual(names);
    });
    const first = readableEntries((await store.changesAfter(0, 200)).entries);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(COUNT);
    const newest = readableEntries((await store.changesBefore(COUNT + 1, 200)).entries);
    expect(newest.length).toBeLessThan(COUNT);
    expect(newest.map(({ revision }) => revision)).toEqual(newest.map((_, index) => COUNT - index));
    expect((await wholeLog(store)).map((entry) => entry.record.id)).toEqual(names);
  });
});
