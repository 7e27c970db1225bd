/** Paths of signatures from a leaf to its anchors, where CAs share a name. */

import { X509Certificate } from "node:crypto";
import { readPem } from "../../core/x509/pem.ts";
import { isSignedBy } from "../../core/x509/signature-algorithm.ts";
import type { ChainQuestion, ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import { indexTrust, type NamedCertificate, pathMaterial } from "../../core/policy/trust-index.ts";

/**
 * One way from the leaf to an anchor, each certificate signed by the next. Whether it is valid is for OpenSSL
 * to decide.
 */
export interface CertificatePath {
  /** DER, from the leaf's issuer up, without leaf and anchor. */
  readonly issuers: readonly Uint8Array[];
  readonly anchor: Uint8Array;
  /** DER of the CRLs that the CAs of this path signed; null = revocation is not checked on this path. */
  readonly crls: readonly Uint8Array[] | null;
  /** Two CAs of one name stand on the path and both have a CRL: OpenSSL may take the wrong one. */
  readonly crlsShareName: boolean;
}

export interface FoundPaths {
  /** At most MAX_PATHS, those in date first. */
  readonly paths: readonly CertificatePath[];
  /** False when a bound ended the search: a refusal of every path found then proves nothing. */
  readonly complete: boolean;
}

/**
 * Each path costs one or two runs of OpenSSL. An honest PKI has one to three: an old and a new key, a
 * cross-certificate.
 */
export const MAX_PATHS = 8;
/**
 * Signatures verified for one chain, 0.1 ms each (1 ms for P-521): enough for a trust store full of CAs of
 * one name. The keys are those of anchors and of what anchors signed, so no stranger can choose an expensive
 * one.
 */
export const MAX_SIGNATURES = 256;
/** Steps of the walk up from the leaf: CAs that sign each other in all directions have no end of ways. */
const MAX_STEPS = 1_000;
/** Leaf, six intermediates and the anchor: what `openssl verify -verify_depth 6` lets pass. */
const LONGEST_PATH = 8;

/** Every path from the chain's leaf to an anchor, by names, key identifiers and signatures. */
export function findPaths(question: Pick<ChainQuestion, "chain" | "trust">, nowMs: number): FoundPaths {
  return new PathSearch(question).find(nowMs);
}

interface Node {
  readonly named: NamedCertificate;
  readonly certificate: X509Certificate;
  readonly isAnchor: boolean;
  readonly signers: Node[];
}

type Way = readonly Node[];

class PathSearch {
  readonly #chain: readonly Uint8Array[];
  readonly #trust: ResolvedTrust;
  readonly #exempt: ReadonlySet<string>;
  readonly #ways: Way[] = [];
  readonly #crls = new Map<Node, readonly Uint8Array[]>();
  #signatures = 0;
  #steps = 0;
  #complete = true;

  constructor({ chain, trust }: Pick<ChainQuestion, "chain" | "trust">) {
    this.#chain = chain;
    this.#trust = trust;
    const exempt = trust.exemptPem.flatMap((text) => readPem(text, "").blocks);
    this.#exempt = new Set(exempt.flatMap(({ der }) => (der === null ? [] : keyOf(der))));
  }

  find(nowMs: number): FoundPaths {
    const leaf = this.#graph();
    if (leaf !== null) this.#walk([leaf]);
    if (this.#ways.length > MAX_PATHS) this.#complete = false;
    const ways = this.#ways.toSorted((a, b) => outOfDate(a, nowMs) - outOfDate(b, nowMs)).slice(0, MAX_PATHS);
    const paths = ways.map((way) => this.#pathOf(way));
    return { paths, complete: this.#complete };
  }

  /**
   * Joins certificates to their signers, from the anchors down. @returns the leaf; null when it leads to no
   * anchor.
   */
  #graph(): Node | null {
    const { sent, anchors } = pathMaterial(this.#chain, this.#trust);
    const nodes = new Map<string, Node>();
    for (const named of [...anchors, ...sent]) {
      const key = keyOf(named.der);
      const certificate = nodes.has(key) ? null : certificateOf(named.der);
      const isAnchor = anchors.includes(named);
      if (certificate !== null) nodes.set(key, { named, certificate, isAnchor, signers: [] });
    }
    const reached = new Set([...nodes.values()].filter(({ isAnchor }) => isAnchor));
    // Grows while it is walked.
    for (const signer of reached) {
      for (const node of nodes.values()) {
        if (node === signer || !this.#hasSigned(signer, node)) continue;
        node.signers.push(signer);
        reached.add(node);
      }
    }
    const leaf = nodes.get(keyOf(this.#chain[0] ?? new Uint8Array()));
    return leaf !== undefined && reached.has(leaf) ? leaf : null;
  }

  /** `checkIssued` is OpenSSL's own comparison of names, key identifiers and key usage. */
  #hasSigned(signer: Node, node: Node): boolean {
    const { issuer, subject } = node.named;
    // A root ends every path. Roots of one name would otherwise be compared each with each.
    if (issuer !== signer.named.subject || (node.isAnchor && issuer === subject)) return false;
    if (!node.certificate.checkIssued(signer.certificate) || !this.#mayVerify()) return false;
    try {
      return node.certificate.verify(signer.certificate.publicKey);
    } catch {
      // A key of a kind that OpenSSL does not know.
      return false;
    }
  }

  #mayVerify(): boolean {
    this.#signatures += 1;
    if (this.#signatures > MAX_SIGNATURES) this.#complete = false;
    return this.#signatures <= MAX_SIGNATURES;
  }

  /**
   * Collects every way up from the last of `way`. One that has come to an anchor may go on to another above
   * it.
   */
  #walk(way: Way): void {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) this.#complete = false;
    const top = way.at(-1);
    if (top === undefined || this.#steps > MAX_STEPS) return;
    if (top.isAnchor) this.#ways.push(way);
    if (way.length >= LONGEST_PATH) return;
    for (const signer of top.signers) {
      if (!way.includes(signer)) this.#walk([...way, signer]);
    }
  }

  #pathOf(way: Way): CertificatePath {
    const owners = way.filter((node) => this.#crlsOf(node).length > 0);
    // A CA that has a CRL is checked wherever it stands, and so is all below an anchor whose trust store has
    // CRLs. Past the bound it is not known whose CRL is here, so revocation is checked.
    const isChecked =
      owners.length > 0 ||
      (this.#trust.crlsPem.length > 0 &&
        (this.#signatures > MAX_SIGNATURES ||
          way.some(({ isAnchor, named }) => isAnchor && !this.#exempt.has(keyOf(named.der)))));
    return {
      issuers: way.slice(1, -1).map(({ named }) => named.der),
      anchor: way.at(-1)?.named.der ?? new Uint8Array(),
      crls: isChecked ? owners.flatMap((node) => this.#crlsOf(node)) : null,
      crlsShareName: new Set(owners.map(({ named }) => named.subject)).size < owners.length,
    };
  }

  /**
   * DER of the CRLs that this CA's key signed. A namesake's CRL is not among them, so it decides nothing on
   * this path.
   */
  #crlsOf(node: Node): readonly Uint8Array[] {
    const known = this.#crls.get(node);
    if (known !== undefined) return known;
    const found = indexTrust(this.#trust)
      .lists.filter(({ issuer }) => issuer === node.named.subject)
      .filter(({ list }) => this.#mayVerify() && isSignedBy(list, node.certificate.publicKey))
      .map(({ list }) => list.der);
    this.#crls.set(node, found);
    return found;
  }
}

const keyOf = (der: Uint8Array): string => Buffer.from(der).toString("base64");

function certificateOf(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    // OpenSSL cannot read it either, so it is on no path.
    return null;
  }
}

const outOfDate = (way: Way, nowMs: number): number =>
  way.filter(({ named: { fields } }) => nowMs < fields.notBefore || nowMs > fields.notAfter).length;
