import { describe, expect, it, onTestFinished } from "vitest";
import { createAcmeCas } from "../../adapters/acme/acme-cas.ts";
import { readMaterial } from "../../core/management/certificate-material.ts";
import { materialName, privateKeyName } from "../../core/store/key-vault.ts";
import { createSelfSigned } from "../../core/x509/self-signed.ts";
import type { StoredPrivateKey } from "../../core/x509/serving-material.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import { TestAcmeCa } from "../../test/support/acme-ca/acme-ca.ts";
import { failureOf, type IssuanceUnderTest, startIssuance } from "../../test/support/issuance.ts";

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

describe("an object that the vault has lost", () => {
  const lose = async (under: IssuanceUnderTest, id: CertificateId): Promise<void> => {
    const record = await under.api.store.getCertificate(id);
    const { material, pendingKeys = [] } = record ?? {};
    const names = [
      ...(material ? [materialName(id, material.version)] : []),
      ...pendingKeys.map(({ spkiPin }) => privateKeyName(id, spkiPin)),
    ];
    // The files are of the real clock.
    for (const name of names) expect(await under.api.vault.delete(name, Date.now() + DAY_MS)).toBe(true);
  };

  it.each(["the first key", "the material in service"])(
    "(%s) is replaced by a new key, with the reason shown",
    async (what) => {
      const under = await startIssuance();
      const id = await under.create();
      if (what !== "the first key") {
        await under.open().advance(id);
        under.api.advance(5 * DAY_MS);
      }
      await lose(under, id);
      expect(await failureOf(under, id)).toContain("not in the vault any more");
      under.api.advance(HOUR_MS);
      expect(await under.open().advance(id)).toBe("issued");
      expect(await under.show(id)).toMatchObject({ lastError: null, nextKeys: [] });
      await under.api.expect(200, "GET", `/v1/certificates/${id}/chain.pem`);
    },
  );
});

describe("two orders of an account that is lost", () => {
  it("are both placed again by the new account", async () => {
    const under = await startIssuance();
    under.published.clear();
    const id = await under.create({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    expect(await under.open().advance(id)).toBe("waiting");
    await under.state.delete("account/test");
    under.published.add("mx.example.com");
    await failureOf(under, id);
    under.api.advance(HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 2, keys: [{ slot: "ecdsa" }, { slot: "rsa" }] });
  });
});

/** An account as a release before 0.2 noted it. */
const withoutUrl = (account: object): object =>
  Object.fromEntries(Object.entries(account).filter(([name]) => name !== "directoryUrl"));

describe("an account", () => {
  const noted = async (under: IssuanceUnderTest) => (await under.state.get("account/test"))?.value;

  it("that the CA has deactivated is replaced by a new one with a new key, and the reason says so", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const { acme } = await under.show(id);
    const before = await noted(under);
    under.ca.authority.deactivated.add(acme.accountUrl);
    under.api.advance(5 * DAY_MS);
    const reason = await failureOf(under, id).catch(String);
    const { lastError } = await under.show(id);
    expect(reason).toContain("unauthorized: account is not valid");
    expect(lastError.problem).toContain(`the CA has deactivated the account ${acme.accountUrl}`);
    expect(await noted(under)).not.toMatchObject({ spkiPin: Reflect.get(before ?? {}, "spkiPin") });
    under.api.advance(HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    const after = await under.show(id);
    expect(after).toMatchObject({ version: 2, lastError: null });
    expect(under.ca.authority.accounts.map(({ url }) => url)).toEqual([
      acme.accountUrl,
      after.acme.accountUrl,
    ]);
  });

  it("stays when the CA refuses something else as unauthorized", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const before = await noted(under);
    under.api.advance(5 * DAY_MS);
    under.ca.faults.set("newOrder", { kind: "refusal", type: "unauthorized", status: 403 });
    expect(await failureOf(under, id)).not.toContain("deactivated");
    expect(await noted(under)).toEqual(before);
  });

  it.each([
    ["as it is noted", (value: object): object => value],
    ["as a release before 0.2 noted it", withoutUrl],
  ])("of the CA that had the name before (%s) is not used at another, nor its key", async (_, old) => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const item = await under.state.get("account/test");
    const first = old(item?.value as object);
    await under.state.put("account/test", first, { expected: item?.version ?? null, expiresAtMs: null });
    under.api.advance(5 * DAY_MS);
    const { ca, cas } = await otherCa(under);
    expect(await under.open({ cas }).advance(id)).toBe("issued");
    expect(ca.authority.issued).toHaveLength(1);
    const [account, ...others] = ca.authority.accounts;
    expect(others).toEqual([]);
    expect(await noted(under)).toMatchObject({ url: account?.url, directoryUrl: ca.directoryUrl });
    expect(account?.jwk).not.toEqual(under.ca.authority.accounts[0]?.jwk);
  });

  it("that a release before 0.2 noted is used further at its CA", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const item = await under.state.get("account/test");
    const first = withoutUrl(item?.value as object);
    await under.state.put("account/test", first, { expected: item?.version ?? null, expiresAtMs: null });
    under.api.advance(5 * DAY_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.ca.authority.accounts).toHaveLength(1);
  });
});

