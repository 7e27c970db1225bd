import { describe, expect, it } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import { FollowedSettings } from "../../core/snapshot/followed-settings.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { type ApiUnderTest, inOtherAccount, type RequestOptions } from "../../test/support/api.ts";
import { OTHER, publish, startTenants, THIRD } from "../../test/support/tenants.ts";

/** Names are owned: what an account may name, and when edges serve it (docs/adr/0038). */

const ANY = { "If-Match": "*" };
const DAY_MS = 24 * 3600 * 1000;
const NAME = "tenant.example";
const MX = "mx.tenant.example";

const put = (
  api: ApiUnderTest,
  body: object = { mxHosts: [MX] },
  options: RequestOptions = OTHER,
  name = NAME,
) => api.expect(201, "PUT", `/v1/domains/${name}`, { body, ...options });
const read = async (api: ApiUnderTest, options: RequestOptions = OTHER, name = NAME) =>
  (await api.expect(200, "GET", `/v1/domains/${name}`, options)).json;
const verify = async (api: ApiUnderTest, options: RequestOptions = OTHER, name = NAME) =>
  (await api.expect(200, "POST", `/v1/domains/${name}/verify`, options)).json;

describe("a domain of an account that is not the operator's", () => {
  it("is pending with its MX hosts, and no edge has it, until TXT records hold the values shown", async () => {
    const { api, records, served } = await startTenants();
    const { json } = await put(api);
    expect(json.ownership).toEqual({
      state: "pending",
      record: `_postern.${NAME}`,
      value: expect.stringMatching(/^postern=[A-Za-z0-9_-]{22}$/),
      expiresAt: expect.any(String),
      lastCheck: null,
      hosts: [expect.objectContaining({ host: MX, state: "pending", record: `_postern.${MX}` })],
    });
    const days = (Date.parse(json.ownership.expiresAt) - api.clock.now()) / DAY_MS;
    expect(days).toBeCloseTo(7, 2);
    expect(await served(NAME)).toBeUndefined();
    publish(records, json);
    const verified = await verify(api);
    expect(verified.ownership).toEqual({
      state: "verified",
      record: `_postern.${NAME}`,
      value: null,
      expiresAt: null,
      lastCheck: null,
      hosts: [],
    });
    expect(await served(NAME)).toMatchObject({ name: NAME, mxHosts: [MX] });
    expect(verified.revision).toBe(json.revision + 1);
    expect(await read(api)).toEqual(verified);
  });

  it("is served without the MX hosts that are still pending, which take no certificate", async () => {
    const { api, records, served } = await startTenants();
    const { json } = await put(api);
    records.set(`_postern.${NAME}`, [json.ownership.value]);
    const { ownership } = await verify(api);
    expect(ownership).toMatchObject({
      state: "verified",
      hosts: [{ host: MX, lastCheck: { result: "absent" } }],
    });
    expect(await served(NAME)).toMatchObject({ mxHosts: [] });
    const body = { source: "self-signed", names: [MX] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body, ...OTHER })).json;
    const patch = { body: { tls: { server: { certificateId: id } } }, headers: ANY, ...OTHER };
    const taken = await api.expect(409, "PATCH", `/v1/domains/${NAME}`, patch);
    expect(taken.problems).toEqual(["host-taken /tls/server/certificateId"]);
    expect(taken.json.detail).toContain(`_postern.${MX}`);
    expect(taken.json.detail).toContain(`POST /v1/domains/${NAME}/verify`);
    publish(records, { ownership });
    api.advance(11_000);
    await verify(api);
    expect(await served(NAME)).toMatchObject({ mxHosts: [MX] });
    await api.expect(200, "PATCH", `/v1/domains/${NAME}`, patch);
    expect((await read(api)).tls.server.certificateId).toBe(id);
  });

  it("stays verified, and only the names that a later write adds are pending", async () => {
    const { api, records, served } = await startTenants();
    publish(records, (await put(api)).json);
    await verify(api);
    records.clear();
    const body = { mxHosts: [MX, "mx2.tenant.example"] };
    const { json } = await api.expect(200, "PUT", `/v1/domains/${NAME}`, { body, headers: ANY, ...OTHER });
    expect(json.ownership).toMatchObject({ state: "verified", hosts: [{ host: "mx2.tenant.example" }] });
    expect(await served(NAME)).toMatchObject({ mxHosts: [MX] });
    api.advance(60_000);
    expect((await verify(api)).ownership.state).toBe("verified");
  });

  it("needs another proof after it was deleted, and by another account", async () => {
    const { api, records, served } = await startTenants();
    const first = (await put(api)).json;
    publish(records, first);
    await verify(api);
    await api.expect(204, "DELETE", `/v1/domains/${NAME}`, { headers: ANY, ...OTHER });
    const second = (await put(api)).json;
    expect(second.ownership).toMatchObject({ state: "pending", lastCheck: null });
    expect(second.ownership.value).not.toBe(first.ownership.value);
    expect((await verify(api)).ownership).toMatchObject({
      state: "pending",
      lastCheck: { result: "different" },
    });
    await api.expect(204, "DELETE", `/v1/domains/${NAME}`, { headers: ANY, ...OTHER });
    await put(api, {}, THIRD);
    expect((await verify(api, THIRD)).ownership.state).toBe("pending");
    expect(await served(NAME)).toBeUndefined();
  });

  it("keeps its values over writes, and shows them to its account alone", async () => {
    const { api } = await startTenants();
    const { json } = await put(api);
    const body = { ...json, tls: { enforcement: "defer" } };
    const again = await api.expect(200, "PUT", `/v1/domains/${NAME}`, { body, headers: ANY, ...OTHER });
    expect(again.json.ownership).toEqual(json.ownership);
    const same = await api.expect(200, "PUT", `/v1/domains/${NAME}`, {
      body: again.json,
      headers: ANY,
      ...OTHER,
    });
    expect(same.json.revision).toBe(again.json.revision);
    await api.expect(404, "POST", `/v1/domains/${NAME}/verify`, THIRD);
    await api.expect(403, "POST", `/v1/domains/${NAME}/confirm`, OTHER);
    const { text } = await api.expect(200, "GET", "/v1/changes", THIRD);
    expect(text).not.toContain(json.ownership.value);
  });

  it("is pending item by item of a batch", async () => {
    const { api, served } = await startTenants();
    const items = [
      { name: NAME, put: { mxHosts: [MX] } },
      { name: "b.example", put: {} },
    ];
    await api.expect(200, "POST", "/v1/domains:batch", { body: { items }, ...OTHER });
    expect((await read(api)).ownership).toMatchObject({ state: "pending", hosts: [{ host: MX }] });
    expect([await served(NAME), await served("b.example")]).toEqual([undefined, undefined]);
  });

  it("of an IDN is verified by the record of its A-label", async () => {
    const { api, records, served } = await startTenants();
    const idn = "xn--bcher-kva.example";
    const { json } = await put(api, {}, OTHER, idn);
    expect(json.ownership.record).toBe(`_postern.${idn}`);
    publish(records, json);
    await verify(api, OTHER, idn);
    expect(await served(idn)).toBeDefined();
  });
});

