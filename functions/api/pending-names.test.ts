import { describe, expect, it } from "vitest";
import { type ApiUnderTest, type RequestOptions } from "../../test/support/api.ts";
import { OTHER, publish, startTenants, THIRD } from "../../test/support/tenants.ts";

/** Pending names where they were settings of a domain: status, evaluations, the log, damaged records. */

const ANY = { "If-Match": "*" };
const NAME = "tenant.example";
const MX = "mx.tenant.example";

const put = (
  api: ApiUnderTest,
  body: object = { mxHosts: [MX] },
  options: RequestOptions = OTHER,
  name = NAME,
) => api.expect(201, "PUT", `/v1/domains/${name}`, { body, ...options });
const read = async (api: ApiUnderTest) => (await api.expect(200, "GET", `/v1/domains/${NAME}`, OTHER)).json;
const verify = async (api: ApiUnderTest, options: RequestOptions = OTHER, name = NAME) =>
  (await api.expect(200, "POST", `/v1/domains/${name}/verify`, options)).json;
const reportEdge = (api: ApiUnderTest) =>
  api.edgeReports.report({
    id: api.ids.edge(),
    release: "0.1.0",
    listeners: [{ name: "smtp", address: "127.0.0.1", port: 25, proxyProtocol: false, domain: null }],
    revision: 99,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 0,
  });

describe("a pending domain", () => {
  it("is in its status, on no listener", async () => {
    const { api } = await startTenants();
    const { json } = await put(api);
    const statusNow = async () => (await api.expect(200, "GET", `/v1/domains/${NAME}/status`, OTHER)).json;
    const status = await statusNow();
    expect(status.ownership).toEqual(json.ownership);
    expect(status.summary).toBe("0 edges; pending, so no edge serves it");
    await reportEdge(api);
    const reported = await statusNow();
    expect(reported.summary).toBe("1 of 1 edges at revision 1; pending, so no edge serves it");
    const [warning] = reported.warnings.filter(({ code }: { code: string }) => code === "not-served");
    for (const part of [json.ownership.record, json.ownership.value, `/v1/domains/${NAME}/verify`])
      expect(warning.message).toContain(part);
    expect(reported.mxHosts).toMatchObject([{ host: MX, own: false, pending: true }]);
  });

  it("is not counted by the status of another domain with level none, as edges do not have it", async () => {
    const { api, records } = await startTenants();
    publish(records, (await put(api, { tls: { server: { level: "none" } } })).json);
    await verify(api);
    await reportEdge(api);
    const levels = async () =>
      (await api.expect(200, "GET", `/v1/domains/${NAME}/status`, OTHER)).json.listeners.map(
        ({ effective }: { effective: { level: string } }) => effective.level,
      );
    await put(api, {}, THIRD, "third.example");
    expect(await levels()).toEqual(["none"]);
    await put(api, {}, {}, "operator.example");
    expect(await levels()).toEqual(["accept"]);
  });

  it("does not make the certificate of its MX host known to evaluations", async () => {
    const { api, records } = await startTenants();
    publish(records, (await put(api)).json);
    await verify(api);
    const made = { source: "self-signed", names: [MX] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body: made, ...OTHER })).json;
    const patch = { body: { tls: { server: { certificateId: id } } }, headers: ANY, ...OTHER };
    await api.expect(200, "PATCH", `/v1/domains/${NAME}`, patch);
    const described = {
      clientAddress: "192.0.2.1",
      mailFrom: "",
      rcptTo: "x@b.example",
      protocol: "TLSv1.3",
      sni: MX,
    };
    const seen = async () =>
      (await api.expect(200, "POST", "/v1/evaluate", { body: described, ...THIRD })).json.certificate;
    const before = await seen();
    const { json } = await put(api, { mxHosts: [MX] }, THIRD, "b.example");
    expect(json.ownership.hosts).toMatchObject([{ host: MX }]);
    expect(await seen()).toEqual(before);
    records.set("_postern.b.example", [json.ownership.value]);
    await verify(api, THIRD, "b.example");
    expect(await seen()).toEqual(before);
  });
});

