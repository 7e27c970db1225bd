import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createOpenSslChainVerifier } from "../../adapters/openssl/openssl-chain-verifier.ts";
import type { EdgeReport } from "../../core/edge-report/edge-reports.ts";
import { type ApiUnderTest, inOtherAccount, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { newKey } from "../../test/support/certificate-writer.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import { name } from "../../test/support/records.ts";

const SESSION = {
  clientAddress: "192.0.2.10",
  helo: "mail.example.net",
  mailFrom: "sender@example.net",
  rcptTo: "recipient@example.org",
};
const IN_TLS = { ...SESSION, protocol: "TLSv1.3", sni: "mx1.example.org" };
const REQUIRE = { mxHosts: ["mx1.example.org"], tls: { server: { level: "require" }, enforcement: "defer" } };
const PATH = "/v1/evaluate";
const notReached = (rows: number) => Array.from({ length: rows }, () => null);

const put = (api: ApiUnderTest, domain: string, body: object, token?: string) =>
  api.expect(201, "PUT", `/v1/domains/${domain}`, { body, ...(token === undefined ? {} : { token }) });

const evaluated = async (api: ApiUnderTest, body: object, token?: string) =>
  (await api.expect(200, "POST", PATH, { body, ...(token === undefined ? {} : { token }) })).json;

/** Status and each mistake as `pointer code`. */
async function refused(api: ApiUnderTest, body: object): Promise<string> {
  const { status, json } = await api.send("POST", PATH, { body });
  const errors = json.errors ?? [];
  return [
    status,
    ...errors.map((each: { pointer: string; code: string }) => `${each.pointer} ${each.code}`),
  ].join(" ");
}

const listener = (text: string, domain: string | null = null) => ({
  name: text,
  address: "192.0.2.1",
  port: 25,
  domain: domain === null ? null : name(domain),
  proxyProtocol: false,
});

const report = (api: ApiUnderTest, change: Partial<EdgeReport>): Promise<void> =>
  api.edgeReports.report({
    id: api.ids.edge(),
    release: "0.1.0",
    listeners: [listener("mx")],
    revision: 1,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 1,
    ...change,
  });

describe("an evaluation", () => {
  it("gives the reply and explains each row: passed, failed, not reached", async () => {
    const api = await startApi();
    await put(api, "example.org", REQUIRE);
    const answer = await evaluated(api, SESSION);
    expect(answer).toMatchObject({
      verdict: "defer",
      command: "RCPT",
      row: 3,
      reason: "tls-required",
      reply: {
        code: 450,
        enhanced: "4.7.1",
        line: expect.stringMatching(/^450 4\.7\.1 example\.org accepts/),
      },
      certificate: null,
      clientCertificateRequested: false,
      clientCertificate: { result: "absent", reason: "the session is in plaintext" },
      revision: 1,
    });
    expect(answer.explanation.map((row: { passed: unknown }) => row.passed)).toEqual([
      ...Array.from({ length: 2 }, () => true),
      false,
      ...notReached(5),
    ]);
    expect(answer.explanation[2]).toMatchObject({
      text: "level require: the session is in plaintext, although STARTTLS is offered",
      facts: { level: "require", protocol: null, starttlsOffered: true },
    });
  });

  it("reads a write that was answered before it, and writes nothing", async () => {
    const api = await startApi();
    await put(api, "example.org", REQUIRE);
    for (const level of ["accept", "require", "none"] as const) {
      await api.expect(200, "PATCH", "/v1/domains/example.org", {
        body: { tls: { server: { level } } },
        headers: { "If-Match": "*" },
      });
      const { verdict, revision } = await evaluated(api, SESSION);
      expect(verdict).toBe(level === "require" ? "defer" : "accept");
      expect(revision).toBe(await api.store.head());
    }
    const head = await api.store.head();
    await evaluated(api, { ...SESSION, settings: REQUIRE });
    await evaluated(api, { ...SESSION, exceptions: [] });
    expect(await api.store.head()).toBe(head);
  });

  it("refuses MAIL where every domain of the listener requires TLS, and no later than that", async () => {
    const api = await startApi();
    await put(api, "example.org", { ...REQUIRE, tls: { server: { level: "require" } } });
    expect(await evaluated(api, SESSION)).toMatchObject({
      command: "MAIL",
      verdict: "reject",
      row: 3,
      reply: { line: "530 5.7.0 Must issue a STARTTLS command first" },
    });
    await put(api, "example.net", {});
    expect(await evaluated(api, SESSION)).toMatchObject({ command: "RCPT", reply: { code: 530 } });
  });

  it("shows row 2 where the stored settings cannot be read, to their account alone", async () => {
    const api = await startApi();
    await put(api, "example.org", REQUIRE);
    await put(api, "example.net", {});
    api.database.run("UPDATE domain SET record = '{' WHERE id = 'example.org'");
    const answer = await evaluated(api, SESSION);
    expect(answer).toMatchObject({ verdict: "defer", row: 2, reply: { code: 451 } });
    expect(answer.explanation[1]).toMatchObject({ passed: false, facts: { readable: false } });
    expect(await evaluated(api, SESSION, OTHER_TOKEN)).toMatchObject({ row: 1 });
    expect(await evaluated(api, { ...SESSION, settings: REQUIRE })).toMatchObject({ row: 3 });
    expect(await refused(api, { ...SESSION, exceptions: [] })).toBe("409");
  });

  it("judges exceptions at the moment that is named", async () => {
    const api = await startApi();
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const exception = { match: { clientCidr: "192.0.2.0/24" }, level: "accept", reason: "INC-42", expiresAt };
    await put(api, "example.org", { ...REQUIRE, tls: { ...REQUIRE.tls, exceptions: [exception] } });
    const before = await evaluated(api, SESSION);
    expect(before).toMatchObject({ verdict: "accept", exception: { index: 0, reason: "INC-42" } });
    const at = new Date(Date.now() + 7_200_000).toISOString();
    expect(await evaluated(api, { ...SESSION, at })).toMatchObject({ verdict: "defer", exception: null, at });
  });
});

describe("a draft", () => {
  it("of settings is judged in place of what is stored, of a domain that is absent too", async () => {
    const api = await startApi();
    expect(await evaluated(api, SESSION)).toMatchObject({ row: 1, reply: { code: 550 } });
    expect(await evaluated(api, { ...SESSION, settings: REQUIRE })).toMatchObject({ row: 3, revision: 0 });
    await put(api, "example.org", REQUIRE);
    expect(await evaluated(api, { ...SESSION, settings: {} })).toMatchObject({ verdict: "accept" });
  });

  it("of exceptions keeps the other settings", async () => {
    const api = await startApi();
    await put(api, "example.org", REQUIRE);
    const exceptions = [{ match: { recipient: SESSION.rcptTo }, level: "none", reason: "reports" }];
    expect(await evaluated(api, { ...SESSION, exceptions })).toMatchObject({
      verdict: "accept",
      exception: { index: 0 },
    });
    expect(await evaluated(api, { ...SESSION, rcptTo: "other@example.org", exceptions })).toMatchObject({
      row: 3,
    });
  });

  it("is validated as a PUT is, with pointers into the draft", async () => {
    const api = await startApi();
    const mode = { clientCertificate: { mode: "require" } };
    expect(await refused(api, { ...SESSION, settings: { tls: mode } })).toBe(
      "422 /settings/tls/clientCertificate/mode client-certificate-without-required-tls" +
        " /settings/tls/clientCertificate/mode client-certificate-without-hosts /settings/tls/clientCertificate/trust nothing-can-pass",
    );
    expect(await refused(api, { ...SESSION, settings: { tls: { server: { level: "maybe" } } } })).toBe(
      "400 /settings/tls/server/level invalid-value",
    );
    expect(await refused(api, { ...SESSION, settings: { name: "example.com" } })).toBe(
      "400 /settings/name name-differs",
    );
    expect(await refused(api, { ...SESSION, exceptions: [] })).toBe("404");
    await put(api, "example.org", REQUIRE);
    expect(await refused(api, { ...SESSION, exceptions: [{ match: {}, reason: "x" }] })).toBe(
      "422 /exceptions/0/match match-empty",
    );
    expect(await refused(api, { ...SESSION, settings: {}, exceptions: [] })).toBe(
      "422 /exceptions two-drafts",
    );
    expect(await refused(api, { ...SESSION, rcptTo: "a@[192.0.2.1]", settings: {} })).toBe(
      "422 /settings draft-without-domain",
    );
  });

  it("moves certificates of shared hosts only with sharedHosts=move", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx1.example.org"] },
    });
    for (const domain of ["example.org", "example.net"]) await put(api, domain, REQUIRE);
    const settings = { ...REQUIRE, tls: { server: { certificateId: json.id } } };
    const body = { ...IN_TLS, settings };
    expect(await refused(api, body)).toBe("409 /settings/tls/server/certificateId shared-host");
    const moved = await api.expect(200, "POST", `${PATH}?sharedHosts=move`, { body });
    expect(moved.json.certificate).toMatchObject({ source: "settings", certificateId: json.id, version: 1 });
    expect((await evaluated(api, IN_TLS)).certificate.source).toBe("default");
  });
});

