/** A domain's trust stores resolved to anchors and CRLs. */
import type { TrustStoreContent } from "../x509/trust-anchors.ts";
import { createHash } from "node:crypto";
import { BoundedMap } from "../bounded-map.ts";
import { readCertificateFields, spkiPinOf } from "../x509/certificate-fields.ts";
import { readPem } from "../x509/pem.ts";
import type { ClientTrust } from "../record/domain.ts";
import type { Snapshot } from "../snapshot/snapshot-view.ts";
import type { ResolvedTrust } from "./chain-verifier.ts";

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const CRL_BLOCK = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;

const UNUSABLE: ResolvedTrust = Object.freeze({
  hash: "unusable",
  anchorsPem: [],
  crlsPem: [],
  exemptPem: [],
  unusable: true,
});

/** PEM blocks of a stored content. The product wrote it, so a pattern is enough. */
export const certificatesOf = (certificatesPem: string): readonly string[] =>
  certificatesPem.match(CERTIFICATE_BLOCK) ?? [];

/**
 * A text without a CRL in it stays as it is: no context loads it then, where dropping it would end
 * revocation.
 */
export const crlsOf = (crlPem: string | null): readonly string[] =>
  crlPem === null ? [] : (crlPem.match(CRL_BLOCK) ?? [crlPem]);

/** A CA that one trust store checks for revocation is checked in every other, under whichever certificate. */
function withoutKeysOf(anchorsPem: readonly string[], listedPem: readonly string[]): readonly string[] {
  const listed = new Set(listedPem.map(keyOf));
  return anchorsPem.filter((anchor) => !listed.has(keyOf(anchor)));
}

function keyOf(certificatePem: string): string {
  const [block] = readPem(certificatePem, "").blocks;
  try {
    return spkiPinOf(readCertificateFields(block?.der ?? new Uint8Array()).spki);
  } catch {
    // Nothing that is stored gets here; what cannot be read shares the key of no other.
    return certificatePem;
  }
}

/** Resolves a domain's trust to anchors and CRLs under one snapshot. */
export interface TrustResolver {
  /**
   * `unusable` when a trust store or its content is missing: no client is then accepted, and none is called
   * untrusted.
   */
  resolve(snapshot: Snapshot, trust: ClientTrust): ResolvedTrust;
}

/**
 * @param publicRoots PEM of the public roots that `publicRoots: true` stands for.
 * @param cached How many distinct trusts are kept resolved; PEM is shared with the snapshot's contents.
 */
export function createTrustResolver(publicRoots: readonly string[], cached = 1000): TrustResolver {
  const known = new BoundedMap<string, ResolvedTrust>(cached);
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
    // Content is named by its hash, so this key determines the answer.
    const key = `${trust.publicRoots ? "public" : "private"} ${[...new Set(hashes)].toSorted().join(" ")}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const contents = [...new Set(hashes)].toSorted().map((hash) => snapshot.trustContent(hash));
    if (!contents.every((content) => content !== undefined)) return UNUSABLE;
    const anchorsOf = (some: readonly TrustStoreContent[]): readonly string[] =>
      some.flatMap(({ certificatesPem }) => certificatesOf(certificatesPem));
    const roots = trust.publicRoots ? publicRoots : [];
    const listed = contents.filter(({ crlPem }) => crlPem !== null);
    const unlisted = [...anchorsOf(contents.filter(({ crlPem }) => crlPem === null)), ...roots];
    const resolved: ResolvedTrust = Object.freeze({
      hash: createHash("sha256").update(key).digest("hex"),
      anchorsPem: [...anchorsOf(contents), ...roots],
      crlsPem: contents.flatMap(({ crlPem }) => crlsOf(crlPem)),
      exemptPem: listed.length === 0 ? [] : withoutKeysOf(unlisted, anchorsOf(listed)),
      unusable: false,
    });
    known.set(key, resolved);
    return resolved;
  }
}
