import { createSmtpDelivery, type SmtpDeliveryOptions } from "../../adapters/smtp/smtp-delivery.ts";
import type { DeliveryReply, DeliveryTarget, MailTransaction } from "../../core/delivery/delivery.ts";
import { NOTHING_ALLOWED } from "../../core/delivery/delivery-allow.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { type FakeNextHop, type FakeNextHopOptions, startFakeNextHop } from "./fake-next-hop.ts";
import { issueServer, makeCa } from "./pki.ts";

export const domain = parseDomainName("example.com");

export const plainMail: MailTransaction = {
  reversePath: "sender@client.example",
  parameters: { size: null, body: null, smtpUtf8: false, requireTls: false },
  client: { address: "192.0.2.7", helo: "client.example" },
};

const ca = makeCa();
const server = issueServer({ names: ["hop.example"], ca });

/** A certificate for hop.example, and the CA that the targets made here trust. */
export const hopTls = { key: server.privateKeyPem, cert: server.bundlePem, caPem: ca.rootPem } as const;

export const roomyLimits = {
  nextHopConnectMs: 60_000,
  nextHopReplyMs: 60_000,
  nextHopDotMs: 60_000,
} as const;

/** A target that trusts our test CA, and resolves every name to loopback. */
export const createTarget = (options: Partial<SmtpDeliveryOptions> = {}): DeliveryTarget =>
  createSmtpDelivery({
    name: "mx.postern.example",
    limits: roomyLimits,
    allow: NOTHING_ALLOWED,
    ownListeners: () => [],
    lookup: () => Promise.resolve(["127.0.0.1"]),
    ca: [hopTls.caPem],
    ...options,
  });

export async function* messageOf(...chunks: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk, "latin1"));
}

/** How one attempt to deliver to a fake next hop went. */
export interface Attempt {
  readonly recipients: readonly DeliveryReply[];
  /** Null when no recipient was accepted, so no message was sent. */
  readonly message: DeliveryReply | null;
  readonly hop: FakeNextHop;
}

export interface AttemptOptions {
  readonly hop?: FakeNextHopOptions;
  /** `PORT` stands for the fake's port. */
  readonly route?: string;
  readonly mail?: Partial<MailTransaction>;
  readonly parameters?: Partial<MailTransaction["parameters"]>;
  readonly target?: Partial<SmtpDeliveryOptions>;
  readonly localParts?: readonly string[];
  readonly message?: AsyncIterable<Uint8Array>;
  /** False for a fake that has stopped reading, and so never sees the end. */
  readonly awaitsClose?: boolean;
}

/** Starts a fake next hop, sends one message through a new target, and takes both down. */
export async function attempt(options: AttemptOptions): Promise<Attempt> {
  const {
    route = "smtp://127.0.0.1:PORT",
    localParts = ["a"],
    message = messageOf("Subject: x\r\n\r\nhello\r\n"),
  } = options;
  const hop = await startFakeNextHop(options.hop);
  const target = createTarget(options.target);
  try {
    const mail = target.begin(parseOperatorDelivery(route.replace("PORT", String(hop.port))), {
      ...plainMail,
      parameters: { ...plainMail.parameters, ...options.parameters },
      ...options.mail,
    });
    const recipients: DeliveryReply[] = [];
    for (const localPart of localParts) recipients.push(await mail.recipient({ localPart, domain }));
    const isAnyAccepted = recipients.some(({ kind }) => kind === "accepted");
    const reply = isAnyAccepted ? await mail.message(message) : null;
    mail.abort();
    if (options.awaitsClose !== false) await hop.allClosed();
    return { recipients, message: reply, hop };
  } finally {
    await target.close();
    await hop.close();
  }
}

/** `accepted`, or the reply line and its cause. */
export function said(reply: DeliveryReply | null | undefined): string {
  if (reply === null || reply === undefined) return "nothing";
  return reply.kind === "accepted" ? "accepted" : `${String(reply.code)} ${reply.text} (${reply.cause})`;
}
