import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { ClientCertificate } from "./client-certificate.ts";
import type { Effects } from "../frame/effects.ts";
import { matchingTlsa, type TlsaRecord } from "./dane.ts";
import { patternMatches } from "./host-name.ts";
import type { StsPolicy } from "./mta-sts.ts";
import { dnsNamesOf, isFor, presentedChain } from "./presented-chain.ts";
import { type Reply, replyText, SmtpDialog } from "./smtp-dialog.ts";
import { type Place, type Step, step } from "./steps.ts";
import { onAbort, within } from "./within.ts";

/** What is known of a host before it is dialled. */
export interface Target extends Place {
  readonly address: string;
  readonly port: number;
  readonly domain: string;
  /** Name for EHLO. */
  readonly helo: string;
  /** TLSA records that a sender heeds: validated ones. Null = there are none. */
  readonly tlsa: readonly TlsaRecord[] | null;
  readonly policy: StsPolicy | null;
  /** Presented in TLS; null = none. */
  readonly client: ClientCertificate | null;
}

type World = Pick<Effects, "clock" | "signal">;

/** For one connection, from the first packet to QUIT. */
const CONNECTION_MS = 60_000;
const CONNECT_MS = 15_000;
/** Older ones are not offered: RFC 8996. */
const MIN_VERSION = "TLSv1.2";
const MAX_NAMES_SHOWN = 10;

/**
 * Dials one address as a sender does: with STARTTLS, without the client certificate where there is one, and
 * then in plaintext. No message is sent.
 */
export async function checkAddress(target: Target, world: World): Promise<void> {
  const isConnected = await attempt(target, world, (signal) => checkTls(target, world, signal));
  if (isConnected === null) return;
  if (target.client !== null) await checkWithoutCertificate(target, world);
  await attempt(target, world, (signal) => checkPlaintext(target, world, signal));
}

/** Adds the failure of a connection as a step. @returns null after it could not be made */
async function attempt(
  target: Target,
  world: World,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<true | null> {
  try {
    await within({ ...world, ms: CONNECTION_MS }, work);
    return true;
  } catch (error) {
    world.signal.throwIfAborted();
    const failure = error instanceof StepFailed ? error : new StepFailed("session", (error as Error).message);
    step(target, failure.check, ["failed", failure.message]);
    return failure.check === "connect" ? null : true;
  }
}

/** A step without which the later ones of this connection cannot be taken. */
class StepFailed extends Error {
  override readonly name = "StepFailed";
  readonly check: "connect" | "ehlo" | "starttls" | "tls" | "session";

  constructor(check: StepFailed["check"], message: string) {
    super(message);
    this.check = check;
  }
}

async function checkTls(target: Target, world: World, signal: AbortSignal): Promise<void> {
  const report: Report = (check, result) => step(target, check, result);
  await inTls(target, { world, signal, report }, async (secure) => {
    checkCertificate(secure, target, world.clock.now());
    const dialog = new SmtpDialog(secure, signal);
    await ehlo(dialog, target);
    const reply = await tryRecipient(dialog, target);
    step(target, "rcpt", [isRefused(reply) ? "failed" : "passed", verdictText(reply)]);
    await dialog.command("QUIT");
    step(target, "session", ["passed", "EHLO and QUIT in TLS"]);
  });
}

/** What a sender without the client certificate is replied. */
async function checkWithoutCertificate(target: Target, world: World): Promise<void> {
  const anonymous = { ...target, client: null };
  const text = await within({ ...world, ms: CONNECTION_MS }, async (signal) => {
    let reply: Reply | null = null;
    await inTls(anonymous, { world, signal, report: () => undefined }, async (secure) => {
      const dialog = new SmtpDialog(secure, signal);
      await ehlo(dialog, target);
      reply = await tryRecipient(dialog, target);
      await dialog.command("QUIT");
    });
    return reply === null ? "" : verdictText(reply);
    // A server may also refuse it by ending the handshake or the connection.
  }).catch((error: Error) => `refused: ${error.message}`);
  world.signal.throwIfAborted();
  step(target, "no-cert", ["noted", text]);
}

type Report = (check: Step["check"], result: readonly [Step["result"], string]) => void;

interface TlsAttempt {
  readonly world: World;
  readonly signal: AbortSignal;
  /** Receives the steps before TLS. */
  readonly report: Report;
}

/** Opens a connection, upgrades it, and ends it after `work`. */
async function inTls(
  target: Target,
  { world, signal, report }: TlsAttempt,
  work: (secure: TLSSocket) => Promise<void>,
): Promise<void> {
  const socket = await opened(target, world);
  try {
    const dialog = new SmtpDialog(socket, signal);
    const greeting = await dialog.reply();
    if (greeting.code !== 220) throw new StepFailed("connect", replyText(greeting));
    report("connect", ["passed", replyText(greeting)]);
    const { keywords } = await ehlo(dialog, target);
    if (!keywords.includes("STARTTLS")) throw new StepFailed("starttls", "STARTTLS is not offered");
    const ready = await dialog.command("STARTTLS");
    if (ready.code !== 220) throw new StepFailed("starttls", replyText(ready));
    // What came before the handshake would be read as if it had come in TLS (CVE-2011-0411).
    if (dialog.unread > 0)
      throw new StepFailed("starttls", "the server sent more in plaintext after its reply to STARTTLS");
    report("starttls", ["passed", replyText(ready)]);
    const secure = await handshake(dialog.release(), target, signal);
    await work(secure);
    secure.destroy();
  } finally {
    socket.destroy();
  }
}

/** The reply that decides on a recipient of the domain. No DATA follows: no message is sent. */
async function tryRecipient(dialog: SmtpDialog, { domain }: Target): Promise<Reply> {
  const sender = await dialog.command("MAIL FROM:<>");
  return isRefused(sender) ? sender : dialog.command(`RCPT TO:<postmaster@${domain}>`);
}

const isRefused = ({ code }: Reply): boolean => code >= 400;

function verdictText(reply: Reply): string {
  const verdict = !isRefused(reply) ? "accepted" : reply.code < 500 ? "deferred" : "refused";
  return `${verdict}: ${replyText(reply)}`;
}

async function opened({ address, port }: Target, world: World): Promise<Socket> {
  const socket = connect({ host: address, port });
  // Later ones are those of the dialog; without any listener one would end the process.
  socket.on("error", () => undefined);
  try {
    await within(
      { ...world, ms: CONNECT_MS },
      (signal) =>
        new Promise<void>((resolve, reject) => {
          onAbort(signal, reject);
          socket.once("connect", resolve).once("error", reject);
        }),
    );
    return socket;
  } catch (error) {
    socket.destroy();
    world.signal.throwIfAborted();
    throw new StepFailed("connect", (error as Error).message);
  }
}

async function ehlo(dialog: SmtpDialog, { helo }: Target): Promise<{ readonly keywords: readonly string[] }> {
  const reply = await dialog.command(`EHLO ${helo}`);
  if (reply.code !== 250) throw new StepFailed("ehlo", replyText(reply));
  const keywords = reply.lines.slice(1).map((line) => line.split(" ")[0]?.toUpperCase() ?? "");
  return { keywords };
}

async function handshake(socket: Socket, { host, client }: Target, signal: AbortSignal): Promise<TLSSocket> {
  const secure = connectTls({
    socket,
    servername: host,
    ...(client === null ? {} : { cert: client.certificatePem, key: client.keyPem }),
    minVersion: MIN_VERSION,
    // Judged afterwards, step by step.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort(signal, reject);
      secure.once("secureConnect", resolve).once("error", reject);
      secure.once("close", () => reject(new Error("the server closed the connection in the handshake")));
    });
    return secure;
  } catch (error) {
    secure.destroy();
    throw new StepFailed("tls", (error as Error).message);
  }
}

