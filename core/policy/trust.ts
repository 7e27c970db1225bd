import { createHash } from "node:crypto";
import type { ClientTrust } from "../settings/domain.ts";
import type { Snapshot } from "../settings/snapshot-view.ts";
import type { ResolvedTrust } from "./chain-verifier.ts";

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const CRL_BLOCK = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;

const UNUSABLE: ResolvedTrust = Object.freeze({
  hash: "unusable",
  anchorsPem: [],
  crlsPem: [],
  unusable: true,
});

/** A text without a CRL in it stays as it is: no context loads it then, where dropping it would end revocation. */
const crlsOf = (crlPem: string | null): readonly string[] =>
  crlPem === null ? [] : (crlPem.match(CRL_BLOCK) ?? [crlPem]);

/** Resolves a domain's trust to anchors and CRLs under one snapshot. */
export interface TrustResolver {
  /** `unusable` when a trust store or its content is not there: nobody is then accepted, and nobody is called untrusted. */
  resolve(snapshot: Snapshot, trust: ClientTrust): ResolvedTrust;
}

/**
 * @param publicRoots PEM of the public roots that `publicRoots: true` stands for.
 * @param cached How many distinct trusts are kept resolved; PEM is shared with the snapshot's contents.
 */
export function createTrustResolver(publicRoots: readonly string[], cached = 1000): TrustResolver {
  const known = new Map<string, ResolvedTrust>();
  // A snapshot and its settings never change, so each recipient after the first costs two look-ups.
  const bySnapshot = new WeakMap<Snapshot, WeakMap<ClientTrust, ResolvedTrust>>();
  return {
    resolve(snapshot, trust) {
      const resolved = bySnapshot.get(snapshot) ?? new WeakMap<ClientTrust, ResolvedTrust>();
      bySnapshot.set(snapshot, resolved);
      const found = resolved.get(trust) ?? resolveAnew(snapshot, trust);
      resolved.set(trust, found);
      return found;
    },
  };

  function resolveAnew(snapshot: Snapshot, trust: ClientTrust): ResolvedTrust {
    const hashes = trust.trustStoreIds.map((id) => snapshot.trustStore(id)?.contentSha256);
    if (!hashes.every((hash) => hash !== undefined)) return UNUSABLE;
    // Content is named by its hash, so this key says all of the answer.
    const key = `${trust.publicRoots ? "public" : "private"} ${[...new Set(hashes)].toSorted().join(" ")}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const contents = [...new Set(hashes)].toSorted().map((hash) => snapshot.trustContent(hash));
    if (!contents.every((content) => content !== undefined)) return UNUSABLE;
    const resolved: ResolvedTrust = Object.freeze({
      hash: createHash("sha256").update(key).digest("hex"),
      anchorsPem: [
        ...contents.flatMap((content) => content.certificatesPem.match(CERTIFICATE_BLOCK) ?? []),
        ...(trust.publicRoots ? publicRoots : []),
      ],
      crlsPem: contents.flatMap(({ crlPem }) => crlsOf(crlPem)),
      unusable: false,
    });
    if (known.size >= cached) known.delete(known.keys().next().value ?? "");
    known.set(key, resolved);
    return resolved;
  }
}
