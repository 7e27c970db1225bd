import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import { AcmeProblem } from "../../core/management/acme-ca.ts";
import { isEndReported } from "../../core/management/expiry.ts";
import type { IssuanceUnderTest } from "../../test/support/issuance.ts";
import { failureOf, startIssuance } from "../../test/support/issuance.ts";

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const ANY = { headers: { "if-match": "*" } };

const refusedAs = (type: string): AcmeProblem =>
  new AcmeProblem({ type, detail: "not known", status: 404, retryAfterMs: null, subproblems: [] });

const pinOf = ({ keys }: { readonly keys: readonly { readonly spkiPin: string }[] }): string =>
  keys.map(({ spkiPin }) => spkiPin).join();

describe("an ACME certificate", () => {
  it("is issued by dns-01 where the product publishes, and shows its state on the way", async () => {
    const under = await startIssuance();
    const id = await under.create();
    expect(await under.show(id)).toMatchObject({ state: "pending", keys: [], nextKeys: [{ slot: "ecdsa" }] });
    expect(await under.open().advance(id)).toBe("issued");
    const shown = await under.show(id);
    expect(shown).toMatchObject({
      state: "active",
      version: 1,
      names: ["mx.example.com"],
      nextKeys: [],
      lastError: null,
      validation: [],
      renewal: { by: "postern", key: "keep", keyKept: true },
      acme: { directory: "test", challenge: "dns-01" },
    });
    expect(shown.acme.caa).toEqual([
      { name: "mx.example.com", value: `0 issue "ca.example; accounturi=${shown.acme.accountUrl}"` },
    ]);
    expect(under.dns.size).toBe(0);
    const chain = await under.api.expect(200, "GET", `/v1/certificates/${id}/chain.pem`);
    expect(new X509Certificate(chain.text).subjectAltName).toBe("DNS:mx.example.com");
  });

  it("is issued by http-01, and its token is gone afterwards", async () => {
    const under = await startIssuance();
    const id = await under.create({ challenge: "http-01" });
    const tokens: string[] = [];
    const { fetchHttp } = under.ca.behaviour;
    under.ca.behaviour.fetchHttp = (name, token) => {
      tokens.push(token);
      return fetchHttp(name, token);
    };
    expect(await under.open().advance(id)).toBe("issued");
    expect(tokens).toHaveLength(1);
    for (const token of tokens) expect(await under.state.get(`token/${token}`)).toBeNull();
  });

  it("needs no challenge where the CA has approved the names before", async () => {
    const under = await startIssuance({ isPreApproved: true });
    under.published.clear();
    const id = await under.create();
    expect(await under.open().advance(id)).toBe("issued");
  });

  it("waits for the operator's records, of a name and its wildcard at once, then goes on", async () => {
    const under = await startIssuance();
    under.published.clear();
    const id = await under.create({ names: ["example.com", "*.example.com"] });
    expect(await under.open().advance(id)).toBe("waiting");
    const { validation, lastError } = await under.show(id);
    expect(lastError).toBeNull();
    expect(validation).toMatchObject([
      { type: "TXT", domain: "example.com", name: "_acme-challenge.example.com" },
      { type: "TXT", domain: "example.com", name: "_acme-challenge.example.com" },
    ]);
    const values = validation.map(({ value }: { readonly value: string }) => value);
    under.dns.set("_acme-challenge.example.com", values.slice(0, 1));
    expect(await under.open().advance(id)).toBe("waiting");
    under.dns.set("_acme-challenge.example.com", values);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(1);
    expect(await under.show(id)).toMatchObject({ names: ["example.com", "*.example.com"], validation: [] });
  });

  it("is not renewed for a name that has become another tenant's, and says so", async () => {
    const { api, ca, ...under } = await startIssuance();
    const inAccount = (account: string) => ({ "Postern-Account": account });
    for (const account of ["former", "owner"])
      await api.expect(201, "PUT", `/v1/accounts/${account}`, { body: {} });
    const names = ["mx.example.com"];
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "acme", directory: "test", names },
      headers: inAccount("former"),
    });
    expect(await under.open().advance(json.id)).toBe("issued");
    const settings = { body: { mxHosts: names }, headers: inAccount("owner") };
    await api.expect(201, "PUT", "/v1/domains/example.com", settings);
    const former = { headers: { ...inAccount("former"), ...ANY.headers } };
    await api.expect(200, "POST", `/v1/certificates/${json.id}/renew`, former);
    const says = "mx.example.com does not belong to this account any more";
    await expect(under.open().advance(json.id)).rejects.toThrow(says);
    const shown = await api.expect(200, "GET", `/v1/certificates/${json.id}`, former);
    expect(shown.json).toMatchObject({ state: "active", version: 1, lastError: { problem: says } });
    expect(ca.counts.newOrder).toBe(1);
  });

  it("has an ECDSA and an RSA key side by side, each with its own order and version", async () => {
    const under = await startIssuance();
    const id = await under.create({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 2, keys: [{ slot: "ecdsa" }, { slot: "rsa" }] });
  });

  it("renews both keys side by side: on request, and when the CA asks for it at once", async () => {
    const under = await startIssuance();
    const id = await under.create({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    await under.open().advance(id);
    await under.api.expect(200, "POST", `/v1/certificates/${id}/renew`, ANY);
    expect(await under.open().advance(id)).toBe("issued");
    const requested = await under.show(id);
    expect(requested).toMatchObject({ version: 4, lastError: null });
    const revoked = under.ca.authority.issued.length;
    const { renewalWindow } = under.ca.behaviour;
    under.ca.behaviour.renewalWindow = (issued) => {
      const at = under.api.clock.now() - HOUR_MS;
      const isRevoked = under.ca.authority.issued.indexOf(issued) < revoked;
      return isRevoked || renewalWindow === null
        ? { start: new Date(at), end: new Date(at + 60_000) }
        : renewalWindow(issued);
    };
    for (let hour = 0; hour < 24; hour += 1) {
      under.api.advance(HOUR_MS);
      await under.open().advance(id);
    }
    const renewed = await under.show(id);
    expect(renewed).toMatchObject({ version: 6, lastError: null });
    expect(pinOf(renewed)).toBe(pinOf(requested));
    const fingerprints = (shown: typeof renewed): readonly string[] =>
      shown.keys.map((key: { readonly fingerprintSha256: string }) => key.fingerprintSha256);
    for (const fingerprint of fingerprints(requested))
      expect(fingerprints(renewed)).not.toContain(fingerprint);
    expect(under.ca.authority.issued).toHaveLength(revoked + 2);
  });

  it("takes the other key back after a rollback to a version of one, and orders for it", async () => {
    const under = await startIssuance();
    const id = await under.create({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    await under.open().advance(id);
    const both = await under.show(id);
    const path = `/v1/certificates/${id}/rollback`;
    const { json: back } = await under.api.expect(200, "POST", path, { ...ANY, body: { version: 1 } });
    expect(back.keys).toMatchObject([{ slot: "ecdsa" }]);
    expect(back.nextKeys).toMatchObject([{ spkiPin: both.keys[1].spkiPin }]);
    expect(await under.open().advance(id)).toBe("issued");
    const again = await under.show(id);
    const pins = ({ keys }: typeof again): readonly string[] =>
      keys.map(({ spkiPin }: { readonly spkiPin: string }) => spkiPin);
    expect([pins(again), again.nextKeys]).toEqual([pins(both), []]);
  });

  it("renews one key although the CA refuses the other, which is shown and tried again", async () => {
    const under = await startIssuance();
    const id = await under.create({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    await under.open().advance(id);
    const first = await under.show(id);
    under.api.advance(5 * DAY_MS);
    const ca = under.cas.ca("test");
    if (ca === null) throw new TypeError("no CA");
    const finalize: typeof ca.finalize = async (account, order, csr) => {
      if (csr.length < 500) throw refusedAs("badPublicKey");
      return ca.finalize(account, order, csr);
    };
    const choosy: typeof ca = new Proxy(ca, {
      get: (target, member) => {
        const value: unknown = member === "finalize" ? finalize : Reflect.get(target, member);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const cas = { names: ["test"], ca: () => choosy };
    await expect(under.open({ cas }).advance(id)).rejects.toThrow("badPublicKey");
    const shown = await under.show(id);
    expect(shown).toMatchObject({ version: 3, lastError: { failures: 1 } });
    expect(shown.keys[0]).toEqual(first.keys[0]);
    expect(shown.keys[1].fingerprintSha256).not.toBe(first.keys[1].fingerprintSha256);
    under.api.advance(HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 4, lastError: null });
  });

  it("whose next key the CA refuses is renewed with the present one once the switch is cancelled", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const first = await under.show(id);
    await under.api.expect(200, "POST", `/v1/certificates/${id}/next-key`, ANY);
    const rotating = await under.api.expect(200, "POST", `/v1/certificates/${id}/rotate`, ANY);
    expect(rotating.json.renewal).toMatchObject({ key: "keep", keyKept: false });
    under.ca.faults.set("finalize", { kind: "refusal", type: "badPublicKey" });
    await failureOf(under, id);
    const cancelled = await under.api.expect(200, "DELETE", `/v1/certificates/${id}/next-key`, ANY);
    expect(cancelled.json).toMatchObject({ nextKeys: [], lastError: null, renewal: { keyKept: true } });
    under.ca.faults.clear();
    under.api.advance(5 * DAY_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(pinOf(await under.show(id))).toBe(pinOf(first));
  });

  it("that waits for the operator at its renewal says so, and is reported before it ends", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    under.published.clear();
    under.api.advance(5 * DAY_MS);
    expect(await under.open().advance(id)).toBe("waiting");
    expect(await under.show(id)).toMatchObject({
      lastError: null,
      reason: "publish the records of `validation`: the CA waits for them",
    });
    const record = await under.api.store.getCertificate(id);
    if (record === null) throw new TypeError("gone");
    expect(isEndReported(record)).toBe(true);
  });

  it("is issued although its lease cannot be released", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const { state } = under;
    const failing: typeof state = {
      get: (name) => state.get(name),
      delete: (name) => state.delete(name),
      put: (name, value, options) => {
        const isRelease = JSON.stringify(value).includes('"leasedUntilMs":0');
        return isRelease ? Promise.reject(new Unavailable("away")) : state.put(name, value, options);
      },
    };
    expect(await under.open({ state: failing }).advance(id)).toBe("issued");
  });

  it("that is deleted in the middle of an order is gone, which is no failure", async () => {
    const under = await startIssuance();
    const id = await under.create();
    let isDeleted = false;
    under.ca.onRequest = async (step) => {
      const isNow = step === "finalize" && !isDeleted;
      isDeleted ||= isNow;
      if (isNow) await under.api.expect(204, "DELETE", `/v1/certificates/${id}`, ANY);
    };
    expect(await under.open().advance(id)).toBe("gone");
  });

  it("keeps its key through 30 renewals of 6 days, then rotates to the announced one", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const first = await under.show(id);
    for (let renewal = 1; renewal <= 30; renewal += 1) {
      const { renewsAt } = await under.show(id);
      expect(await under.open().advance(id), "before it is due").not.toBe("issued");
      under.api.advance(Date.parse((await under.show(id)).renewsAt ?? renewsAt) - under.api.clock.now());
      expect(await under.open().advance(id)).toBe("issued");
      const shown = await under.show(id);
      expect(shown).toMatchObject({ version: renewal + 1, lastError: null });
      expect(pinOf(shown)).toBe(pinOf(first));
      expect(Date.parse(shown.notAfter)).toBeGreaterThan(under.api.clock.now() + 5 * DAY_MS);
    }
    expect(under.ca.authority.accounts).toHaveLength(1);
    const announced = await under.api.expect(200, "POST", `/v1/certificates/${id}/next-key`, ANY);
    const [next] = announced.json.nextKeys;
    expect(await under.open().advance(id)).not.toBe("issued");
    await under.api.expect(200, "POST", `/v1/certificates/${id}/rotate`, ANY);
    expect(await under.open().advance(id)).toBe("issued");
    const rotated = await under.show(id);
    expect(pinOf(rotated)).toBe(next.spkiPin);
    expect(pinOf(rotated)).not.toBe(pinOf(first));
    expect(rotated).toMatchObject({ version: 32, nextKeys: [] });
  }, 60_000);

  it("takes a new key at each renewal where the policy says so, the announced one if there is one", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const first = await under.show(id);
    const body = { renewal: { key: "new" } };
    await under.api.expect(200, "PATCH", `/v1/certificates/${id}`, { ...ANY, body });
    under.api.advance(5 * DAY_MS);
    expect(await under.open().advance(id)).toBe("issued");
    const second = await under.show(id);
    expect(pinOf(second)).not.toBe(pinOf(first));
    const announced = await under.api.expect(200, "POST", `/v1/certificates/${id}/next-key`, ANY);
    under.api.advance(5 * DAY_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(pinOf(await under.show(id))).toBe(announced.json.nextKeys[0].spkiPin);
  });

  it("renews within the window that the CA suggests, long before two thirds of its life", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const startMs = under.api.clock.now() + 24 * HOUR_MS;
    under.ca.behaviour.renewalWindow = () => ({
      start: new Date(startMs),
      end: new Date(startMs + HOUR_MS),
    });
    under.api.advance(12 * HOUR_MS);
    await under.open().advance(id);
    const { renewsAt } = await under.show(id);
    expect(Date.parse(renewsAt)).toBeGreaterThanOrEqual(Math.floor(startMs / 1000) * 1000);
    expect(Date.parse(renewsAt)).toBeLessThanOrEqual(startMs + HOUR_MS);
    under.api.advance(13 * HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.ca.authority.orders.at(-1)?.replaces).toMatch(/^[\w-]+\.[\w-]+$/);
  });

  it("is renewed at nine tenths of its life where the CA suggests a time after its end", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const { notAfter } = await under.show(id);
    const startMs = Date.parse(notAfter) + DAY_MS;
    under.ca.behaviour.renewalWindow = () => ({ start: new Date(startMs), end: new Date(startMs + DAY_MS) });
    under.api.advance(12 * HOUR_MS);
    await under.open().advance(id);
    const { renewsAt } = await under.show(id);
    expect(Date.parse(notAfter) - Date.parse(renewsAt)).toBeGreaterThan(12 * HOUR_MS);
  });

  it("that is due when it is issued is served for an hour before the CA is asked again", async () => {
    const under = await startIssuance({ lifeMs: 60_000, renewalWindow: null });
    const id = await under.create();
    expect(await under.open().advance(id)).toBe("issued");
    under.api.advance(50_000);
    expect(await under.open().advance(id)).toBe("unchanged");
    under.api.advance(HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(2);
  });

  it("is ordered without what it replaces where the CA does not take that", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const replaced: unknown[] = [];
    const ca = under.cas.ca("test");
    if (ca === null) throw new TypeError("no CA");
    const newOrder: typeof ca.newOrder = async (account, request) => {
      replaced.push(request.replaces);
      if (request.replaces !== null) throw refusedAs("malformed");
      return ca.newOrder(account, request);
    };
    const forgetful: typeof ca = new Proxy(ca, {
      get: (target, member) => {
        const value: unknown = member === "newOrder" ? newOrder : Reflect.get(target, member);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    under.api.advance(5 * DAY_MS);
    const cas = { names: ["test"], ca: () => forgetful };
    expect(await under.open({ cas }).advance(id)).toBe("issued");
    expect(replaced).toEqual([expect.any(String), null]);
  });

  it("is renewed at once on request", async () => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    await under.api.expect(200, "POST", `/v1/certificates/${id}/renew`, ANY);
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 2 });
  });
});

describe("two schedules at the same time", () => {
  it("make one order and one version", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const outcomes = await Promise.all([1, 2, 3].map(() => under.open().advance(id)));
    expect(outcomes.toSorted()).toEqual(["busy", "busy", "issued"]);
    expect(under.ca.counts.newOrder).toBe(1);
    expect(await under.show(id)).toMatchObject({ version: 1 });
  });
});

