import { describe, expect, it } from "vitest";
import { type ApiUnderTest, loadAtLevel, OTHER_TOKEN, startApi, TOKEN } from "../../test/support/api.ts";
import { hoursFromNow, newKey } from "../../test/support/certificate-writer.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

const ALL = "/v1/certificates";
const HERE = { headers: { "If-Match": "*" } };
const DAY_MS = 24 * 3600 * 1000;

const ca = makeCa();
const intermediate = makeCa({ parent: ca });
const server = issueServer({ names: ["mx.example.com", "*.mail.example.com"], ca: intermediate });

const upload = (issued: typeof server, more: object = {}) => ({
  source: "pem",
  certificatePem: issued.certificatePem,
  ...(issued.chainPem === "" ? {} : { chainPem: issued.chainPem }),
  privateKeyPem: issued.privateKeyPem,
  ...more,
});

async function selfSigned(api: ApiUnderTest, ...names: string[]): Promise<string> {
  const { json } = await api.expect(201, "POST", ALL, { body: { source: "self-signed", names } });
  return json.id;
}

const useOn = (api: ApiUnderTest, certificateId: string, name = "example.com", host = "mx.example.com") =>
  api.expect(201, "PUT", `/v1/domains/${name}`, {
    body: { mxHosts: [host], tls: { server: { certificateId } } },
  });

const namesOf = (count: number, parent: string): string[] =>
  Array.from({ length: count }, (_, at) => `n${at}.${parent}`);
/** 47 KB of names: with the rest of a certificate close to 64 KB of PEM. */
const FILLING = namesOf(2500, "example.com");

