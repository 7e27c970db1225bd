import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ACCOUNTS,
  type AccountRecord,
  NO_QUOTAS,
  type PrincipalRecord,
  PRINCIPALS,
  type TokenRecord,
  TOKENS,
} from "../../core/access/access-record.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import { Unreadable } from "../../core/errors.ts";

/** An empty store of access and what the port does not have. */
export interface AccessStoreUnderTest {
  readonly store: AccessStore;
  /** Another client of the same records. */
  readonly other: AccessStore;
  /** Overwrites the JSON of a stored record with other text. */
  spoil(kind: "account" | "token" | "principal", id: string): Promise<void>;
  close(): Promise<void>;
}

export interface AccessStoreContract {
  readonly name: string;
  readonly create: () => Promise<AccessStoreUnderTest>;
}

const AT = "2026-11-29T03:00:00.000Z";
const created = { revision: 0, createdAt: AT, createdBy: "tester" };
const written = { ...created, updatedAt: AT, updatedBy: "tester" };

const tokenRecord = (id: string, parts: Partial<TokenRecord> = {}): TokenRecord => ({
  ...created,
  id,
  account: "tenant",
  label: "é\n😀",
  scopes: ["domains:read", "scope:of-a-later-release"],
  secretSha256: "0".repeat(64),
  expiresAt: null,
  creator: { kind: "api-token", id: null },
  ...parts,
});

const principalRecord = (arn: string, account = "tenant"): PrincipalRecord => ({
  ...written,
  arn,
  account,
  label: null,
  scopes: [],
});

const accountRecord = (name: string): AccountRecord => ({
  ...written,
  name,
  label: "A label",
  quotas: { ...NO_QUOTAS, domains: 0, tokens: 5 },
});

/** The longest ARN there is: of a user with a path. */
const longArn = (n: number): string =>
  `arn:aws-us-gov:iam::123456789012:user/${"p".repeat(500)}/${"u".repeat(60)}${n}`;

