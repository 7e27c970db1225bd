import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TooLarge } from "../../core/errors.ts";
import { type KeptAnswers, MAX_KEPT_BYTES, type RequestRun } from "../../core/store/kept-answers.ts";

/** An empty store of answers and what the port does not have. */
export interface KeptAnswersUnderTest {
  readonly answers: KeptAnswers;
  /** Another client of the same records. */
  readonly other: KeptAnswers;
  /** Moves the clock that expiry is judged by. */
  setClock(epochMs: number): void;
  close(): Promise<void>;
}

export interface KeptAnswersContract {
  readonly name: string;
  readonly create: () => Promise<KeptAnswersUnderTest>;
}

/** 2026-11-29. */
const NOW = 1_795_910_400_000;
const SOON = NOW + 60_000;
const TOMORROW = NOW + 24 * 3600 * 1000;
const NAME = "a".repeat(64);

const runOf = (run: string, request = "one"): RequestRun => ({ request, run });

export function keptAnswersContract(contract: KeptAnswersContract): void {
  describe(`${contract.name} as kept answers`, () => {
    let subject: KeptAnswersUnderTest;
    let answers: KeptAnswers;
    let other: KeptAnswers;
    beforeEach(async () => {
      subject = await contract.create();
      ({ answers, other } = subject);
      subject.setClock(NOW);
    });
    afterEach(() => subject.close());

    it("lets a request begin, shows that it runs, and then its answer", async () => {
      expect(await answers.begin(NAME, runOf("r1"), SOON)).toBeNull();
      expect(await other.begin(NAME, runOf("r2", "two"), SOON)).toEqual({ request: "one", answer: null });
      const answer = new Uint8Array([0, 255, 1]);
      expect(await answers.keep(NAME, runOf("r1"), { answer, expiresAtMs: TOMORROW })).toBe(true);
      const found = await other.begin(NAME, runOf("r2", "two"), SOON);
      expect(found?.request).toBe("one");
      expect([...(found?.answer ?? [])]).toEqual([0, 255, 1]);
    });

    it("lets one of twenty runs begin at once", async () => {
      const begun = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 === 0 ? answers : other).begin(NAME, runOf(`r${n}`), SOON),
        ),
      );
      expect(begun.filter((each) => each === null)).toHaveLength(1);
      expect(begun.filter((each) => each?.request === "one" && each.answer === null)).toHaveLength(19);
    });

    it("keeps names apart", async () => {
      expect(await answers.begin(NAME, runOf("r1"), SOON)).toBeNull();
      expect(await answers.begin("b".repeat(64), runOf("r2"), SOON)).toBeNull();
      await answers.release(NAME, runOf("r1"));
      expect(await answers.begin("b".repeat(64), runOf("r3"), SOON)).toEqual({
        request: "one",
        answer: null,
      });
    });

    it("lets a request begin again after its run was released, and only by that run", async () => {
      await answers.begin(NAME, runOf("r1"), SOON);
      await other.release(NAME, runOf("r2"));
      expect(await other.begin(NAME, runOf("r2"), SOON)).not.toBeNull();
      await other.release(NAME, runOf("r1"));
      await other.release(NAME, runOf("r1"));
      expect(await other.begin(NAME, runOf("r2"), SOON)).toBeNull();
    });

    it.each([
      ["that runs", false, SOON],
      ["with an answer", true, TOMORROW],
    ])("takes a request %s for absent from its expiry on", async (_, isKept, expiresAtMs) => {
      await answers.begin(NAME, runOf("r1"), SOON);
      if (isKept) await answers.keep(NAME, runOf("r1"), { answer: new Uint8Array([1]), expiresAtMs });
      subject.setClock(expiresAtMs - 1);
      expect(await other.begin(NAME, runOf("r2"), expiresAtMs + 1)).not.toBeNull();
      subject.setClock(expiresAtMs);
      expect(await other.begin(NAME, runOf("r2", "two"), expiresAtMs + 9_000)).toBeNull();
      // The answer of before is not shown as that of the new run.
      expect(await answers.begin(NAME, runOf("r3"), SOON)).toEqual({ request: "two", answer: null });
    });

    it("keeps no answer of a run whose name another one has taken over", async () => {
      await answers.begin(NAME, runOf("r1"), SOON);
      subject.setClock(SOON);
      await other.begin(NAME, runOf("r2"), SOON + 60_000);
      const kept = { answer: new Uint8Array([1]), expiresAtMs: TOMORROW };
      expect(await answers.keep(NAME, runOf("r1"), kept)).toBe(false);
      await answers.release(NAME, runOf("r1"));
      expect(await answers.begin(NAME, runOf("r3"), SOON)).toEqual({ request: "one", answer: null });
      expect(await answers.keep("c".repeat(64), runOf("r1"), kept)).toBe(false);
    });

    it(`keeps ${MAX_KEPT_BYTES} octets, and rejects more`, async () => {
      await answers.begin(NAME, runOf("r1"), SOON);
      const answer = new Uint8Array(MAX_KEPT_BYTES).fill(7);
      const more = { answer: new Uint8Array(MAX_KEPT_BYTES + 1), expiresAtMs: TOMORROW };
      await expect(answers.keep(NAME, runOf("r1"), more)).rejects.toBeInstanceOf(TooLarge);
      expect(await answers.keep(NAME, runOf("r1"), { answer, expiresAtMs: TOMORROW })).toBe(true);
      const found = await other.begin(NAME, runOf("r2"), SOON);
      expect(Buffer.compare(found?.answer ?? new Uint8Array(), answer)).toBe(0);
    });
  });
}
