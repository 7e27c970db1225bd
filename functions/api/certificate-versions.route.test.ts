import { describe, expect, it } from "vitest";
import { signRequest } from "../../test/support/certificate-request-signer.ts";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { isCertificateId } from "../../core/name/ids.ts";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

const ANY = { "If-Match": "*" };
const DAY_MS = 24 * 3600 * 1000;
const NAMES = ["mx.example.com"];
const ca = makeCa();

const pathOf = ({ id }: Json): string => `/v1/certificates/${id}`;
const create = async (api: ApiUnderTest, body: object): Promise<Json> =>
  (await api.expect(201, "POST", "/v1/certificates", { body })).json;
const selfSigned = (api: ApiUnderTest, more: object = {}): Promise<Json> =>
  create(api, { source: "self-signed", names: NAMES, ...more });
const act = async (api: ApiUnderTest, of: Json, action: string, body?: object): Promise<Json> => {
  const method = action === "material" ? "PUT" : "POST";
  const options = body === undefined ? { headers: ANY } : { body, headers: ANY };
  return (await api.expect(200, method, `${pathOf(of)}/${action}`, options)).json;
};
const versionsOf = async (api: ApiUnderTest, of: Json): Promise<Json[]> =>
  (await api.expect(200, "GET", `${pathOf(of)}/versions`)).json.items;
const pins = ({ keys }: Json): string[] => keys.map(({ spkiPin }: Json) => spkiPin);
const upload = (names: readonly string[] = NAMES, keyType: "ecdsa-p256" | "rsa-2048" = "ecdsa-p256") => {
  const { bundlePem, privateKeyPem } = issueServer({ names, ca, keyType });
  return { certificatePem: bundlePem, privateKeyPem };
};
const serveOn = async (api: ApiUnderTest, { id }: Json, host = "mx.example.com"): Promise<void> => {
  const body = { mxHosts: [host], tls: { server: { level: "require", certificateId: id } } };
  await api.expect(201, "PUT", "/v1/domains/example.com", { body });
};

describe("versions of a certificate", () => {
  it("are listed with the one in service first, and never with their material", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    await act(api, made, "material", upload());
    const renewed = await act(api, made, "material", upload(NAMES, "rsa-2048"));
    const items = await versionsOf(api, made);
    expect(items.map(({ version, cause, retiredBy, isKept }) => [version, cause, retiredBy, isKept])).toEqual(
      [
        [3, "uploaded", null, true],
        [2, "uploaded", "replaced", true],
        [1, "created", "replaced", true],
      ],
    );
    expect(items[0].keys.map(({ slot }: Json) => slot)).toEqual(["ecdsa", "rsa"]);
    expect(items[2].keys[0].spkiPin).toBe(made.keys[0].spkiPin);
    expect(renewed.version).toBe(3);
    expect(JSON.stringify(items)).not.toMatch(/PRIVATE|sha256"/);
  });

  it("have no body on a read at the same revision", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    const { headers } = await api.expect(200, "GET", `${pathOf(made)}/versions`);
    const etag = headers.get("etag") ?? "";
    await api.expect(304, "GET", `${pathOf(made)}/versions`, { headers: { "If-None-Match": etag } });
  });
});

/** Each new route, with a body where it takes one. */
const ROUTES: readonly (readonly [string, string, object | undefined])[] = [
  ["POST", "rollback", { version: 1 }],
  ["POST", "next-key", undefined],
  ["DELETE", "next-key", undefined],
  ["POST", "rotate", undefined],
  ["POST", "renew", undefined],
];

describe.each(ROUTES)("%s %s", (method, action, body) => {
  const sent = body === undefined ? {} : { body };

  it("needs If-Match, at the present revision", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    await act(api, made, "next-key");
    const before = await api.expect(200, "GET", pathOf(made));
    const path = `${pathOf(made)}/${action}`;
    await api.expect(428, method, path, sent);
    await api.expect(412, method, path, { ...sent, headers: { "If-Match": '"1"' } });
    await api.expect(412, method, path, { ...sent, headers: { "If-None-Match": "*" } });
    expect((await api.expect(200, "GET", pathOf(made))).json).toEqual(before.json);
    const etag = before.headers.get("etag") ?? "";
    const after = await api.expect(200, method, path, { ...sent, headers: { "If-Match": etag } });
    expect(after.headers.get("etag")).toBe(`"${after.json.revision}"`);
  });

  it("is 404 to another account", async () => {
    const api = await startApi();
    const path = `${pathOf(await selfSigned(api))}/${action}`;
    await api.expect(404, method, path, { ...sent, headers: ANY, token: OTHER_TOKEN });
  });
});

