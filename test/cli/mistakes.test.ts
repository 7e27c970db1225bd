import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { makeCa } from "../support/pki.ts";
import { cliOn, sendTo } from "./cli-on-api.ts";
import { type CliOptions, type CliRun, runCli } from "./run-cli.ts";

type Cli = (line: string, ...more: readonly string[]) => Promise<CliRun>;

async function started(options: CliOptions = {}): Promise<{ readonly api: ApiUnderTest; readonly cli: Cli }> {
  const api = await startApi();
  const run = cliOn(sendTo(api), options);
  return { api, cli: async (line, ...more) => run(...line.split(" "), ...more) };
}

const countOf = (text: string, part: string): number => text.split(part).length - 1;

async function certificateOf(api: ApiUnderTest, label: string, ...names: readonly string[]): Promise<string> {
  const body = { source: "self-signed", names, label };
  return String((await api.expect(201, "POST", "/v1/certificates", { body })).json.id);
}

/** bank.example serves a certificate on its MX host, and clinic.example is to have the host too. */
async function sharedHost() {
  const { api, cli } = await started();
  const id = await certificateOf(api, "bank-mx", "mx.bank.example");
  await cli("domains put bank.example");
  await cli("domains put clinic.example");
  await cli(`set bank.example mx-hosts=mx.bank.example certificate=${id}`);
  return { api, cli, id };
}

describe("a problem", () => {
  it("with one mistake has its text once", async () => {
    const { cli } = await sharedHost();
    const { exitCode, stderr } = await cli("set clinic.example mx-hosts=mx.bank.example");
    expect(exitCode).toBe(3);
    expect(countOf(stderr, "this changes the certificate")).toBe(1);
    expect(stderr).toContain("\n  tls.server.certificateId\n");
  });

  it("of an argument has no line for its place", async () => {
    const { cli } = await started();
    await cli("domains put example.com");
    await cli("set example.com level=require");
    await cli("set example.com level=none");
    const { exitCode, stderr } = await cli("changes revert 2");
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^postern: changed-since: .+; repeat with --if-match 3 to .+\nhint: .+\n$/u);
  });

  it("with several mistakes has the text of each once", async () => {
    const { cli } = await started();
    await cli("domains put example.com");
    const loosening = { match: { senderDomain: "partner.example" }, reason: "r" };
    const exceptions = [
      { ...loosening, level: "none" },
      { ...loosening, match: { senderDomain: "other.example" }, level: "none" },
    ];
    const { stderr } = await cli(
      `set example.com level=require`,
      `tls.exceptions:=${JSON.stringify(exceptions)}`,
    );
    expect(stderr).toMatch(/^postern: rule-violation: 2 mistakes\n {2}tls\.exceptions\.0\.level {2}sender/u);
    expect(countOf(stderr, "senderDomain is unauthenticated")).toBe(2);
    expect(stderr).toMatch(/\nhint: Add clientCidr or clientName to `match`/u);
  });

  it("keeps pointers and full texts for programs", async () => {
    const { cli } = await sharedHost();
    const { stderr } = await cli("set clinic.example mx-hosts=mx.bank.example --json");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "shared-host", places: [{ where: "/tls/server/certificateId" }] },
    });
  });
});

describe("words of HTTP in a problem", () => {
  const DETAILS: readonly (readonly [string, string])[] = [
    ['repeat with If-Match: "12" to replace it', "repeat with --if-match 12 to replace it"],
    ["repeat with If-Match: * to replace it", "repeat with --if-match * to replace it"],
    ["send If-Match with the revision", "give --if-match with the revision"],
    ["If-None-Match: * makes it again", "--if-absent makes it again"],
    ["repeat with ?sharedHosts=move to change it", "repeat with --move-shared-hosts to change it"],
    ["delete it with ?replaceWith=<id> of", "delete it with --replace-with <id> of"],
    ["the header Postern-Account names", "--account names"],
    ["a bearer token is needed: Authorization: Bearer …", "a bearer token is needed"],
  ];

  it.each(DETAILS)("are the options of the command line: %s", async (detail, words) => {
    const problem = { type: "urn:postern:problem:in-use", detail, requestId: "r", errors: [] };
    const fetch = async (): Promise<Response> => Response.json(problem, { status: 409 });
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "postern_token" };
    const { stderr } = await runCli(["whoami"], { env, fetch });
    expect(stderr.split("\n")[0]).toBe(`postern: in-use: ${words}`);
  });

  it.each([
    ["query", "/replaceWith", "--replace-with"],
    ["query", "/sharedHosts", "--move-shared-hosts"],
    ["header", "/if-match", "--if-match"],
    ["header", "/postern-account", "--account"],
    ["path", "/name", "name"],
    ["body", "/tls/exceptions/0/reason", "tls.exceptions.0.reason"],
    ["body", "/labels/a~1b", "labels.a/b"],
  ])("name the place in the %s %s", async (part, pointer, where) => {
    const errors = [{ in: part, pointer, code: "invalid-value", message: "is wrong" }];
    const problem = {
      type: "urn:postern:problem:invalid-request",
      detail: "Not valid.",
      requestId: "r",
      errors,
    };
    const fetch = async (): Promise<Response> => Response.json(problem, { status: 400 });
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "postern_token" };
    const { stderr } = await runCli(["whoami"], { env, fetch });
    expect(stderr).toContain(`\n  ${where}  invalid-value: is wrong\n`);
  });
});

