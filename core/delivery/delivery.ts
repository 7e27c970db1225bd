import type { DomainName } from "../domain-name/domain-name.ts";

/** A mailbox as it came in RCPT: the local part byte for byte (UTF-8), the domain canonical. */
export interface Mailbox {
  readonly localPart: string;
  readonly domain: DomainName;
}

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
      /** The operator's own DELIVERY is trusted; one set through the API is checked against DELIVERY_ALLOW. */
      readonly setBy: "operator" | "api";
      /** AUTH PLAIN for the operator's own next hop only. Secret. */
      readonly credentials: { readonly user: string; readonly password: string } | null;
    }
  | { readonly kind: "maildir"; readonly directory: string }
  | { readonly kind: "s3"; readonly bucket: string; readonly prefix: string };

/** A route that leads to another mail server. */
export type NextHopRoute = Extract<DeliveryRoute, { kind: "smtp" | "smtps" | "lmtp" }>;

/**
 * An answer to pass back. `code` is 4xx or 5xx, never 421; `text` is one line of printable ASCII that starts with an
 * enhanced status code (RFC 3463) and is at most 500 octets with the code.
 */
export type DeliveryReply =
  | { readonly kind: "accepted" }
  | {
      readonly kind: "refused";
      readonly code: number;
      readonly text: string;
      readonly cause: DeliveryFailure;
      /** For the operator's log, never for the reply: printable ASCII, at most 300 characters, no secret. */
      readonly detail?: string;
    };

/**
 * Why mail was not taken; counted in metrics. `passed-back` is the next hop's own word. `protocol`: it speaks no SMTP.
 * `message`: the message broke off or was not clean while it was handed over.
 */
export type DeliveryFailure =
  | "passed-back"
  | "connect"
  | "greeting"
  | "tls"
  | "auth"
  | "timeout"
  | "dropped"
  | "protocol"
  | "message"
  | "extension-missing"
  | "not-allowed"
  | "loop"
  | "storage";

/** One mail transaction on its way to one route. Calls come in order: recipient (1..n), then message or abort. */
export interface DeliveryTransaction {
  /** Offers one recipient; the next hop is connected to at the first. Never rejects. */
  recipient(mailbox: Mailbox): Promise<DeliveryReply>;
  /**
   * Hands over the message, CRLF lines, dots not stuffed, headers of ours on top. `accepted` means that the next hop
   * or durable storage has it for every accepted recipient. When `message` throws, nothing is delivered, and the
   * reply is `refused`: that of a MessageRefused, else `451 4.3.0`. Never rejects. Ends the transaction.
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
