import { type DomainName, allowedNameAccepts } from "../name/domain-name.ts";
import type { PeerCertificate } from "../x509/peer-certificate.ts";
import type { ClientCertificateSettings } from "../record/domain.ts";
import type { ChainVerdict, ResolvedTrust } from "./chain-verifier.ts";
import { mayHaveSeveralPaths } from "./trust-index.ts";

/** Rows 6 and 7 for one certificate under one domain's trust. `pinned` has also passed row 8. */
export type ClientJudgement =
  | { readonly kind: "passed"; readonly pinned: boolean }
  | { readonly kind: "untrusted" | "purpose"; readonly detail: string | null }
  | { readonly kind: "not-judged"; readonly detail: string }
  | { readonly kind: "chain-needed" };

/**
 * Codes of OpenSSL that may hide an earlier failure or name a purpose: verifyError is its last error, not its
 * only one, so a serverAuth leaf under an unknown root gives INVALID_PURPOSE.
 */
const AMBIGUOUS: ReadonlySet<string> = new Set(["INVALID_PURPOSE", "INVALID_CA"]);

/**
 * Certificates that a path may have below its anchor: `openssl verify -verify_depth 6` lets six issuers pass.
 * A handshake lets a hundred pass, and Node cannot set it, so its OK for a longer chain is no answer: both
 * ways of judging agree.
 */
const LONGEST_CHAIN = 7;

export interface ClientQuestion {
  readonly peer: PeerCertificate;
  readonly settings: Pick<ClientCertificateSettings, "trust" | "purpose">;
  readonly trust: ResolvedTrust;
  readonly nowMs: number;
  /** The verifier's answer; null = it has not been asked. */
  readonly chain: ChainVerdict | null;
}

/**
 * Judges a client's chain from the cheapest proof to the dearest: a pin of the leaf, the handshake's verdict
 * where it was given by the same trust, a trust without anchors, the verifier's answer.
 */
export function judgeClient({ peer, settings, trust, nowMs, chain }: ClientQuestion): ClientJudgement {
  if (settings.trust.pins.includes(peer.spkiPin) && peer.notBefore <= nowMs && nowMs <= peer.notAfter) {
    return { kind: "passed", pinned: true };
  }
  if (trust.unusable)
    return { kind: "not-judged", detail: "a trust store of this domain could not be loaded" };
  if (trust.anchorsPem.length === 0)
    return { kind: "untrusted", detail: "no certificate authority is trusted" };

  const { handshake } = peer;
  const sameTrust = handshake.trustHash !== null && handshake.trustHash === trust.hash;
  // Node verifies with purpose sslclient; a chain that passes may serve under either setting.
  if (sameTrust && handshake.ok && peer.chain.length <= LONGEST_CHAIN)
    return { kind: "passed", pinned: false };
  // Where names allow another path, the one that OpenSSL tried proves nothing.
  const refusedByHandshake =
    sameTrust &&
    !handshake.ok &&
    settings.purpose === "clientAuth" &&
    !mayHaveSeveralPaths(peer.chain, trust);
  if (refusedByHandshake && !AMBIGUOUS.has(handshake.code ?? ""))
    return { kind: "untrusted", detail: handshake.code };

  if (chain === null) return { kind: "chain-needed" };
  if (chain.kind === "not-judged") {
    // The handshake's refusal is final here; only which row it is stays open.
    return refusedByHandshake
      ? { kind: "purpose", detail: handshake.code }
      : { kind: "not-judged", detail: chain.why };
  }
  if (!chain.valid) return { kind: "untrusted", detail: chain.detail };
  const purposeAccepted =
    chain.clientAuth || (settings.purpose === "clientAuthOrServerAuth" && chain.serverAuth);
  return purposeAccepted && !refusedByHandshake
    ? { kind: "passed", pinned: false }
    : { kind: "purpose", detail: chain.detail };
}

/** Row 8 of the verdict: names of a client certificate beside the names that a domain allows. */

/**
 * Row 8: whether one of the certificate's dNSNames is accepted. `helo` compares with the EHLO name exactly.
 */
export function nameAccepted(
  names: ClientCertificateSettings["names"],
  dnsNames: readonly string[],
  helo: DomainName | null,
): boolean {
  switch (names.match) {
    case "any":
      return true;
    case "helo":
      return helo !== null && dnsNames.includes(helo);
    case "list":
      return dnsNames.some((dnsName) =>
        names.allowed.some((allowed) => allowedNameAccepts(allowed, dnsName)),
      );
    default:
      return names.match satisfies never;
  }
}
