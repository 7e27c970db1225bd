import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvalidInput, TooLarge } from "../../core/errors.ts";
import {
  type IssuanceState,
  type IssuanceStateName,
  MAX_STATE_BYTES,
} from "../../core/store/issuance-state.ts";

/** Empty issuance state, a clock that a test sets, and operations that the port does not have. */
export interface IssuanceStateUnderTest {
  readonly state: IssuanceState;
  /** Another client of the same items. */
  readonly other: IssuanceState;
  /** A client that is opened now, as after a restart. */
  reopen(): Promise<IssuanceState>;
  /** Sets the store's clock. */
  setClock(epochMs: number): void;
  /** Overwrites the JSON of a stored item with other text. */
  spoil(name: IssuanceStateName): Promise<void>;
  close(): Promise<void>;
}

export interface IssuanceStateContract {
  readonly name: string;
  readonly create: () => Promise<IssuanceStateUnderTest>;
}

const NOW = Date.parse("2026-11-28T12:00:00.000Z");
const LEASE = "certificate/cert_1";
const unexpiring = { expected: null, expiresAtMs: null };

/** The contract of the port IssuanceState (core/store/issuance-state.ts). */
export function issuanceStateContract(contract: IssuanceStateContract): void {
  describe(`issuance state on ${contract.name}`, () => {
    let subject: IssuanceStateUnderTest;
    let state: IssuanceState;
    let other: IssuanceState;
    beforeEach(async () => {
      subject = await contract.create();
      ({ state, other } = subject);
      subject.setClock(NOW);
    });
    afterEach(() => subject.close());

    it("has no item at first", async () => {
      expect(await state.get(LEASE)).toBeNull();
    });

    it.each<[string, unknown]>([
      ["an object", { url: "https://ca.example/a/1", tries: [1, 2.5, null], nested: { é: "ü\n\u0000😀" } }],
      ["a list", []],
      ["text", ""],
      ["false", false],
      ["null", null],
    ])("returns %s as it was put, to another client and after a restart", async (_, value) => {
      const version = await state.put(LEASE, value, unexpiring);
      expect(version).toSatisfy((each) => Number.isSafeInteger(each) && Number(each) >= 1);
      expect(await other.get(LEASE)).toEqual({ value, version });
      expect(await (await subject.reopen()).get(LEASE)).toEqual({ value, version });
    });

    it("replaces a value under its version alone, and returns another version", async () => {
      const first = await state.put(LEASE, 1, unexpiring);
      const second = await other.put(LEASE, 2, { expected: first, expiresAtMs: null });
      expect(second).not.toBeNull();
      expect(second).not.toBe(first);
      for (const expected of [first, null, Number(second) + 1])
        expect(await state.put(LEASE, 3, { expected, expiresAtMs: null })).toBeNull();
      expect(await state.get(LEASE)).toEqual({ value: 2, version: second });
    });

    it("does not make an item that was expected to exist", async () => {
      expect(await state.put(LEASE, 1, { expected: 1, expiresAtMs: null })).toBeNull();
      expect(await state.get(LEASE)).toBeNull();
    });

    it("lets one of twenty writers that expect an absent item succeed, and keeps its value", async () => {
      const versions = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? state : other).put(LEASE, n, unexpiring)),
      );
      const winners = versions.flatMap((version, n) => (version === null ? [] : [{ value: n, version }]));
      expect(winners).toHaveLength(1);
      expect(await state.get(LEASE)).toEqual(winners[0]);
    });

    it("lets one of twenty writers that expect the same version succeed, and keeps its value", async () => {
      const expected = await state.put(LEASE, "first", unexpiring);
      const versions = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 === 0 ? state : other).put(LEASE, n, { expected, expiresAtMs: null }),
        ),
      );
      const winners = versions.flatMap((version, n) => (version === null ? [] : [{ value: n, version }]));
      expect(winners).toHaveLength(1);
      expect(await state.get(LEASE)).toEqual(winners[0]);
    });

    it("loses no step of counters that several writers raise", async () => {
      const raise = async (by: IssuanceState): Promise<void> => {
        let done: number | null = null;
        while (done === null) {
          const item = await by.get(LEASE);
          const next = Number(item?.value ?? 0) + 1;
          done = await by.put(LEASE, next, { expected: item?.version ?? null, expiresAtMs: null });
        }
      };
      await Promise.all(Array.from({ length: 10 }, (_, n) => raise(n % 2 === 0 ? state : other)));
      expect(await state.get(LEASE)).toMatchObject({ value: 10 });
    });

    it.each([
      ["present", NOW + 1, { value: 1 }],
      ["absent", NOW, null],
      ["absent", NOW - 1, null],
      ["absent", NOW - 10 * 365 * 24 * 3600 * 1000, null],
    ])("has an item %s that expires at %i", async (_, expiresAtMs, found) => {
      const version = await state.put(LEASE, 1, { expected: null, expiresAtMs });
      expect(await other.get(LEASE)).toEqual(found === null ? null : { ...found, version });
    });

    it("takes an expired item for absent: its version is no longer expected, and it is replaced as absent", async () => {
      const first = await state.put(LEASE, 1, { expected: null, expiresAtMs: NOW + 1_000 });
      expect(await other.put(LEASE, 2, unexpiring)).toBeNull();
      subject.setClock(NOW + 1_000);
      expect(await other.put(LEASE, 2, { expected: first, expiresAtMs: null })).toBeNull();
      const second = await other.put(LEASE, 2, unexpiring);
      expect(await state.get(LEASE)).toEqual({ value: 2, version: second });
      // Without an expiry now.
      subject.setClock(NOW + 100 * 365 * 24 * 3600 * 1000);
      expect(await state.get(LEASE)).toEqual({ value: 2, version: second });
    });

    it("lets one of twenty writers take over an expired item", async () => {
      await state.put(LEASE, "old", { expected: null, expiresAtMs: NOW + 1 });
      subject.setClock(NOW + 1);
      const versions = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? state : other).put(LEASE, n, unexpiring)),
      );
      expect(versions.filter((version) => version !== null)).toHaveLength(1);
    });

    it("gives no version again after a delete or an expiry: a writer of before does not succeed", async () => {
      const seen = new Set<number | null>();
      for (let round = 0; round < 5; round += 1) {
        const version = await state.put(LEASE, round, unexpiring);
        seen.add(version);
        await other.delete(LEASE);
        seen.add(await state.put(LEASE, round, { expected: null, expiresAtMs: NOW }));
        const present = await state.put(LEASE, round, unexpiring);
        seen.add(present);
        expect(await other.put(LEASE, "late", { expected: version, expiresAtMs: null })).toBeNull();
        await state.delete(LEASE);
      }
      expect(seen.has(null)).toBe(false);
      expect(seen.size).toBe(15);
    });

    it("deletes an item; an absent one is not an error", async () => {
      await state.put(LEASE, 1, unexpiring);
      await other.delete(LEASE);
      expect(await state.get(LEASE)).toBeNull();
      await state.delete(LEASE);
      await state.delete("token/none");
    });

    it("leaves items of other names untouched, whatever is put, deleted or expired", async () => {
      const names: IssuanceStateName[] = [
        "account/ca",
        "account/CA",
        "account/ca%",
        "account/ca/staging",
        "token/ca",
        "dns/ca",
        "certificate/ca",
      ];
      const versions = await Promise.all(names.map((name) => state.put(name, name, unexpiring)));
      await state.put("account/c", 1, { expected: null, expiresAtMs: NOW + 1 });
      await state.put("account/caa", 1, unexpiring);
      subject.setClock(NOW + 1);
      await state.put("account/d", 1, unexpiring);
      await state.delete("account/caa");
      await state.delete("account/c");
      expect(await Promise.all(names.map((name) => other.get(name)))).toEqual(
        names.map((value, index) => ({ value, version: versions[index] })),
      );
    });

    it("holds values of 16 KB, and rejects larger ones before anything is stored", async () => {
      const largest = "é".repeat((MAX_STATE_BYTES - 2) / 2);
      const version = await state.put(LEASE, largest, unexpiring);
      expect(await other.get(LEASE)).toEqual({ value: largest, version });
      const tooLarge = state.put(LEASE, `${largest}x`, { expected: version, expiresAtMs: null });
      await expect(tooLarge).rejects.toBeInstanceOf(TooLarge);
      expect(await other.get(LEASE)).toEqual({ value: largest, version });
    });

    it("rejects a value without a JSON form", async () => {
      await expect(state.put(LEASE, undefined, unexpiring)).rejects.toBeInstanceOf(InvalidInput);
      await expect(state.put(LEASE, () => 1, unexpiring)).rejects.toBeInstanceOf(InvalidInput);
    });

    it("holds a name of 512 characters", async () => {
      const long = `token/${"~".repeat(512)}` as const;
      const version = await state.put(long, 1, unexpiring);
      expect(await other.get(long)).toEqual({ value: 1, version });
    });

    it.each([
      "",
      "token",
      "token/",
      "other/a",
      "token/a b",
      "token/ä",
      "token/\u0000",
      `token/${"a".repeat(513)}`,
    ])("rejects the name %j", async (text) => {
      const name = text as IssuanceStateName;
      await expect(state.get(name)).rejects.toBeInstanceOf(InvalidInput);
      await expect(state.put(name, 1, unexpiring)).rejects.toBeInstanceOf(InvalidInput);
      await expect(state.delete(name)).rejects.toBeInstanceOf(InvalidInput);
    });

    it("shows an item whose text is damaged without a value, and replaces it under its version", async () => {
      const expected = await state.put(LEASE, { a: 1 }, unexpiring);
      await subject.spoil(LEASE);
      expect(await other.get(LEASE)).toEqual({ value: undefined, version: expected });
      const version = await other.put(LEASE, 2, { expected, expiresAtMs: null });
      expect(await state.get(LEASE)).toEqual({ value: 2, version });
    });
  });
}
