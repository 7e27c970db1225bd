import { X509Certificate } from "node:crypto";
import type { ChainQuestion, ChainVerdict, ClientChainVerifier } from "../../core/policy/chain-verifier.ts";

/**
 * A verifier for tests of the edge alone: it looks whether an anchor signed the leaf, and at its key usage.
 * Not PKIX.
 */
export function issuerVerifier(): ClientChainVerifier & { readonly questions: readonly ChainQuestion[] } {
  const questions: ChainQuestion[] = [];
  return {
    available: true,
    questions,
    async verify(question): Promise<ChainVerdict> {
      questions.push(question);
      const leaf = new X509Certificate(question.chain[0] ?? Buffer.alloc(0));
      const valid = question.trust.anchorsPem.some((pem) => leaf.verify(new X509Certificate(pem).publicKey));
      const usages: readonly string[] = leaf.keyUsage;
      const clientAuth = usages.includes("1.3.6.1.5.5.7.3.2");
      const serverAuth = usages.includes("1.3.6.1.5.5.7.3.1");
      return {
        kind: "judged",
        valid,
        clientAuth,
        serverAuth,
        detail: valid ? null : "not signed by an anchor",
      };
    },
  };
}
