import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DATA_FILES } from "./data-directory.ts";
import { readIfThere } from "./durable-file.ts";
import { connectHost, httpUrl, readRunning, type Running } from "./running.ts";
import { SmtpDialog } from "./smtp-dialog.ts";

/**
 * The three lines of the first screen: `npm run try domain | plaintext | tls [DATA_DIR]`. Each shows what it
 * does and exits 0 when the result is the one on the first screen.
 */

const DOMAIN = "example.com";
const SENDER = "someone@sender.example";
const RECIPIENT = `you@${DOMAIN}`;
/** Settings are in force within a poll interval and a second. */
const IN_FORCE_WITHIN_MS = 65_000;

interface Place {
  readonly dataDir: string;
  readonly running: Running;
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function tryDomain(place: Place): Promise<boolean> {
  const path = `/v1/domains/${DOMAIN}`;
  const settings = { server: { level: "require" } };
  const before = await request(place, `GET ${path}`);
  const written =
    before.status === 404
      ? await request(place, `PUT ${path}`, { body: { tls: settings }, condition: { "if-none-match": "*" } })
      : await request(place, `PUT ${path}/tls`, { body: settings, condition: { "if-match": "*" } });
  if (written.status !== 200 && written.status !== 201) return false;
  const revision = Number(/\d+/.exec(written.etag)?.[0]);
  const isInForce = await waitForRevision(place, revision);
  print(
    isInForce
      ? `In force: ${DOMAIN} takes mail over TLS only.`
      : `Stored, and not in force yet: revision ${revision}.`,
  );
  return isInForce;
}

async function tryPlaintext({ running }: Place): Promise<boolean> {
  const dialog = await SmtpDialog.connect(smtpAddress(running), print);
  await dialog.command("EHLO sender.example");
  let reply = await dialog.command(`MAIL FROM:<${SENDER}>`);
  if (reply.code === 250) reply = await dialog.command(`RCPT TO:<${RECIPIENT}>`);
  await dialog.command("QUIT");
  dialog.end();
  print(
    reply.code === 530
      ? "Refused, as it should be."
      : `Not refused with 530. Is ${DOMAIN} there? Run the first line.`,
  );
  return reply.code === 530;
}

async function tryTls(place: Place): Promise<boolean> {
  const { running, dataDir } = place;
  const dialog = await SmtpDialog.connect(smtpAddress(running), print);
  await dialog.command("EHLO sender.example");
  if ((await dialog.command("STARTTLS")).code !== 220) return false;
  const ca = certificatesOf(readFileSync(join(dataDir, DATA_FILES.defaultCertificate), "utf8"));
  const distrust = await dialog.startTls({ servername: running.smtpName, ca });
  print(
    distrust === null
      ? `   (the certificate is that of ${running.smtpName})`
      : `   (certificate not verified: ${distrust})`,
  );
  await dialog.command("EHLO sender.example");
  await dialog.command(`MAIL FROM:<${SENDER}>`);
  const recipient = await dialog.command(`RCPT TO:<${RECIPIENT}>`);
  if (recipient.code !== 250) return false;
  const id = `${randomUUID()}@sender.example`;
  if ((await dialog.command("DATA")).code !== 354) return false;
  const answer = await dialog.message(messageLines(id));
  await dialog.command("QUIT");
  dialog.end();
  return answer.code === 250 && showArrived(running, id);
}

/** @returns whether the message is where accepted mail goes. */
function showArrived(running: Running, id: string): boolean {
  if (running.maildir === null) {
    print(`Handed on to ${running.delivery}.`);
    return true;
  }
  const path = findMessage(join(running.maildir, "new"), id);
  if (path === null) return false;
  print(`Arrived: ${path}`);
  print("");
  for (const line of readFileSync(path, "utf8").trimEnd().split(/\r?\n/)) print(`  ${line}`);
  return true;
}

function findMessage(directory: string, id: string): string | null {
  const newestFirst = readdirSync(directory)
    .map((name) => join(directory, name))
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  return newestFirst.find((path) => readFileSync(path, "utf8").includes(id)) ?? null;
}

const messageLines = (id: string): readonly string[] => [
  `From: ${SENDER}`,
  `To: ${RECIPIENT}`,
  "Subject: through the postern",
  `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
  `Message-ID: <${id}>`,
  "",
  "This came over TLS.",
];

/** A file of keys and certificates: only the certificates. */
const certificatesOf = (pem: string): string =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).join("\n");

const smtpAddress = ({ smtp }: Running): { host: string; port: number } => ({
  host: connectHost(smtp.host),
  port: smtp.port,
});

interface ApiAnswer {
  readonly status: number;
  readonly etag: string;
}

async function request(
  { running, dataDir }: Place,
  methodAndPath: string,
  write?: { readonly body: unknown; readonly condition: Readonly<Record<string, string>> },
): Promise<ApiAnswer> {
  const [method = "", path = ""] = methodAndPath.split(" ");
  const token = readIfThere(join(dataDir, DATA_FILES.apiToken))?.trim() ?? "";
  const body = write === undefined ? null : JSON.stringify(write.body);
  const conditions = Object.entries(write?.condition ?? {}).map(([name, value]) => ` ${name}: ${value}`);
  print(`${method} ${httpUrl(running.api)}${path}${conditions.join("")}`);
  if (body !== null) print(`  ${body}`);
  const response = await fetch(`${httpUrl(running.api)}${path}`, {
    method,
    body,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === null ? {} : { "content-type": "application/json" }),
      ...write?.condition,
    },
  });
  const text = await response.text();
  const etag = response.headers.get("etag") ?? "";
  print(`${response.status} ${response.statusText}${etag === "" ? "" : `, ETag ${etag}`}`);
  if (response.status >= 400 && response.status !== 404) print(`  ${text}`);
  return { status: response.status, etag };
}

async function waitForRevision({ running }: Place, revision: number): Promise<boolean> {
  const giveUpAt = performance.now() + IN_FORCE_WITHIN_MS;
  while (performance.now() < giveUpAt) {
    const ready: unknown = await (await fetch(`${httpUrl(running.health)}/ready`)).json();
    const held = typeof ready === "object" && ready !== null && "revision" in ready ? ready.revision : null;
    if (typeof held === "number" && held >= revision) return true;
    await new Promise((next) => setTimeout(next, 50));
  }
  return false;
}

const STEPS: Readonly<Record<string, (place: Place) => Promise<boolean>>> = {
  domain: tryDomain,
  plaintext: tryPlaintext,
  tls: tryTls,
};

async function main([
  step = "",
  dataDir = process.env["DATA_DIR"] || "./.data",
]: readonly string[]): Promise<number> {
  const run = Object.hasOwn(STEPS, step) ? STEPS[step] : undefined;
  if (run === undefined) {
    print("usage: npm run -s try domain | plaintext | tls [DATA_DIR]");
    return 2;
  }
  const place = resolve(dataDir);
  const running = readRunning(place);
  if (running === null) {
    print(`Nothing is running on ${place}. Start it with npm start.`);
    return 1;
  }
  return (await run({ dataDir: place, running })) ? 0 : 1;
}

const SIGPIPE_EXIT = 141;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader has gone, as `| head` does.
  if (error.code !== "EPIPE") throw error;
  process.exit(SIGPIPE_EXIT);
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  print(`Failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