describe("listeners of an evaluation", () => {
  it("are those that edges report: the domain's own first, then the first shared one", async () => {
    const api = await startApi();
    await put(api, "example.org", {});
    await put(api, "example.net", { tls: { server: { level: "none" } } });
    expect((await evaluated(api, SESSION)).listener).toEqual({ name: "smtp", dedicatedTo: null });
    await report(api, { listeners: [listener("own", "example.net"), listener("mx"), listener("mx-2")] });
    expect((await evaluated(api, SESSION)).listener.name).toBe("mx");
    const own = { ...SESSION, rcptTo: "a@example.net" };
    expect(await evaluated(api, own)).toMatchObject({ listener: { name: "own" }, verdict: "accept" });
    expect(await evaluated(api, { ...own, listener: "mx-2" })).toMatchObject({ row: 1 });
    expect(await evaluated(api, { ...SESSION, listener: "own" })).toMatchObject({ row: 1 });
    const unknown = await api.expect(422, "POST", PATH, { body: { ...SESSION, listener: "mx-3" } });
    expect(unknown.json.errors).toEqual([
      {
        in: "body",
        pointer: "/listener",
        code: "unknown-listener",
        message: 'listener "mx-3" is unknown; the edges have mx, mx-2, own',
      },
    ]);
    expect(await refused(api, { ...own, protocol: "TLSv1.2" })).toBe("422 /protocol starttls-not-offered");
  });

  it("have the operator's postmaster, default certificate and delivery", async () => {
    const api = await startApi();
    await put(api, "example.org", {});
    const postmaster = { ...SESSION, rcptTo: "postmaster" };
    const routed = { ...SESSION, rcptTo: "user%example.net@example.org" };
    expect(await evaluated(api, postmaster)).toMatchObject({ reason: "no-postmaster", row: null });
    expect(await evaluated(api, routed)).toMatchObject({ verdict: "accept" });
    const certificates = [
      {
        certificateId: null,
        version: null,
        fingerprintsSha256: ["ab".repeat(32)],
        notAfter: "2027-01-01T00:00:00.000Z",
        problem: null,
      },
    ];
    await report(api, { postmaster: "hostmaster@example.org", passesOn: true, certificates });
    expect(await evaluated(api, postmaster)).toMatchObject({ verdict: "accept", row: null });
    expect(await evaluated(api, routed)).toMatchObject({
      verdict: "reject",
      reason: "routed-address",
      reply: { code: 550 },
    });
    expect((await evaluated(api, IN_TLS)).certificate).toMatchObject({
      source: "default",
      fingerprintsSha256: ["ab".repeat(32)],
    });
    expect(await evaluated(api, postmaster, OTHER_TOKEN)).toMatchObject({ reason: "no-postmaster" });
  });
});

