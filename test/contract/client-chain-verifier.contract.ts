import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChainVerdict, ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import { clientCertificateKinds } from "../support/client-certificates/all-kinds.ts";
import { trustOf, type ClientCertificateKind } from "../support/client-certificates/kind.ts";
import { issueClient, makeCa } from "../support/pki.ts";

/** A verifier without a rate limit for each client. */
export interface ChainVerifierUnderTest {
  readonly verifier: ClientChainVerifier;
  close(): Promise<void>;
}

export interface ChainVerifierContract {
  readonly name: string;
  readonly create: () => Promise<ChainVerifierUnderTest>;
  /** The reason why it cannot run on this machine, and its tests are skipped; null = it can. */
  readonly missing: string | null;
}

const kinds = clientCertificateKinds();

/** The contract of the port ClientChainVerifier (core/policy/chain-verifier.ts). */
export function clientChainVerifierContract(contract: ChainVerifierContract): void {
  const skipped = contract.missing === null ? "" : ` [skipped: ${contract.missing}]`;
  describe.skipIf(contract.missing !== null)(`chains judged by ${contract.name}${skipped}`, () => {
    let subject: ChainVerifierUnderTest;
    beforeAll(async () => {
      subject = await contract.create();
    });
    afterAll(() => subject.close());

    it("runs", () => {
      expect(subject.verifier.available).toBe(true);
    });

    it.each(kinds)("judges $name: valid $valid, for $purpose", async ({ chain, trust, valid, purpose }) => {
      const verdict = await subject.verifier.verify({ chain, trust, client: "192.0.2.1" });
      expect(summaryOf(verdict)).toEqual({ kind: "judged", valid, purpose });
    });

    it("gives the same result for the same chain again", async () => {
      for (const { chain, trust, valid, purpose } of kinds) {
        const verdict = await subject.verifier.verify({ chain, trust, client: "192.0.2.2" });
        expect(summaryOf(verdict)).toEqual({ kind: "judged", valid, purpose });
      }
    });

    it("judges dates at the moment that the question names, and now where it names none", async () => {
      const ca = makeCa();
      const { chain } = issueClient({ names: ["client.example"], ca });
      const question = { chain, trust: trustOf([ca.certificatePem]), client: "x" };
      const decades = 40 * 365 * 24 * 3_600_000;
      for (const [change, valid] of [
        [{}, true],
        [{ atMs: Date.now() + decades }, false],
        [{ atMs: Date.now() - decades }, false],
        [{ atMs: Date.now() }, true],
        [{}, true],
      ] as const)
        expect(await subject.verifier.verify({ ...question, ...change })).toMatchObject({
          kind: "judged",
          valid,
        });
    });

    it("judges a chain separately under each trust", async () => {
      const [ours, theirs] = [makeCa(), makeCa()];
      const { chain } = issueClient({ names: ["client.example"], ca: ours });
      for (const [ca, valid] of [
        [ours, true],
        [theirs, false],
        [ours, true],
      ] as const) {
        const trust = trustOf([ca.certificatePem]);
        expect(await subject.verifier.verify({ chain, trust, client: "x" })).toMatchObject({
          kind: "judged",
          valid,
        });
      }
    });

    it("does not judge under a trust that could not be loaded", async () => {
      const { chain, trust } = goodOne();
      const verdict = await subject.verifier.verify({
        chain,
        trust: { ...trust, unusable: true },
        client: "x",
      });
      expect(verdict.kind).toBe("not-judged");
    });

    it("rejects an empty chain", async () => {
      expect(
        acceptable(await subject.verifier.verify({ chain: [], trust: goodOne().trust, client: "x" })),
      ).toBe(false);
    });

    it("does not judge a chain that does not consist of certificates", async () => {
      const { chain, trust } = goodOne();
      const mixed = [
        [Buffer.from("x")],
        [Buffer.from("x"), ...chain],
        [chain[0] ?? Buffer.alloc(0), Buffer.alloc(9)],
      ];
      for (const each of mixed) {
        expect(acceptable(await subject.verifier.verify({ chain: each, trust, client: "x" }))).toBe(false);
      }
    });

    it("rejects a chain in which one octet was changed", async () => {
      const { chain, trust } = goodOne();
      const [leaf = Buffer.alloc(0), ...issuers] = chain;
      await fc.assert(
        fc.asyncProperty(
          fc.nat(leaf.length - 1),
          fc.integer({ min: 1, max: 255 }),
          async (at, difference) => {
            const changed = Buffer.from(leaf);
            changed[at] = (changed[at] ?? 0) ^ difference;
            const verdict = await subject.verifier.verify({
              chain: [changed, ...issuers],
              trust,
              client: "x",
            });
            expect(acceptable(verdict)).toBe(false);
          },
        ),
        { numRuns: 40 },
      );
    });
  });
}

function summaryOf(verdict: ChainVerdict): Partial<ClientCertificateKind> & { kind: string } {
  if (verdict.kind === "not-judged") return { kind: `not-judged: ${verdict.why}` };
  if (!verdict.valid) return { kind: "judged", valid: false, purpose: null };
  const purpose = verdict.clientAuth ? "clientAuth" : verdict.serverAuth ? "serverAuth" : "none";
  return { kind: "judged", valid: true, purpose };
}

const acceptable = (verdict: ChainVerdict): boolean => verdict.kind === "judged" && verdict.valid;

function goodOne(): ClientCertificateKind {
  const found = kinds.find(({ purpose }) => purpose === "clientAuth");
  if (found === undefined) throw new Error("there is no good kind");
  return found;
}
