import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import type { AcmeCas } from "../../core/management/acme-ca.ts";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import type { IssuanceUnderTest } from "../../test/support/issuance.ts";
import { startIssuance } from "../../test/support/issuance.ts";

const DAY_MS = 24 * 3600 * 1000;

const pinOf = ({ keys }: { readonly keys: readonly { readonly spkiPin: string }[] }): string =>
  keys.map(({ spkiPin }) => spkiPin).join();

describe("a CA that fails", () => {
  it("at 5 attempts for an account leaves one account key", async () => {
    const under = await startIssuance();
    const id = await under.create();
    under.ca.isUnreachable = true;
    for (let failures = 1; failures <= 5; failures += 1) {
      await expect(under.open().advance(id)).rejects.toThrow();
      const { lastError } = await under.show(id);
      expect(lastError).toMatchObject({ failures });
      under.api.advance(Date.parse(lastError.nextAt) - under.api.clock.now());
    }
    expect(await accountKeysOf(under)).toHaveLength(1);
    under.ca.isUnreachable = false;
    expect(await under.open().advance(id)).toBe("issued");
    expect(await accountKeysOf(under)).toHaveLength(1);
  });

  it("that forgets the account again and again leaves one account key", async () => {
    const under = await startIssuance();
    const id = await under.create();
    for (let forgotten = 1; forgotten <= 3; forgotten += 1) {
      under.ca.faults.set("newOrder", { kind: "refusal", type: "accountDoesNotExist", status: 400 });
      await expect(under.open().advance(id)).rejects.toThrow();
      const { lastError } = await under.show(id);
      under.api.advance(Date.parse(lastError.nextAt) - under.api.clock.now());
    }
    under.ca.faults.clear();
    under.ca.authority.forgetAccounts();
    expect(await under.open().advance(id)).toBe("issued");
    expect(await accountKeysOf(under)).toHaveLength(1);
  });
});

/** The process ends: no effect after it, and none is finished. */
class Killed extends Error {}

/** Ports of which the call with this number is the last: done or not done, and never answered. */
function killedAt(under: IssuanceUnderTest, number: number, isDone: boolean) {
  let calls = 0;
  let isDead = false;
  const dying = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member);
        if (typeof value !== "function") return value;
        return async (...given: unknown[]) => {
          if (isDead) throw new Killed();
          calls += 1;
          isDead = calls === number;
          if (isDead && !isDone) throw new Killed();
          const result: unknown = await Reflect.apply(value, target, given);
          if (isDead) throw new Killed();
          return result;
        };
      },
    });
  const ca = under.cas.ca("test");
  if (ca === null) throw new Error("no CA");
  const dyingCa = dying(ca);
  const cas: AcmeCas = { names: ["test"], ca: () => dyingCa };
  const ports = {
    store: dying(under.api.store),
    vault: dying(under.api.vault),
    state: dying(under.state),
    cas,
  };
  return { ports, wasKilled: () => isDead };
}

describe.each([
  { moment: "before", isDone: false },
  { moment: "after", isDone: true },
])("a process that is killed $moment any call of an issuance", ({ isDone }) => {
  it("leaves a state that the next sweeps repair, of a first order and of a renewal", async () => {
    let number = 1;
    for (; ; number += 1) {
      const under = await startIssuance();
      const id = await under.create();
      const first = killedAt(under, number, isDone);
      await under
        .open(first.ports)
        .advance(id)
        .catch(() => undefined);
      await repaired(under, id, 1);
      under.api.advance(5 * DAY_MS);
      const pin = pinOf(await under.show(id));
      const second = killedAt(under, number, isDone);
      await under
        .open(second.ports)
        .advance(id)
        .catch(() => undefined);
      await repaired(under, id, 2);
      expect(pinOf(await under.show(id))).toBe(pin);
      expect(under.ca.authority.orders.length).toBeLessThanOrEqual(4);
      if (!first.wasKilled() && !second.wasKilled()) break;
    }
    // What an issuance does: fewer calls would mean that not all were seen.
    expect(number).toBeGreaterThan(20);
  }, 300_000);

  it("leaves the account findable where the binding to an outside account serves once", async () => {
    let number = 1;
    for (; ; number += 1) {
      const under = await startIssuance({ externalAccount: { keyId: "kid-1", hmacKey: randomBytes(32) } });
      const id = await under.create();
      const killed = killedAt(under, number, isDone);
      await under
        .open(killed.ports)
        .advance(id)
        .catch(() => undefined);
      await repaired(under, id, 1);
      expect(under.ca.authority.accounts).toHaveLength(1);
      if (!killed.wasKilled()) break;
    }
    expect(number).toBeGreaterThan(20);
  }, 300_000);
});

/** Names of the accounts' keys in the vault. */
async function accountKeysOf({ api: { vault, clock } }: IssuanceUnderTest): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of filesOf(vault).writtenBefore(clock.now() + 2 * DAY_MS))
    if (name.startsWith("acme/")) names.push(name);
  return names;
}

function filesOf(vault: unknown): FileKeyVault {
  if (!(vault instanceof FileKeyVault)) throw new TypeError("no vault of files");
  return vault;
}

/** Sweeps as the schedule makes them, and a clean-up of the vault. */
async function repaired(under: IssuanceUnderTest, id: CertificateId, version: number): Promise<void> {
  for (let sweep = 0; sweep < 4; sweep += 1) {
    await under.open().advance(id);
    under.api.advance(6 * 60_000);
  }
  expect(await under.show(id)).toMatchObject({ version, lastError: null, nextKeys: [] });
  const { store, clock } = under.api;
  const vault = filesOf(under.api.vault);
  await cleanUpKeys({ vault, contents: () => store.loadAll(), nowMs: clock.now() + 2 * DAY_MS });
  await under.api.expect(200, "GET", `/v1/certificates/${id}/chain.pem`);
}