it("reads of versions and requests are 404 to another account", async () => {
  const api = await startApi();
  const made = await create(api, { source: "request", names: NAMES });
  for (const part of ["versions", "csr.pem"])
    await api.expect(404, "GET", `${pathOf(made)}/${part}`, { token: OTHER_TOKEN });
});

describe("a rollback", () => {
  it("puts the version with its key and chain into service again, and back", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    const chain = (await api.expect(200, "GET", `${pathOf(made)}/chain.pem`)).text;
    const next = await act(api, made, "material", upload());
    const back = await act(api, made, "rollback", { version: 1 });
    expect([back.version, pins(back)]).toEqual([1, pins(made)]);
    expect((await api.expect(200, "GET", `${pathOf(made)}/chain.pem`)).text).toBe(chain);
    const [first, second] = await versionsOf(api, made);
    expect([first.version, first.retiredAt]).toEqual([1, null]);
    expect([second.version, second.retiredBy]).toEqual([2, "rolled-back"]);
    const forth = await act(api, made, "rollback", { version: 2 });
    expect([forth.version, pins(forth)]).toEqual([2, pins(next)]);
    expect((await act(api, made, "material", upload(NAMES, "rsa-2048"))).version).toBe(3);
  });

  it("to the version in service changes nothing", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    const same = await act(api, made, "rollback", { version: 1 });
    expect(same).toEqual(made);
  });

  it.each([
    ["no version", {}, 400, ["required /version"]],
    ["version 0", { version: 0 }, 400, ["too-small /version"]],
    ["a fraction", { version: 1.5 }, 400, ["invalid-type /version"]],
    ["a text", { version: "1" }, 400, ["invalid-type /version"]],
    ["another field", { version: 1, force: true }, 400, ["unknown-field /force"]],
    ["a version that never was", { version: 9 }, 422, ["unknown-version /version"]],
  ] as const)("with %s is refused", async (_, body, status, problems) => {
    const api = await startApi();
    const made = await selfSigned(api);
    const answer = await api.expect(status, "POST", `${pathOf(made)}/rollback`, { body, headers: ANY });
    expect(answer.problems).toEqual(problems);
  });

  it("to a version that has expired is refused with the date", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { days: 2 });
    await act(api, made, "material", upload());
    api.advance(3 * DAY_MS);
    const path = `${pathOf(made)}/rollback`;
    const { problems, json } = await api.expect(422, "POST", path, { body: { version: 1 }, headers: ANY });
    expect(problems).toEqual(["expired /version"]);
    expect(json.errors[0].message).toContain(made.notAfter);
  });

  it("is refused 30 days after the version was retired, and possible just before", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    await act(api, made, "material", upload());
    api.advance(30 * DAY_MS - 60_000);
    await act(api, made, "rollback", { version: 1 });
    await act(api, made, "rollback", { version: 2 });
    api.advance(30 * DAY_MS);
    const path = `${pathOf(made)}/rollback`;
    const { problems } = await api.expect(422, "POST", path, { body: { version: 1 }, headers: ANY });
    expect(problems).toEqual(["version-deleted /version"]);
    expect((await versionsOf(api, made)).map(({ isKept }) => isKept)).toEqual([true, false]);
  });

  it("to a version that does not name a host in use is refused, and names the host", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { names: ["old.example.com"] });
    await act(api, made, "material", upload());
    await serveOn(api, made);
    const path = `${pathOf(made)}/rollback`;
    const { problems, json } = await api.expect(422, "POST", path, { body: { version: 1 }, headers: ANY });
    expect(problems).toEqual(["certificate-misses-host /version"]);
    expect(json.errors[0].message).toContain("mx.example.com");
    expect((await api.expect(200, "GET", pathOf(made))).json.names).toEqual(NAMES);
  });

  it("to a version whose material the vault has lost is 409, and leaves what is in service", async () => {
    const lost = new Set<string>();
    const api = await startApi();
    const vault = new Proxy(api.vault, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function") return member;
        return (...args: [string, ...unknown[]]) =>
          member.call(target, lost.has(args[0]) ? `${args[0]}0` : args[0], ...args.slice(1));
      },
    });
    const late = await startApi({ ...api, vault });
    const made = await selfSigned(late);
    const next = await act(late, made, "material", upload());
    lost.add(`keys/${made.id}/1`);
    await late.expect(409, "POST", `${pathOf(made)}/rollback`, { body: { version: 1 }, headers: ANY });
    expect((await late.expect(200, "GET", pathOf(made))).json).toEqual(next);
  });

  it("to versions whose slots have long chains is no matter of the caps of one upload", async () => {
    const api = await startApi();
    let deep = makeCa();
    for (let depth = 0; depth < 7; depth++) deep = makeCa({ parent: deep });
    const slot = (keyType: "ecdsa-p256" | "rsa-2048") => {
      const { bundlePem, privateKeyPem } = issueServer({ names: NAMES, ca: deep, keyType });
      return { certificatePem: bundlePem, privateKeyPem };
    };
    const made = await create(api, { source: "pem", ...slot("ecdsa-p256") });
    const both = await act(api, made, "material", slot("rsa-2048"));
    expect(both.keys).toHaveLength(2);
    await act(api, made, "material", { ...upload(), otherSlot: "remove" });
    expect(pins(await act(api, made, "rollback", { version: both.version }))).toEqual(pins(both));
  });

  it("keeps every other version, also with as many as are listed", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    for (let version = 2; version <= 31; version++) await act(api, made, "renew");
    expect(await versionsOf(api, made)).toHaveLength(31);
    await act(api, made, "rollback", { version: 20 });
    const left = (await versionsOf(api, made)).map(({ version }) => version);
    expect(left.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
  });
});

