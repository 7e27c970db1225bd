/**
 * A message from DATA's 354 to its dot: deadlines, size, and the rest of a message that was refused early.
 */
import type { Readable } from "node:stream";
import type { Limits } from "../config/limits.ts";
import { DataDeadline, type WatchedStream } from "./deadlines.ts";
import type { SmtpReply } from "../../core/smtp/replies.ts";
import type { EndingLimit } from "./limit-replies.ts";

/** A message from `354` to its dot, dots unstuffed. */
export type MessageStream = Readable & WatchedStream;

export interface ReceptionOptions {
  readonly limits: Limits;
  /** Takes the message; the reply is for when its dot has come. Never rejects. */
  readonly transfer: (stream: MessageStream) => Promise<SmtpReply>;
  /** Ends the session at a limit. */
  readonly cutAt: (limit: EndingLimit, reply?: SmtpReply) => void;
  /** False once the connection has ended or is ending. */
  readonly isOpen: () => boolean;
}

/**
 * How far a message over the size limit is still read, so that its sender receives 552 rather than a reset.
 */
const OVERRUN_BYTES = 1_048_576;

/** From `354` to the reply; null = the client can no longer receive one. Never rejects. */
export async function receiveMessage(
  stream: MessageStream,
  { limits, transfer, cutAt, isOpen }: ReceptionOptions,
): Promise<SmtpReply | null> {
  // smtp-server destroys the stream when the client leaves before its dot: then nothing is delivered.
  stream.on("error", () => undefined);
  const deadline = new DataDeadline(stream, limits, (limit) => {
    cutAt(limit);
    stream.destroy(new Error("cut"));
  });
  const reply = await transfer(stream);
  const overrun = limits.maxMessageBytes + OVERRUN_BYTES;
  if (isOpen() && !(await discardRest(stream, overrun))) {
    cutAt("maxMessageBytes", reply);
    stream.destroy();
  }
  deadline.stop();
  return isOpen() ? reply : null;
}

/**
 * A message that was refused early comes to its dot before its sender listens.
 *
 * @returns false when it went on beyond so many octets.
 */
function discardRest(stream: MessageStream, maxOctets: number): Promise<boolean> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    stream.once("end", () => resolve(true));
    stream.once("close", () => resolve(true));
    stream.on("data", () => {
      if (stream.byteLength > maxOctets) resolve(false);
    });
  });
}