describe("a domain on the operator's word", () => {
  it("is served at once where the operator makes it, in its own account or in another", async () => {
    const { api, served } = await startTenants();
    const own = await put(api, { mxHosts: [MX] }, {});
    expect(own.json.ownership).toMatchObject({ state: "verified", hosts: [] });
    const named = await put(api, { mxHosts: ["mx.b.example"] }, await inOtherAccount(api), "b.example");
    expect(named.json).toMatchObject({ account: "other", ownership: { state: "verified", hosts: [] } });
    expect([await served(NAME), await served("b.example")].map((each) => typeof each)).toEqual([
      "object",
      "object",
    ]);
  });

  it("is served from the confirmation on, with its hosts", async () => {
    const { api, asked, served } = await startTenants();
    await put(api);
    const here = `/v1/domains/${NAME}/confirm`;
    await api.expect(404, "POST", here);
    const { json } = await api.expect(200, "POST", here, await inOtherAccount(api));
    expect(json.ownership).toMatchObject({ state: "verified", hosts: [] });
    expect(await served(NAME)).toMatchObject({ mxHosts: [MX] });
    expect(asked).toEqual([]);
    const [{ actor, account: _ }] = (await api.expect(200, "GET", "/v1/changes?order=desc", OTHER)).json
      .items;
    expect(actor).toBe("root");
  });

  it("belongs to the operator where its host is on the default certificate", async () => {
    const { api } = await startTenants();
    const { json } = await put(api, { mxHosts: ["mx.operator.example"] });
    expect(json.ownership.hosts).toEqual([]);
  });
});