/** Another CA under the name of the first. */
async function otherCa({ api, dns }: IssuanceUnderTest) {
  const { clock } = api;
  const ca = await TestAcmeCa.start({ now: clock.now, lookUpTxt: (name) => dns.get(name) ?? [] });
  onTestFinished(() => ca.close());
  const { directoryUrl: url, caFile } = ca;
  const cas = createAcmeCas({
    directories: [{ name: "test", url, contact: [], eabKeyId: null, caFile }],
    readEabKey: async () => null,
    clock,
    release: "test",
    deadlineMs: 2_000,
  });
  return { ca, cas };
}

describe("a certificate that its CA issues without a name that a host needs", () => {
  it("is refused, its order forgotten, and ordered again", async () => {
    const under = await startIssuance();
    under.published.add("mx2.example.com");
    const id = await under.create({ names: ["mx.example.com", "mx2.example.com"] });
    await under.open().advance(id);
    await under.api.expect(201, "PUT", "/v1/domains/example.com", {
      body: { mxHosts: ["mx2.example.com"], tls: { server: { certificateId: id } } },
    });
    under.api.advance(5 * DAY_MS);
    const ca = under.cas.ca("test");
    if (ca === null) throw new TypeError("no CA");
    const other = await under.create();
    await under.open().advance(other);
    const { privateKeyPem } = await keyOf(under, id);
    const ofOneName = await createSelfSigned(
      { names: ["mx.example.com"], existingKeys: [{ keyType: "ecdsa-p256", privateKeyPem }] },
      { nowMs: under.api.clock.now() },
    );
    const forgetful: typeof ca = new Proxy(ca, {
      get: (target, member) => {
        const value: unknown =
          member === "certificate"
            ? async () => ofOneName.material.keys[0]?.certificateChainPem
            : Reflect.get(target, member);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const cas = { names: ["test"], ca: () => forgetful };
    await expect(under.open({ cas }).advance(id)).rejects.toThrow("do not cover mx2.example.com");
    expect(await under.show(id)).toMatchObject({ version: 1, names: ["mx.example.com", "mx2.example.com"] });
    under.api.advance(HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 2, lastError: null });
  });
});

/** The key in service, as the vault has it. */
async function keyOf(under: IssuanceUnderTest, id: CertificateId): Promise<StoredPrivateKey> {
  const record = await under.api.store.getCertificate(id);
  if (record === null) throw new TypeError("gone");
  const [key] = (await readMaterial(under.api.vault, record)).keys;
  if (key === undefined) throw new TypeError("no key");
  return key;
}
