import { describe, expect, it } from "vitest";
import {
  type ApiUnderTest,
  inOtherAccount,
  OTHER_TOKEN,
  type RequestOptions,
  startApi,
} from "../../test/support/api.ts";

/** A certificate belongs to the MX host: what several domains, and several accounts, see of one. */

const DAY_MS = 24 * 3600 * 1000;
const AS_OTHER = { token: OTHER_TOKEN };

async function certificate(
  api: ApiUnderTest,
  names: string[],
  options: RequestOptions = {},
): Promise<string> {
  const body = { source: "self-signed", names, days: 10 };
  return (await api.expect(201, "POST", "/v1/certificates", { body, ...options })).json.id;
}

const settings = (mxHosts: string[], certificateId: string | null = null) => ({
  mxHosts,
  tls: { server: { certificateId } },
});

const put = (api: ApiUnderTest, status: number, name: string, body: object, options: RequestOptions = {}) =>
  api.expect(status, "PUT", `/v1/domains/${name}`, { body, ...options });

const replace = (api: ApiUnderTest, status: number, path: string, body: object) =>
  api.expect(status, "PUT", `/v1/domains/${path}`, { body, headers: { "If-Match": "*" } });

const certificateOf = async (api: ApiUnderTest, name: string) =>
  (await api.expect(200, "GET", `/v1/domains/${name}`)).json.tls.server.certificateId;

const POINTER = "/tls/server/certificateId";

describe("the certificate of a domain", () => {
  it.each([
    ["is not there", () => Promise.resolve("cert_01ARZ3NDEKTSV4RRFFQ69G5FAV"), "unknown-certificate"],
    ["is no id at all", () => Promise.resolve("../../etc/passwd"), "unknown-certificate"],
    [
      "is another account's",
      (api: ApiUnderTest) => certificate(api, ["mx.a.example"], AS_OTHER),
      "unknown-certificate",
    ],
    [
      "misses its host",
      (api: ApiUnderTest) => certificate(api, ["a.example", "*.mx.a.example"]),
      "certificate-misses-host",
    ],
    [
      "has expired",
      async (api: ApiUnderTest) => {
        const id = await certificate(api, ["mx.a.example"]);
        api.advance(11 * DAY_MS);
        return id;
      },
      "certificate-expired",
    ],
    [
      "is not valid yet",
      async (api: ApiUnderTest) => {
        const id = await certificate(api, ["mx.a.example"]);
        api.advance(-DAY_MS);
        return id;
      },
      "certificate-not-yet-valid",
    ],
  ])("is refused when it %s", async (_, make, code) => {
    const api = await startApi();
    const id = await make(api);
    expect((await put(api, 422, "a.example", settings(["mx.a.example"], id))).problems).toEqual([
      `${code} ${POINTER}`,
    ]);
    await put(api, 201, "a.example", settings(["mx.a.example"]));
    const body = { server: { certificateId: id } };
    const tls = await replace(api, 422, "a.example/tls", body);
    expect(tls.problems).toEqual([`${code} /server/certificateId`]);
  });

  it("must cover every host, those added later too; a wildcard covers one label", async () => {
    const api = await startApi();
    const id = await certificate(api, ["*.a.example"]);
    await put(api, 201, "a.example", settings(["mx1.a.example", "mx2.a.example"], id));
    const patch = (mxHosts: string[], status: number) =>
      api.expect(status, "PATCH", "/v1/domains/a.example", {
        body: { mxHosts },
        headers: { "If-Match": "*" },
      });
    await patch(["mx1.a.example", "mx3.a.example"], 200);
    const { problems, json } = await patch(["mx1.a.example", "x.mx2.a.example", "mx.b.example"], 422);
    expect(problems).toEqual([`certificate-misses-host ${POINTER}`]);
    expect(json.detail).toContain("x.mx2.a.example, mx.b.example");
  });

  it("that ran out in service does not lock the domain's other settings", async () => {
    const api = await startApi();
    const id = await certificate(api, ["mx.a.example"]);
    await put(api, 201, "a.example", settings(["mx.a.example"], id));
    api.advance(11 * DAY_MS);
    const body = { tls: { enforcement: "observe" } };
    const options = { body, headers: { "If-Match": "*" } };
    const { json } = await api.expect(200, "PATCH", "/v1/domains/a.example", options);
    expect(json.warnings.map(({ code }: { code: string }) => code)).toContain("certificate-expired");
    await put(api, 422, "b.example", settings(["mx.a.example"], id));
  });
});