describe("POST of a certificate", () => {
  it("makes a self-signed one, with its defaults", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example.com", "*.example.com"] };
    const created = await api.expect(201, "POST", ALL, { body });
    expect(created.json).toMatchObject({
      account: "default",
      label: null,
      source: "self-signed",
      state: "active",
      names: ["mx.example.com", "*.example.com"],
      keys: [{ keyType: "ecdsa-p256" }],
      version: 1,
      usedBy: { count: 0, domains: [] },
      revision: 1,
    });
    const days = (Date.parse(created.json.notAfter) - Date.now()) / DAY_MS;
    expect(Math.round(days)).toBe(365);
    const location = created.headers.get("location") ?? "";
    expect(location).toBe(`${ALL}/${created.json.id}`);
    expect((await api.expect(200, "GET", location)).json).toEqual(created.json);
  });

  it("takes key type, days and label", async () => {
    const api = await startApi();
    const body = {
      source: "self-signed",
      names: ["mx.example.com"],
      keyType: "rsa-2048",
      days: 20,
      label: "short",
    };
    const { json } = await api.expect(201, "POST", ALL, { body });
    expect(json).toMatchObject({ keys: [{ keyType: "rsa-2048" }], label: "short", state: "active" });
  });

  it("takes PEM with a chain", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", ALL, { body: upload(server, { label: "ours" }) });
    expect(json).toMatchObject({
      source: "pem",
      label: "ours",
      names: ["mx.example.com", "*.mail.example.com"],
    });
    const chain = await api.expect(200, "GET", `${ALL}/${json.id}/chain.pem`);
    expect(chain.headers.get("content-type")).toBe("application/pem-certificate-chain");
    expect(chain.text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(chain.text).not.toContain("PRIVATE KEY");
  });

  it.each([
    ["no source", { names: ["mx.example.com"] }, 400, ["invalid-value /source"]],
    ["an unknown source", { source: "csr", names: ["mx.example.com"] }, 400, ["invalid-value /source"]],
    ["no names", { source: "self-signed", names: [] }, 400, ["too-small /names"]],
    [
      "another spelling",
      { source: "self-signed", names: ["MX.example.com"] },
      400,
      ["invalid-format /names/0"],
    ],
    [
      "a name twice",
      { source: "self-signed", names: ["a.example", "a.example"] },
      400,
      ["duplicate /names/1"],
    ],
    [
      "a key type that there is not",
      { source: "self-signed", names: ["a.example"], keyType: "rsa-1024" },
      400,
      ["invalid-value /keyType"],
    ],
    ["no day", { source: "self-signed", names: ["a.example"], days: 0 }, 400, ["too-small /days"]],
    ["half a day", { source: "self-signed", names: ["a.example"], days: 0.5 }, 400, ["invalid-type /days"]],
    [
      "an unknown field",
      { source: "self-signed", names: ["a.example"], key: "x" },
      400,
      ["unknown-field /key"],
    ],
    [
      "control characters in the label",
      { source: "self-signed", names: ["a.example"], label: "a\u0007" },
      400,
      ["invalid-format /label"],
    ],
    [
      "more names than a certificate may have",
      { source: "self-signed", names: namesOf(1001, "example") },
      422,
      ["too-many /names"],
    ],
    [
      "names of more than 64 KB of PEM",
      { source: "self-signed", names: namesOf(300, `${"long.".repeat(40)}example`) },
      422,
      ["too-many /names"],
    ],
    ["no key", { ...upload(server), privateKeyPem: undefined }, 400, ["required /privateKeyPem"]],
    ["no PEM", { ...upload(server), certificatePem: "hello" }, 400, ["not-pem /certificatePem"]],
    [
      "a key for a certificate",
      { ...upload(server), certificatePem: server.privateKeyPem },
      400,
      ["wrong-kind /certificatePem"],
    ],
    ["64 KB of PEM and more", upload(server, { chainPem: "x".repeat(65_537) }), 413, ["too-large /chainPem"]],
  ])("refuses %s", async (_, body, status, problems) => {
    const api = await startApi();
    expect((await api.expect(status, "POST", ALL, { body })).problems).toEqual(problems);
    expect((await api.expect(200, "GET", ALL)).json.items).toEqual([]);
  });

  it.each(["250 names of a commercial certificate", "as many names as 64 KB hold"])(
    "takes %s",
    async (what) => {
      const names = what.startsWith("250") ? namesOf(250, "customer-of-a-hosting-company.example") : FILLING;
      const large = issueServer({ names, ca });
      const again = issueServer({ names, ca, keyType: "rsa-2048" });
      const api = await startApi();
      const { json } = await api.expect(201, "POST", ALL, { body: upload(large) });
      expect(json.names).toEqual(names);
      const headers = { "If-Match": "*" };
      await api.expect(200, "PUT", `${ALL}/${json.id}/material`, { body: upload(again), headers });
      const host = names.at(-1) ?? "";
      const body = { mxHosts: [host], tls: { server: { certificateId: json.id } } };
      await api.expect(201, "PUT", "/v1/domains/a.example", { body });
      // What DynamoDB takes as one item, with room for the rest of an entry.
      for (const { entry } of api.database.all("SELECT entry FROM log"))
        expect(Buffer.byteLength(String(entry))).toBeLessThan(350_000);
    },
  );

  it("makes a self-signed certificate with a thousand names", async () => {
    const api = await startApi();
    const names = namesOf(1000, "customer-of-a-hosting-company.example");
    const body = { source: "self-signed", names };
    expect((await api.expect(201, "POST", ALL, { body })).json.names).toEqual(names);
  });

  it.each([
    ["that is expired", issueServer({ names: ["a.example"], ca, notAfter: hoursFromNow(-1) })],
    ["that is not valid yet", issueServer({ names: ["a.example"], ca, notBefore: hoursFromNow(1) })],
    [
      "whose key is another",
      {
        ...server,
        privateKeyPem: issueServer({ names: ["a.example"], ca, key: newKey("ecdsa-p256") }).privateKeyPem,
      },
    ],
  ])("refuses a certificate %s with 422", async (_, issued) => {
    const api = await startApi();
    const { json } = await api.expect(422, "POST", ALL, { body: upload(issued) });
    expect(json.errors[0].pointer).toMatch(/^\/(certificatePem|privateKeyPem)$/);
  });

  it("never shows or logs a key or a passphrase, whether it is taken or refused", async () => {
    const api = await startApi();
    const secret = server.privateKeyPem.split("\n")[1] ?? "";
    const answers = [
      await api.expect(201, "POST", ALL, { body: upload(server) }),
      await api.expect(400, "POST", ALL, { body: upload(server, { privateKeyPem: `${secret}\n` }) }),
      await api.expect(400, "POST", ALL, { body: upload(server, { certificatePem: server.privateKeyPem }) }),
      await api.expect(400, "POST", ALL, { body: upload(server, { passphrase: "s3cret" }) }),
      await api.expect(400, "POST", ALL, { rawBody: JSON.stringify(upload(server)).slice(0, -5) }),
      await api.expect(200, "GET", ALL),
    ];
    const said = JSON.stringify([answers.map(({ text }) => text), api.events]);
    expect(secret.length).toBeGreaterThan(40);
    expect(said).not.toContain(secret);
    expect(said).not.toContain("s3cret");
    expect(said).not.toContain("-----BEGIN");
    expect(said).not.toContain("postern_test-token");
  });
});