describe("next keys", () => {
  it("are made once for each slot, shown with TLSA data, and discarded", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { keyTypes: ["rsa-2048", "ecdsa-p256"] });
    const announced = await act(api, made, "next-key");
    expect(announced.nextKeys.map(({ slot }: Json) => slot).toSorted()).toEqual(["ecdsa", "rsa"]);
    for (const { spkiPin, spkiSha256, tlsa, switchAt } of announced.nextKeys) {
      expect(Buffer.from(spkiPin.slice(8), "base64").toString("hex")).toBe(spkiSha256);
      expect([tlsa, switchAt]).toEqual([`3 1 1 ${spkiSha256}`, null]);
    }
    expect(pins(announced)).toEqual(pins(made));
    expect(await act(api, made, "next-key")).toEqual(announced);
    const path = `${pathOf(made)}/next-key`;
    const { json } = await api.expect(200, "DELETE", path, { headers: ANY });
    expect([json.nextKeys, pins(json)]).toEqual([[], pins(made)]);
    const again = await api.expect(200, "DELETE", path, { headers: ANY });
    expect(again.json.revision).toBe(json.revision);
  });

  it("come into service by a rotation, in each slot, and go back by a rollback", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const { nextKeys } = await act(api, made, "next-key");
    const rotated = await act(api, made, "rotate");
    expect(pins(rotated).toSorted()).toEqual(nextKeys.map(({ spkiPin }: Json) => spkiPin).toSorted());
    expect(rotated.nextKeys).toEqual([]);
    expect((await versionsOf(api, made))[0].cause).toBe("rotated");
    expect(pins(await act(api, made, "rollback", { version: 1 }))).toEqual(pins(made));
    expect(pins(await act(api, made, "renew"))).toEqual(pins(made));
  });

  it("are taken by a renewal that wants a new key, since their TLSA records are published", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    await api.expect(200, "PATCH", pathOf(made), { body: { renewal: { key: "new" } }, headers: ANY });
    const { nextKeys } = await act(api, made, "next-key");
    const renewed = await act(api, made, "renew");
    expect(pins(renewed)).toEqual([nextKeys[0].spkiPin]);
    expect(renewed.nextKeys).toEqual([]);
    expect(pins(await act(api, made, "renew"))).not.toEqual(pins(renewed));
  });

  it("missing, a rotation is refused and says how to make them", async () => {
    const api = await startApi();
    const path = `${pathOf(await selfSigned(api))}/rotate`;
    const { problems, json } = await api.expect(422, "POST", path, { headers: ANY });
    expect(problems).toEqual(["next-key-missing "]);
    expect(json.errors[0].message).toContain("POST to /next-key");
  });

  it.each(["next-key", "rotate", "renew"])(
    "of an uploaded certificate are the operator's: %s",
    async (action) => {
      const api = await startApi();
      const path = pathOf(await create(api, { source: "pem", ...upload() }));
      const { problems, json } = await api.expect(422, "POST", `${path}/${action}`, { headers: ANY });
      expect(problems).toEqual(["operator-renews "]);
      expect(json.errors[0].message).toMatch(/PUT.* to \/material/);
    },
  );

  it("are in the change log, as the key's policy is", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    const { nextKeys } = await act(api, made, "next-key");
    await api.expect(200, "PATCH", pathOf(made), { body: { renewal: { key: "new" } }, headers: ANY });
    const { json } = await api.expect(200, "GET", `/v1/changes?resource=certificate/${made.id}`);
    const [, second, third] = json.items;
    expect([second.before.nextKeys, second.after.nextKeys]).toEqual([[], nextKeys]);
    expect([third.before.renewal.key, third.after.renewal.key]).toEqual(["keep", "new"]);
  });
});