/** The contract of the port AccessStore (core/access/access-store.ts). */
export function accessStoreContract(contract: AccessStoreContract): void {
  describe(`access on ${contract.name}`, () => {
    let subject: AccessStoreUnderTest;
    let store: AccessStore;
    let other: AccessStore;
    beforeEach(async () => {
      subject = await contract.create();
      ({ store, other } = subject);
    });
    afterEach(() => subject.close());

    it("creates as many tokens of an account as there is room for, and more when one is deleted", async () => {
      const create = (id: string, most: number | null, account = "tenant") =>
        store.create(TOKENS, tokenRecord(id, { account }), most);
      expect(await create("tok_1", 2)).toEqual(expect.any(Number));
      expect(await create("tok_1", 2)).toBeNull();
      const revision = await store.put(TOKENS, tokenRecord("tok_2"), null);
      await store.put(PRINCIPALS, principalRecord("arn:aws:iam::123456789012:role/a"), null);
      expect(await create("tok_3", 1, "other")).toEqual(expect.any(Number));
      await expect(create("tok_4", 2)).rejects.toMatchObject({
        name: "QuotaExceeded",
        quota: "tokens",
        limit: 2,
        count: 2,
      });
      await expect(create("tok_4", 0, "empty")).rejects.toMatchObject({ limit: 0, count: 0 });
      expect(await store.get(TOKENS, "tok_4")).toBeNull();
      expect(await other.delete(TOKENS, "tok_2", revision ?? 0)).toBe(true);
      expect(await other.delete(TOKENS, "tok_2", revision ?? 0)).toBe(false);
      expect(await create("tok_4", 2)).toEqual(expect.any(Number));
      await expect(create("tok_5", 2)).rejects.toMatchObject({ count: 2 });
      expect(await create("tok_5", null)).toEqual(expect.any(Number));
    });

    it("creates no more tokens than there is room for, of writers at the same time", async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, n) =>
          (n % 2 === 0 ? store : other).create(TOKENS, tokenRecord(`tok_${n}`), 3),
        ),
      );
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
      expect((await store.list(TOKENS, "tenant", { limit: 10 })).items).toHaveLength(3);
    });

    it("has no record at first", async () => {
      expect(await store.get(TOKENS, "tok_1")).toBeNull();
      expect(await store.list(TOKENS, "tenant", { limit: 5 })).toEqual({
        items: [],
        unreadable: [],
        next: null,
      });
    });

    it("returns a record of each kind as it was put, to another client too", async () => {
      const [account, token, principal] = [
        accountRecord("tenant"),
        tokenRecord("tok_1"),
        principalRecord(longArn(1)),
      ];
      const revisions = [
        await store.put(ACCOUNTS, account, null),
        await store.put(TOKENS, token, null),
        await store.put(PRINCIPALS, principal, null),
      ];
      for (const revision of revisions)
        expect(revision).toSatisfy((each) => Number.isSafeInteger(each) && Number(each) > 1);
      expect(await other.get(ACCOUNTS, "tenant")).toEqual({ ...account, revision: revisions[0] });
      expect(await other.get(TOKENS, "tok_1")).toEqual({ ...token, revision: revisions[1] });
      expect(await other.get(PRINCIPALS, longArn(1))).toEqual({ ...principal, revision: revisions[2] });
    });

    it("keeps records of different kinds under one id apart", async () => {
      await store.put(TOKENS, tokenRecord("same"), null);
      expect(await store.get(ACCOUNTS, "same")).toBeNull();
      await store.put(ACCOUNTS, accountRecord("same"), null);
      expect(await store.get(TOKENS, "same")).toMatchObject({ id: "same" });
    });

    it("replaces a record at its revision alone", async () => {
      const first = await store.put(ACCOUNTS, accountRecord("tenant"), null);
      expect(await other.put(ACCOUNTS, accountRecord("tenant"), null)).toBeNull();
      const changed = { ...accountRecord("tenant"), label: null };
      const second = await other.put(ACCOUNTS, changed, first);
      expect(second).not.toBeNull();
      expect(await store.put(ACCOUNTS, accountRecord("tenant"), first)).toBeNull();
      expect(await store.get(ACCOUNTS, "tenant")).toEqual({ ...changed, revision: second });
    });

    it("makes no record that was expected to exist", async () => {
      expect(await store.put(ACCOUNTS, accountRecord("tenant"), 17)).toBeNull();
      expect(await store.get(ACCOUNTS, "tenant")).toBeNull();
    });

    it("lets one of ten writers that expect the same succeed", async () => {
      const revisions = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 === 0 ? store : other).put(TOKENS, tokenRecord("tok_1", { label: String(n) }), null),
        ),
      );
      const won = revisions.flatMap((revision, n) => (revision === null ? [] : [{ revision, n }]));
      expect(won).toHaveLength(1);
      const [winner] = won;
      expect(await other.get(TOKENS, "tok_1")).toMatchObject({
        label: String(winner?.n),
        revision: winner?.revision,
      });
    });

    it("deletes a record at its revision alone, and gives no revision again", async () => {
      const first = await store.put(TOKENS, tokenRecord("tok_1"), null);
      expect(await other.delete(TOKENS, "tok_1", Number(first) + 1)).toBe(false);
      expect(await store.get(TOKENS, "tok_1")).not.toBeNull();
      expect(await other.delete(TOKENS, "tok_1", Number(first))).toBe(true);
      expect(await store.get(TOKENS, "tok_1")).toBeNull();
      expect(await other.delete(TOKENS, "tok_1", Number(first))).toBe(false);
      expect(await store.put(TOKENS, tokenRecord("tok_1"), null)).not.toBe(first);
    });

    it("lists the records of one account and kind by id, page by page", async () => {
      const ids = Array.from({ length: 5 }, (_, n) => longArn(n));
      for (const id of ids.toReversed()) await store.put(PRINCIPALS, principalRecord(id), null);
      await store.put(PRINCIPALS, principalRecord("arn:aws:iam::123456789012:root", "tenant2"), null);
      await store.put(TOKENS, tokenRecord("tok_1"), null);
      const listed: string[] = [];
      let after: string | undefined;
      do {
        const page = await other.list(PRINCIPALS, "tenant", { limit: 2, after });
        expect(page.items.length).toBeLessThanOrEqual(2);
        listed.push(...page.items.map(({ arn }) => arn));
        after = page.next ?? undefined;
      } while (after !== undefined);
      expect(listed).toEqual(ids);
      const foreign = await store.list(PRINCIPALS, "tenant2", { limit: 200 });
      expect(foreign.items.map(({ arn }) => arn)).toEqual(["arn:aws:iam::123456789012:root"]);
      expect((await store.list(PRINCIPALS, "ten", { limit: 200 })).items).toEqual([]);
    });

    it("lists a record under the account that it has passed to", async () => {
      const arn = "arn:aws:iam::123456789012:role/Deploy";
      const revision = await store.put(PRINCIPALS, principalRecord(arn, "first"), null);
      await store.put(PRINCIPALS, principalRecord(arn, "second"), revision);
      expect((await store.list(PRINCIPALS, "first", { limit: 5 })).items).toEqual([]);
      expect((await store.list(PRINCIPALS, "second", { limit: 5 })).items).toMatchObject([{ arn }]);
    });

    it("lists every account under the operator's", async () => {
      for (const name of ["b", "a"]) await store.put(ACCOUNTS, accountRecord(name), null);
      const { items } = await store.list(ACCOUNTS, "default", { limit: 5 });
      expect(items.map(({ name }) => name)).toEqual(["a", "b"]);
    });

    it("reports a record that cannot be read, and lists the others", async () => {
      for (const id of ["tok_1", "tok_2"]) await store.put(TOKENS, tokenRecord(id), null);
      await subject.spoil("token", "tok_1");
      await expect(store.get(TOKENS, "tok_1")).rejects.toBeInstanceOf(Unreadable);
      const { items, unreadable } = await store.list(TOKENS, "tenant", { limit: 5 });
      expect(items.map(({ id }) => id)).toEqual(["tok_2"]);
      expect(unreadable.map(({ id }) => id)).toEqual(["tok_1"]);
    });

    it("notes the latest use of a token, without another revision", async () => {
      const revision = await store.put(TOKENS, tokenRecord("tok_1"), null);
      await store.put(TOKENS, tokenRecord("tok_2"), null);
      expect(await store.lastUsed(["tok_1", "tok_2"])).toEqual(new Map());
      await store.markUsed("tok_1", "2026-11-29T04:00:00.000Z");
      await other.markUsed("tok_1", "2026-11-29T03:00:00.000Z");
      expect(await other.lastUsed(["tok_1", "tok_2", "tok_3"])).toEqual(
        new Map([["tok_1", "2026-11-29T04:00:00.000Z"]]),
      );
      expect((await store.get(TOKENS, "tok_1"))?.revision).toBe(revision);
      expect(await store.delete(TOKENS, "tok_1", Number(revision))).toBe(true);
    });

    it("makes no token of one that was deleted when its use is noted", async () => {
      await store.markUsed("tok_1", AT);
      expect(await store.get(TOKENS, "tok_1")).toBeNull();
      expect(await store.lastUsed(["tok_1"])).toEqual(new Map());
    });
  });
}
