import { describe, expect, it } from "vitest";
import { AcmCertificates, type Advance } from "../../core/management/acm-certificates.ts";
import { isCertificateId } from "../../core/name/ids.ts";
import { Unavailable } from "../../core/errors.ts";
import type { Store } from "../../core/store/store.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { secretTexts } from "../../test/support/secret-texts.ts";
import { TestIssuer } from "../../test/support/test-issuer.ts";
import type { ApiDependencies } from "./app.ts";

const order = { source: "acm", names: ["mx.example.com", "*.mail.example.com"], acceptCharges: true };
const ANY = { headers: { "if-match": "*" } };

interface WithAcm {
  readonly api: ApiUnderTest;
  readonly issuer: TestIssuer;
  /** Orders, and gives the id and ACM's own name of it. */
  readonly place: () => Promise<{ readonly id: string; readonly arn: string; readonly path: string }>;
  /** What the schedule does. */
  readonly advance: (id: string) => Promise<Advance>;
}

async function start(overrides: Partial<ApiDependencies> = {}): Promise<WithAcm> {
  const issuer = new TestIssuer();
  const api = await startApi({ issuer, ...overrides });
  const retry = { now: () => performance.now(), random: Math.random, sleep: async () => undefined };
  const acm = new AcmCertificates({ ...api, issuer, retry });
  return {
    api,
    issuer,
    place: async () => {
      const { json } = await api.expect(201, "POST", "/v1/certificates", { body: order });
      const { id } = json as { readonly id: string };
      return { id, arn: `arn:test:${id}`, path: `/v1/certificates/${id}` };
    },
    advance: async (id) => (isCertificateId(id) ? acm.advance(id) : "gone"),
  };
}

/** All rows of the settings database. */
const storedIn = ({ database }: ApiUnderTest): unknown =>
  database
    .all("SELECT name FROM sqlite_master WHERE type = 'table'")
    .map(({ name }) => database.all(`SELECT * FROM "${String(name)}"`));

const useIt = (certificateId: string) => ({
  body: { mxHosts: ["mx.example.com"], tls: { server: { certificateId } } },
});

