import type { PeerCertificate } from "../../core/x509/peer-certificate.ts";
import { timestamp } from "../../core/clock.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import type { Verdict } from "../../core/policy/verdict.ts";
import type { LimitName } from "../config/limits.ts";
import { printable } from "../../core/smtp/printable.ts";
import type {
  RecordedCertificate,
  RecordedRecipient,
  SessionEnd,
  SessionRecord,
} from "../event/session-record.ts";

/** What never changes during a session. */
export interface SessionIdentity {
  readonly id: string;
  readonly listener: string;
  readonly client: string;
  readonly clientPort: number;
  readonly startedAtMs: number;
  readonly revision: number;
}

const MAX_RECIPIENTS = 50;
const MAX_NAMES = 10;

/** Gathers numbers and a bounded number of facts while a session runs; writes its one record at the end. */
export class SessionLog {
  readonly #identity: SessionIdentity;
  readonly #recipients: RecordedRecipient[] = [];
  #recipientCount = 0;
  #end: SessionEnd | null = null;
  #limit: LimitName | null = null;
  commands = 0;
  errors = 0;
  refusedRecipients = 0;
  refusedMessages = 0;
  messages = 0;
  failedMessages = 0;
  bytes = 0;
  helo: string | null = null;
  senderDomain: string | null = null;
  tls: TlsFacts | null = null;

  constructor(identity: SessionIdentity) {
    this.#identity = identity;
  }

  recipient(domain: string, verdict: Verdict, reply: string): void {
    this.#recipientCount += 1;
    if (this.#recipients.length >= MAX_RECIPIENTS) return;
    const { outcome, reason, circumstance, exception, clientCertificate, detail } = verdict;
    this.#recipients.push({
      domain: printable(domain),
      outcome,
      reason,
      circumstance,
      exception,
      clientCertificate,
      detail: detail === null ? null : printable(detail, 200),
      reply,
    });
  }

  /** The first cause stands: what follows from it is not another one. */
  end(end: SessionEnd, limit: LimitName | null = null): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#limit = limit;
  }

  record(nowMs: number): SessionRecord {
    const { startedAtMs, ...identity } = this.#identity;
    return {
      ...identity,
      startedAt: timestamp(startedAtMs),
      milliseconds: nowMs - startedAtMs,
      helo: this.helo === null ? null : printable(this.helo),
      senderDomain: this.senderDomain === null ? null : printable(this.senderDomain),
      tls: this.tls === null ? null : tlsRecord(this.tls),
      commands: this.commands,
      errors: this.errors,
      messages: this.messages,
      failedMessages: this.failedMessages,
      bytes: this.bytes,
      recipients: this.#recipients,
      recipientCount: this.#recipientCount,
      refusedRecipients: this.refusedRecipients,
      refusedMessages: this.refusedMessages,
      end: this.#end ?? "client-left",
      limit: this.#limit,
    };
  }
}

function tlsRecord({ protocol, cipher, sni, asked, peer }: TlsFacts): SessionRecord["tls"] {
  return { protocol, cipher, sni, asked, certificate: peer === null ? null : certificateRecord(peer) };
}

function certificateRecord(peer: PeerCertificate): RecordedCertificate {
  const { trustHash, ok, code } = peer.handshake;
  return {
    fingerprintSha256: peer.fingerprintSha256,
    spkiPin: peer.spkiPin,
    names: peer.dnsNames.slice(0, MAX_NAMES).map((name) => printable(name)),
    notAfter: dateText(peer.notAfter),
    handshake: trustHash === null ? "not-verified" : ok ? "ok" : (code ?? "failed"),
  };
}

/** A certificate may carry any date; what JavaScript cannot hold is no reason to lose the record. */
function dateText(epochMs: number): string {
  return Math.abs(epochMs) <= 8.64e15 ? timestamp(epochMs) : "out of range";
}
