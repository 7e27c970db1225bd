import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../support/peers/free-port.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { swaks, type SwaksOptions } from "../support/peers/swaks.ts";

const ALONE = "alone.example";

let product: Product;
let alonePort = 0;

const send = (options: Pick<SwaksOptions, "to" | "tls"> & Partial<SwaksOptions>) =>
  swaks({ port: product.smtpPort, from: "a@client.example", ...options });

describeWith(["swaks"])("swaks", () => {
  beforeAll(async () => {
    alonePort = await freePort();
    product = await startProduct({
      SMTP_LISTENERS: JSON.stringify([{ name: "alone", port: alonePort, domain: ALONE }]),
    });
    await product.putDomain("secure.example", { tls: { server: { level: "require" } } });
    await product.putDomain("open.example", {});
    await product.putDomain("modern.example", {
      tls: { server: { level: "require", minVersion: "TLSv1.3" } },
    });
    await product.putDomain(ALONE, { tls: { server: { level: "none" } } });
  });

  afterAll(endEverything);

  it("delivers over TLS, and the message has the facts of the connection", async () => {
    const { exitCode, transcript } = await send({
      to: ["b@secure.example"],
      tls: "always",
      subject: "over TLS",
    });
    expect(exitCode, transcript).toBe(0);
    const message = await product.arrival("over TLS");
    expect(message).toMatch(/^Return-Path: <a@client\.example>\r\nDelivered-To: b@secure\.example\r\n/u);
    expect(message).toMatch(/^Received: from client\.example [\s\S]*? with ESMTPS/mu);
    expect(message).toMatch(/^Postern-TLS: version=TLSv1\.3; /mu);
  });

  it("finds one of two recipients refused in plaintext, and delivers to the other", async () => {
    const { exitCode, transcript } = await send({
      to: ["b@open.example", "b@secure.example"],
      tls: "never",
      subject: "one of two",
    });
    expect(exitCode).toBe(0);
    expect(transcript).toMatch(/^<\*\* 530 5\.7\.0 secure\.example accepts mail over TLS only/mu);
    expect(await product.arrival("one of two")).not.toContain("secure.example\r\nReceived");
  });

  it("is refused for a domain that is not served here", async () => {
    const { exitCode, transcript } = await send({ to: ["b@unknown.example"], tls: "always" });
    expect(transcript).toMatch(/^<~\* 550 5\.7\.1 unknown\.example /mu);
    expect(exitCode).toBe(24);
  });

  it.each([
    ["tlsv1_2", /^<~\* 550 5\.7\.1 modern\.example .*TLSv1\.3/mu],
    ["tlsv1_3", /^<~ {2}250 2\.1\.5 /mu],
  ] as const)("with %s to a domain that wants TLS 1.3", async (protocol, answer) => {
    const { transcript } = await send({ to: ["b@modern.example"], tls: "always", protocol });
    expect(transcript).toMatch(answer);
  });

  it("is offered no TLS on a dedicated listener at level none, and delivers in plaintext", async () => {
    const to = [`b@${ALONE}`];
    const insisting = await send({ port: alonePort, to, tls: "always" });
    expect(insisting.exitCode).toBe(29);
    expect(insisting.transcript).not.toContain("250-STARTTLS");
    const relaxed = await send({ port: alonePort, to, tls: "never", subject: "literal none" });
    expect(relaxed.exitCode, relaxed.transcript).toBe(0);
  });

  it("is refused for a domain with a dedicated listener on every other listener", async () => {
    const { transcript } = await send({ to: [`b@${ALONE}`], tls: "always" });
    expect(transcript).toMatch(/^<~\* 550 5\.7\.1 alone\.example is not served here/mu);
  });
});