describe("another account", () => {
  it("is judged as absent, in the recipient, in SNI and at its listener", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      token: OTHER_TOKEN,
      body: { source: "self-signed", names: ["mx.other.example"] },
    });
    const settings = {
      mxHosts: ["mx.other.example"],
      tls: { server: { level: "require", certificateId: json.id }, clientCertificate: { mode: "request" } },
    };
    await api.expect(201, "PUT", "/v1/domains/other.example", {
      body: settings,
      ...(await inOtherAccount(api)),
    });
    await put(api, "example.org", REQUIRE);
    await report(api, { listeners: [listener("mx"), listener("theirs", "other.example")] });
    const view = async (rcptTo: string, sni: string): Promise<string> => {
      const answer = await evaluated(api, { ...IN_TLS, rcptTo, sni });
      const { at: _, ...rest } = answer;
      return JSON.stringify(rest).replaceAll(rcptTo.replace("a@", ""), "DOMAIN");
    };
    expect(await view("a@other.example", "mx.other.example")).toBe(
      await view("a@absent.example", "mx.absent.example"),
    );
    expect(await view("a@example.org", "mx.other.example")).toBe(
      await view("a@example.org", "mx.absent.example"),
    );
    expect(await refused(api, { ...SESSION, listener: "theirs" })).toBe("422 /listener unknown-listener");
    expect(await refused(api, { ...SESSION, rcptTo: "a@other.example", exceptions: [] })).toBe("404");
    expect(
      await evaluated(api, { ...IN_TLS, rcptTo: "a@other.example", sni: "mx.other.example" }, OTHER_TOKEN),
    ).toMatchObject({
      listener: { name: "theirs" },
      certificate: { source: "settings", certificateId: json.id },
    });
  });

  it("hides its certificate on a host that both name", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx1.example.org"] },
    });
    await put(api, "example.org", { ...REQUIRE, tls: { server: { certificateId: json.id } } });
    const body = { mxHosts: ["mx1.example.org"] };
    await api.expect(201, "PUT", "/v1/domains/tenant.example", { body, ...(await inOtherAccount(api)) });
    const answer = await evaluated(api, { ...IN_TLS, rcptTo: "a@tenant.example" }, OTHER_TOKEN);
    expect(answer.certificate).toEqual({
      source: "hidden",
      certificateId: null,
      version: null,
      fingerprintsSha256: [],
      notAfter: null,
    });
  });
});