describe("the TXT record of a pending name", () => {
  it.each<[string, (value: string) => string[] | Error, string | null]>([
    ["is the value", (value) => [value], null],
    ["is one of several", (value) => ["v=spf1 -all", value], null],
    ["has another case", (value) => [value.toUpperCase()], "different"],
    ["has blanks around it", (value) => [` ${value} `], "different"],
    ["begins with it", (value) => [`${value}x`], "different"],
    ["holds it among others", (value) => [`a ${value} b`], "different"],
    ["is empty", () => [""], "different"],
    ["is absent", () => [], "absent"],
    ["is one of too many", (value) => [...Array.from({ length: 100 }, () => "a"), value], "too-large"],
    ["is beside one of 16 KiB", (value) => ["a".repeat(16 * 1024), value], "too-large"],
    ["is not answered", () => new Unavailable("no resolver answers"), "unavailable"],
  ])("that %s", async (_, answer, result) => {
    const { api, records, served } = await startTenants();
    const { json } = await put(api, {});
    records.set(`_postern.${NAME}`, answer(json.ownership.value));
    const { ownership } = await verify(api);
    expect(ownership.state).toBe(result === null ? "verified" : "pending");
    expect(ownership.lastCheck?.result ?? null).toBe(result);
    expect((await served(NAME)) === undefined).toBe(result !== null);
  });

  it("of a wildcard shows one name, whose value it is, and no other below it", async () => {
    const { api, records, served } = await startTenants();
    const parent = (await put(api, {})).json;
    await put(api, {}, OTHER, `sub.${NAME}`);
    for (const name of [NAME, `sub.${NAME}`]) records.set(`_postern.${name}`, [parent.ownership.value]);
    await verify(api);
    await verify(api, OTHER, `sub.${NAME}`);
    expect([typeof (await served(NAME)), await served(`sub.${NAME}`)]).toEqual(["object", undefined]);
  });

  it("is looked up at most once in 10 s for a domain, by whichever requests", async () => {
    const { api, asked } = await startTenants();
    await put(api, {});
    const path = `/v1/domains/${NAME}/verify`;
    const answers = await Promise.all([1, 2, 3].map(() => api.send("POST", path, OTHER)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 429, 429]);
    const late = answers.find(({ status }) => status === 429);
    expect(Number(late?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(asked).toHaveLength(1);
    api.advance(10_001);
    await verify(api);
    expect(asked).toHaveLength(2);
  });

  it("changes nothing of the settings while it is not there", async () => {
    const { api } = await startTenants();
    const { json } = await put(api);
    const after = await verify(api);
    expect(after.revision).toBe(json.revision);
    expect(after.ownership.lastCheck).toEqual({
      at: expect.any(String),
      result: "absent",
      nextAt: expect.any(String),
    });
    expect((await api.expect(200, "GET", "/v1/changes", OTHER)).json.items).toHaveLength(1);
  });

  it("may be looked for again after 7 days, when the caller asks for it", async () => {
    const { api, records, served } = await startTenants();
    const { json } = await put(api);
    api.advance(8 * DAY_MS);
    const { ownership } = await verify(api);
    expect(Date.parse(ownership.expiresAt)).toBeGreaterThan(api.clock.now());
    expect(ownership.value).toBe(json.ownership.value);
    publish(records, json);
    api.advance(11_000);
    await verify(api);
    expect(await served(NAME)).toBeDefined();
  });
});

describe("a name that another account holds", () => {
  const claimed = async (api: ApiUnderTest) => {
    const answer = await api.expect(409, "PUT", `/v1/domains/${NAME}`, { body: {}, ...THIRD });
    expect(answer.problems).toEqual(["name-taken /name"]);
    const [{ message }] = answer.json.errors;
    return { answer, value: /the value (postern=\S+)/.exec(message)?.[1] ?? "" };
  };

  it("is taken with the same words, whether it is pending or verified", async () => {
    const pending = await startTenants();
    await put(pending.api);
    const verified = await startTenants();
    await put(verified.api, {}, {});
    const words = async (api: ApiUnderTest) => {
      const { answer, value } = await claimed(api);
      expect(value).not.toBe("");
      return answer.text.replaceAll(value, "VALUE").replaceAll(answer.json.requestId, "ID");
    };
    expect(await words(pending.api)).toBe(await words(verified.api));
  });

  it("goes from a pending record to the account that shows it is its own, whose change log has nothing of it", async () => {
    const { api, records, served } = await startTenants();
    const theirs = (await put(api, { mxHosts: [MX], labels: { secret: "of-the-squatter" } })).json;
    const { value } = await claimed(api);
    expect(value).not.toBe(theirs.ownership.value);
    records.set(`_postern.${NAME}`, [value]);
    const { json } = await put(api, {}, THIRD);
    expect(json).toMatchObject({ account: "third", labels: {}, ownership: { state: "verified" } });
    expect(await served(NAME)).toMatchObject({ account: "third" });
    await api.expect(404, "GET", `/v1/domains/${NAME}`, OTHER);
    const { text } = await api.expect(200, "GET", "/v1/changes", THIRD);
    expect(text).not.toContain("of-the-squatter");
    const [last] = (await api.expect(200, "GET", "/v1/changes?order=desc", OTHER)).json.items;
    expect(last).toMatchObject({ action: "delete", actor: "ownership" });
  });

  it("is deleted nowhere where the taker has no room for it by its quota", async () => {
    const { api, records } = await startTenants();
    await api.expect(201, "PUT", "/v1/accounts/third", { body: { quotas: { domains: 0 } } });
    const { revision } = (await put(api)).json;
    const { value } = await claimed(api);
    records.set(`_postern.${NAME}`, [value]);
    const refused = async () =>
      (await api.expect(422, "PUT", `/v1/domains/${NAME}`, { body: {}, ...THIRD })).json;
    expect(await refused()).toMatchObject({ type: "urn:postern:problem:quota-exceeded" });
    api.advance(8 * DAY_MS);
    expect(await refused()).toMatchObject({ quota: { name: "domains", limit: 0, count: 0 } });
    expect(await read(api)).toMatchObject({ revision, mxHosts: [MX] });
    expect((await api.expect(200, "GET", "/v1/changes", OTHER)).json.items).toHaveLength(1);
  });

  it("stays where it is verified, whatever another account publishes", async () => {
    const { api, records, served } = await startTenants();
    publish(records, (await put(api)).json);
    await verify(api);
    const { value } = await claimed(api);
    records.set(`_postern.${NAME}`, [value]);
    api.advance(11_000);
    await claimed(api);
    expect(await served(NAME)).toMatchObject({ account: "other" });
  });

  it("is one account's when both show at once that it is theirs", async () => {
    const { api, records, served } = await startTenants();
    const { ownership } = (await put(api, {})).json;
    const { value } = await claimed(api);
    records.set(`_postern.${NAME}`, [ownership.value, value]);
    const [first, second] = await Promise.all([
      api.send("POST", `/v1/domains/${NAME}/verify`, OTHER),
      api.send("PUT", `/v1/domains/${NAME}`, { body: {}, ...THIRD }),
    ]);
    const domain = await served(NAME);
    expect(domain).toMatchObject({ account: first.status === 200 ? "other" : "third" });
    expect([first.status, second.status].toSorted((a, b) => a - b)).toEqual(
      first.status === 200 ? [200, 409] : [201, 404],
    );
  });

  it("is free when its 7 days are over, and pending for the next one", async () => {
    const { api, served } = await startTenants();
    await put(api);
    api.advance(7 * DAY_MS + 1);
    const { json } = await put(api, {}, THIRD);
    expect(json).toMatchObject({ account: "third", ownership: { state: "pending" } });
    expect(await served(NAME)).toBeUndefined();
  });

  it("keeps the pending record when the write that would take it is refused", async () => {
    const { api, records } = await startTenants();
    await put(api);
    const { value } = await claimed(api);
    records.set(`_postern.${NAME}`, [value]);
    const body = { tls: { clientCertificate: { mode: "require" } } };
    await api.expect(422, "PUT", `/v1/domains/${NAME}`, { body, ...THIRD });
    expect((await read(api)).account).toBe("other");
  });

  it("gives way to the operator while it is pending", async () => {
    const { api, served } = await startTenants();
    await put(api);
    await put(api, {}, {});
    expect(await served(NAME)).toMatchObject({ account: "default" });
  });

  it("is looked up at most once in 10 s for an account's claim", async () => {
    const { api, asked } = await startTenants();
    await put(api);
    for (const _ of [1, 2, 3]) await claimed(api);
    expect(asked).toHaveLength(1);
  });
});

describe("an MX host that another account has", () => {
  it("is pending for the account that names it, and does not take part in the handshakes of its owner", async () => {
    const { api, records } = await startTenants();
    publish(records, (await put(api)).json);
    await verify(api);
    const rival = (await put(api, { mxHosts: [MX] }, THIRD, "rival.example")).json;
    records.set("_postern.rival.example", [rival.ownership.value]);
    const { ownership } = await verify(api, THIRD, "rival.example");
    expect(ownership).toMatchObject({ state: "verified", hosts: [{ host: MX, state: "pending" }] });
    const host = (await new FollowedSettings(api.store).current()).host(parseDomainName(MX));
    expect([...(host?.domains.names() ?? [])]).toEqual([NAME]);
  });

  it("was only pending, and so is free for the account that shows that it is its own", async () => {
    const { api, records, served } = await startTenants();
    await put(api, { mxHosts: ["mx.third.example"] });
    const mine = (await put(api, { mxHosts: ["mx.third.example"] }, THIRD, "third.example")).json;
    publish(records, mine);
    await verify(api, THIRD, "third.example");
    expect(await served("third.example")).toMatchObject({ mxHosts: ["mx.third.example"] });
    const body = { source: "self-signed", names: ["mx.third.example"] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body, ...THIRD })).json;
    const patch = { tls: { server: { certificateId: id } } };
    await api.expect(200, "PATCH", "/v1/domains/third.example", { body: patch, headers: ANY, ...THIRD });
  });

  it("of the operator's account is named by others without proof", async () => {
    const { api } = await startTenants();
    await put(api, { mxHosts: ["mx.shared.example"] }, {}, "shared.example");
    const { json } = await put(api, { mxHosts: ["mx.shared.example"] });
    expect(json.ownership.hosts).toEqual([]);
  });
});

