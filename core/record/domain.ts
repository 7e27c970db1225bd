/** The stored domain and its settings. */

import type { WarningCode } from "./warning-code.ts";
import type { Labels } from "./labels.ts";
import type { NamePattern, DomainName } from "../name/domain-name.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { Timestamp } from "../clock.ts";

/** No, Accept or Require TLS encryption (semantics.md section 1). Ordered from loosest to strictest. */
export const TLS_LEVELS = ["none", "accept", "require"] as const;
export type TlsLevel = (typeof TLS_LEVELS)[number];

/** Do not request, Request or Require a client certificate. Ordered from loosest to strictest. */
export const CLIENT_CERTIFICATE_MODES = ["none", "request", "require"] as const;
export type ClientCertificateMode = (typeof CLIENT_CERTIFICATE_MODES)[number];

export const MIN_VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
export type MinVersion = (typeof MIN_VERSIONS)[number];

export const NAME_MATCHES = ["any", "helo", "list"] as const;
export type NameMatch = (typeof NAME_MATCHES)[number];

export const PURPOSES = ["clientAuth", "clientAuthOrServerAuth"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** What a failure in rows 3 to 8 of the verdict table leads to: recorded only, 4xx, 5xx. */
export const ENFORCEMENTS = ["observe", "defer", "reject"] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

export const DELIVERY_TLS = ["require", "opportunistic"] as const;
export type DeliveryTls = (typeof DELIVERY_TLS)[number];

/** `sha256//` and the base64 of the SHA-256 of a leaf's SubjectPublicKeyInfo. */
export type SpkiPin = string;

export interface ClientTrust {
  readonly publicRoots: boolean;
  readonly trustStoreIds: readonly TrustStoreId[];
  readonly pins: readonly SpkiPin[];
}

export interface ClientCertificateSettings {
  readonly mode: ClientCertificateMode;
  readonly trust: ClientTrust;
  readonly names: { readonly match: NameMatch; readonly allowed: readonly NamePattern[] };
  readonly purpose: Purpose;
}

/** All keys that are present must hold; at least one is. */
export interface ExceptionMatch {
  /** IPv4 or IPv6 network in CIDR notation, host bits zero. */
  readonly clientCidr?: string | undefined;
  /** The domain of MAIL FROM: unauthenticated. */
  readonly senderDomain?: DomainName | undefined;
  /** A dNSName that a client certificate, valid for this domain, carries. */
  readonly clientName?: NamePattern | undefined;
  /** One mailbox of the domain, in canonical spelling: see `parseMailbox` and `mailboxKey`. */
  readonly recipient?: string | undefined;
}

/** Another rule for a named sender or recipient. */
export interface TlsException {
  readonly match: ExceptionMatch;
  readonly level?: TlsLevel | undefined;
  readonly clientCertificateMode?: ClientCertificateMode | undefined;
  readonly reason: string;
  readonly expiresAt?: Timestamp | undefined;
}

export interface TlsSettings {
  readonly server: {
    readonly level: TlsLevel;
    /**
     * The certificate presented for this domain's MX hosts; null = the edge's default. In a stored record
     * this is what was last set through this domain. What is served stands in the MX host items (a host may
     * be shared), and answers show that: see `certificateView` in mx-host.ts.
     */
    readonly certificateId: CertificateId | null;
    readonly minVersion: MinVersion;
  };
  readonly clientCertificate: ClientCertificateSettings;
  readonly enforcement: Enforcement;
  readonly exceptions: readonly TlsException[];
}

/** Where accepted mail goes: `smtp://`, `smtps://` or `lmtp://`, without credentials. */
export interface DeliverySettings {
  readonly nextHop: string;
  readonly tls: DeliveryTls;
}

/** What an operator sets for one recipient domain. */
export interface DomainSettings {
  readonly name: DomainName;
  readonly mxHosts: readonly DomainName[];
  readonly tls: TlsSettings;
  readonly delivery: DeliverySettings | null;
  /**
   * Warnings that are not shown any more; of a stored record only those that may be (`isAcknowledgeable`).
   */
  readonly acknowledgedWarnings: readonly WarningCode[];
  readonly labels: Labels;
}

/** A name that the account of the record has not shown to be its own: edges do not see it. */
export interface PendingName {
  /** The domain itself, or one of its MX hosts. */
  readonly name: DomainName;
  /** What the TXT record `_postern.<name>` must hold. */
  readonly value: string;
  /** From then on the schedule does not look for it, and the domain's name is free for other accounts. */
  readonly expiresAt: Timestamp;
}

/** The settings of one domain as stored: who owns them, and the revision of their last change. */
export interface DomainRecord extends DomainSettings {
  readonly account: string;
  /** Each name once; never empty. Absent = all names of the record are the account's, as before 0.2. */
  readonly pendingNames?: readonly PendingName[] | undefined;
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}
