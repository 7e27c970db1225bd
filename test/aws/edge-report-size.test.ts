import { QueryCommand } from "@aws-sdk/client-dynamodb";
import { expect, it } from "vitest";
import { DynamoDbEdgeReports } from "../../adapters/aws/dynamodb-edge-reports.ts";
import { DynamoDbTable, keyItem } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { edgeKey } from "../../adapters/aws/table-keys.ts";
import type { EdgeReport } from "../../core/edge-report/edge-reports.ts";
import { readEdgeReport } from "../../core/edge-report/stored-report.ts";
import { edgeId } from "../contract/edge-reports.contract.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { certificateId } from "../support/records.ts";

const DAY_MS = 24 * 3600 * 1000;
const report: EdgeReport = {
  id: edgeId(1),
  release: "0.1.0",
  listeners: [{ name: "smtp", address: "10.0.0.1", port: 2525, domain: null, proxyProtocol: true }],
  revision: 17,
  certificates: Array.from({ length: 1_000 }, (_, n) => ({
    certificateId: certificateId(n),
    version: 1,
    fingerprintsSha256: ["ab".repeat(32)],
    notAfter: "2027-01-01T00:00:00.000Z",
    problem: null,
  })),
  unreadable: [],
  certificateProblems: [],
  stale: false,
  chainVerifier: true,
  omitted: 0,
};

async function itemsOf({ client, name }: TestTable) {
  const { Items: items = [] } = await client.send(
    new QueryCommand({
      TableName: name,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :edge",
      ExpressionAttributeValues: { ":edge": { S: "EDGE" } },
    }),
  );
  return items;
}

describeOnAws("the report of an edge with 1,000 certificates", () => {
  it("writes at most 1 KB every 10 s, and the list when it has changed or is about to expire", async () => {
    const table = await createTestTable();
    let now = 0;
    const puts: number[] = [];
    table.client.middlewareStack.add(
      (next) => async (request) => {
        if ("Item" in request.input) puts.push(Buffer.byteLength(JSON.stringify(request.input.Item)));
        return next(request);
      },
      { step: "initialize" },
    );
    const reports = new DynamoDbEdgeReports(
      new DynamoDbTable(table.client, table.name, new ServiceCalls("store")),
      { now: () => now, isHeard: true },
    );
    const large = () => puts.filter((bytes) => bytes > 1_024).length;
    for (; now < 100_000; now += 10_000) await reports.report({ ...report, revision: now });
    expect([puts.length, large()]).toEqual([11, 1]);
    await reports.report({ ...report, certificates: report.certificates.slice(1) });
    expect(large()).toBe(2);
    for (; now < 3 * DAY_MS; now += DAY_MS / 24) await reports.report(report);
    const [heartbeat, list] = await itemsOf(table);
    // Neither ends while the edge reports.
    for (const item of [heartbeat, list]) expect(Number(item?.["expiresAt"]?.N)).toBeGreaterThan(now / 1000);
    expect(await reports.list()).toMatchObject([{ certificates: { length: 1_000 }, omitted: 0 }]);
    // A release before reads the heartbeat alone: an edge that it does not take for an unreadable one.
    expect(readEdgeReport(report.id, heartbeat?.["json"]?.S)).toMatchObject({
      release: "0.1.0",
      omitted: 1_000,
    });
    await reports.remove(report.id);
    expect(await itemsOf(table)).toEqual([]);
    await table.delete();
  });

  it("is read completely as an earlier release wrote it, also with a remaining list", async () => {
    const table = await createTestTable();
    const plain = new DynamoDbTable(table.client, table.name, new ServiceCalls("store"));
    const reports = new DynamoDbEdgeReports(plain, { now: () => 0, isHeard: true });
    await reports.report({ ...report, certificates: [] });
    const json = { S: JSON.stringify(report) };
    await plain.put({
      ...keyItem(edgeKey(report.id)),
      reportedAt: { N: "0" },
      json,
      expiresAt: { N: "90000" },
    });
    expect(await reports.list()).toMatchObject([{ certificates: { length: 1_000 }, omitted: 0 }]);
    await table.delete();
  });
});
