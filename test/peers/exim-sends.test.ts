import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { startExim } from "../support/peers/exim.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";

let product: Product;

afterAll(endEverything);

/**
 * Exim ends its side of every plaintext connection right after its QUIT, before it has the reply to its dot.
 */
describeWith(["exim4"])("an Exim that sends to us", () => {
  beforeAll(async () => {
    product = await startProduct();
    await product.putDomain("open.example", {});
    await product.putDomain("secure.example", { tls: { server: { level: "require" } } });
  });

  it.each([
    { way: "in plaintext", tls: false, domain: "open.example" },
    { way: "over TLS", tls: true, domain: "secure.example" },
  ])("has its 250 $way, and each message comes exactly once", async ({ way, tls, domain }) => {
    const exim = await startExim({ port: product.smtpPort, tls });
    const subjects = ["one", "two", "three"].map((number) => `${number} ${way}`);
    for (const subject of subjects)
      await exim.send({
        from: "a@sender.example",
        to: [`b@${domain}`, `c@${domain}`],
        text: `From: a@sender.example\nSubject: ${subject}\n\nhello\n`,
      });
    // A message that was accepted but whose reply was lost would be sent again here.
    await exim.runQueue();
    expect(await exim.queue(), exim.log()).toEqual([]);
    expect(exim.log().match(/ [=-]> [bc]@\S+ .*C="250 2\.0\.0 Ok: /gu)).toHaveLength(6);
    expect(exim.log().match(/ Completed$/gmu)).toHaveLength(3);
    expect(exim.log()).not.toContain(" == ");
    for (const subject of subjects) expect(copiesOf(subject)).toHaveLength(1);
  });
});

/** The messages in the maildir with this subject. */
function copiesOf(subject: string): readonly string[] {
  return globSync(join(product.dataDir, "mail/new/*"))
    .map((path) => readFileSync(path, "latin1"))
    .filter((message) => message.includes(`Subject: ${subject}\r\n`));
}