describe("a shared host", () => {
  it("is refused with what would change, and the certificate that keeps it", async () => {
    const { cli, id } = await sharedHost();
    const hint = `hint: mx.bank.example serves ${id} for bank.example: \`certificate=${id}\` keeps that, and \`--move-shared-hosts\` changes it to the default certificate for all of its domains.\n`;
    expect((await cli("set clinic.example mx-hosts=mx.bank.example")).stderr).toContain(hint);
    const put = await runPut('{ "mxHosts": ["mx.bank.example"] }');
    expect(put.run.stderr).toContain(`\`certificate=${put.id}\` keeps that`);
    expect((await cli(`set clinic.example mx-hosts=mx.bank.example certificate=${id}`)).exitCode).toBe(0);
  });

  it("that serves the default certificate is kept by no certificate", async () => {
    const { cli, id } = await sharedHost();
    await cli("set bank.example certificate:=null");
    const { stderr } = await cli(`set clinic.example mx-hosts=mx.bank.example certificate=${id}`);
    expect(stderr).toContain(
      "serves the default certificate for bank.example: `certificate:=null` keeps that",
    );
    expect(stderr).toContain(`changes it to ${id} for all`);
  });

  async function runPut(stdin: string) {
    const { api, id } = await sharedHost();
    const run = cliOn(sendTo(api), { stdin });
    return { id, run: await run("domains", "put", "third.example", "-") };
  }

  it("that is moved is shown with the other domains", async () => {
    const { cli, id } = await sharedHost();
    const { exitCode, stdout } = await cli("set clinic.example mx-hosts=mx.bank.example --move-shared-hosts");
    expect(exitCode).toBe(0);
    const moved = `MX host mx.bank.example: ${id} → default certificate\nof 1 other domain too: bank.example\n`;
    expect(stdout).toContain(moved);
    const again = await cli("set clinic.example mx-hosts=mx.bank.example --move-shared-hosts");
    expect(again.stdout).not.toContain("other domain");
  });

  it("that a put has moved is shown, and not again by a put without a difference", async () => {
    const { api, id } = await sharedHost();
    const stdin = '{ "mxHosts": ["mx.bank.example"] }';
    const put = cliOn(sendTo(api), { stdin });
    const line = ["domains", "put", "clinic.example", "-", "--if-match", "*", "--move-shared-hosts"];
    expect((await put(...line)).stdout).toContain(`MX host mx.bank.example: ${id} → default certificate\n`);
    const again = await put(...line);
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    expect(again.stdout).not.toContain("other domain");
  });

  it("that is moved without the scope to read the log has a warning", async () => {
    const { api, cli } = await sharedHost();
    const body = { label: "writer", scopes: ["domains:read", "domains:write"] };
    const token = String((await api.expect(201, "POST", "/v1/tokens", { body })).json.token);
    const run = cliOn(sendTo(api), {
      env: { POSTERN_URL: "http://api.test", POSTERN_TOKEN: token },
      ...fetchOf(api),
    });
    const written = await run("set", "clinic.example", "mx-hosts=mx.bank.example", "--move-shared-hosts");
    expect(written).toMatchObject({ exitCode: 0, stderr: "" });
    expect(written.stdout).toMatch(/warning: other domains may serve another certificate now.+changes:read/u);
    expect((await cli("domains get clinic.example")).exitCode).toBe(0);
  });
});

const fetchOf = (api: ApiUnderTest): Pick<CliOptions, "fetch"> => ({
  fetch: async (input, init) => api.app.request(new Request(input, init)),
});

