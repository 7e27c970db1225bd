import type { Mailbox } from "../../core/name/mailbox.ts";
import type {
  DeliveryReply,
  DeliveryRoute,
  DeliveryTarget,
  MailTransaction,
} from "../../core/delivery/delivery.ts";
import { MessageRefused } from "../../core/delivery/delivery-refusals.ts";

/** One message that was taken, or a transaction that came to another end. */
export interface Delivered {
  readonly route: DeliveryRoute;
  readonly mail: MailTransaction;
  readonly recipients: Mailbox[];
  /** null = no message came whole. */
  content: string | null;
  aborted: boolean;
}

export interface RecordingDelivery extends DeliveryTarget {
  readonly transactions: Delivered[];
  /** Those whose message came whole. */
  readonly messages: readonly Delivered[];
  /** What the next hop says of a recipient; the default accepts every recipient. */
  onRecipient: (mailbox: Mailbox) => DeliveryReply | Promise<DeliveryReply>;
  /** What it says after the dot. */
  onMessage: (content: string) => DeliveryReply | Promise<DeliveryReply>;
}

const ACCEPTED: DeliveryReply = { kind: "accepted" };

/** A delivery that keeps everything in memory, and answers as a test tells it. */
export function recordingDelivery(): RecordingDelivery {
  const transactions: Delivered[] = [];
  const target: RecordingDelivery = {
    transactions,
    get messages() {
      return transactions.filter(({ content }) => content !== null);
    },
    onRecipient: () => ACCEPTED,
    onMessage: () => ACCEPTED,
    begin(route, mail) {
      const delivered: Delivered = { route, mail, recipients: [], content: null, aborted: false };
      transactions.push(delivered);
      return {
        async recipient(mailbox) {
          const reply = await target.onRecipient(mailbox);
          if (reply.kind === "accepted") delivered.recipients.push(mailbox);
          return reply;
        },
        async message(message) {
          const content = await readAll(message);
          if (typeof content !== "string") return content;
          const reply = await target.onMessage(content);
          if (reply.kind === "accepted") delivered.content = content;
          return reply;
        },
        abort() {
          delivered.aborted = true;
        },
      };
    },
    async close() {},
  };
  return target;
}

async function readAll(message: AsyncIterable<Uint8Array>): Promise<string | DeliveryReply> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of message) chunks.push(Buffer.from(chunk));
  } catch (error) {
    if (error instanceof MessageRefused) return error.reply;
    return { kind: "refused", code: 451, text: "4.3.0 broken off", cause: "message" };
  }
  return Buffer.concat(chunks).toString("latin1");
}