describe("a renewal", () => {
  it("keeps the key and the names, and retires the version before", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { days: 90 });
    api.advance(60 * DAY_MS);
    const renewed = await act(api, made, "renew");
    expect([pins(renewed), renewed.names, renewed.version]).toEqual([pins(made), made.names, 2]);
    expect(Date.parse(renewed.notAfter) - Date.parse(made.notAfter)).toBeGreaterThanOrEqual(
      60 * DAY_MS - 1000,
    );
    expect(renewed.keys[0].fingerprintSha256).not.toBe(made.keys[0].fingerprintSha256);
    expect((await versionsOf(api, made))[0].cause).toBe("renewed");
  });
});

describe("a patch of the key's policy", () => {
  it("of what was read changes nothing, and null is the default", async () => {
    const api = await startApi();
    const made = await selfSigned(api);
    const patch = async (body: object): Promise<Json> =>
      (await api.expect(200, "PATCH", pathOf(made), { body, headers: ANY })).json;
    expect(await patch(made)).toEqual(made);
    for (const back of [{ renewal: null }, { renewal: { key: null } }]) {
      const changed = await patch({ renewal: { key: "new" } });
      expect(changed.renewal).toEqual({ by: "postern", key: "new", keyKept: false });
      expect((await patch(back)).renewal).toEqual({ by: "postern", key: "keep", keyKept: true });
    }
  });

  it("is refused where Postern does not renew, and for other values", async () => {
    const api = await startApi();
    const path = pathOf(await create(api, { source: "pem", ...upload() }));
    const patch = (key: unknown) => ({ body: { renewal: { key } }, headers: ANY });
    const { problems } = await api.expect(400, "PATCH", path, patch("keep"));
    expect(problems).toEqual(["read-only /renewal/key"]);
    const other = await api.expect(400, "PATCH", pathOf(await selfSigned(api)), patch("rotate"));
    expect(other.problems).toEqual(["invalid-value /renewal/key"]);
  });
});