describe("a record that is asked for by its label", () => {
  it.each(["get", "chain", "versions", "delete"])("is named with its id: certificates %s", async (word) => {
    const { api, cli } = await started();
    const id = await certificateOf(api, "bank-mx", "mx.bank.example");
    const { exitCode, stderr } = await cli(`certificates ${word} bank-mx`);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `postern: not-found: certificate bank-mx not found\nhint: "bank-mx" is the label of ${id}: an id is needed here.\n`,
    });
  });

  it("is not guessed where two have the label, or none", async () => {
    const { api, cli } = await started();
    for (const name of ["a.example", "b.example"]) await certificateOf(api, "twice", name);
    expect((await cli("certificates get twice")).stderr).toMatch(
      /hint: Several have the label "twice"\. An id/u,
    );
    expect((await cli("certificates get never")).stderr).toMatch(
      /^postern: not-found: certificate never not found\nhint: An id is needed here: `postern certificates list`/u,
    );
  });

  it("is a trust store or a token too", async () => {
    const { api, cli } = await started();
    const body = { certificatesPem: makeCa().certificatePem, label: "partner" };
    const store = String((await api.expect(201, "POST", "/v1/trust-stores", { body })).json.id);
    expect((await cli("trust-stores pem partner")).stderr).toContain(`"partner" is the label of ${store}`);
    const token = { label: "job", scopes: ["domains:read"] };
    const id = String((await api.expect(201, "POST", "/v1/tokens", { body: token })).json.id);
    expect((await cli("tokens delete job")).stderr).toContain(`"job" is the label of ${id}`);
  });

  it("is refused as the certificate or trust store of a domain, with its id", async () => {
    const { api, cli } = await started();
    const id = await certificateOf(api, "bank-mx", "mx.bank.example");
    await cli("domains put bank.example");
    const { stderr } = await cli("set bank.example mx-hosts=mx.bank.example certificate=bank-mx");
    expect(stderr).toContain(`hint: "bank-mx" is the label of ${id}: an id is needed here.`);
    const trusted = await cli("set bank.example tls.clientCertificate.trust.trustStoreIds=partner");
    expect(trusted.stderr).toContain("`postern trust-stores list` shows ids and labels.");
  });
});

describe("a field that is not known", () => {
  it.each([
    ["levle=none", "levle: did you mean level?"],
    ["minVersion=TLSv1.3", "minVersion: did you mean tls.server.minVersion?"],
    ["mxhost=a.example", "mxhost: did you mean mxHosts?"],
    ["exceptions:=[]", "exceptions: did you mean tls.exceptions?"],
    ["tls.enforcment=defer", "enforcment: did you mean enforcement?"],
    ["zzzzzzz=1", "Words: level, min-version, certificate, client-certificate, enforcement, mx-hosts;"],
    [
      'tls.exceptions:=[{"match":{"sender":"a@b.example"},"level":"none","reason":"r"}]',
      "sender: did you mean senderDomain? Fields of tls.exceptions.0.match: clientCidr, senderDomain, clientName, recipient.",
    ],
    [
      'tls.exceptions:=[{"match":{"xyz":"a"},"level":"none","reason":"r"}]',
      "hint: Fields of tls.exceptions.0.match: clientCidr, senderDomain, clientName, recipient.",
    ],
  ])("is refused with the nearest one: %s", async (setting, hint) => {
    const { cli } = await started();
    await cli("domains put example.com");
    const { exitCode, stderr } = await cli("set example.com", setting);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(hint);
  });

  it("is one of those that the help of set lists", async () => {
    const { stdout } = await runCli(["set", "--help"]);
    for (const line of [
      "level               tls.server.level: none, accept, require",
      "min-version         tls.server.minVersion: TLSv1.2, TLSv1.3",
      "certificate         tls.server.certificateId",
      "client-certificate  tls.clientCertificate.mode: none, request, require",
      "enforcement         tls.enforcement: observe, defer, reject",
      "mx-hosts            mxHosts",
      "certificate:=null",
      "tls.exceptions:='[",
    ])
      expect(stdout).toContain(line);
  });
});

describe("a value that is to go", () => {
  it("is not the word null", async () => {
    const { cli } = await started();
    await cli("domains put example.com");
    const { stderr } = await cli("set example.com mx-hosts=mx.example.com certificate=null");
    expect(stderr).toContain("hint: `certificate:=null` removes the certificate.");
  });

  it("goes as a label without text", async () => {
    const { cli } = await started();
    await cli("domains put example.com");
    await cli("set example.com labels.team=mail");
    expect((await cli("set example.com labels.team=")).stdout).toBe("labels.team: mail → absent\n");
  });
});