describe("a failure at the CA", () => {
  it.each([
    {
      what: "unreachable",
      break: ({ ca }: IssuanceUnderTest) => void (ca.isUnreachable = true),
      mend: ({ ca }: IssuanceUnderTest) => void (ca.isUnreachable = false),
      says: /test/,
    },
    {
      what: "a rate limit",
      break: ({ ca }: IssuanceUnderTest) =>
        ca.faults.set("newOrder", {
          kind: "refusal",
          type: "rateLimited",
          detail: "too many certificates",
          status: 429,
          retryAfter: "7200",
        }),
      mend: ({ ca }: IssuanceUnderTest) => ca.faults.clear(),
      says: /^rateLimited: too many certificates$/,
    },
    {
      what: "a wrong challenge",
      break: ({ ca }: IssuanceUnderTest) => void (ca.behaviour.lookUpTxt = () => ["another value"]),
      mend: ({ ca, dns }: IssuanceUnderTest) => void (ca.behaviour.lookUpTxt = (name) => dns.get(name) ?? []),
      says: /^the CA did not issue it: .*mx\.example\.com: dns-01: /,
    },
    {
      what: "an answer that is cut off in the middle of the certificate",
      break: ({ ca }: IssuanceUnderTest) => ca.faults.set("certificate", { kind: "cut-off" }),
      mend: ({ ca }: IssuanceUnderTest) => ca.faults.clear(),
      says: /./,
    },
    {
      what: "a certificate for another key",
      break: ({ ca }: IssuanceUnderTest) => void (ca.behaviour.isKeyWrong = true),
      mend: ({ ca }: IssuanceUnderTest) => void (ca.behaviour.isKeyWrong = false),
      says: /private key/,
    },
    {
      what: "a clock of the CA that is 65 minutes ahead: it dates certificates an hour back",
      break: ({ ca }: IssuanceUnderTest) => void (ca.behaviour.skewMs = 65 * 60_000),
      mend: () => undefined,
      says: /not valid before/,
    },
    {
      what: "a server error at finalization",
      break: ({ ca }: IssuanceUnderTest) =>
        ca.faults.set("finalize", { kind: "refusal", type: "serverInternal", status: 500 }),
      mend: ({ ca }: IssuanceUnderTest) => ca.faults.clear(),
      says: /./,
    },
  ])("($what) is shown with the next attempt, keeps what is in service, and is made good", async (fault) => {
    const under = await startIssuance();
    const id = await under.create();
    await under.open().advance(id);
    const before = await under.show(id);
    under.api.advance(5 * DAY_MS);
    fault.break(under);
    expect(await failureOf(under, id)).toMatch(fault.says);
    const failed = await under.show(id);
    expect(failed).toMatchObject({ version: 1, lastError: { failures: 1 } });
    expect(pinOf(failed)).toBe(pinOf(before));
    expect(Date.parse(failed.lastError.nextAt)).toBeGreaterThan(under.api.clock.now());
    expect(await under.open().advance(id), "before the next attempt").toBe("waiting");
    fault.mend(under);
    under.api.advance(Date.parse(failed.lastError.nextAt) - under.api.clock.now() + HOUR_MS);
    expect(await under.open().advance(id)).toBe("issued");
    expect(await under.show(id)).toMatchObject({ version: 2, lastError: null });
  });

  it("waits as long as the CA says: Retry-After of a rate limit", async () => {
    const under = await startIssuance();
    const id = await under.create();
    under.ca.faults.set("newOrder", {
      kind: "refusal",
      type: "rateLimited",
      status: 429,
      retryAfter: "7200",
    });
    await failureOf(under, id);
    const { lastError } = await under.show(id);
    expect(Date.parse(lastError.nextAt) - Date.parse(lastError.at)).toBe(7_200_000);
  });

  it.each(["accounts", "orders"] as const)("that has forgotten its %s is met with new ones", async (what) => {
    const under = await startIssuance();
    under.published.clear();
    const id = await under.create();
    expect(await under.open().advance(id)).toBe("waiting");
    if (what === "accounts") under.ca.authority.forgetAccounts();
    else under.ca.authority.forgetOrders();
    await failureOf(under, id);
    under.published.add("mx.example.com");
    under.api.advance(DAY_MS);
    expect(await under.open().advance(id)).toBe("issued");
  });
});

