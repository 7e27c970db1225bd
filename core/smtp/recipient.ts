/** The recipient that a RCPT names, and the reply where its domain refuses it. */
import type { DeliveryRoute } from "../delivery/delivery.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import type { Mailbox } from "../name/mailbox.ts";
import type { ListenerView } from "../policy/facts.ts";
import type { JudgedRecipient } from "../policy/recipient-judge.ts";
import type { Path } from "./address-command.ts";
import { type SmtpReply, verdictReply } from "./replies.ts";

export interface Recipient {
  /** For replies and logs: the domain as it is or was written. */
  readonly name: string;
  /** null = the client wrote no domain name. */
  readonly domain: DomainName | null;
  /** As written. */
  readonly localPart: string;
}

interface Place extends Pick<ListenerView, "dedicatedTo"> {
  /** Where bare `<postmaster>` goes on a shared listener; null = it is refused there. */
  readonly postmaster: Mailbox | null;
}

/**
 * Bare postmaster belongs to the domain of a dedicated listener, and to the operator on a shared one.
 *
 * @returns null when no mailbox is set for bare postmaster.
 */
export function recipientOf(path: Path, { dedicatedTo, postmaster }: Place): Recipient | null {
  if (path.kind === "mailbox") {
    const domain = toDomainName(path.domain);
    return { name: domain ?? path.domain, domain, localPart: path.localPart };
  }
  if (dedicatedTo !== null) return { name: dedicatedTo, domain: dedicatedTo, localPart: "postmaster" };
  return postmaster === null ? null : { name: postmaster.domain, ...postmaster };
}

/** The reply to a recipient that its domain refuses or defers; null = the recipient passes. */
export function refusalOf({ verdict, settings }: JudgedRecipient, recipientName: string): SmtpReply | null {
  const { outcome, reason } = verdict;
  if (outcome === "accept" || reason === null) return null;
  return verdictReply({ ...verdict, reason }, recipientName, settings);
}

/** Whether mail goes on by SMTP or LMTP, so that a routed address could make the next hop relay. */
export const isNextHop = ({ kind }: Pick<DeliveryRoute, "kind">): boolean =>
  kind === "smtp" || kind === "smtps" || kind === "lmtp";
