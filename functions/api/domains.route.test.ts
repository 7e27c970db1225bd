import { describe, expect, it } from "vitest";
import { OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { DEFAULT_TLS } from "../../test/support/records.ts";

const DOMAIN = "/v1/domains/example.com";
const HERE = { headers: { "If-Match": "*" } };
const at = (revision: number) => ({ headers: { "If-Match": `"${revision}"` } });

describe("PUT of a domain", () => {
  it("creates it with every default, and is read back", async () => {
    const api = await startApi();
    const created = await api.expect(201, "PUT", DOMAIN, { body: {} });
    expect(created.json).toMatchObject({
      name: "example.com",
      account: "default",
      mxHosts: [],
      tls: DEFAULT_TLS,
      delivery: null,
      revision: 1,
      updatedBy: "tester",
      warnings: [],
    });
    expect(created.headers.get("location")).toBe(DOMAIN);
    expect(created.headers.get("etag")).toBe('"1"');
    const read = await api.expect(200, "GET", DOMAIN);
    expect(read.json).toEqual(created.json);
    // A client that keeps the answer of a write and compares it with a later read sees no difference.
    expect(JSON.stringify(read.json)).toBe(JSON.stringify(created.json));
    expect(read.headers.get("etag")).toBe('"1"');
  });

  it("replaces it: what is left out takes its default again", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, {
      body: { mxHosts: ["mx.example.com"], tls: { server: { level: "require" }, enforcement: "defer" } },
    });
    const replaced = await api.expect(200, "PUT", DOMAIN, {
      body: { mxHosts: ["mx.example.com"] },
      ...at(1),
    });
    expect(replaced.json).toMatchObject({ tls: DEFAULT_TLS, revision: 2 });
    expect(replaced.headers.get("etag")).toBe('"2"');
    expect(replaced.headers.get("location")).toBeNull();
  });

  it("takes back what was read, read-only fields and all, and ignores those", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "PUT", DOMAIN, {
      body: { tls: { server: { level: "require" } } },
    });
    const forged = {
      ...json,
      account: "other",
      revision: 99,
      updatedBy: "another-caller",
      warnings: "none",
      delivery: { nextHop: "smtp://mail.example.com" },
    };
    const again = await api.expect(200, "PUT", DOMAIN, { body: forged, ...HERE });
    expect(again.json).toMatchObject({ tls: json.tls, account: "default", revision: 2, updatedBy: "tester" });
    expect(again.json.createdAt).toBe(json.createdAt);
  });

  it.each([
    ["another name in the body", DOMAIN, { name: "example.org" }, ["name-differs /name"]],
    ["an unknown field", DOMAIN, { mxHost: [] }, ["unknown-field /mxHost"]],
    [
      "an unknown field inside",
      DOMAIN,
      { tls: { server: { lvl: "none" } } },
      ["unknown-field /tls/server/lvl"],
    ],
    [
      "a level that there is not",
      DOMAIN,
      { tls: { server: { level: "must" } } },
      ["invalid-value /tls/server/level"],
    ],
    ["null where there is no null", DOMAIN, { tls: null }, ["invalid-type /tls"]],
    ["a list that is none", DOMAIN, { mxHosts: "mx.example.com" }, ["invalid-type /mxHosts"]],
    ["an IDN", DOMAIN, { mxHosts: ["mx.bücher.example"] }, ["invalid-format /mxHosts/0"]],
    ["a trailing dot", DOMAIN, { mxHosts: ["mx.example.com."] }, ["invalid-format /mxHosts/0"]],
    ["a wildcard as a host", DOMAIN, { mxHosts: ["*.example.com"] }, ["invalid-format /mxHosts/0"]],
    ["a host twice", DOMAIN, { mxHosts: ["a.example", "b.example", "a.example"] }, ["duplicate /mxHosts/2"]],
    [
      "an exception without a reason",
      DOMAIN,
      { tls: { exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, level: "none" }] } },
      ["required /tls/exceptions/0/reason"],
    ],
    [
      "a reason of blanks",
      DOMAIN,
      { tls: { exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, level: "none", reason: "  " }] } },
      ["invalid-format /tls/exceptions/0/reason"],
    ],
    [
      "a network with host bits",
      DOMAIN,
      { tls: { exceptions: [{ match: { clientCidr: "192.0.2.1/24" }, level: "none", reason: "x" }] } },
      ["invalid-format /tls/exceptions/0/match/clientCidr"],
    ],
    [
      "a next hop with credentials",
      DOMAIN,
      { delivery: { nextHop: "smtp://user:pw@mail.example.com" } },
      ["invalid-format /delivery/nextHop"],
    ],
    ["an upper-case path", "/v1/domains/Example.com", {}, ["invalid-format /name"]],
    ["an IDN path", `/v1/domains/${encodeURIComponent("bücher.example")}`, {}, ["invalid-format /name"]],
    ["a path with a trailing dot", "/v1/domains/example.com.", {}, ["invalid-format /name"]],
    ["an address as a path", "/v1/domains/192.0.2.1", {}, ["invalid-format /name"]],
    ["an unknown query", `${DOMAIN}?sharedHost=move`, {}, ["unknown-field /sharedHost"]],
    ["another way of sharing", `${DOMAIN}?sharedHosts=copy`, {}, ["invalid-value /sharedHosts"]],
  ])("refuses %s with 400 and says where", async (_, path, body, problems) => {
    const api = await startApi();
    expect((await api.expect(400, "PUT", path, { body })).problems).toEqual(problems);
    expect((await api.expect(200, "GET", "/v1/domains")).json.items).toEqual([]);
  });

  it("shows the canonical form of a name in another spelling", async () => {
    const api = await startApi();
    const { json } = await api.expect(400, "PUT", "/v1/domains/B%C3%BCcher.example", { body: {} });
    expect(json.errors[0].message).toContain('"xn--bcher-kva.example"');
  });

  it("never repeats the password of a next hop", async () => {
    const api = await startApi();
    const body = { delivery: { nextHop: "smtp://user:s3cret@mail.example.com" } };
    expect((await api.expect(400, "PUT", DOMAIN, { body })).text).not.toContain("s3cret");
  });

  it.each([
    ["", {}],
    ["", { "content-type": "text/plain" }],
    [" ", {}],
  ])("refuses an empty body (%j, %j) and changes nothing", async (rawBody, headers) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { tls: { server: { level: "require" } } } });
    for (const path of [DOMAIN, `${DOMAIN}/tls`])
      await api.expect(400, "PUT", path, { rawBody, headers: { ...HERE.headers, ...headers } });
    expect((await api.expect(200, "GET", DOMAIN)).json).toMatchObject({
      revision: 1,
      tls: { server: { level: "require" } },
    });
  });

  it.each([
    ["PUT", DOMAIN, "text/plain"],
    ["PUT", DOMAIN, "application/merge-patch+json"],
    ["PUT", `${DOMAIN}/tls`, "application/x-www-form-urlencoded"],
    ["PATCH", DOMAIN, "application/json"],
    ["PATCH", `${DOMAIN}/tls`, "application/json-patch+json"],
  ])("refuses %s of %s as %s with 415 and changes nothing", async (method, path, type) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { tls: { server: { level: "require" } } } });
    await api.expect(415, method, path, {
      rawBody: "{}",
      headers: { ...HERE.headers, "content-type": type },
    });
    expect((await api.expect(200, "GET", DOMAIN)).json.revision).toBe(1);
  });

  it("refuses a rule that is broken with 422 and a pointer, also into the tls part alone", async () => {
    const api = await startApi();
    const tls = { server: { level: "none" }, clientCertificate: { mode: "request" } };
    const body = { mxHosts: ["mx.example.com"], tls };
    expect((await api.expect(422, "PUT", DOMAIN, { body })).problems).toEqual([
      "client-certificate-without-tls /tls/clientCertificate/mode",
    ]);
    await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.example.com"] } });
    expect((await api.expect(422, "PUT", `${DOMAIN}/tls`, { body: tls, ...HERE })).problems).toEqual([
      "client-certificate-without-tls /clientCertificate/mode",
    ]);
  });

  it("takes an exception for one mailbox of the domain, and shows it as it was written", async () => {
    const api = await startApi();
    const exception = (recipient: string) => ({
      tls: { exceptions: [{ match: { recipient }, level: "none", reason: "reports about TLS" }] },
    });
    const body = exception("TLSrpt@example.com");
    expect((await api.expect(201, "PUT", DOMAIN, { body })).json).toMatchObject(body);
    expect((await api.expect(200, "GET", DOMAIN)).json).toMatchObject(body);
    const wrong = async (status: number, recipient: string) =>
      (await api.expect(status, "PUT", DOMAIN, { body: exception(recipient), ...HERE })).problems;
    expect(await wrong(422, "tlsrpt@other.example")).toEqual([
      "recipient-of-other-domain /tls/exceptions/0/match/recipient",
    ]);
    expect(await wrong(400, "tlsrpt")).toEqual([
      expect.stringMatching(/ \/tls\/exceptions\/0\/match\/recipient$/),
    ]);
  });

  it("refuses a record over 64 KB with 413", async () => {
    const api = await startApi();
    const exceptions = Array.from({ length: 100 }, (_, index) => ({
      match: { clientCidr: `192.0.2.${index}/32`, senderDomain: `${"a.".repeat(120)}example` },
      level: "none",
      reason: "ü".repeat(500),
    }));
    const { problems } = await api.expect(413, "PUT", DOMAIN, { body: { tls: { exceptions } } });
    expect(problems).toEqual(["too-large "]);
  });
});

