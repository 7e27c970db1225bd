import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { sClient } from "../support/peers/s-client.ts";
import { swaks } from "../support/peers/swaks.ts";

let product: Product;

describeWith(["openssl", "swaks"])("a rule that changes while a client is connected", () => {
  beforeAll(async () => {
    // The default of a production edge.
    product = await startProduct({ SETTINGS_POLL_INTERVAL_MS: "1000" });
    await product.putDomain("change.example", { mxHosts: ["mx.change.example"] });
    // Another domain, so that plaintext gets as far as RCPT.
    await product.putDomain("other.example", {});
  });

  afterAll(endEverything);

  it("is the old one for an open connection, and the new one for a connection after the next poll", async () => {
    const change = async (): Promise<string> => {
      const { status } = await product.change("PUT", "/v1/domains/change.example/tls", {
        server: { level: "require", minVersion: "TLSv1.3" },
      });
      expect(status).toBe(200);
      return "NOOP";
    };
    const onceInForce = async (): Promise<string> => {
      const { body } = await product.api("GET", "/v1/domains/change.example");
      await product.inForce((body as { readonly revision: number }).revision);
      return "RCPT TO:<b@change.example>";
    };
    const connection = { port: product.smtpPort, sni: "mx.change.example", identity: null } as const;
    const { replies } = await sClient({ ...connection, protocol: "TLSv1.2" }, [
      "EHLO open.client.example",
      "MAIL FROM:<a@client.example>",
      change,
      onceInForce,
      "QUIT",
    ]);
    expect(replies[3]).toMatch(/^250 2\.1\.5 /u);

    const later = await sClient({ ...connection, protocol: "TLSv1.2" }, [
      "EHLO later.client.example",
      "MAIL FROM:<a@client.example>",
      "RCPT TO:<b@change.example>",
    ]);
    expect(later.replies[2]).toMatch(/^550 5\.7\.1 change\.example .*TLSv1\.3/u);
    const plain = await swaks({
      port: product.smtpPort,
      from: "a@client.example",
      to: ["b@change.example"],
      tls: "never",
    });
    expect(plain.transcript).toMatch(/^<\*\* 530 5\.7\.0 /mu);
  });
});