describe("what is shown of a pending domain", () => {
  const session = { clientAddress: "192.0.2.7", mailFrom: "a@client.example", rcptTo: `a@${NAME}` };
  const evaluated = async (api: ApiUnderTest, options: RequestOptions, body: object = session) => {
    const { json } = await api.expect(200, "POST", "/v1/evaluate", { body, ...options });
    return { row: json.row, reply: json.reply, text: json.explanation[0].text };
  };

  it("is row 1 in an evaluation, with the reason for its own account alone", async () => {
    const { api } = await startTenants();
    await put(api);
    const theirs = await evaluated(api, THIRD);
    const mine = await evaluated(api, OTHER);
    expect(theirs).toEqual({ ...mine, text: `no domain ${NAME} is served on listener smtp` });
    expect(mine).toMatchObject({ row: 1, text: expect.stringContaining(`_postern.${NAME}`) });
    const draft = { ...session, settings: { tls: { server: { level: "none" } } } };
    expect(await evaluated(api, OTHER, draft)).toEqual(mine);
  });

  it("is in lists with the last check", async () => {
    const { api } = await startTenants();
    await put(api);
    const { ownership } = await verify(api);
    const { items } = (await api.expect(200, "GET", "/v1/domains", OTHER)).json;
    expect(items.map((item: { ownership: unknown }) => item.ownership)).toEqual([ownership]);
  });
});