describe("the names of a tenant", () => {
  async function tenant() {
    const { api, cli } = await started();
    await cli("accounts put acme");
    const body = { account: "acme", label: "admin", scopes: ["domains:read", "domains:write"] };
    const token = String((await api.expect(201, "POST", "/v1/tokens", { body })).json.token);
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: token };
    const run = cliOn(sendTo(api), { env });
    return { cli, acme: (async (line, ...more) => run(...line.split(" "), ...more)) as Cli };
  }

  it("are shown with their TXT records by put and set, and marked in the list", async () => {
    const { cli, acme } = await tenant();
    const put = await acme("domains put acme.example");
    expect(put.stdout).toMatch(/\npending: _postern\.acme\.example TXT "postern=[^"]+"\n/u);
    expect(put.stdout).toContain("postern domains verify acme.example\n");
    const set = await acme("set acme.example mx-hosts=mx.acme.example");
    expect(set.stdout).toMatch(/\npending: _postern\.mx\.acme\.example TXT "postern=[^"]+"\n/u);
    expect(set.stdout).toContain("postern domains verify acme.example\n");
    expect((await acme("domains list")).stdout).toMatch(/ OWNERSHIP [\s\S]*\nacme\.example .+ pending /u);
    await cli("domains confirm acme.example --account acme");
    await acme("set acme.example mx-hosts=mx2.acme.example,mx3.acme.example");
    expect((await acme("domains list")).stdout).toMatch(/\nacme\.example .+ 2 hosts pending /u);
    await cli("domains confirm acme.example --account acme");
    expect((await acme("domains list")).stdout).toMatch(/\nacme\.example .+ verified /u);
    expect((await acme("set acme.example level=require")).stdout).not.toContain("pending");
  });

  it("are pending in the status, with what is left to do", async () => {
    const { acme } = await tenant();
    await acme("domains put acme.example");
    await acme("set acme.example mx-hosts=mx.acme.example");
    const { stdout } = await acme("status acme.example");
    expect(stdout).toContain("\n  host mx.acme.example: pending\n");
    expect(stdout).toMatch(
      /\npending: _postern\.acme\.example TXT "[\s\S]+postern domains verify acme\.example\n/u,
    );
  });

  it("take no certificate while they are pending, with the way to show whose they are", async () => {
    const { cli, acme } = await tenant();
    await acme("domains put acme.example");
    await cli("domains confirm acme.example --account acme");
    const made = await cli(
      "certificates create --source self-signed --name mx.acme.example --account acme --json",
    );
    const { id } = JSON.parse(made.stdout) as { readonly id: string };
    const { exitCode, stderr } = await acme(`set acme.example mx-hosts=mx.acme.example certificate=${id}`);
    expect(exitCode).toBe(3);
    expect(countOf(stderr, "mx.acme.example is pending")).toBe(1);
    expect(stderr).toMatch(
      /\nhint: .+`postern domains get acme\.example`.+`postern domains verify acme\.example`/u,
    );
  });

  it("are confirmed in their account, which the refusal asks for", async () => {
    const { cli, acme } = await tenant();
    await acme("domains put acme.example");
    const { exitCode, stderr } = await cli("domains confirm acme.example");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/\nhint: .+`--account <name>`/u);
    expect((await cli("domains confirm acme.example --account acme")).exitCode).toBe(0);
  });
});

describe("an API that asks to wait", () => {
  const answering = (seconds: number, more: readonly string[] = []) => {
    let requests = 0;
    const fetch = async (): Promise<Response> =>
      requests++ === 0
        ? Response.json({}, { status: 429, headers: { "retry-after": String(seconds) } })
        : Response.json({ name: "n", account: "a", scopes: [] });
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "postern_token" };
    return runCli(["whoami", ...more], { env, fetch, sleep: async (ms, signal) => pauseOnly(ms, signal) });
  };

  it("is named on stderr, with the time", async () => {
    expect(await answering(10)).toMatchObject({ exitCode: 0, stderr: "the API asks to wait 10 s (429)\n" });
  });

  it("is not for a pause that is not noticed, nor for programs", async () => {
    expect(await answering(1)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await answering(10, ["--json"])).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

/** A clock on which pauses are over at once, and timeouts never. */
const pauseOnly = async (ms: number, signal: AbortSignal): Promise<void> =>
  ms <= 10_000
    ? undefined
    : new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
