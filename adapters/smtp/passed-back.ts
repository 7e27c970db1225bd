/** Replies of a next hop as the replies that the client receives. */

import { mailboxText, type Mailbox } from "../../core/name/mailbox.ts";
import { type DeliveryRefusal, refused } from "../../core/delivery/delivery-refusals.ts";
import type { SmtpReply } from "./reply-parser.ts";

/** Octets of a whole reply line without CRLF, code and blank included (semantics.md section 4). */
const LONGEST_REPLY = 500;
const CODE_AND_BLANK = 4;
/** RFC 3463 section 2, at the front of a line. */
const ENHANCED_CODE = /^([245])\.\d{1,3}\.\d{1,3}(?:[ \t]+|$)/;

/**
 * The next hop's 4xx or 5xx as our client reads it: one line of printable ASCII with an enhanced status code
 * in front. 421 would close our client's connection, which has nothing to do with this one, so it becomes
 * 451.
 */
export function passedBack(reply: SmtpReply): DeliveryRefusal {
  const code = reply.code === 421 ? 451 : reply.code;
  const severity = String(code).charAt(0);
  const lines = reply.lines.map((line) => printable(line));
  const [first = ""] = lines;
  const enhanced = ENHANCED_CODE.exec(first);
  const status = enhanced !== null && enhanced[1] === severity ? enhanced[0].trim() : `${severity}.0.0`;
  const words = lines.map((line) => line.replace(ENHANCED_CODE, "").trim()).filter((line) => line !== "");
  const text = `${status} ${words.join(" ") || "The next hop gave no reason"}`;
  return {
    kind: "refused",
    code,
    text: fitting(text),
    cause: "passed-back",
    nextHopReply: nextHopReply(reply),
  };
}

/**
 * Code and enhanced code of a reply, for the log: the text behind them may name a recipient or repeat a
 * password.
 */
export function nextHopReply({ code, lines: [first = ""] }: SmtpReply): string {
  const enhanced = ENHANCED_CODE.exec(printable(first));
  return enhanced === null ? String(code) : `${String(code)} ${enhanced[0].trim()}`;
}

/** What the dot came to for one recipient of an LMTP transaction (RFC 2033 section 4.2). */
export interface LmtpOutcome {
  readonly mailbox: Mailbox;
  readonly reply: SmtpReply;
}

/**
 * One answer for all, since SMTP has no other: what some recipients have already may come to them again, but
 * nothing is lost. Null = accepted for all.
 */
export function lmtpRefusal(outcomes: readonly LmtpOutcome[]): DeliveryRefusal | null {
  const failed = outcomes.filter(({ reply }) => reply.code >= 400);
  const [first] = failed;
  if (first === undefined) return null;
  // Addresses of people are in the reply to the client, which has named them, and not in the log.
  const told = {
    phase: "dot",
    nextHopReply: nextHopReply(first.reply),
    detail: `${String(failed.length)} of ${String(outcomes.length)} recipients`,
  } as const;
  const names = failed.map(({ mailbox }) =>
    printable(Buffer.from(mailboxText(mailbox), "utf8").toString("latin1")),
  );
  // 530 is the next hop's trouble with us, and never a reason to bounce (semantics.md section 4).
  if (failed.some(({ reply }) => reply.code < 500 || reply.code === 530))
    return refused("some-deferred", "passed-back", told);
  const text = `5.0.0 Not delivered to ${names.join(", ")}`;
  return { kind: "refused", code: 554, text: fitting(text), cause: "passed-back", ...told };
}

const printable = (text: string): string => text.replaceAll("\t", " ").replace(/[^\x20-\x7e]/g, "?");

function fitting(text: string): string {
  const room = LONGEST_REPLY - CODE_AND_BLANK;
  return text.length <= room ? text.trimEnd() : `${text.slice(0, room - 3)}...`;
}
