import { randomUUID } from "node:crypto";
import {
  ChangeResourceRecordSetsCommand,
  CreateHostedZoneCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
} from "@aws-sdk/client-route-53";
import { expect, it, onTestFinished } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { createRoute53Client, Route53Records } from "../../adapters/aws/route53-records.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { RuleViolation, Unavailable } from "../../core/errors.ts";
import { challengeName } from "../../core/management/challenge-records.ts";
import { challengeRecordsContract } from "../contract/challenge-records.contract.ts";
import { type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy } from "../support/aws/on-aws.ts";
import { name } from "../support/records.ts";

const calls = new ServiceCalls("Route 53", { deadlineMs: 20_000 });

async function createZone(client: Route53Client, domain: string): Promise<string> {
  const command = new CreateHostedZoneCommand({ Name: domain, CallerReference: randomUUID() });
  const { HostedZone: zone } = await client.send(command);
  return (zone?.Id ?? "").replace("/hostedzone/", "");
}

/** Values of the TXT record set of a zone, without their quotes. */
async function publishedIn(client: Route53Client, zone: string, recordName: string): Promise<string[]> {
  const { ResourceRecordSets: sets = [] } = await client.send(
    new ListResourceRecordSetsCommand({ HostedZoneId: zone }),
  );
  const set = sets.find((each) => each.Name === `${recordName}.` && each.Type === "TXT");
  return (set?.ResourceRecords ?? []).map(({ Value: value = "" }) => String(JSON.parse(value)));
}

// Not against an account: its zones belong to people.
describeBehindProxy("on AWS", () => {
  challengeRecordsContract({
    name: "Route 53",
    create: async () => {
      const client = createRoute53Client();
      const id = await createZone(client, "a.example");
      return {
        records: new Route53Records({ client, calls, zones: [{ id, domain: name("a.example") }] }),
        published: (recordName) => publishedIn(client, id, recordName),
        close: async () => client.destroy(),
      };
    },
  });
});

describeBehindProxy("challenge records in Route 53", () => {
  async function open() {
    const direct = createRoute53Client();
    const [outer, inner] = [await createZone(direct, "example"), await createZone(direct, "a.example")];
    const proxy: FaultProxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_ROUTE_53"] ?? "");
    const client = new Route53Client({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    onTestFinished(async () => {
      client.destroy();
      direct.destroy();
      await proxy.close();
    });
    let now = 0;
    const slept: number[] = [];
    const records = new Route53Records({
      client,
      calls,
      zones: [
        { id: outer, domain: name("example") },
        { id: inner, domain: name("a.example") },
      ],
      effects: {
        now: () => now,
        sleep: async (ms) => {
          slept.push(ms);
          now += ms;
        },
      },
      inSyncWithinMs: 10_000,
    });
    return { records, direct, proxy, outer, inner, slept };
  }
  const pending = {
    kind: "change",
    body: (body: string) => body.replace("<Status>INSYNC</Status>", "<Status>PENDING</Status>"),
  } as const;

  it("are written to the zone with the longest domain that holds the name", async () => {
    const { records, direct, outer, inner } = await open();
    for (const each of ["mx.a.example", "a.example", "ba.example", "example"])
      await records.put(each, [each]);
    const valueIn = (zone: string, each: string) => publishedIn(direct, zone, challengeName(each));
    expect(await valueIn(inner, "mx.a.example")).toEqual(["mx.a.example"]);
    expect(await valueIn(inner, "a.example")).toEqual(["a.example"]);
    expect(await valueIn(outer, "ba.example")).toEqual(["ba.example"]);
    expect(await valueIn(outer, "example")).toEqual(["example"]);
    expect(await valueIn(outer, "mx.a.example")).toEqual([]);
  });

  it("are of names in the zones alone", async () => {
    const { records } = await open();
    expect(records.publishes("a.example.net")).toBe(false);
    expect(records.publishes("notexample")).toBe(false);
    await expect(records.put("a.example.net", ["1"])).rejects.toBeInstanceOf(RuleViolation);
  });

  it("are published once every name server has them", async () => {
    const { records, proxy, slept } = await open();
    proxy.inject("GET", pending, pending);
    await records.put("a.example", ["one"]);
    expect(slept).toEqual([2_000, 2_000]);
  });

  it("are unavailable when the name servers do not have them in time", async () => {
    const { records, proxy, slept } = await open();
    proxy.always("GET", pending);
    await expect(records.put("a.example", ["one"])).rejects.toBeInstanceOf(Unavailable);
    expect(slept.length).toBeLessThan(6);
  });

  it("are refused with Route 53's reason where another record is in the way", async () => {
    const { records, proxy } = await open();
    const reason =
      "[RRSet of type TXT with DNS name _acme-challenge.a.example. is not permitted as it conflicts with other records]";
    const body = `<?xml version="1.0"?><InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages><Message>${reason}</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>`;
    const errorBody = `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>${reason}</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
    for (const each of [body, errorBody]) {
      proxy.inject("POST", { kind: "answer", status: 400, body: each, type: "text/xml" });
      const refused = await records.put("a.example", ["one"]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RuleViolation);
      expect((refused as Error).message).toContain("conflicts with other records");
    }
  });

  it("are refused with a reason in plain text, without keys that it quotes", async () => {
    const { records, proxy } = await open();
    const body = `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>one\u202etwo&#10;-----BEGIN PRIVATE KEY-----</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
    proxy.inject("POST", { kind: "answer", status: 400, body, type: "text/xml" });
    await expect(records.put("a.example", ["one"])).rejects.toThrow(
      "Route 53: (a text with a private key, not shown)",
    );
  });

  it("are written after another change of the zone has ended", async () => {
    const { records, proxy, direct, inner } = await open();
    const body = `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>PriorRequestNotComplete</Code><Message>later</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
    proxy.inject("POST", { kind: "answer", status: 400, body, type: "text/xml" });
    await records.put("a.example", ["one"]);
    expect(await publishedIn(direct, inner, challengeName("a.example"))).toEqual(["one"]);
  });

  it("are deleted also when they change between the read and the delete", async () => {
    const { records, proxy, direct, inner } = await open();
    await records.put("a.example", ["one"]);
    const body = `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>Tried to delete resource record set but the values provided do not match the current values</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
    proxy.inject("POST", { kind: "answer", status: 400, body, type: "text/xml" });
    await records.delete("a.example");
    expect(await publishedIn(direct, inner, challengeName("a.example"))).toEqual([]);
  });

  it("keep quotes and backslashes of a value", async () => {
    const { records, direct, inner } = await open();
    await records.put("a.example", ['a"b\\c']);
    expect(await publishedIn(direct, inner, challengeName("a.example"))).toEqual(['a"b\\c']);
  });

  it("leave other records of the same name as they are", async () => {
    const { records, direct, inner } = await open();
    const Name = challengeName("a.example");
    const other = {
      Name,
      Type: "CAA" as const,
      TTL: 60,
      ResourceRecords: [{ Value: '0 issue "ca.example"' }],
    };
    const change = { Changes: [{ Action: "CREATE" as const, ResourceRecordSet: other }] };
    await direct.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: inner, ChangeBatch: change }));
    await records.put("a.example", ["one"]);
    await records.delete("a.example");
    const { ResourceRecordSets: sets = [] } = await direct.send(
      new ListResourceRecordSetsCommand({ HostedZoneId: inner }),
    );
    expect(sets.filter((each) => each.Name === `${Name}.`).map(({ Type }) => Type)).toEqual(["CAA"]);
  });
});
