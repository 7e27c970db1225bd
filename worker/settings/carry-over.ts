import type { CertificateId, TrustStoreId } from "../../core/name/ids.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { StoreContents, UnreadableItem } from "../../core/store/store.ts";

/**
 * A full load in which every record that cannot be read has the version that was in force here before it
 * (semantics.md section 5). The items stay listed as unreadable. A record that was never seen here stays left out.
 */
export function withPreviousVersions(contents: StoreContents, held: Snapshot | null): StoreContents {
  if (held === null || contents.unreadable.length === 0) return contents;
  const kept = <T>(kind: UnreadableItem["kind"], find: (id: string) => T | undefined): T[] =>
    contents.unreadable
      .filter((item) => item.kind === kind)
      .map((item) => find(item.id))
      .filter((record) => record !== undefined);
  return {
    ...contents,
    domains: [...contents.domains, ...kept("domain", (id) => readable(held.domain(id as DomainName)))],
    mxHosts: [...contents.mxHosts, ...kept("mx-host", (id) => heldHost(held, id as DomainName))],
    certificates: [
      ...contents.certificates,
      ...kept("certificate", (id) => held.certificate(id as CertificateId)),
    ],
    trustStores: [
      ...contents.trustStores,
      ...kept("trust-store", (id) => held.trustStore(id as TrustStoreId)),
    ],
  };
}

const readable = <T>(domain: T | "unusable" | undefined): T | undefined =>
  domain === "unusable" ? undefined : domain;

/** A snapshot keeps of a host what a handshake needs: its certificate. Owner and count are for writers only. */
function heldHost(held: Snapshot, name: DomainName): MxHost | undefined {
  const host = held.host(name);
  if (host === undefined) return undefined;
  return { host: name, account: "", certificateId: host.certificateId, domainCount: 0 };
}
