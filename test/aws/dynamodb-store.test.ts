import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import { logKey, recordKey } from "../../adapters/aws/table-keys.ts";
import type { UnreadableItem } from "../../core/store/store.ts";
import { storeContract } from "../contract/store.contract.ts";
import type { HostAttribute } from "../contract/store-under-test.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

const SPOILED: Readonly<Record<HostAttribute, { readonly S: string } | { readonly N: string }>> = {
  account: { S: "" },
  certificateId: { N: "7" },
  domainCount: { N: "-1" },
};

function spoil(
  table: TestTable,
  kind: UnreadableItem["kind"],
  id: string,
  attribute: HostAttribute = "domainCount",
): Promise<void> {
  const key = kind === "log-entry" ? logKey(Number(id)) : recordKey(kind, id);
  if (kind === "mx-host") return table.set(key, attribute, SPOILED[attribute]);
  return table.set(key, "json", { S: "{" });
}

describeOnAws("on AWS", () => {
  storeContract({
    name: "DynamoDB",
    create: async () => {
      const table = await createTestTable();
      const opened: { close(): void }[] = [];
      const open = () => {
        const stores = openAwsStores(
          { TABLE_NAME: table.name, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" },
          Date.now,
        );
        opened.push(stores);
        return stores.store;
      };
      const closeAll = () => {
        for (const stores of opened) stores.close();
      };
      return {
        store: open(),
        other: open(),
        spoil: (kind, id, attribute) => spoil(table, kind, id, attribute),
        reopen: async () => {
          closeAll();
          return open();
        },
        close: async () => {
          closeAll();
          await table.delete();
        },
      };
    },
  });
});
