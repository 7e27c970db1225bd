/** A message of a transaction on its way to the delivery, with its trace headers and its reply. */
import type { Readable } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import type { DeliveryReply } from "../../core/delivery/delivery.ts";
import type { LongLines } from "../../core/delivery/line-ends.ts";
import { describeRoute } from "../../core/delivery/route.ts";
import { clientStatement, posternTlsHeader, receivedHeader } from "../../core/delivery/trace-headers.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import type { LimitName, Limits } from "../config/limits.ts";
import type { EdgeEvent, EdgeEventSink } from "../event/edge-event.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { ClientGreeting } from "./client-command.ts";
import { deliveryFailed } from "./delivery-failure.ts";
import { IncomingMessage, type MessageFailure } from "./message.ts";
import { messageOk, passedBack, REPLIES, replyKey, type SmtpReply } from "../../core/smtp/replies.ts";
import type { SessionLog } from "./session-log.ts";
import type { Transaction } from "./transaction.ts";

/** How this edge treats the octets of a message. */
export interface MessageOptions {
  /**
   * What a bare CR, a bare LF or a NUL leads to: `550 5.6.0`, or the line ends are made CRLF and NUL is
   * dropped.
   */
  readonly lineEnds: "refuse" | "normalise";
  /** What a line over 998 octets leads to: it is passed on unchanged, or `550 5.6.0`. */
  readonly longLines: LongLines;
}

export interface TransferServices {
  /** SMTP_NAME, for `Received: by`. */
  readonly name: string;
  readonly limits: Limits;
  readonly messages: MessageOptions;
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly onEvent: EdgeEventSink;
}

export interface MessageTransfer {
  /** Shown in `Received` and in the reply, by which the operator finds the message. */
  readonly id: string;
  readonly transaction: Transaction;
  readonly connection: AcceptedConnection;
  readonly greeting: ClientGreeting | null;
  readonly tls: TlsFacts | null;
  readonly services: TransferServices;
  readonly log: SessionLog;
}

/** Refusals of a message that are limits of worker/config/limits.ts, by what is answered. */
const LIMIT_OF_REPLY: ReadonlyMap<string, LimitName> = new Map([
  ["552 5.3.4", "maxMessageBytes"],
  ["554 5.4.6", "maxReceivedHeaders"],
  ["452 4.3.1", "maxBytesInFlight"],
]);

/**
 * Hands one message from the client to the delivery. Never rejects. The answer is 250 only when the delivery
 * has all of it.
 */
export async function transferMessage(stream: Readable, transfer: MessageTransfer): Promise<SmtpReply> {
  const { transaction, services } = transfer;
  const { limits, messages, budget, clock, onEvent } = services;
  const startedAtMs = clock.now();
  const incoming = new IncomingMessage(stream, traceHeaders(transfer, startedAtMs), {
    filter: {
      maxMessageBytes: limits.maxMessageBytes,
      maxReceivedHeaders: limits.maxReceivedHeaders,
      ...messages,
    },
    budget,
  });
  const { log } = transfer;
  // Until it is accepted; whatever ends it.
  log.failedMessages += 1;
  try {
    const reply = await transaction.deliver(incoming);
    if (incoming.failure !== null) return failed(incoming.failure, transfer);
    if (reply.kind === "refused") return refused(reply, transfer);
    // A delivery that accepts a message without reading it to its end would lose mail.
    if (!incoming.complete)
      throw new Error("the delivery accepted a message that it did not read to its end");
    return accepted(transfer, incoming.octets, clock.now() - startedAtMs);
  } catch (error) {
    onEvent({ kind: "internal-error", where: "message", error });
    return REPLIES.internalError;
  } finally {
    incoming.release();
  }
}

function accepted(transfer: MessageTransfer, bytes: number, milliseconds: number): SmtpReply {
  const { log, connection, transaction } = transfer;
  const { route, accepted: recipients } = transaction;
  log.failedMessages -= 1;
  log.messages += 1;
  log.bytes += bytes;
  if (route !== null)
    emit(transfer, {
      kind: "message-accepted",
      listener: connection.listener.name,
      route: route.kind,
      nextHop: describeRoute(route),
      bytes,
      recipients: recipients.length,
      milliseconds,
    });
  return messageOk(transfer.id);
}

function failed(failure: MessageFailure, transfer: MessageTransfer): SmtpReply {
  const listener = transfer.connection.listener.name;
  if (failure.kind === "broken-off") {
    emit(transfer, { kind: "message-aborted", listener, session: transfer.connection.id });
    return REPLIES.internalError;
  }
  const reply = replyKey(failure.reply);
  emit(transfer, { kind: "message-refused", listener, reply });
  const limit = LIMIT_OF_REPLY.get(reply);
  if (limit !== undefined) emit(transfer, { kind: "limit-hit", listener, limit });
  return failure.reply;
}

function refused(reply: Extract<DeliveryReply, { kind: "refused" }>, transfer: MessageTransfer): SmtpReply {
  const { connection, transaction } = transfer;
  const { route, accepted: recipients } = transaction;
  const domains = recipients.map(({ domain }) => domain);
  if (route !== null) emit(transfer, deliveryFailed({ connection, route, stage: "message", domains, reply }));
  return passedBack(reply.code, reply.text);
}

const emit = ({ services }: MessageTransfer, event: EdgeEvent): void => services.onEvent(event);

/** `Received:` above `Postern-TLS:`, as octets. */
function traceHeaders(transfer: MessageTransfer, receivedAtMs: number): Uint8Array {
  const { id, transaction, connection, greeting, tls, services } = transfer;
  const { accepted: recipients, mail } = transaction;
  const received = receivedHeader({
    helo: greeting?.text ?? "",
    extended: greeting?.extended ?? false,
    clientAddress: connection.clientAddress,
    serverName: services.name,
    cipher: tls?.cipher ?? null,
    smtpUtf8: mail.parameters.smtpUtf8,
    id,
    recipients: recipients.map(({ mailbox }) => mailbox),
    receivedAtMs,
  });
  const statement = posternTlsHeader({
    tls,
    client: clientStatement(recipients),
    subjectName: tls?.peer?.subjectName ?? null,
    revision: connection.snapshot.revision,
  });
  return Buffer.from(received + statement, "utf8");
}