describe("two keys side by side", () => {
  it.each([
    ["keyType and keyTypes", { keyType: "ecdsa-p256", keyTypes: ["rsa-2048"] }, "invalid-format /keyTypes"],
    ["no type", { keyTypes: [] }, "too-small /keyTypes"],
    ["two of one kind", { keyTypes: ["rsa-2048", "rsa-3072"] }, "invalid-format /keyTypes"],
    ["one type twice", { keyTypes: ["rsa-2048", "rsa-2048"] }, "invalid-format /keyTypes"],
    ["an unknown type", { keyTypes: ["ed25519"] }, "invalid-value /keyTypes/0"],
  ])("with %s are refused for every source that makes keys", async (_, keys, problem) => {
    const api = await startApi({ acmeDirectories: ["ca"] });
    for (const source of [
      { source: "self-signed" },
      { source: "request" },
      { source: "acme", directory: "ca" },
    ]) {
      const body = { ...source, names: NAMES, ...keys };
      expect((await api.expect(400, "POST", "/v1/certificates", { body })).problems).toEqual([problem]);
    }
  });

  it("stay when the other is replaced, until it is removed", async () => {
    const api = await startApi();
    const made = await selfSigned(api, { keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const [ecdsa = "", rsa = ""] = pins(made);
    const next = await act(api, made, "material", upload(NAMES, "rsa-2048"));
    expect(pins(next)[0]).toBe(ecdsa);
    expect(pins(next)[1]).not.toBe(rsa);
    const alone = await act(api, made, "material", { ...upload(NAMES, "rsa-2048"), otherSlot: "remove" });
    expect(alone.keys.map(({ slot }: Json) => slot)).toEqual(["rsa"]);
  });

  it("share the names that both leaves carry, and at least one", async () => {
    const api = await startApi();
    const made = await create(api, { source: "pem", ...upload(["a.example", "b.example"]) });
    const both = await act(api, made, "material", upload(["b.example", "c.example"], "rsa-2048"));
    expect(both.names).toEqual(["b.example"]);
    const path = `${pathOf(made)}/material`;
    const body = upload(["d.example"], "rsa-2048");
    const { problems } = await api.expect(422, "PUT", path, { body, headers: ANY });
    expect(problems).toEqual(["no-names /certificatePem"]);
    const removed = await act(api, made, "material", { ...body, otherSlot: "remove" });
    expect(removed.names).toEqual(["d.example"]);
  });
});

describe("a signing request", () => {
  const start = async (more: object = {}): Promise<{ api: ApiUnderTest; made: Json }> => {
    const api = await startApi();
    return { api, made: await create(api, { source: "request", names: NAMES, ...more }) };
  };
  const signed = (request: Json, more: object = {}) => ({
    certificatePem: signRequest(request.csrPem, ca, { names: NAMES, ...more }),
  });

  it("waits for its certificate, and is the same until the key changes", async () => {
    const { api, made } = await start();
    expect(made).toMatchObject({ source: "request", state: "pending", keys: [], version: null });
    expect(made.reason).toContain("PUT it to /material");
    const [request] = made.requests;
    const issued = await act(api, made, "material", signed(request));
    expect(issued).toMatchObject({ source: "request", state: "active", version: 1, nextKeys: [] });
    expect([pins(issued), issued.requests]).toEqual([[request.spkiPin], [request]]);
    expect(issued.renewal).toEqual({ by: "operator", key: null, keyKept: null });
    const renewed = await act(api, made, "material", signed(request, { notAfter: new Date("2040-01-01") }));
    expect([pins(renewed), renewed.requests]).toEqual([[request.spkiPin], [request]]);
    const causes = (await versionsOf(api, made)).map(({ cause }) => cause);
    expect(causes).toEqual(["renewed", "issued"]);
    const { text } = await api.expect(200, "GET", `${pathOf(made)}/csr.pem`);
    expect(text).toBe(request.csrPem);
  });

  it("is 404 for a certificate without one", async () => {
    const api = await startApi();
    await api.expect(404, "GET", `${pathOf(await selfSigned(api))}/csr.pem`);
  });

  it("with two keys takes one certificate after the other", async () => {
    const { api, made } = await start({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const [ecdsa, rsa] = made.requests;
    const first = await act(api, made, "material", signed(rsa));
    expect([pins(first), first.requests.length]).toEqual([[rsa.spkiPin], 2]);
    expect(first.nextKeys.map(({ spkiPin }: Json) => spkiPin)).toEqual([ecdsa.spkiPin]);
    const second = await act(api, made, "material", signed(ecdsa));
    expect([pins(second), second.nextKeys]).toEqual([[ecdsa.spkiPin, rsa.spkiPin], []]);
    expect((await versionsOf(api, made)).map(({ cause }) => cause)).toEqual(["issued", "issued"]);
  });

  it("of a next key switches by its certificate, and comes back with a rollback", async () => {
    const { api, made } = await start();
    const [request] = made.requests;
    await act(api, made, "material", signed(request));
    const announced = await act(api, made, "next-key");
    const next = announced.requests.find(({ spkiPin }: Json) => spkiPin !== request.spkiPin);
    expect(announced.requests).toHaveLength(2);
    const refused = await api.expect(422, "POST", `${pathOf(made)}/rotate`, { headers: ANY });
    expect(refused.problems).toEqual(["operator-renews "]);
    const rotated = await act(api, made, "material", signed(next));
    expect([pins(rotated), rotated.requests]).toEqual([[next.spkiPin], [next]]);
    expect((await versionsOf(api, made))[0].cause).toBe("rotated");
    const back = await act(api, made, "rollback", { version: 1 });
    expect(back.requests.map(({ spkiPin }: Json) => spkiPin)).toEqual([request.spkiPin]);
    const renewed = await act(api, made, "material", signed(back.requests[0]));
    expect([renewed.source, pins(renewed)]).toEqual(["request", [request.spkiPin]]);
  });

  it("is not lost when the operator brings another key meanwhile", async () => {
    const { api, made } = await start({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const [ecdsa, rsa] = made.requests;
    const uploaded = await act(api, made, "material", upload(NAMES, "rsa-2048"));
    expect(uploaded).toMatchObject({ source: "request", requests: [ecdsa, rsa] });
    expect((await versionsOf(api, made))[0].cause).toBe("uploaded");
    const issued = await act(api, made, "material", signed(ecdsa));
    expect(pins(issued)[0]).toBe(ecdsa.spkiPin);
    const { json } = await api.expect(200, "DELETE", `${pathOf(made)}/next-key`, { headers: ANY });
    expect([json.nextKeys, json.requests]).toEqual([[], [ecdsa]]);
  });

  it("ends with the last of its keys", async () => {
    const { api, made } = await start();
    await act(api, made, "material", signed(made.requests[0]));
    const uploaded = await act(api, made, "material", upload());
    expect([uploaded.source, uploaded.requests]).toEqual(["pem", undefined]);
  });

  it("refuses a certificate for another key", async () => {
    const { api, made } = await start();
    const { certificatePem } = upload();
    const path = `${pathOf(made)}/material`;
    const { problems, json } = await api.expect(422, "PUT", path, { body: { certificatePem }, headers: ANY });
    expect(problems).toEqual(["key-mismatch /certificatePem"]);
    expect(json.errors[0].message).toContain("belongs to another request");
  });

  it("with names of over 8 KB together is refused", async () => {
    const api = await startApi();
    const label = "x".repeat(60);
    const names = Array.from({ length: 60 }, (_, index) => `${label}.${label}.${label}.n${index}.example`);
    const body = { source: "request", names };
    expect((await api.expect(422, "POST", "/v1/certificates", { body })).problems).toEqual([
      "too-many /names",
    ]);
  });
});

describe("an order at a CA", () => {
  it.each([
    ["an unknown directory", { directory: "other" }, "unknown-directory /directory"],
    [
      "a wildcard by http-01",
      { names: ["*.example.com"], challenge: "http-01" },
      "wildcard-needs-dns /challenge",
    ],
  ])("for %s is refused", async (_, more, problem) => {
    const api = await startApi({ acmeDirectories: ["ca"] });
    const body = { source: "acme", directory: "ca", names: NAMES, ...more };
    expect((await api.expect(422, "POST", "/v1/certificates", { body })).problems).toEqual([problem]);
  });

  it("waits without a version, and its material cannot be uploaded", async () => {
    let asked = 0;
    const api = await startApi({ acmeDirectories: ["ca"], issuanceRequested: () => (asked += 1) });
    const made = await create(api, { source: "acme", directory: "ca", names: NAMES });
    expect(made).toMatchObject({
      state: "pending",
      version: null,
      validation: [],
      acme: { directory: "ca", caa: [] },
    });
    expect(asked).toBe(1);
    const { problems } = await api.expect(422, "PUT", `${pathOf(made)}/material`, {
      body: upload(),
      headers: ANY,
    });
    expect(problems).toEqual(["issued-by-ca "]);
  });
});

it("a clean-up keeps what a rollback may go back to and pending keys, and deletes the rest after 30 days", async () => {
  const api = await startApi();
  const vault = api.vault;
  if (!(vault instanceof FileKeyVault)) throw new TypeError("the API under test has another vault");
  const made = await selfSigned(api);
  if (!isCertificateId(made.id)) throw new TypeError(made.id);
  await act(api, made, "material", upload());
  const { nextKeys } = await act(api, await selfSigned(api), "next-key");
  const clean = () => cleanUpKeys({ vault, contents: () => api.store.loadAll(), nowMs: api.clock.now() });
  api.advance(29 * DAY_MS);
  expect(await clean()).toEqual({ kind: "done", deleted: [] });
  api.advance(2 * DAY_MS);
  expect(await clean()).toEqual({ kind: "done", deleted: [`keys/${made.id}/1`] });
  expect(nextKeys).toHaveLength(1);
});
