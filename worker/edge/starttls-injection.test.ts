import { once } from "node:events";
import { connect } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { untilIdle } from "../../test/support/event-loop.ts";
import { domainRecord } from "../../test/support/records.ts";
import { startTestEdge, type TestEdge } from "../../test/support/test-edge.ts";

/**
 * Plaintext that came in one segment with STARTTLS, and how it must end: with a handshake and nothing left of
 * it (CVE-2011-0411). Long ones make the plaintext parser pause while the handshake goes on.
 */
const INJECTED = [
  ["one command", "EHLO evil.example\r\n"],
  [
    "a transaction",
    "EHLO evil.example\r\nMAIL FROM:<a@evil.example>\r\nRCPT TO:<x@a.example>\r\nDATA\r\nx\r\n.\r\n",
  ],
  ["half a line", "RCPT TO:<x@"],
  ["8,000 commands", "NOOP\r\n".repeat(8_000)],
  ["30,000 empty lines", "\n".repeat(30_000)],
  ["a second STARTTLS", "STARTTLS\r\n"],
] as const;

describe("plaintext in one segment with STARTTLS", () => {
  let edge: TestEdge;
  beforeAll(async () => {
    edge = await startTestEdge({ settings: { domains: [domainRecord({ name: "a.example" })] } });
  });
  afterAll(() => edge.stop());

  it.each(INJECTED)("is never answered nor kept: %s", async (_title, injected) => {
    const raw = connect(edge.port(), "127.0.0.1");
    raw.on("error", () => undefined);
    await once(raw, "data");
    raw.write(`EHLO client.example\r\n`);
    await once(raw, "data");
    raw.write(`STARTTLS\r\n${injected}`);
    const [answer] = (await once(raw, "data")) as [Buffer];
    expect(answer.toString()).toBe("220 2.0.0 Ready to start TLS\r\n");
    const secure = tls.connect({ socket: raw, rejectUnauthorized: false });
    let heard = "";
    secure.on("data", (bytes: Buffer) => {
      heard += bytes.toString();
    });
    await once(secure, "secureConnect");
    await untilIdle();
    // Whatever the edge said unasked, or remembers of an EHLO, would show here.
    secure.write("MAIL FROM:<a@client.example>\r\nQUIT\r\n");
    await once(secure, "close");
    expect(heard).toMatch(/^503 [^\r\n]*HELO[^\r\n]*\r\n221 2\.0\.0 Bye\r\n$/);
    expect(edge.delivery.transactions).toEqual([]);
  });
});
