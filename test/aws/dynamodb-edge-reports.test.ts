import { createDynamoDbClient } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbEdgeReports } from "../../adapters/aws/dynamodb-edge-reports.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { edgeKey } from "../../adapters/aws/table-keys.ts";
import { edgeReportsContract } from "../contract/edge-reports.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable } from "../support/aws/test-table.ts";

describeOnAws("on AWS", () => {
  edgeReportsContract({
    name: "DynamoDB",
    create: async () => {
      const table = await createTestTable();
      const client = createDynamoDbClient();
      let now = 0;
      const clock = { now: () => now, isHeard: true };
      const open = () =>
        new DynamoDbEdgeReports(new DynamoDbTable(client, table.name, new ServiceCalls("store")), clock);
      return {
        reports: open(),
        other: open(),
        setClock: (epochMs) => {
          now = epochMs;
        },
        spoil: (id) => table.set(edgeKey(id), "json", { S: "{" }),
        close: async () => {
          client.destroy();
          await table.delete();
        },
      };
    },
  });
});
