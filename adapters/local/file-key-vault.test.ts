import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import { materialName, trustName } from "../../core/store/key-vault.ts";
import { StateConflict, Unavailable, Unreadable } from "../../core/errors.ts";
import { keyVaultContract } from "../../test/contract/key-vault.contract.ts";
import { certificateId } from "../../test/support/records.ts";
import { contents as settings } from "../../test/support/settings-feed.ts";
import { FileKeyVault } from "./file-key-vault.ts";

const makeRoot = () => mkdtempSync(join(tmpdir(), "postern-vault-"));

keyVaultContract({
  name: "files",
  create: async () => {
    const root = makeRoot();
    return {
      vault: new FileKeyVault(root),
      other: new FileKeyVault(root),
      spoil: async (name, content) => writeFileSync(join(root, name), content),
      close: async () => rmSync(root, { recursive: true }),
    };
  },
});

describe("the key vault's files", () => {
  const id = certificateId(1);
  const name = materialName(id, 1);
  const content = Buffer.from("private");
  let base: string;
  let root: string;
  let vault: FileKeyVault;
  beforeEach(() => {
    base = makeRoot();
    root = join(base, "data");
    vault = new FileKeyVault(root);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  it("are for their owner alone whatever the umask is", async () => {
    const umask = process.umask(0);
    try {
      await vault.put(name, content);
      await vault.put(trustName("ab"), content);
    } finally {
      process.umask(umask);
    }
    const modeOf = (path: string) => (statSync(join(root, path)).mode & 0o777).toString(8);
    expect(["", "keys", `keys/${id}`, "trust"].map(modeOf)).toEqual(["700", "700", "700", "700"]);
    expect([name, "trust/ab"].map(modeOf)).toEqual(["600", "600"]);
  });

  it("leave no temporary file behind, whether the object was stored or refused", async () => {
    await vault.put(name, content);
    await vault.put(name, content);
    await expect(vault.put(name, Buffer.from("other"))).rejects.toBeInstanceOf(StateConflict);
    expect(readdirSync(join(root, "keys", id))).toEqual(["1"]);
  });

  it("are not a link to another file: it is neither read, nor written, nor taken as the object", async () => {
    const secret = join(base, "secret");
    writeFileSync(secret, content);
    mkdirSync(join(root, "keys", id), { recursive: true });
    symlinkSync(secret, join(root, name));
    const hash = await vault.put(trustName("ab"), content);
    await expect(vault.get(name, hash)).rejects.toBeInstanceOf(Unreadable);
    await expect(vault.put(name, content)).rejects.toBeInstanceOf(StateConflict);
    await expect(vault.put(name, Buffer.from("other"))).rejects.toBeInstanceOf(StateConflict);
    await vault.delete(name, Number.POSITIVE_INFINITY);
    expect(readFileSync(secret, "utf8")).toBe("private");
    expect(existsSync(join(root, name))).toBe(false);
  });

  it("do not lie behind a directory that is a link", async () => {
    const elsewhere = join(base, "elsewhere");
    mkdirSync(join(elsewhere, id), { recursive: true });
    mkdirSync(root);
    symlinkSync(elsewhere, join(root, "keys"));
    writeFileSync(join(elsewhere, id, "1"), content);
    const hash = await vault.put(trustName("ab"), content);
    await expect(vault.put(materialName(id, 2), content)).rejects.toBeInstanceOf(Unavailable);
    await expect(vault.get(name, hash)).rejects.toBeInstanceOf(Unavailable);
    await expect(vault.delete(name, Number.POSITIVE_INFINITY)).rejects.toBeInstanceOf(Unavailable);
    expect(readdirSync(join(elsewhere, id))).toEqual(["1"]);
  });

  it("are plain files: a pipe, a directory or a huge file is not read", async () => {
    mkdirSync(join(root, "keys", id, "2"), { recursive: true });
    execFileSync("/usr/bin/mkfifo", [join(root, "keys", id, "1")]);
    writeFileSync(join(root, "keys", id, "3"), Buffer.alloc(9 * 1024 * 1024));
    for (const version of [1, 2, 3]) {
      await expect(vault.get(materialName(id, version), "00")).rejects.toBeInstanceOf(Unreadable);
    }
  });

  it("are unavailable, with the cause, where the root is not a directory", async () => {
    writeFileSync(root, "");
    const error = await vault.put(name, content).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Unavailable);
    expect(error).toHaveProperty("cause.code", expect.stringMatching(/^E/));
    expect((error as Error).message).not.toContain(base);
  });

  it("are whole or absent: what a crash left beside them is not an object", async () => {
    await vault.put(name, content);
    const directory = join(root, "keys", id);
    linkSync(join(directory, "1"), join(directory, ".0123.tmp"));
    chmodSync(directory, 0o700);
    await expect(vault.get(`keys/${id}/.0123.tmp` as typeof name, "00")).rejects.toThrow("not the name");
    const hash = await vault.put(name, content);
    expect(Buffer.from(await vault.get(name, hash)).toString()).toBe("private");
  });

  it("leave no empty directory behind, and the two folders stay", async () => {
    await vault.put(name, content);
    await vault.put(materialName(id, 2), content);
    await vault.put(trustName("ab"), content);
    await vault.delete(name, Number.POSITIVE_INFINITY);
    expect(readdirSync(join(root, "keys", id))).toEqual(["2"]);
    await vault.delete(materialName(id, 2), Number.POSITIVE_INFINITY);
    await vault.delete(trustName("ab"), Number.POSITIVE_INFINITY);
    expect(readdirSync(join(root, "keys"))).toEqual([]);
    expect(readdirSync(root).toSorted()).toEqual(["keys", "trust"]);
  });

  it("outlive a clean-up that read the records before a write named them", async () => {
    const trust = trustName("ab");
    for (const each of [trust, name]) {
      await vault.put(each, content);
      utimesSync(join(root, each), new Date(0), new Date(0));
    }
    const contents = async () => {
      // A write puts the same content, which it commits when these have been read.
      await vault.put(trust, content);
      return settings(5, []);
    };
    const done = await cleanUpKeys({ vault, contents, nowMs: Date.now() });
    expect(done).toEqual({ kind: "done", deleted: [name] });
    expect(existsSync(join(root, trust))).toBe(true);
  });
});
