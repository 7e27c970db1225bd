/** A snapshot as its readers see it. */
import type { TrustStoreContent } from "../x509/trust-anchors.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { DomainGroup } from "./domain-group.ts";
import type { UnreadableItem } from "../store/store.ts";

/** One MX host as a snapshot knows it. */
export interface HostView {
  readonly host: DomainName;
  /** null = the edge's default certificate. */
  readonly certificateId: CertificateId | null;
  /** The domains of any account that name this host. */
  readonly domains: DomainGroup;
}

/**
 * All settings at one revision, as one edge holds them. Immutable: a connection keeps the one it started
 * with.
 */
export interface Snapshot {
  readonly revision: number;
  /** Every readable domain. */
  readonly domains: DomainGroup;
  /** `unusable` = a record that was never readable here (row 2). */
  domain(name: DomainName): DomainRecord | "unusable" | undefined;
  host(name: DomainName): HostView | undefined;
  hosts(): Iterable<HostView>;
  certificate(id: CertificateId): CertificateRecord | undefined;
  certificates(): Iterable<CertificateRecord>;
  trustStore(id: TrustStoreId): TrustStoreRecord | undefined;
  trustStores(): Iterable<TrustStoreRecord>;
  /** Content of a trust store by its hash; undefined when it could not be loaded. */
  trustContent(sha256: string): TrustStoreContent | undefined;
  readonly unreadable: readonly UnreadableItem[];
}
