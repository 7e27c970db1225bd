import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SmtpClient } from "../test/support/smtp-client.ts";
import { makeMaterial, startBare, startPostern } from "./bench-servers.ts";
import type { MeasuredServer } from "./measured-process.ts";
import { median } from "./report.ts";

/*
 * A measurement for CI, without a load generator and on any machine: CPU of a STARTTLS session beside bare
 * smtp-server. `node bench/quick.ts` prints the ratio and exits with 1 when it is far too high;
 * bench/session.ts measures precisely.
 */
const ROUNDS = 5;
const SESSIONS = 120;
const AT_ONCE = 12;
const GROSS = 2;
/** Up to 7 KB, the same in every run. */
const messages = Array.from({ length: SESSIONS }, (_, n) =>
  `${"x".repeat(70)}\r\n`.repeat(1 + ((n * 37) % 100)),
);

async function expectCode(reply: Promise<string>, code: string): Promise<void> {
  const text = await reply;
  if (!text.startsWith(code)) throw new Error(`expected ${code}, heard: ${text}`);
}

async function session(port: number, message: string): Promise<void> {
  const client = await SmtpClient.connect(port);
  await expectCode(client.reply(), "220");
  await expectCode(client.say("EHLO client.example"), "250");
  await client.startTls({ servername: "d0.example.net" });
  await expectCode(client.say("EHLO client.example"), "250");
  await expectCode(client.say("MAIL FROM:<sender@client.example>"), "250");
  await expectCode(client.say("RCPT TO:<user@d0.example.net>"), "250");
  await expectCode(client.say("DATA"), "354");
  await expectCode(client.say(`Subject: bench\r\n\r\n${message}.`), "250");
  await expectCode(client.say("QUIT"), "221");
  client.close();
}

/** @returns CPU of the server, ms for each session. */
async function round(server: MeasuredServer): Promise<number> {
  const before = await server.usage();
  const waiting = [...messages];
  const worker = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await session(server.smtpPort, next);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return ((await server.usage()).cpuMs - before.cpuMs) / SESSIONS;
}

const scratch = mkdtempSync(join(tmpdir(), "postern-bench-"));
const running: MeasuredServer[] = [];
try {
  const material = makeMaterial(scratch, "ecdsa-p256");
  const ours = await startPostern(join(scratch, "postern"), material, { domains: 1, level: "require" });
  running.push(ours);
  const bare = await startBare(join(scratch, "bare"), material, false);
  running.push(bare);
  // The first compilation by V8 is counted for neither.
  for (const server of [ours, bare, ours, bare]) await round(server);
  const ratios: number[] = [];
  for (let count = 0; count < ROUNDS; count += 1) ratios.push((await round(ours)) / (await round(bare)));
  const ratio = median(ratios);
  process.stdout.write(`CPU of a STARTTLS session: ${ratio.toFixed(2)} x bare smtp-server\n`);
  process.exitCode = ratio <= GROSS ? 0 : 1;
} finally {
  for (const server of running) await server.stop();
  rmSync(scratch, { recursive: true });
}
