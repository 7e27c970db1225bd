/** What refusals count as, which of them count together, and which limit they exceed. */
import type { LimitName, Limits } from "../config/limits.ts";
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";
import type { SessionLog } from "./session-log.ts";

/**
 * What a refusal counts as. Errors of the protocol, refused recipients and refused messages have a limit
 * each; `nothing` is for a refusal that follows from another one.
 */
export type Counting = "command" | "recipient" | "message" | "nothing";

export interface CommandAnswer {
  readonly reply: SmtpReply;
  readonly countsAs: Counting;
}

/**
 * Counts a refusal. Our own trouble (451, 452) is no error of the client.
 *
 * @returns the limit that it exceeds and that ends the session now; null = answer as planned.
 */
export function limitPassed(
  log: SessionLog,
  limits: Limits,
  { code, countsAs }: { readonly code: number; readonly countsAs: Counting },
): Extract<LimitName, "maxErrors" | "maxRefusedRecipients"> | null {
  if (code < 400 || code === 451 || code === 452) return null;
  switch (countsAs) {
    case "nothing":
      return null;
    case "message":
      // Each sender has to learn what became of its message, so this limit is judged at the next MAIL.
      log.refusedMessages += 1;
      return null;
    case "recipient":
      log.refusedRecipients += 1;
      return log.refusedRecipients > limits.maxRefusedRecipients ? "maxRefusedRecipients" : null;
    case "command":
      log.errors += 1;
      return log.errors > limits.maxErrors ? "maxErrors" : null;
    default:
      return countsAs satisfies never;
  }
}

/** Whether the session has had as many refused messages as it may. */
export const hasRefusedEnough = (log: SessionLog, limits: Limits): boolean =>
  log.refusedMessages >= limits.maxRefusedMessages;

/** Command that was refused. */
interface Refusal {
  readonly verb: string;
  readonly reply: SmtpReply;
  /** Whether a line that begins with MAIL, RCPT or DATA is no command: `Mail order …` in a message. */
  readonly isText: boolean;
}

/**
 * Commands whose refusal has consequences: later commands lack a state, or lines follow that are no commands.
 */
type Cause = "greeting" | "STARTTLS" | "RSET" | "MAIL" | "DATA" | "AUTH";

const CAUSES: ReadonlyMap<string, Cause> = new Map([
  ["EHLO", "greeting"],
  ["HELO", "greeting"],
  ["STARTTLS", "STARTTLS"],
  ["RSET", "RSET"],
  ["MAIL", "MAIL"],
  ["DATA", "DATA"],
  ["BDAT", "DATA"],
  ["AUTH", "AUTH"],
]);

/** `consequence`: refused because of the cause. `text`: not meant as a command. `own`: neither. */
type Link = "consequence" | "text" | "own";

const isOutOfOrder = ({ verb, reply }: Refusal): boolean =>
  verb !== "MAIL" && (reply === REPLIES.needMail || reply === REPLIES.needGreeting);
const isTransactionCommand = (verb: string): boolean => verb === "MAIL" || verb === "RCPT" || verb === "DATA";
const consequenceIf = (follows: boolean): Link => (follows ? "consequence" : "own");

const LINKS: Readonly<Record<Cause, (refusal: Refusal) => Link>> = {
  // HELO after a refused EHLO is the fallback of RFC 5321 section 3.2.
  greeting: ({ verb, reply }) =>
    consequenceIf(reply === REPLIES.needGreeting || verb === "HELO" || verb === "BDAT"),
  STARTTLS: ({ reply }) => consequenceIf(reply === REPLIES.mailNeedsTls),
  RSET: ({ reply }) => consequenceIf(reply === REPLIES.nestedMail),
  MAIL: (refusal) => consequenceIf(isOutOfOrder(refusal) || refusal.verb === "BDAT"),
  // Behind DATA and BDAT comes the message of a client that reads no replies.
  DATA(refusal) {
    if (refusal.isText || !isTransactionCommand(refusal.verb)) return "text";
    return consequenceIf(isOutOfOrder(refusal));
  },
  // The lines of its exchange (RFC 4954 section 4).
  AUTH: ({ verb, reply }) => consequenceIf(reply.code === 500 && !CAUSES.has(verb)),
};

const COMMAND = /^(?:MAIL +FROM *:|RCPT +TO *:|DATA$)/i;

/**
 * The last refused command and what follows from it: a client that pipelines had sent it before it could
 * receive the refusal (RFC 2920 section 3.1), and one that reads no replies goes on all the same. One cause
 * counts once; `maxCommands` bounds what follows.
 */
export class RefusedGroup {
  #cause: { readonly kind: Cause; readonly counted: boolean } | null = null;

  /** A command was accepted behind which nothing follows from an earlier refusal. */
  clear(): void {
    this.#cause = null;
  }

  /**
   * @returns the answer to a refused command, as it counts here. `line`: the command, where it was read as
   *   MAIL, RCPT or DATA.
   */
  counted(answer: CommandAnswer, verb: string, line: Buffer | null): CommandAnswer {
    const { reply, countsAs } = answer;
    const isText = line !== null && !COMMAND.test(line.toString("latin1"));
    const cause = this.#cause;
    const link = cause === null ? "own" : LINKS[cause.kind]({ verb, reply, isText });
    const wasCounted = link !== "own" && cause?.counted === true;
    const isFree = link === "consequence" || (link === "text" && wasCounted);
    const kind = link === "text" ? cause?.kind : CAUSES.get(verb);
    if (kind !== undefined)
      this.#cause = { kind, counted: wasCounted || (!isFree && countsAs === "command") };
    // A recipient that is refused for itself belongs to the transaction that is open.
    else if (link === "own" && verb === "RCPT") this.#cause = null;
    return isFree ? { reply, countsAs: "nothing" } : answer;
  }
}