describe("PUT of new material", () => {
  it("is a new version of the same certificate, on the hosts that use it", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    await useOn(api, id);
    const { json } = await api.expect(200, "PUT", `${ALL}/${id}/material`, { body: upload(server), ...HERE });
    expect(json).toMatchObject({
      id,
      version: 2,
      source: "pem",
      usedBy: { count: 1, domains: ["example.com"] },
    });
    const chain = await api.expect(200, "GET", `${ALL}/${id}/chain.pem`);
    expect(chain.text).toContain(server.certificatePem.trim());
    expect((await api.expect(200, "GET", "/v1/domains/example.com")).json.tls.server.certificateId).toBe(id);
  });

  it("takes a renewed leaf without its key when that is the key that is here", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", ALL, { body: upload(server) });
    const renewed = issueServer({
      names: ["mx.example.com"],
      ca: intermediate,
      notAfter: hoursFromNow(24 * 90),
    });
    const { certificatePem, chainPem } = renewed;
    const path = `${ALL}/${json.id}/material`;
    await api.expect(200, "PUT", path, { body: { certificatePem, chainPem }, ...HERE });
    const stranger = issueServer({ names: ["mx.example.com"], ca, key: newKey("ecdsa-p256") });
    await api.expect(422, "PUT", path, { body: { certificatePem: stranger.certificatePem }, ...HERE });
  });

  it("is refused when its names do not cover a host that uses the certificate", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com", "other.example");
    await useOn(api, id, "other.example", "other.example");
    const { problems } = await api.expect(422, "PUT", `${ALL}/${id}/material`, {
      body: upload(server),
      ...HERE,
    });
    expect(problems).toEqual(["certificate-misses-host /certificatePem"]);
    expect((await api.expect(200, "GET", `${ALL}/${id}`)).json.version).toBe(1);
  });

  it.each([
    [{}, 428],
    [{ "If-Match": '"9"' }, 412],
    [{ "If-Match": '"1"' }, 200],
  ])("with %j is %i", async (headers, status) => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    await api.expect(status, "PUT", `${ALL}/${id}/material`, {
      body: upload(server),
      headers: { ...headers },
    });
  });

  it("is not stopped by what a write that was cut off left in the vault", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    await api.vault.put(`keys/${id}/2`, Buffer.from("left over"));
    const { json } = await api.expect(200, "PUT", `${ALL}/${id}/material`, { body: upload(server), ...HERE });
    expect(json.version).toBe(3);
    await api.expect(200, "GET", `${ALL}/${id}/chain.pem`);
  });
});

describe("an upload with certificates that the leaf does not need", () => {
  const stranger = makeCa({ name: "Stranger" });
  const chainPem = stranger.certificatePem + server.chainPem;
  const leftOut = [{ subject: "CN=Stranger", reason: "not-needed" }];

  it("names them in the answers of POST and PUT, and nowhere else", async () => {
    const api = await startApi();
    const created = await api.expect(201, "POST", ALL, { body: upload(server, { chainPem }) });
    expect(created.json.leftOut).toMatchObject(leftOut);
    const path = `${ALL}/${created.json.id}`;
    expect((await api.expect(200, "GET", path)).json.leftOut).toBeUndefined();
    const { source: _, ...material } = upload(server, { chainPem });
    const put = await api.expect(200, "PUT", `${path}/material`, { body: material, ...HERE });
    expect(put.json.leftOut).toMatchObject(leftOut);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const chain = await api.app.request(`${path}/chain.pem`, { headers });
    expect(await chain.text()).toBe(server.bundlePem);
    await api.expect(200, "PATCH", path, { body: { ...created.json, label: "mx" }, ...HERE });
  });
});

describe("a certificate that no edge could load", () => {
  /** Edges at level 3 take RSA with 3072 bits and more; our own rules take 2048. */
  const level3 = () => startApi({ loadAtEdge: loadAtLevel(3) });
  const rsa = issueServer({ names: ["mx.example.com"], keyType: "rsa-2048" });
  const refused = (pointer: string) => [{ pointer, code: "does-not-load" }];

  it("is refused with OpenSSL's reason by POST, of every source, and by PUT", async () => {
    const api = await level3();
    const pem = await api.expect(422, "POST", ALL, { body: upload(rsa) });
    expect(pem.json.errors).toMatchObject(refused("/certificatePem"));
    expect(pem.json.errors[0].message).toContain("(ERR_SSL_EE_KEY_TOO_SMALL)");
    const made = { source: "self-signed", names: ["mx.example.com"], keyType: "rsa-2048" };
    const own = await api.expect(422, "POST", ALL, { body: made });
    expect(own.json.errors).toMatchObject(refused("/keyType"));
    const id = await selfSigned(api, "mx.example.com");
    const { source: _, ...material } = upload(rsa);
    const put = await api.expect(422, "PUT", `${ALL}/${id}/material`, { body: material, ...HERE });
    expect(put.json.errors).toMatchObject(refused("/certificatePem"));
    expect((await api.expect(200, "GET", `${ALL}/${id}`)).json.version).toBe(1);
  });

  it("is judged with the security level of the edges", async () => {
    await (await level3()).expect(201, "POST", ALL, { body: upload(server) });
    await (await startApi()).expect(201, "POST", ALL, { body: upload(rsa) });
  });
});