describe("domains of another account", () => {
  const AS_OTHER = { token: OTHER_TOKEN };

  it.each([
    ["GET", DOMAIN, 404],
    ["PATCH", DOMAIN, 404],
    ["DELETE", DOMAIN, 404],
    ["GET", `${DOMAIN}/tls`, 404],
    ["PUT", `${DOMAIN}/tls`, 404],
    ["PATCH", `${DOMAIN}/tls`, 404],
    ["PUT", DOMAIN, 409],
  ])("%s of %s is %i, as if there were none", async (method, path, status) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    for (const match of ["*", '"1"', '"2"', null]) {
      const answer = await api.expect(status, method, path, {
        ...AS_OTHER,
        ...(method === "GET" || method === "DELETE" ? {} : { body: {} }),
        ...(match === null ? {} : { headers: { "If-Match": match } }),
      });
      if (status === 409) expect(answer.problems).toEqual(["name-taken /name"]);
      expect(answer.text).not.toContain("default");
    }
    expect((await api.expect(200, "GET", DOMAIN)).json.revision).toBe(1);
  });

  it("are in no list", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    expect((await api.expect(200, "GET", "/v1/domains", AS_OTHER)).json).toEqual({
      items: [],
      unreadable: [],
      nextCursor: null,
    });
  });
});