describe("an MX host that two domains of an account share", () => {
  async function shared() {
    const api = await startApi();
    const first = await certificate(api, ["mx.example", "other.example"]);
    const second = await certificate(api, ["mx.example", "other.example"]);
    await put(api, 201, "a.example", settings(["mx.example"], first));
    await put(api, 201, "b.example", settings(["mx.example"], first));
    return { api, first, second };
  }

  it("does not change its certificate by one of them, and says how many others there are", async () => {
    const { api, first, second } = await shared();
    await put(api, 201, "c.example", settings(["mx.example"], first));
    const refused = await replace(api, 409, "a.example", settings(["mx.example"], second));
    expect(refused.problems).toEqual([`shared-host ${POINTER}`]);
    expect(refused.json.detail).toContain("2 other domains");
    expect(await certificateOf(api, "a.example")).toBe(first);
    // Leaving it out is null, which is a change too.
    const added = await put(api, 409, "d.example", settings(["mx.example"]));
    expect(added.json.detail).toContain("3 other domains");
    const tls = await replace(api, 409, "a.example/tls", { server: { certificateId: second } });
    expect(tls.problems).toEqual(["shared-host /server/certificateId"]);
  });

  it("changes it for all of them with ?sharedHosts=move", async () => {
    const { api, second } = await shared();
    await replace(api, 200, "a.example?sharedHosts=move", settings(["mx.example"], second));
    expect(await certificateOf(api, "a.example")).toBe(second);
    expect(await certificateOf(api, "b.example")).toBe(second);
    const { json } = await api.expect(200, "GET", `/v1/certificates/${second}`);
    expect(json.usedBy).toEqual({ count: 2, domains: ["a.example", "b.example"] });
    const listed = await api.expect(200, "GET", `/v1/domains?certificateId=${second}`);
    expect(listed.json.items.map(({ name }: { name: string }) => name)).toEqual(["a.example", "b.example"]);
  });

  it("lets a domain that has another host beside be patched after the shared one was moved", async () => {
    const { api, first, second } = await shared();
    await replace(api, 200, "a.example", settings(["other.example", "mx.example"], first));
    await replace(api, 200, "b.example?sharedHosts=move", settings(["mx.example"], second));
    const options = { body: { tls: { enforcement: "defer" } }, headers: { "If-Match": "*" } };
    const { json } = await api.expect(200, "PATCH", "/v1/domains/a.example", options);
    expect(json.tls.server.certificateId).toBe(first);
    expect(json.warnings.map(({ code }: { code: string }) => code)).toContain("mx-hosts-differ");
    expect(await certificateOf(api, "b.example")).toBe(second);
  });

  it("changes freely once the others are gone", async () => {
    const { api, second } = await shared();
    await api.expect(204, "DELETE", "/v1/domains/b.example", { headers: { "If-Match": "*" } });
    await replace(api, 200, "a.example", settings(["mx.example"], second));
  });
});