describe("a client certificate of an evaluation", () => {
  const ca = makeCa();
  const client = issueClient({ names: ["mail.example.net"], ca });
  const stranger = issueClient({ names: ["mail.example.net"], ca: makeCa() });

  async function withMode(api: ApiUnderTest, mode: string, change: object = {}): Promise<void> {
    const { json } = await api.expect(201, "POST", "/v1/trust-stores", {
      body: { certificatesPem: ca.rootPem },
    });
    const clientCertificate = { mode, trust: { trustStoreIds: [json.id] }, ...change };
    await put(api, "example.org", {
      mxHosts: ["mx1.example.org"],
      tls: { server: { level: "require" }, clientCertificate },
    });
  }

  it("is judged by the deployment's verifier, at the moment that is named", async () => {
    const chainVerifier = await createOpenSslChainVerifier({
      clock: { now: () => Date.now() },
      maxPerClientPerMinute: 100,
    });
    onTestFinished(() => chainVerifier.close());
    const api = await startApi({ chainVerifier });
    await withMode(api, "require");
    const good = { ...IN_TLS, clientChainPem: client.bundlePem };
    expect(await evaluated(api, good)).toMatchObject({
      verdict: "accept",
      clientCertificateRequested: true,
      clientCertificate: { result: "verified", presented: { dnsNames: ["mail.example.net"] } },
    });
    expect(await evaluated(api, { ...good, clientChainPem: stranger.bundlePem })).toMatchObject({
      row: 6,
      clientCertificate: { result: "failed" },
    });
    expect(await evaluated(api, { ...good, helo: "other.example.net" })).toMatchObject({ row: 8 });
    expect(await evaluated(api, { ...good, at: "2099-01-01T00:00:00Z" })).toMatchObject({ row: 6 });
    expect(await evaluated(api, IN_TLS)).toMatchObject({ row: 5, clientCertificate: { result: "absent" } });
  });

  it("is not judged beyond the bounds of the verifier, which are those of evaluations alone", async () => {
    const bounds = { concurrent: 1, queueLength: 0 };
    const clock = { now: () => Date.now() };
    const chainVerifier = await createOpenSslChainVerifier({ clock, maxPerClientPerMinute: 2, bounds });
    onTestFinished(() => chainVerifier.close());
    const api = await startApi({ chainVerifier });
    await withMode(api, "require");
    const another = issueClient({ names: ["mail.example.net"], ca, key: newKey("ecdsa-p256") });
    const evaluate = (clientChainPem: string) => evaluated(api, { ...IN_TLS, clientChainPem });
    const together = await Promise.all([client, another].map(({ bundlePem }) => evaluate(bundlePem)));
    for (const expected of ["accept", "not-evaluated"])
      expect(together.filter(({ verdict }) => verdict === expected)).toHaveLength(1);
    const third = issueClient({ names: ["mail.example.net"], ca, key: newKey("ecdsa-p256") });
    expect(await evaluate(third.bundlePem)).toMatchObject({
      verdict: "not-evaluated",
      clientCertificate: { reason: "too many verifications for this client" },
      cases: { valid: { verdict: "accept" }, invalid: { row: 6 } },
    });
  });

  it("leaves the verdict open where nothing judges it, with what would be replied in both cases", async () => {
    const api = await startApi();
    await withMode(api, "require");
    const body = { ...IN_TLS, clientChainPem: client.bundlePem };
    const answer = await evaluated(api, body);
    expect(answer).toMatchObject({
      verdict: "not-evaluated",
      reply: null,
      row: null,
      cases: {
        valid: { verdict: "accept", row: null },
        invalid: { verdict: "reject", row: 6, reply: { code: 550 } },
      },
      clientCertificate: { result: "not-evaluated", reason: expect.stringContaining("no chain verifier") },
    });
    expect(answer.explanation.map((row: { passed: unknown }) => row.passed)).toEqual([
      ...Array.from({ length: 5 }, () => true),
      ...notReached(3),
    ]);
    expect(await evaluated(api, { ...body, helo: "other.example.net" })).toMatchObject({
      cases: { valid: { row: 8 }, invalid: { row: 6 } },
    });
  });

  it("does not leave the verdict open where both cases come to the same, or a pin decides", async () => {
    const api = await startApi();
    await withMode(api, "request");
    const body = { ...IN_TLS, clientChainPem: client.bundlePem };
    const answer = await evaluated(api, body);
    expect(answer).toMatchObject({
      verdict: "accept",
      cases: null,
      clientCertificate: { result: "not-evaluated" },
    });
    const pins = [answer.clientCertificate.presented.spkiPin];
    const clientCertificate = { mode: "require", trust: { pins } };
    const settings = {
      mxHosts: ["mx1.example.org"],
      tls: { server: { level: "require" }, clientCertificate },
    };
    expect(await evaluated(api, { ...body, settings })).toMatchObject({
      verdict: "accept",
      clientCertificate: { result: "verified" },
    });
  });

  it("is a list of at most ten certificates in 64 KB", async () => {
    const api = await startApi();
    const judged = (clientChainPem: string) => refused(api, { ...IN_TLS, clientChainPem });
    expect(await judged("none")).toBe("400 /clientChainPem not-pem");
    expect(await judged(client.privateKeyPem)).toBe("400 /clientChainPem wrong-kind");
    expect(await judged(client.certificatePem.replace("MII", "!!!"))).toBe("400 /clientChainPem damaged-pem");
    expect(await judged(client.certificatePem.repeat(11))).toBe("422 /clientChainPem too-many-certificates");
    expect(await judged("x".repeat(65_537))).toBe("413 /clientChainPem too-large");
    expect(await refused(api, { ...SESSION, clientChainPem: client.bundlePem, sni: "a.example" })).toBe(
      "422 /sni tls-without-protocol /clientChainPem tls-without-protocol",
    );
  });
});

