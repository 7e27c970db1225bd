import { describe, expect, it, onTestFinished } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import { type DnsAnswer, startDnsServer } from "../../test/support/dns-server.ts";
import { createTxtLookup } from "./txt-lookup.ts";

const NAME = "_acme-challenge.a.example";

async function startResolver(answerTo: (name: string) => DnsAnswer) {
  const server = await startDnsServer(answerTo);
  onTestFinished(() => server.close());
  return server;
}

describe("a lookup of a TXT record", () => {
  it.each<[string, DnsAnswer, readonly string[]]>([
    ["one value", { kind: "txt", records: [["one"]] }, ["one"]],
    ["two values", { kind: "txt", records: [["one"], ["two"]] }, ["one", "two"]],
    ["a value of several strings", { kind: "txt", records: [["one", "two"], [""]] }, ["onetwo", ""]],
    ["a value behind a CNAME", { kind: "txt", records: [["one"]], alias: "acme.b.example" }, ["one"]],
    ["no such name", { kind: "code", code: "nxdomain" }, []],
    ["no TXT record", { kind: "code", code: "nodata" }, []],
  ])("returns %s", async (_, answer, values) => {
    const { address, asked } = await startResolver(() => answer);
    expect(await createTxtLookup({ servers: [address] })(NAME)).toEqual(values);
    expect(new Set(asked)).toEqual(new Set([NAME]));
  });

  it.each<[string, DnsAnswer]>([
    ["SERVFAIL", { kind: "code", code: "servfail" }],
    ["REFUSED", { kind: "code", code: "refused" }],
  ])("is unavailable by %s", async (_, answer) => {
    const { address } = await startResolver(() => answer);
    await expect(createTxtLookup({ servers: [address] })(NAME)).rejects.toBeInstanceOf(Unavailable);
  });

  it("is unavailable at its deadline when no resolver answers", async () => {
    const { address } = await startResolver(() => ({ kind: "silence" }));
    const lookup = createTxtLookup({ servers: [address], deadlineMs: 200 });
    await expect(lookup(NAME)).rejects.toBeInstanceOf(Unavailable);
  });

  it("asks the next resolver when one does not answer", async () => {
    const { address } = await startResolver(() => ({ kind: "txt", records: [["one"]] }));
    const dead = await startDnsServer(() => ({ kind: "silence" }));
    await dead.close();
    expect(await createTxtLookup({ servers: [dead.address, address] })(NAME)).toEqual(["one"]);
  });

  it("does not end with another one that reaches its deadline", async () => {
    const { address } = await startResolver((name) =>
      name === NAME ? { kind: "txt", records: [["one"]] } : { kind: "silence" },
    );
    const late = createTxtLookup({ servers: [address], deadlineMs: 50 })("other.example");
    const [first, second] = await Promise.allSettled([late, createTxtLookup({ servers: [address] })(NAME)]);
    expect(first.status).toBe("rejected");
    expect(second).toEqual({ status: "fulfilled", value: ["one"] });
  });
});
