import { expect, it } from "vitest";
import type { ProductOnAws } from "../support/aws/product-on-aws.ts";
import { waitUntil } from "../support/peers/wait-until.ts";

const MX = "mx1.example.com";

/** From a request to the API to a reply of the edge. The cases build on one another. */
export function endToEndCases(product: () => ProductOnAws): void {
  it("refuses plaintext where the settings require TLS, then presents the certificate that ACM issued", async () => {
    const { worker } = product();
    const domain = { mxHosts: [MX], tls: { server: { level: "require" } } };
    const put = await product().ask("PUT /v1/domains/example.com", domain);
    expect(put).toMatchObject({ status: 201, json: { tls: { server: { level: "require" } } } });
    await worker.inForce(put.json.revision);

    const plaintext = await product().connect();
    await plaintext.say("EHLO client.example");
    expect(await plaintext.say("MAIL FROM:<a@client.example>")).toBe(
      "530 5.7.0 Must issue a STARTTLS command first",
    );
    plaintext.close();
    expect(await product().namesServed(MX)).not.toContain(MX);

    const id = await orderCertificate(product());
    const server = { level: "require", certificateId: id };
    const set = await product().ask("PUT /v1/domains/example.com/tls", { server }, { "if-match": "*" });
    expect(set.status).toBe(200);
    await worker.inForce((await product().ask("GET /v1/domains/example.com")).json.revision);
    expect(await product().namesServed(MX)).toBe(`DNS:${MX}`);
  });

  it("accepts a message over TLS, and reports the served certificate to the API", async () => {
    const client = await product().connect();
    await client.say("EHLO client.example");
    await client.startTls({ servername: MX });
    for (const line of [
      "EHLO client.example",
      "MAIL FROM:<a@client.example>",
      "RCPT TO:<b@example.com>",
      "DATA",
    ])
      await client.say(line);
    expect(await client.say("Subject: x\r\n\r\nhello\r\n.")).toMatch(/^250 2\.0\.0 /);
    client.close();

    // An edge reports a change within a fraction of a second, and this reads what it has reported.
    await waitUntil(
      async () => {
        const { json } = await product().ask("GET /v1/domains/example.com/status");
        const [edge] = json.edges.live;
        const [served] = json.mxHosts[0].served;
        const isServed = served?.version === 1 && served.problem === null;
        return edge?.atRevision === true && edge.stale === false && isServed ? true : undefined;
      },
      { what: "the edge has reported the revision and the certificate" },
    );
  });

  it("starts from the schedule's backup while the store is unreachable", async () => {
    await product().sweep("backup");
    const cold = await product().startWithoutStore();
    try {
      await cold.logged("settings-from-backup");
      expect(await product().namesServed(MX, cold)).toBe(`DNS:${MX}`);
    } finally {
      await cold.end("SIGKILL");
    }
  });

  it("keeps keys that are in use, and deletes the order with its certificate", async () => {
    await product().sweep("clean-up");
    const { json } = await product().ask("GET /v1/certificates");
    const [{ id }] = json.items;
    const remove = () => product().ask(`DELETE /v1/certificates/${id}`, undefined, { "if-match": "*" });
    expect(await remove()).toMatchObject({ status: 409 });
    await product().ask("DELETE /v1/domains/example.com", undefined, { "if-match": "*" });
    expect(await remove()).toMatchObject({ status: 204 });
  });
}

/** Orders a certificate of ACM for the host and waits until it is exported. */
async function orderCertificate(product: ProductOnAws): Promise<string> {
  const order = { source: "acm", names: [MX], acceptCharges: true };
  const ordered = await product.ask("POST /v1/certificates", order);
  expect(ordered).toMatchObject({
    status: 201,
    json: { state: "pending", validation: [{ domain: MX, name: expect.stringContaining(`.${MX}.`) }] },
  });
  const { id } = ordered.json;
  await waitUntil(
    async () => {
      await product.sweep("renewals");
      const { json } = await product.ask(`GET /v1/certificates/${id}`);
      return json.state === "active" ? true : undefined;
    },
    { what: "the certificate of ACM is exported" },
  );
  return id;
}