describe("an MX host of another account", () => {
  /** The operator's, and one on the edge's default certificate, as the other account sees them. */
  const HOSTS = ["mx.taken.example", "operator.example", "mx.operator.example"];

  async function taken() {
    const api = await startApi();
    const theirs = await certificate(api, ["mx.taken.example"]);
    await put(api, 201, "secret-customer.example", settings(["mx.taken.example"], theirs));
    return api;
  }

  const read = (api: ApiUnderTest) => api.expect(200, "GET", "/v1/domains/a.example", AS_OTHER);

  it.each(HOSTS)("%s may be named with no certificate", async (host) => {
    const api = await taken();
    await put(api, 201, "a.example", settings([host]), AS_OTHER);
    expect((await read(api)).json.tls.server.certificateId).toBeNull();
  });

  it("is refused with a certificate in the same words, whosever it is and whether the certificate fits or not", async () => {
    const api = await taken();
    const fitting = await certificate(api, HOSTS, AS_OTHER);
    const other = await certificate(api, ["a.example"], AS_OTHER);
    const answers: string[] = [];
    for (const id of [fitting, other, "cert_none"]) {
      for (const host of HOSTS) {
        const { json, text } = await put(api, 409, "a.example", settings([host], id), AS_OTHER);
        expect(text).not.toMatch(/secret-customer|default|other|operator account/);
        answers.push(JSON.stringify({ ...json, requestId: "" }).replaceAll(host, "HOST"));
      }
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("host-taken");
  });

  it("does not show its certificate, and is not moved with sharedHosts", async () => {
    const api = await taken();
    await put(api, 201, "a.example", settings(["mx.taken.example"]), AS_OTHER);
    const id = await certificate(api, ["mx.taken.example"], AS_OTHER);
    const body = settings(["mx.taken.example"], id);
    const headers = { "If-Match": "*" };
    const path = "/v1/domains/a.example?sharedHosts=move";
    await api.expect(409, "PUT", path, { body, headers, ...AS_OTHER });
    const { json, text } = await read(api);
    expect(json.tls.server.certificateId).toBeNull();
    expect(text).not.toContain("secret-customer");
  });

  it("is free once its account has given it up", async () => {
    const api = await taken();
    const options = { headers: { "If-Match": "*" } };
    await api.expect(204, "DELETE", "/v1/domains/secret-customer.example", options);
    const id = await certificate(api, ["mx.taken.example"], AS_OTHER);
    await put(api, 409, "a.example", settings(["mx.taken.example"], id), AS_OTHER);
    await put(api, 201, "a.example", settings(["mx.taken.example"], id), await inOtherAccount(api));
  });
});

describe("an MX host on the edge's default certificate", () => {
  it.each(["operator.example", "mx.operator.example"])(
    "%s takes a certificate from the operator's account, in each way of writing it",
    async (host) => {
      const api = await startApi();
      const first = await certificate(api, [host]);
      const second = await certificate(api, [host]);
      await put(api, 201, "a.example", settings([host], first));
      expect(await certificateOf(api, "a.example")).toBe(first);
      await replace(api, 200, "a.example/tls", { server: { certificateId: second } });
      expect(await certificateOf(api, "a.example")).toBe(second);
      await replace(api, 200, "a.example", settings([host], null));
      const body = { tls: { server: { certificateId: first } } };
      await api.expect(200, "PATCH", "/v1/domains/a.example", { body, headers: { "If-Match": "*" } });
      expect(await certificateOf(api, "a.example")).toBe(first);
    },
  );

  it("stays the operator's when another account has named it before", async () => {
    const api = await startApi();
    await put(api, 201, "b.example", settings(["operator.example"]), AS_OTHER);
    const id = await certificate(api, ["operator.example"]);
    await put(api, 201, "a.example", settings(["operator.example"], id));
    const { json } = await api.expect(200, "GET", "/v1/domains/b.example", AS_OTHER);
    expect(json.tls.server.certificateId).toBeNull();
    await api.expect(204, "DELETE", "/v1/domains/b.example", { headers: { "If-Match": "*" }, ...AS_OTHER });
    expect(await certificateOf(api, "a.example")).toBe(id);
  });
});

describe("an operator's host that another account has claimed, as before it was the operator's", () => {
  const host = "operator.example";
  const IF_ANY = { headers: { "If-Match": "*" }, ...AS_OTHER };

  // semantics.md section 1: what an operator can do where the item is from an earlier release or an earlier
  // SMTP_NAME.
  it("is that account's until its domains no longer name it, and then the operator's for good", async () => {
    const earlier = await startApi({ operatorHosts: new Set() });
    const theirs = await certificate(earlier, [host], AS_OTHER);
    await put(earlier, 201, "b.example", settings([host], theirs), await inOtherAccount(earlier));
    const { store, vault } = earlier;
    const api = await startApi({ store, vault });
    const id = await certificate(api, [host]);
    await put(api, 409, "a.example", settings([host], id));
    // A certificate of null alone keeps the claim.
    await put(api, 200, "b.example", settings([host]), IF_ANY);
    await put(api, 409, "a.example", settings([host], id));
    await put(api, 200, "b.example", settings([]), IF_ANY);
    await put(api, 201, "a.example", settings([host], id));
    await put(api, 200, "b.example", settings([host]), IF_ANY);
    await put(api, 409, "b.example", settings([host], theirs), IF_ANY);
    expect(await certificateOf(api, "a.example")).toBe(id);
  });
});