describe("a certificate that is ordered", () => {
  const order = (names: readonly string[]) => ({
    body: { source: "acme", directory: "test", challenge: "dns-01", names },
  });
  const refused = async (api: ApiUnderTest, names: readonly string[], options: RequestOptions) =>
    (await api.expect(422, "POST", "/v1/certificates", { ...order(names), ...options })).problems;

  it("is for names that its account has verified, and no others", async () => {
    const { api, records } = await startTenants({ acmeDirectories: ["test"] });
    const made = (await put(api)).json;
    expect(await refused(api, [MX, NAME], OTHER)).toEqual([
      "name-not-owned /names/0",
      "name-not-owned /names/1",
    ]);
    publish(records, made);
    await verify(api);
    expect(await refused(api, [MX, `sub.${NAME}`], OTHER)).toEqual(["name-not-owned /names/1"]);
    expect(await refused(api, [`*.${NAME}`], OTHER)).toEqual(["name-not-owned /names/0"]);
    expect(await refused(api, [MX], THIRD)).toEqual(["name-not-owned /names/0"]);
    expect(await refused(api, ["operator.example"], OTHER)).toEqual(["name-not-owned /names/0"]);
    await api.expect(201, "POST", "/v1/certificates", { ...order([MX, NAME]), ...OTHER });
    await api.expect(201, "POST", "/v1/certificates", order(["anything.example"]));
  });
});