describe("a failure here", () => {
  it("of the vault, once the CA has issued, loses nothing: the same order is put into service later", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const { vault } = under.api;
    let isAway = true;
    const broken = new Proxy(vault, {
      get: (target, member) => {
        if (member === "put" && isAway)
          return async (name: string, content: Uint8Array) => {
            if (name.startsWith("keys/")) throw new Unavailable("the key vault does not answer");
            return target.put(name as Parameters<typeof target.put>[0], content);
          };
        const value: unknown = Reflect.get(target, member);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await expect(under.open({ vault: broken }).advance(id)).rejects.toThrow("the key vault does not answer");
    expect(await under.show(id)).toMatchObject({
      version: null,
      lastError: { problem: "the key vault does not answer" },
    });
    isAway = false;
    under.api.advance(HOUR_MS);
    expect(await under.open({ vault: broken }).advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(1);
  });

  it("that deletes all state of issuance is made good by the next sweep", async () => {
    const under = await startIssuance();
    under.published.clear();
    const id = await under.create();
    expect(await under.open().advance(id)).toBe("waiting");
    await under.state.delete("account/test");
    await under.state.delete(`certificate/${id}`);
    under.published.add("mx.example.com");
    // The order is another account's now: the CA does not show it.
    await under
      .open()
      .advance(id)
      .catch(() => undefined);
    under.api.advance(DAY_MS);
    await under
      .open()
      .advance(id)
      .catch(() => undefined);
    expect(await under.show(id)).toMatchObject({ version: 1 });
  });
});
