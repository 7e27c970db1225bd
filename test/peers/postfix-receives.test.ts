import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type NextHop, startNextHop } from "../support/peers/next-hop.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { scratchDirectory } from "../support/peers/scratch.ts";
import { swaks, type SwaksAnswer } from "../support/peers/swaks.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { issueServer, makeCa } from "../support/pki.ts";

const DOMAIN = "mail.example";
const MESSAGE_SIZE_LIMIT = 100_000;
const ca = makeCa({ name: "Next hops CA" });
const certificate = issueServer({ names: ["localhost"], ca });

let directory = "";
let nextHop: NextHop;
/** One process for each way to the next hop, by its `DELIVERY`. */
const products = new Map<string, Product>();

const WAYS = [
  { way: "opportunistic TLS", host: "127.0.0.1", tls: "opportunistic" },
  { way: "verified TLS", host: "localhost", tls: "require" },
] as const;

afterAll(endEverything);

describeWith(["postfix", "swaks"])("a Postfix that is our next hop", () => {
  beforeAll(async () => {
    directory = scratchDirectory();
    writeFileSync(join(directory, "ca.pem"), ca.rootPem);
    nextHop = await startNextHop({
      domain: DOMAIN,
      mailboxes: ["ok", "second"],
      answers: { later: "450 4.2.0 come back later", never: "550 5.7.1 not from you" },
      messageSizeLimit: MESSAGE_SIZE_LIMIT,
      certificate,
    });
    for (const { way, host, tls } of WAYS) {
      const product = await startProduct({
        DELIVERY: `smtp://${host}:${nextHop.port}?tls=${tls}`,
        NODE_EXTRA_CA_CERTS: join(directory, "ca.pem"),
      });
      products.set(way, product);
      await product.putDomain(DOMAIN, {});
    }
  });

  it.each(WAYS)("has the message when the edge replies 250, over $way", async ({ way }) => {
    const answer = await send(way, ["ok"], `delivered over ${way}`);
    expect(answer.exitCode, answer.transcript).toBe(0);
    expect(answer.transcript).toMatch(/^<- {2}250 2\.0\.0 /mu);
    const message = await arrival("ok", `delivered over ${way}`);
    expect(message).toMatch(/^Postern-TLS: version=none/mu);
    expect(message).toMatch(/^Received: from nexthop|^Received: from /mu);
    expect(nextHop.postfix.log()).toMatch(/TLS connection established from/u);
  });

  it.each(WAYS)(
    "refuses one of two recipients, and the client receives its text, over $way",
    async ({ way }) => {
      const answer = await send(way, ["ok", "absent"], `one of two over ${way}`);
      expect(answer.transcript).toMatch(/^<- {2}250 2\.1\.5 /mu);
      expect(answer.transcript).toMatch(/^<\*\* 550 5\.1\.1 <absent@mail\.example>: .*User unknown/mu);
      expect(await arrival("ok", `one of two over ${way}`)).toContain("Delivered-To: ok@mail.example");
    },
  );

  it.each([
    ["later", "450 4.2.0", "come back later"],
    ["never", "550 5.7.1", "not from you"],
  ])("answers %s with %s, and so do we", async (localPart, code, words) => {
    const answer = await send("opportunistic TLS", [localPart], "refused");
    expect(answer.transcript).toMatch(new RegExp(`^<\\*\\* ${code.replaceAll(".", "\\.")} .*${words}`, "mu"));
    expect(answer.exitCode).toBe(24);
  });

  it("receives the client's address and name by XFORWARD", async () => {
    await send("opportunistic TLS", ["ok"], "forwarded");
    const message = await arrival("ok", "forwarded");
    expect(message).toMatch(/^Received: from sender\.client\.example /mu);
  });

  it("receives no message over its size limit: 552 at the sender", async () => {
    const body = `${"x".repeat(70)}\n`.repeat(2_000);
    const answer = await send("opportunistic TLS", ["ok"], "too large", body);
    expect(answer.transcript).toMatch(/^<\*\* 552 5\.3\.4 /mu);
    expect(nextHop.mailbox("ok").some((message) => message.includes("Subject: too large\n"))).toBe(false);
  });
});

describeWith(["postfix", "swaks"])("a Postfix that was our next hop and is down", () => {
  it("defers the client's mail with 451, and loses none", async () => {
    const hop = await startNextHop({
      domain: DOMAIN,
      mailboxes: ["ok"],
      answers: {},
      messageSizeLimit: MESSAGE_SIZE_LIMIT,
      certificate,
    });
    const product = await startProduct({ DELIVERY: `smtp://127.0.0.1:${hop.port}?tls=opportunistic` });
    await product.putDomain(DOMAIN, {});
    await hop.postfix.stop();
    const answer = await swaksTo(product, ["ok"], "down");
    expect(answer.transcript).toMatch(/^<\*\* 451 4\.4\.1 /mu);
  });
});

function send(
  way: string,
  localParts: readonly string[],
  subject: string,
  body?: string,
): Promise<SwaksAnswer> {
  const product = products.get(way);
  if (product === undefined) throw new TypeError(`no product for ${way}`);
  return swaksTo(product, localParts, subject, body);
}

function swaksTo(
  product: Product,
  localParts: readonly string[],
  subject: string,
  body?: string,
): Promise<SwaksAnswer> {
  return swaks({
    port: product.smtpPort,
    from: "a@sender.example",
    to: localParts.map((localPart) => `${localPart}@${DOMAIN}`),
    helo: "sender.client.example",
    tls: "never",
    subject,
    ...(body === undefined ? {} : { body }),
  });
}

/** Postfix delivers from its queue, a moment after its 250. */
function arrival(localPart: string, subject: string): Promise<string> {
  return waitUntil(
    () => nextHop.mailbox(localPart).find((message) => message.includes(`Subject: ${subject}\n`)),
    {
      what: `"${subject}" arrives at ${localPart}`,
      explain: nextHop.postfix.log,
    },
  );
}
