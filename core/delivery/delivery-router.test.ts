import { describe, expect, it } from "vitest";
import { parseDomainName } from "../name/domain-name.ts";
import type { DeliveryRoute, DeliveryTarget, MailTransaction } from "./delivery.ts";
import { createDeliveryRouter } from "./delivery-router.ts";
import { parseOperatorDelivery } from "./route.ts";

const transaction: MailTransaction = {
  reversePath: null,
  parameters: { size: null, body: null, smtpUtf8: false, requireTls: false },
  client: { address: "192.0.2.1", helo: "client.example" },
};
const mailbox = { localPart: "a", domain: parseDomainName("example.com") };

function recording(name: string, log: string[]): DeliveryTarget {
  const accepted = () => Promise.resolve({ kind: "accepted" } as const);
  return {
    begin: (route: DeliveryRoute) => {
      log.push(`${name}: ${route.kind}`);
      return { recipient: accepted, message: accepted, abort: () => undefined };
    },
    close: () => {
      log.push(`${name}: close`);
      return Promise.resolve();
    },
  };
}

describe("the router", () => {
  it.each([
    ["smtp://x", "next hop: smtp"],
    ["smtps://x", "next hop: smtps"],
    ["lmtp://x", "next hop: lmtp"],
    ["maildir:/x", "maildir: maildir"],
    ["s3://bucket", "s3: s3"],
  ])("gives %s to its target", (url, entry) => {
    const log: string[] = [];
    const targets = {
      nextHop: recording("next hop", log),
      maildir: recording("maildir", log),
      s3: recording("s3", log),
    };
    createDeliveryRouter(targets).begin(parseOperatorDelivery(url), transaction);
    expect(log).toEqual([entry]);
  });

  it("defers mail for a kind that is not set up", async () => {
    const route = parseOperatorDelivery("s3://bucket");
    const mail = createDeliveryRouter({}).begin(route, transaction);
    expect(await mail.recipient(mailbox)).toMatchObject({
      kind: "refused",
      code: 451,
      cause: "not-configured",
    });
  });

  it("closes every target", async () => {
    const log: string[] = [];
    await createDeliveryRouter({ nextHop: recording("a", log), maildir: recording("b", log) }).close();
    expect(log).toEqual(["a: close", "b: close"]);
  });
});
