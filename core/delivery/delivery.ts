/** The port that mail is handed to, and its routes, replies and failures. */
import type { Mailbox } from "../name/mailbox.ts";

/** Parameters of MAIL that are passed on (RFC 1870, 6152, 6531, 8689). */
export interface MailParameters {
  /** Octets the client declared; null = not declared. */
  readonly size: number | null;
  readonly body: "7BIT" | "8BITMIME" | null;
  readonly smtpUtf8: boolean;
  readonly requireTls: boolean;
}

/** The reverse path, `null` = `<>`; text as it came, checked, without angle brackets. */
export interface MailTransaction {
  readonly reversePath: string | null;
  readonly parameters: MailParameters;
  /** For XFORWARD (Postfix XFORWARD_README): NAME ADDR HELO. */
  readonly client: { readonly address: string; readonly helo: string };
}

/** Where mail of a domain goes: parsed once when settings or configuration are read. */
export type DeliveryRoute =
  | {
      readonly kind: "smtp" | "smtps" | "lmtp";
      readonly host: string;
      readonly port: number;
      /** `require` = verified certificate. */
      readonly tls: "require" | "opportunistic";
      /**
       * The operator's own DELIVERY is trusted; one set through the API is checked against DELIVERY_ALLOW.
       */
      readonly setBy: "operator" | "api";
      /** AUTH PLAIN for the operator's own next hop only. Secret. */
      readonly credentials: { readonly user: string; readonly password: string } | null;
    }
  | { readonly kind: "maildir"; readonly directory: string }
  | { readonly kind: "s3"; readonly bucket: string; readonly prefix: string };

/** A route that leads to another mail server. */
export type NextHopRoute = Extract<DeliveryRoute, { kind: "smtp" | "smtps" | "lmtp" }>;

/**
 * An answer to pass back. `code` is 4xx or 5xx, never 421; `text` is one line of printable ASCII that starts
 * with an enhanced status code (RFC 3463) and is at most 500 octets with the code.
 */
export type DeliveryReply =
  | { readonly kind: "accepted" }
  | ({
      readonly kind: "refused";
      readonly code: number;
      readonly text: string;
      readonly cause: DeliveryFailure;
    } & DeliveryDetails);

/**
 * Facts about a failure for the operator's log, never for the reply. No secret, and no address of a person.
 */
export interface DeliveryDetails {
  /** Absent = no next hop took part. */
  readonly phase?: DeliveryPhase | undefined;
  /** The next hop's reply code with its enhanced code, `550 5.1.1`; its text may name recipients. */
  readonly nextHopReply?: string | undefined;
  /** Printable ASCII, at most 300 characters. */
  readonly detail?: string | undefined;
}

/** Causes of a failed delivery: a closed list, since log, metrics and dashboard use it. */
export const DELIVERY_FAILURES = [
  /** A 4xx or 5xx of the next hop to MAIL, RCPT, DATA or the message. */
  "passed-back",
  /** DNS has no usable address. */
  "lookup-failed",
  "connection-refused",
  /** No route to the host or its network. */
  "unreachable",
  /** Another error of the system's connect. */
  "connect-failed",
  /** The next hop refuses the connection, EHLO or LHLO. */
  "greeting-refused",
  "starttls-missing",
  "starttls-refused",
  /** No common version or cipher, an alert, or a connection that ended in the handshake. */
  "tls-failed",
  /** The next hop's certificate is out of its validity period. */
  "certificate-expired",
  "certificate-name-mismatch",
  /** Self-signed, of an unknown authority, or with another fault of its chain. */
  "certificate-untrusted",
  /** The route has a password, and the next hop does not offer AUTH PLAIN. */
  "auth-missing",
  "auth-refused",
  /** `phase` is the step. */
  "timeout",
  /** The next hop closed the connection; `phase` is the step. */
  "dropped",
  /** The reply is not SMTP, or answers no question. */
  "protocol",
  /** The message broke off or was not clean while it was handed over. */
  "message",
  "extension-missing",
  "not-allowed",
  "loop",
  "storage-full",
  /** No permission, or a read-only file system. */
  "storage-denied",
  /** The directory or the bucket does not exist. */
  "storage-missing",
  "storage-timeout",
  "storage-failed",
  /** No adapter for this kind of route. */
  "not-configured",
] as const;
export type DeliveryFailure = (typeof DELIVERY_FAILURES)[number];

/** Steps of a transaction with a next hop, in their order. */
export const DELIVERY_PHASES = [
  "lookup",
  "connect",
  "tls",
  "greeting",
  /** EHLO or LHLO. */
  "hello",
  "starttls",
  "auth",
  /** XFORWARD and MAIL. */
  "mail",
  "recipient",
  "data",
  /** From 354 to the dot. */
  "message",
  /** The replies to the dot. */
  "dot",
] as const;
export type DeliveryPhase = (typeof DELIVERY_PHASES)[number];

/**
 * One mail transaction on its way to one route. Calls come in order: recipient (1..n), then message or abort.
 */
export interface DeliveryTransaction {
  /** Offers one recipient; the next hop is connected to at the first. Never rejects. */
  recipient(mailbox: Mailbox): Promise<DeliveryReply>;
  /**
   * Hands over the message, CRLF lines, dots not stuffed, our headers on top. `accepted` means that the next
   * hop or durable storage has it for every accepted recipient. When `message` throws, nothing is delivered,
   * and the reply is `refused`: that of a MessageRefused, else `451 4.3.0`. Never rejects. Ends the
   * transaction.
   */
  message(message: AsyncIterable<Uint8Array>): Promise<DeliveryReply>;
  /** RSET, a lost client, or no accepted recipient. Idempotent; a no-op after `message`. */
  abort(): void;
}

/**
 * Takes mail for one kind of route. Every implementation passes test/contract/delivery-target.contract.ts.
 */
export interface DeliveryTarget {
  begin(route: DeliveryRoute, transaction: MailTransaction): DeliveryTransaction;
  /** Ends idle connections to next hops. */
  close(): Promise<void>;
}