function checkCertificate(secure: TLSSocket, target: Target, now: number): void {
  const { host, domain, tlsa, policy } = target;
  const { name, standardName } = secure.getCipher();
  step(target, "tls", ["passed", `${secure.getProtocol() ?? ""} ${standardName ?? name}`]);
  const chain = presentedChain(secure);
  const [leaf] = chain;
  if (leaf === undefined) throw new StepFailed("tls", "the server presented no certificate");
  const matched = tlsa === null ? null : matchingTlsa(tlsa, chain, { names: [host, domain], now });
  // DANE-EE makes name, chain and dates irrelevant (RFC 7672 section 3.1.1), DANE-TA the public roots alone.
  const failed = matched?.usage === 3 ? "noted" : "failed";
  const names = dnsNamesOf(leaf);
  const isNamed = isFor(leaf, host);
  const shown = `${names.slice(0, MAX_NAMES_SHOWN).join(", ")}${names.length > MAX_NAMES_SHOWN ? ", …" : ""}`;
  step(target, "name", [
    isNamed ? "passed" : failed,
    isNamed ? shown : `not for ${host}: ${shown || "no DNS name"}`,
  ]);
  const isTrusted = secure.authorized;
  step(target, "chain", [
    isTrusted ? "passed" : matched === null ? "failed" : "noted",
    isTrusted
      ? `${chain.length} certificates, to a root that is trusted here`
      : String(secure.authorizationError),
  ]);
  const isValid = Date.parse(leaf.validFrom) <= now && now <= Date.parse(leaf.validTo);
  step(target, "expiry", [isValid ? "passed" : failed, `valid from ${leaf.validFrom} to ${leaf.validTo}`]);
  if (tlsa !== null)
    step(target, "dane", [
      matched === null ? "failed" : "passed",
      matched === null
        ? "no TLSA record is fulfilled"
        : `TLSA ${matched.usage} ${matched.selector} ${matched.matching} is fulfilled`,
    ]);
  if (policy !== null && policy.mode !== "none") checkPolicy(target, policy, isNamed && isTrusted && isValid);
}

/** RFC 8461 section 4: the host is in the policy, and its certificate is valid for it. */
function checkPolicy(target: Target, { mode, mx }: StsPolicy, isValid: boolean): void {
  const isListed = mx.some((pattern) => patternMatches(pattern, target.host));
  const text = isListed ? "the certificate is not valid for the host" : "the policy does not name this host";
  // In testing, senders deliver all the same.
  const failed = mode === "enforce" ? "failed" : "noted";
  step(
    target,
    "policy",
    isListed && isValid ? ["passed", `MTA-STS ${mode}`] : [failed, `MTA-STS ${mode}: ${text}`],
  );
}

/** What a sender without TLS is replied. */
async function checkPlaintext(target: Target, world: World, signal: AbortSignal): Promise<void> {
  const socket = await opened(target, world);
  try {
    const dialog = new SmtpDialog(socket, signal);
    const greeting = await dialog.reply();
    if (greeting.code !== 220) throw new StepFailed("connect", replyText(greeting));
    await ehlo(dialog, target);
    const reply = await tryRecipient(dialog, target);
    await dialog.command("QUIT");
    step(target, "plaintext", ["noted", verdictText(reply)]);
  } finally {
    socket.destroy();
  }
}