describe("a record of a tenant that cannot be read and is replaced", () => {
  const replace = async (api: ApiUnderTest, record: string) => {
    api.database.run(`UPDATE domain SET record = ${record} WHERE id = ?`, NAME);
    const body = { mxHosts: [MX] };
    return (await api.expect(200, "PUT", `/v1/domains/${NAME}`, { body, headers: ANY, ...OTHER })).json;
  };
  const FUTURE = "json_set(record, '$.tls.server.level', 'future')";

  it("is pending with the same values where it was", async () => {
    const { api, served } = await startTenants();
    const { ownership } = (await put(api)).json;
    expect((await replace(api, FUTURE)).ownership).toEqual(ownership);
    expect(await served(NAME)).toBeUndefined();
  });

  it("is verified where it was, and pending where nothing shows that", async () => {
    const { api, records, served } = await startTenants();
    publish(records, (await put(api)).json);
    await verify(api);
    expect((await replace(api, FUTURE)).ownership).toMatchObject({ state: "verified", hosts: [] });
    expect(await served(NAME)).toMatchObject({ mxHosts: [MX] });
    for (const damage of ["'{'", "'{}'", "json_set(record, '$.pendingNames', 'none')"]) {
      expect((await replace(api, damage)).ownership, damage).toMatchObject({ state: "pending" });
      expect(await served(NAME)).toBeUndefined();
    }
  });
});

describe("the change log of a pending domain", () => {
  const patch = (api: ApiUnderTest, body: object) =>
    api.expect(200, "PATCH", `/v1/domains/${NAME}`, { body, headers: ANY, ...OTHER });
  const revert = async (api: ApiUnderTest, revision: number) =>
    (await api.expect(200, "POST", `/v1/changes/${revision}/revert`, OTHER)).json.change;

  it("shows the document that GET shows, which PUT takes", async () => {
    const { api, records } = await startTenants();
    publish(records, (await put(api)).json);
    const seen = [await read(api)];
    await patch(api, { tls: { enforcement: "defer" } });
    seen.push(await read(api));
    await verify(api);
    seen.push(await read(api));
    const { items } = (await api.expect(200, "GET", "/v1/changes", OTHER)).json;
    const shown = seen.map(({ warnings: _warnings, ...document }) => document);
    expect(items.map(({ after }: { after: unknown }) => after)).toEqual(shown);
    expect(items.map(({ before }: { before: unknown }) => before)).toEqual([null, ...shown.slice(0, 2)]);
    expect(items[2].diff).toContainEqual({ op: "replace", path: "/ownership/state", value: "verified" });
    for (const { after: body } of items)
      await api.expect(200, "PUT", `/v1/domains/${NAME}`, { body, headers: ANY, ...OTHER });
  });

  it("is reverted: what is pending stays so, and what is verified does too", async () => {
    const { api, records } = await startTenants();
    const made = (await put(api)).json;
    const { revision } = (await patch(api, { tls: { enforcement: "defer" } })).json;
    expect(await revert(api, revision)).toMatchObject({ after: { ownership: made.ownership } });
    expect((await read(api)).tls.enforcement).toBe("reject");
    publish(records, made);
    const verified = await verify(api);
    expect(await revert(api, verified.revision)).toBeNull();
    expect((await read(api)).ownership).toEqual(verified.ownership);
  });

  it("gives no way around a proof: names that a revert adds are pending, with values of their own", async () => {
    const { api, records, served } = await startTenants();
    const made = (await put(api)).json;
    publish(records, made);
    await verify(api);
    const { revision } = (await patch(api, { mxHosts: [] })).json;
    expect(await revert(api, revision)).toMatchObject({
      after: { ownership: { state: "verified", hosts: [{ host: MX, state: "pending" }] } },
    });
    await api.expect(204, "DELETE", `/v1/domains/${NAME}`, { headers: ANY, ...OTHER });
    const { after } = await revert(api, revision + 2);
    expect(after.ownership).toMatchObject({ state: "pending", hosts: [{ host: MX }] });
    expect(after.ownership.value).not.toBe(made.ownership.value);
    expect((await verify(api)).ownership.state).toBe("pending");
    expect(await served(NAME)).toBeUndefined();
  });
});