describe("a certificate of ACM", () => {
  it("is pending when it was ordered, and shows the DNS records that it waits for", async () => {
    const { api, place } = await start();
    const { path } = await place();
    const { json } = await api.expect(200, "GET", path);
    expect(json).toMatchObject({
      source: "acm",
      state: "pending",
      reason: "ACM waits for the DNS records of validation, for 72 hours at most",
      names: order.names,
      keys: [],
      version: null,
      notBefore: null,
      notAfter: null,
      validation: [
        { domain: "mx.example.com", name: "_abc.mx.example.com.", value: "_def.acm-validations.aws." },
        { domain: "*.mail.example.com", name: "_abc.mail.example.com." },
      ],
    });
  });

  it("has its private key in the vault alone", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    issuer.issue(arn, { days: 90 });
    await advance(id);
    issuer.issue(arn, { days: 180 });
    await advance(id);
    const reads = [
      path,
      `${path}/versions`,
      `${path}/chain.pem`,
      "/v1/certificates",
      "/v1/changes?limit=200",
    ];
    const answers = await Promise.all(reads.map(async (read) => (await api.expect(200, "GET", read)).text));
    const shown = [...answers, JSON.stringify(api.events), JSON.stringify(storedIn(api))].join("\n");
    expect(issuer.keys).toHaveLength(2);
    const secrets = issuer.keys.flatMap((key) => secretTexts(key, ""));
    expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
    const record = isCertificateId(id) ? await api.store.getCertificate(id) : null;
    const { version = 0, sha256 = "" } = record?.material ?? {};
    const kept = Buffer.from(await api.vault.get(`keys/${id}/${version}`, sha256)).toString();
    expect(secrets.some((secret) => kept.includes(secret))).toBe(true);
  });

  it.each([
    [{ ...order, acceptCharges: undefined }, 400, ["invalid_value /acceptCharges"]],
    [{ ...order, acceptCharges: false }, 400, ["invalid_value /acceptCharges"]],
    [{ ...order, names: [] }, 400, ["too_small /names"]],
    [{ ...order, names: [`${"a".repeat(60)}.example.com`] }, 400, ["custom /names/0"]],
    [{ ...order, keyType: "rsa-4096" }, 400, ["invalid_value /keyType"]],
    [{ ...order, days: 5 }, 400, ["unrecognized_keys /days"]],
  ])("is not ordered by %j", async (body, status, problems) => {
    const { api, issuer } = await start();
    const answer = await api.expect(status, "POST", "/v1/certificates", { body });
    expect(answer.problems).toHaveLength(problems.length);
    expect(answer.problems[0]?.split(" ")[1]).toBe(problems[0]?.split(" ")[1]);
    expect(issuer.arns).toEqual([]);
  });

  it("is not to be had where there is no ACM", async () => {
    const api = await startApi();
    const { problems } = await api.expect(422, "POST", "/v1/certificates", { body: order });
    expect(problems).toEqual(["no-issuer /source"]);
  });

  it("serves no host before it is issued", async () => {
    const { api, place } = await start();
    const { id, path } = await place();
    const { problems } = await api.expect(422, "PUT", "/v1/domains/example.com", useIt(id));
    expect(problems).toEqual(["certificate-not-issued /tls/server/certificateId"]);
    await api.expect(404, "GET", `${path}/chain.pem`);
  });

  it("becomes a version of the same certificate when it was issued, and another one when it was renewed", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    expect(await advance(id)).toBe("unchanged");
    issuer.issue(arn, { days: 20 });
    expect((await api.expect(200, "GET", path)).json).toMatchObject({
      state: "pending",
      reason: "issued by ACM; it is exported within minutes",
    });
    expect(await advance(id)).toBe("exported");
    const { json } = await api.expect(200, "GET", path);
    expect(json).toMatchObject({
      state: "expiring",
      version: 1,
      keys: [{ keyType: "ecdsa-p256" }],
      updatedBy: "schedule",
    });
    await api.expect(201, "PUT", "/v1/domains/example.com", useIt(id));
    expect((await api.expect(200, "GET", `${path}/chain.pem`)).text).toContain("BEGIN CERTIFICATE");

    expect(await advance(id)).toBe("unchanged");
    issuer.issue(arn, { days: 90 });
    expect(await advance(id)).toBe("exported");
    expect(issuer.exports).toHaveLength(2);
    const renewed = (await api.expect(200, "GET", path)).json;
    expect(renewed).toMatchObject({
      state: "active",
      version: 2,
      usedBy: { count: 1, domains: ["example.com"] },
    });
    expect(renewed).not.toHaveProperty("reason");
    expect(JSON.stringify((await api.expect(200, "GET", "/v1/changes")).json)).not.toContain("PRIVATE KEY");
  });

  it("is not put into service when no edge could load it", async () => {
    const { api, issuer, place, advance } = await start({ loadAtEdge: () => "ERR_SSL_CA_KEY_TOO_SMALL" });
    const { id, arn, path } = await place();
    issuer.issue(arn, { days: 20 });
    await expect(advance(id)).rejects.toMatchObject({ issues: [{ code: "does-not-load" }] });
    expect((await api.expect(200, "GET", path)).json.version).toBeNull();
  });

  it("that failed shows why, cannot be assigned, and can be deleted", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    issuer.set(arn, { kind: "failed", validation: [], problem: "ACM could not issue it (CAA_ERROR)" });
    expect((await api.expect(200, "GET", path)).json).toMatchObject({ state: "failed" });
    expect(await advance(id)).toBe("noted");
    expect(await advance(id)).toBe("unchanged");
    const { json } = await api.expect(200, "GET", "/v1/certificates?state=failed");
    expect(json).toMatchObject({ items: [{ id, reason: "ACM could not issue it (CAA_ERROR)" }] });
    const { problems } = await api.expect(422, "PUT", "/v1/domains/example.com", useIt(id));
    expect(problems).toEqual(["certificate-failed /tls/server/certificateId"]);
    await api.expect(204, "DELETE", path, ANY);
    expect(issuer.arns).toEqual([]);
    expect(await advance(id)).toBe("gone");
  });

  it("that is not renewed goes on serving, and says what is missing", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    issuer.issue(arn, { days: 20 });
    await advance(id);
    issuer.issue(arn, { days: 20, problem: "its renewal waits for the DNS records of validation" });
    expect(["noted", "exported"]).toContain(await advance(id));
    expect((await api.expect(200, "GET", path)).json).toMatchObject({
      state: "expiring",
      reason: "its renewal waits for the DNS records of validation",
    });
  });

  it("that is gone from ACM before it was issued has failed", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    await issuer.delete(arn);
    expect(await advance(id)).toBe("noted");
    expect((await api.expect(200, "GET", path)).json).toMatchObject({
      state: "failed",
      reason: "it was deleted at ACM",
    });
  });

  it("that a host serves is not deleted, here or at ACM", async () => {
    const { api, issuer, place, advance } = await start();
    const { id, arn, path } = await place();
    issuer.issue(arn, { days: 60 });
    await advance(id);
    await api.expect(201, "PUT", "/v1/domains/example.com", useIt(id));
    await api.expect(409, "DELETE", path, ANY);
    expect(issuer.arns).toEqual([arn]);
    await api.expect(412, "DELETE", path, { headers: { "if-match": '"1"' } });
    await api.expect(204, "DELETE", "/v1/domains/example.com", ANY);
    issuer.answers = false;
    await api.expect(503, "DELETE", path, ANY);
    issuer.answers = true;
    await api.expect(204, "DELETE", path, ANY);
    expect(issuer.arns).toEqual([]);
  });

  it("takes no material from other sources", async () => {
    const { api, place } = await start();
    const { path } = await place();
    const body = { certificatePem: "x", privateKeyPem: "y" };
    const { problems } = await api.expect(422, "PUT", `${path}/material`, { ...ANY, body });
    expect(problems).toEqual(["issued-by-acm "]);
    await api.expect(200, "PATCH", path, { ...ANY, body: { label: "front" } });
  });

  it("is shown as it was seen last while ACM does not answer, and is not ordered then", async () => {
    const { api, issuer, place } = await start();
    const { path } = await place();
    issuer.answers = false;
    expect((await api.expect(200, "GET", path)).json).toMatchObject({
      state: "pending",
      reason: "ACM does not answer; this is the last known state",
      validation: [{}, {}],
    });
    await api.expect(503, "POST", "/v1/certificates", { body: order });
  });

  it("is withdrawn when it cannot be stored: it would cost money without a record of it", async () => {
    const failing = (store: Store): Store =>
      new Proxy(store, {
        get: (target, key) =>
          key === "commit"
            ? () => Promise.reject(new Unavailable("no answer"))
            : Reflect.get(target, key, target).bind(target),
      });
    const { store } = await startApi();
    const { api, issuer } = await start({ store: failing(store) });
    await api.expect(503, "POST", "/v1/certificates", { body: order });
    expect(issuer.arns).toEqual([]);
  });
});