describe("the list of domains", () => {
  const NAMES = ["a.example", "b.example", "ba.example", "c.example", "xn--bcher-kva.example"];

  async function listed(path: string) {
    const api = await startApi();
    for (const name of NAMES) await api.expect(201, "PUT", `/v1/domains/${name}`, { body: {} });
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { json } = await api.expect(200, "GET", `${path}${query}`);
      found.push(...json.items.map((domain: { name: string }) => domain.name));
      cursor = json.nextCursor;
    } while (cursor !== null);
    return found;
  }

  it.each([
    ["/v1/domains?limit=200", NAMES],
    ["/v1/domains?limit=1", NAMES],
    ["/v1/domains?limit=2", NAMES],
    ["/v1/domains?limit=1&prefix=b", ["b.example", "ba.example"]],
    ["/v1/domains?limit=5&prefix=d", []],
    ["/v1/domains?limit=5&certificateId=cert_none", []],
  ])("%s shows each once, in order", async (path, names) => expect(await listed(path)).toEqual(names));

  it.each(["limit=0", "limit=201", "limit=-1", "limit=1e1", "limit=%205", "limit=", "limit=1&limit=2"])(
    "refuses %s",
    async (query) => {
      const api = await startApi();
      const { json } = await api.expect(400, "GET", `/v1/domains?${query}`);
      expect(json.errors[0].pointer).toBe("/limit");
    },
  );

  it.each(["prefix=B", "prefix=b%C3%BC", "prefix=", "prefix=*"])("refuses %s", async (query) => {
    const api = await startApi();
    const { json } = await api.expect(400, "GET", `/v1/domains?${query}`);
    expect(json.errors[0].pointer).toBe("/prefix");
  });

  it("refuses a cursor of another filter, of another account, or changed", async () => {
    const api = await startApi();
    for (const name of NAMES) await api.expect(201, "PUT", `/v1/domains/${name}`, { body: {} });
    const { json } = await api.expect(200, "GET", "/v1/domains?limit=1");
    const refused = async (query: string, options = {}) => {
      const { problems } = await api.expect(400, "GET", `/v1/domains?${query}`, options);
      expect(problems).toEqual(["invalid-cursor /cursor"]);
    };
    await refused(`cursor=${json.nextCursor}&prefix=b`);
    await refused(`cursor=${json.nextCursor}A`);
    await refused("cursor=");
    await refused(`cursor=${json.nextCursor}`, { token: OTHER_TOKEN });
    await api.expect(200, "GET", `/v1/domains?cursor=${json.nextCursor}&limit=3`);
  });
});

describe("DELETE of a domain", () => {
  it("answers 204 without a body, and the name is free again", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.example.com"] } });
    const deleted = await api.expect(204, "DELETE", DOMAIN, at(1));
    expect(deleted.text).toBe("");
    await api.expect(404, "GET", DOMAIN);
    await api.expect(201, "PUT", DOMAIN, { body: {}, token: OTHER_TOKEN });
  });
});