describe("the fields of an evaluation", () => {
  it.each([
    [{ clientAddress: "192.0.2.010" }, "/clientAddress invalid-format"],
    [{ clientAddress: "fe80::1%eth0" }, "/clientAddress invalid-format"],
    [{ clientAddress: undefined }, "/clientAddress required"],
    [{ protocol: "TLSv1.1" }, "/protocol invalid-value"],
    [{ sni: "mx1 .example.org", protocol: "TLSv1.3" }, "/sni invalid-format"],
    [{ sni: "bücher.example", protocol: "TLSv1.3" }, "/sni invalid-format"],
    [{ helo: "" }, "/helo invalid-format"],
    [{ helo: "a b" }, "/helo invalid-format"],
    [{ mailFrom: "postmaster" }, "/mailFrom invalid-format"],
    [{ mailFrom: "<a@example.net>" }, "/mailFrom invalid-format"],
    [{ mailFrom: "a@example.net> SIZE=1 X=<" }, "/mailFrom invalid-format"],
    [{ rcptTo: "" }, "/rcptTo invalid-format"],
    [{ rcptTo: "recipient" }, "/rcptTo invalid-format"],
    [{ rcptTo: `${"a".repeat(250)}@example.org` }, "/rcptTo invalid-format"],
    [{ rcptTo: "a\r\nDATA@example.org" }, "/rcptTo invalid-format"],
    [{ listener: "MX" }, "/listener invalid-format"],
    [{ at: "tomorrow" }, "/at invalid-format"],
    [{ recipient: "a@example.org" }, "/recipient unknown-field"],
  ])("%j is 400 at its pointer", async (change, expected) => {
    expect(await refused(await startApi(), { ...SESSION, ...change })).toBe(`400 ${expected}`);
  });

  it.each([
    { mailFrom: "" },
    { mailFrom: "@relay.example:a@example.net" },
    { rcptTo: '"a b@c"@example.org' },
    { rcptTo: "a@EXAMPLE.org." },
    { rcptTo: "a@[192.0.2.1]" },
    { rcptTo: "jürgen@bücher.example" },
    { helo: "[192.0.2.1]" },
    { clientAddress: "::ffff:192.0.2.1" },
    { sni: "", protocol: "TLSv1.2" },
    { sni: "192.0.2.1", protocol: "TLSv1.2" },
  ])("%j is taken as an edge takes it", async (change) => {
    const { verdict } = await evaluated(await startApi(), { ...SESSION, ...change });
    expect(verdict).toBe("reject");
  });
});

it("answers the example of docs/api.md as the page says", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/api.md"), "utf8");
  const section = page.slice(page.indexOf("## What would an edge reply?"));
  const body: unknown = JSON.parse(/-d '(?<body>\{[^']+\})'/.exec(section)?.groups?.["body"] ?? "");
  const line = /`reply\.line` is `(?<line>[^`]+)`/.exec(section)?.groups?.["line"];
  const answer = await evaluated(await startApi(), body as object);
  expect(answer).toMatchObject({ reply: { line }, row: 3, reason: "tls-required" });
});
