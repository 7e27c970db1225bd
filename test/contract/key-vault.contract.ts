import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { VaultInventory } from "../../core/management/key-clean-up.ts";
import {
  accountKeyName,
  type KeyVault,
  materialName,
  privateKeyName,
  trustName,
  type VaultName,
} from "../../core/store/key-vault.ts";
import { NotFound, StateConflict, Unreadable } from "../../core/errors.ts";
import { certificateId } from "../support/records.ts";

/** An empty vault, and operations that the port does not have. */
export interface KeyVaultUnderTest {
  readonly vault: KeyVault & VaultInventory;
  /** Another client of the same objects. */
  readonly other: KeyVault;
  /** Replaces the bytes of a stored object without the vault. */
  spoil(name: VaultName, content: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface KeyVaultContract {
  readonly name: string;
  readonly create: () => Promise<KeyVaultUnderTest>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hashOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
const first = materialName(certificateId(1), 1);
const content = bytes('{"keys":[]}');

const pinOf = (text: string): string => `sha256//${createHash("sha256").update(text).digest("base64")}`;
/** One of each kind of object; the second key of a certificate too. */
const ALL_KINDS: readonly VaultName[] = [
  first,
  materialName(certificateId(1), 2),
  materialName(certificateId(2), 1),
  trustName("ab"),
  privateKeyName(certificateId(1), pinOf("a")),
  privateKeyName(certificateId(1), pinOf("b")),
  privateKeyName(certificateId(2), pinOf("a")),
  accountKeyName(pinOf("a")),
  accountKeyName(pinOf("b")),
];

const ANY_AGE = Number.POSITIVE_INFINITY;

async function namesBefore(vault: VaultInventory, epochMs: number): Promise<VaultName[]> {
  const names: VaultName[] = [];
  for await (const name of vault.writtenBefore(epochMs)) names.push(name);
  return names;
}

/** The contract of the port KeyVault (core/store/key-vault.ts). */
export function keyVaultContract(contract: KeyVaultContract): void {
  describe(`the key vault on ${contract.name}`, () => {
    let subject: KeyVaultUnderTest;
    beforeEach(async () => {
      subject = await contract.create();
    });
    afterEach(() => subject.close());

    it("returns the stored bytes, and their hash", async () => {
      const { vault, other } = subject;
      const binary = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
      for (const each of [content, binary, new Uint8Array()]) {
        const name = trustName(hashOf(each));
        expect(await vault.put(name, each)).toBe(hashOf(each));
        expect(Buffer.from(await other.get(name, hashOf(each))).equals(each)).toBe(true);
      }
    });

    it("keeps objects of other names and versions apart", async () => {
      const { vault } = subject;
      for (const name of ALL_KINDS) await vault.put(name, bytes(name));
      for (const [index, name] of ALL_KINDS.entries()) {
        for (const each of ALL_KINDS.slice(index)) await vault.get(each, hashOf(bytes(each)));
        await vault.delete(name, ANY_AGE);
        await expect(vault.get(name, hashOf(bytes(name)))).rejects.toBeInstanceOf(NotFound);
      }
    });

    it("lists every kind of object by its age", async () => {
      const { vault } = subject;
      for (const name of ALL_KINDS) await vault.put(name, bytes(name));
      const listed = await namesBefore(vault, Date.now() + 3_600_000);
      expect(listed.toSorted()).toEqual([...ALL_KINDS].toSorted());
      expect(await namesBefore(vault, Date.now() - 3_600_000)).toEqual([]);
    });

    it("names keys by the hex of their SPKI pin", () => {
      const hex = createHash("sha256").update("a").digest("hex");
      expect(privateKeyName(certificateId(1), pinOf("a"))).toBe(`private/${certificateId(1)}/${hex}`);
      expect(accountKeyName(pinOf("a"))).toBe(`acme/${hex}`);
    });

    it("accepts the same bytes again, and never other bytes under the same name", async () => {
      const { vault, other } = subject;
      await vault.put(first, content);
      expect(await other.put(first, content)).toBe(hashOf(content));
      const refused = await other.put(first, bytes("another key")).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(StateConflict);
      expect(refused).toHaveProperty("code", "already-exists");
      expect(Buffer.from(await vault.get(first, hashOf(content))).equals(content)).toBe(true);
    });

    it("lets one of ten writers of a name win, and keeps the winner's bytes", async () => {
      const { vault, other } = subject;
      const contents = Array.from({ length: 10 }, (_, index) => bytes(`${index}`.repeat(5000)));
      const outcomes = await Promise.allSettled(
        contents.map((each, index) => (index % 2 === 0 ? vault : other).put(first, each)),
      );
      const hashes = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      expect(hashes).toHaveLength(1);
      expect(hashOf(await vault.get(first, hashes[0] ?? ""))).toBe(hashes[0]);
    });

    it("reports an absent object", async () => {
      await expect(subject.vault.get(first, hashOf(content))).rejects.toBeInstanceOf(NotFound);
      await expect(subject.vault.get(trustName("00"), hashOf(content))).rejects.toBeInstanceOf(NotFound);
    });

    it("never returns bytes with another hash than the requested one", async () => {
      const { vault, spoil } = subject;
      await vault.put(first, content);
      await expect(vault.get(first, hashOf(bytes("other")))).rejects.toBeInstanceOf(Unreadable);
      for (const spoilt of [bytes('{"keys":[1]}'), new Uint8Array(), bytes('{"keys":[')]) {
        await spoil(first, spoilt);
        await expect(vault.get(first, hashOf(content))).rejects.toBeInstanceOf(Unreadable);
      }
    });

    it("deletes an object; deleting an absent one is not an error", async () => {
      const { vault, other } = subject;
      await vault.put(first, content);
      expect(await other.delete(first, ANY_AGE)).toBe(true);
      await expect(vault.get(first, hashOf(content))).rejects.toBeInstanceOf(NotFound);
      await vault.delete(first, ANY_AGE);
      await vault.delete(trustName("00"), ANY_AGE);
      await vault.put(first, bytes("a new object"));
    });

    it("resets the age of an object that is put again: a clean-up that listed it before keeps it", async () => {
      const { vault, other } = subject;
      for (const name of [first, trustName("ab")]) {
        await vault.put(name, content);
        const seenMs = Date.now() + 1;
        expect(await namesBefore(vault, seenMs)).toContain(name);
        // Ages may be kept by the second.
        await vi.waitFor(
          async () => {
            await other.put(name, content);
            expect(await namesBefore(vault, seenMs)).not.toContain(name);
          },
          { timeout: 60_000, interval: 50 },
        );
        expect(await vault.delete(name, seenMs)).toBe(false);
        expect(Buffer.from(await other.get(name, hashOf(content))).equals(content)).toBe(true);
      }
    });

    it("keeps an object that is put while the same object is deleted repeatedly", async () => {
      const { vault, other } = subject;
      for (let round = 0; round < 20; round += 1) {
        await other.put(first, content);
        const [putHash] = await Promise.all([vault.put(first, content), other.delete(first, ANY_AGE)]);
        expect(putHash).toBe(hashOf(content));
        // It may be deleted after it was put; but there is no error and no partial object.
        await vault.put(first, content);
        await vault.get(first, hashOf(content));
      }
    });

    it.each([
      "keys/../secret/1",
      "keys/../../1",
      "keys/a/b/1",
      "keys//1",
      "keys/a/0",
      "keys/a/1e3",
      "keys/a/-1",
      "keys/a/1\u0000",
      "keys/a/1\n",
      "keys/a",
      "trust/..",
      "trust/../keys/a/1",
      "trust/",
      "trust/a/b",
      "trust/a\\b",
      "private/a",
      "private/a/1",
      `private/a/${"A".repeat(64)}`,
      `private/a/${"a".repeat(63)}`,
      `private/a/${"a".repeat(64)}/b`,
      `private/../${"a".repeat(64)}`,
      `private//${"a".repeat(64)}`,
      "acme/..",
      "acme/",
      "acme/a/b",
      "acme/../keys/a/1",
      "/etc/passwd",
      "other/a",
      "",
    ])("refuses the name %j whatever is asked of it", async (name) => {
      const { vault } = subject;
      const outside = name as VaultName;
      await expect(vault.put(outside, content)).rejects.toThrow("not the name");
      await expect(vault.get(outside, hashOf(content))).rejects.toThrow("not the name");
      await expect(vault.delete(outside, ANY_AGE)).rejects.toThrow("not the name");
    });
  });
}