describe("a certificate", () => {
  it("changes its label by PATCH, and nothing else", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    const path = `${ALL}/${id}`;
    const labelled = await api.expect(200, "PATCH", path, {
      body: { label: "new" },
      headers: { "If-Match": '"1"' },
    });
    expect(labelled.json).toMatchObject({ label: "new", revision: 2, version: 1 });
    const { json } = await api.expect(200, "PATCH", path, {
      body: { ...labelled.json, label: null },
      ...HERE,
    });
    expect(json.label).toBeNull();
    const refused = await api.expect(400, "PATCH", path, { body: { names: ["other.example"] }, ...HERE });
    expect(refused.problems).toEqual(["read-only /names"]);
    expect((await api.expect(400, "PATCH", path, { body: { lable: "x" }, ...HERE })).problems).toEqual([
      "unknown-field /lable",
    ]);
    await api.expect(428, "PATCH", path, { body: { label: "x" } });
  });

  it("cannot be deleted while an MX host uses it, and can afterwards", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    await useOn(api, id);
    const refused = await api.expect(409, "DELETE", `${ALL}/${id}`, HERE);
    expect(refused.problems).toEqual(["in-use "]);
    expect(refused.json.detail).toBe(
      "it is used by 1 domain: example.com; " +
        "delete it with ?replaceWith=<id> of the certificate that its MX hosts serve from then on",
    );
    await api.expect(428, "DELETE", `${ALL}/${id}`);
    await api.expect(204, "DELETE", "/v1/domains/example.com", HERE);
    await api.expect(204, "DELETE", `${ALL}/${id}`, HERE);
    await api.expect(404, "GET", `${ALL}/${id}`);
  });

  it.each(["GET", "PATCH", "DELETE"])("of another account is absent: %s", async (method) => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    const options = { token: OTHER_TOKEN, ...HERE, ...(method === "PATCH" ? { body: {} } : {}) };
    for (const path of [`${ALL}/${id}`, `${ALL}/cert_01ARZ3NDEKTSV4RRFFQ69G5FAV`, `${ALL}/nonsense`])
      expect((await api.expect(404, method, path, options)).json.detail).toBe("certificate not found");
    await api.expect(404, "GET", `${ALL}/${id}/chain.pem`, { token: OTHER_TOKEN });
    await api.expect(404, "PUT", `${ALL}/${id}/material`, { ...options, body: upload(server) });
  });

  it("has a state by the clock, and is listed by it", async () => {
    const api = await startApi();
    const id = await selfSigned(api, "mx.example.com");
    const short = await api.expect(201, "POST", ALL, {
      body: { source: "self-signed", names: ["a.example"], days: 10 },
    });
    const ids = async (state: string) =>
      (await api.expect(200, "GET", `${ALL}?state=${state}`)).json.items.map(
        (item: { id: string }) => item.id,
      );
    expect(await ids("active")).toEqual([id, short.json.id]);
    // Postern renews it after two thirds of its 10 days.
    api.advance(7 * DAY_MS);
    expect(await ids("active")).toEqual([id]);
    expect(await ids("expiring")).toEqual([short.json.id]);
    api.advance(4 * DAY_MS);
    expect(await ids("expired")).toEqual([short.json.id]);
    expect(await ids("pending")).toEqual([]);
    await api.expect(400, "GET", `${ALL}?state=fine`);
  });

  it("is listed a page at a time; a page may be empty before the end", async () => {
    const api = await startApi();
    for (const days of [10, 10, 100]) {
      await api.expect(201, "POST", ALL, { body: { source: "self-signed", names: ["a.example"], days } });
    }
    api.advance(8 * DAY_MS);
    const first = await api.expect(200, "GET", `${ALL}?limit=2&state=active`);
    expect(first.json.items).toEqual([]);
    const second = await api.expect(
      200,
      "GET",
      `${ALL}?limit=2&state=active&cursor=${first.json.nextCursor}`,
    );
    expect(second.json.items).toHaveLength(1);
    expect(second.json.nextCursor).toBeNull();
    await api.expect(400, "GET", `${ALL}?limit=2&cursor=${first.json.nextCursor}`);
  });
});
