/** Replies that end a session at a limit. */
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";
import type { LimitName } from "../config/limits.ts";

/**
 * What ends a session at a limit; `maxMessageBytes` when the client keeps sending after its message was
 * refused.
 */
export const LIMIT_REPLIES = {
  greetingDelayMs: REPLIES.earlyTalker,
  commandMs: REPLIES.commandTimeout,
  sessionMs: REPLIES.sessionTimeout,
  dataMs: REPLIES.dataTimeout,
  dataMinBytesPerSecond: REPLIES.dataTooSlow,
  maxCommands: REPLIES.tooManyCommands,
  maxCommandBytes: REPLIES.commandTooLong,
  maxErrors: REPLIES.tooManyErrors,
  maxRefusedRecipients: REPLIES.tooManyRefused,
  maxRefusedMessages: REPLIES.tooManyRefusedMessages,
  maxMessageBytes: REPLIES.messageOverSize,
} as const satisfies Readonly<Partial<Record<LimitName, SmtpReply>>>;

/** The limits that end a session. */
export type EndingLimit = keyof typeof LIMIT_REPLIES;
