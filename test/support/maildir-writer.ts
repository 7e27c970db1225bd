/**
 * Delivers messages to a maildir as fast as it can until it is killed. Prints `<number> <SHA-256 of the
 * content>` for each one that was accepted, which is what a client would have as `250`.
 */
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { createMaildirDelivery } from "../../adapters/local/maildir.ts";
import type { MailTransaction } from "../../core/delivery/delivery.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";

const [, , directory = "", run = ""] = process.argv;
const target = createMaildirDelivery({ clock: { now: () => Date.now() } });
const mailbox = { localPart: "a", domain: parseDomainName("example.com") };
const transaction: MailTransaction = {
  reversePath: null,
  parameters: { size: null, body: null, smtpUtf8: false, requireTls: false },
  client: { address: "192.0.2.1", helo: "client.example" },
};
const STREAMS = 4;

async function* inParts(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 4096)
    yield await Promise.resolve(content.subarray(at, at + 4096));
}

async function deliverForEver(stream: number): Promise<never> {
  for (let count = 0; ; count += 1) {
    const number = `${run}-${String(stream)}-${String(count)}`;
    const content = Buffer.from(
      `Subject: ${number}\r\n\r\n${`${number}\r\n`.repeat(1 + ((count * 997) % 3000))}`,
    );
    const mail = target.begin({ kind: "maildir", directory }, transaction);
    await mail.recipient(mailbox);
    const reply = await mail.message(inParts(content));
    if (reply.kind !== "accepted") throw new Error(reply.text);
    // Synchronous and in one write, so that a killed process has said either all of a line or nothing.
    writeSync(1, `${number} ${createHash("sha256").update(content).digest("hex")}\n`);
  }
}

await Promise.all(Array.from({ length: STREAMS }, (_, stream) => deliverForEver(stream)));
