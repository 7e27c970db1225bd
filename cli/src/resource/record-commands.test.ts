import { describe, expect, it } from "vitest";
import { startApi, TOKEN } from "../../../test/support/api.ts";
import { issueServer, makeCa } from "../../../test/support/pki.ts";
import { type CliOptions, type CliRun, type MemoryFile, runCli } from "../../../test/cli/run-cli.ts";

const ENV = { POSTERN_URL: "http://postern.example", POSTERN_TOKEN: TOKEN };

/** The command line on an API without a socket. */
async function started() {
  const api = await startApi();
  const files = new Map<string, MemoryFile>();
  const fetch: typeof globalThis.fetch = async (input, init) => api.app.fetch(new Request(input, init));
  const run = async (line: string, options: CliOptions = {}): Promise<CliRun> =>
    runCli(line.split(" "), { env: ENV, files, fetch, ...options });
  /** The JSON values that a command prints. */
  const values = async (
    line: string,
    options: CliOptions = {},
  ): Promise<readonly Record<string, unknown>[]> => {
    const { exitCode, stdout, stderr } = await run(`${line} --json`, options);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return stdout
      .split("\n")
      .filter((each) => each !== "")
      .map((each) => JSON.parse(each) as Record<string, unknown>);
  };
  const add = (path: string, text: string): void => void files.set(path, { text, mode: 0o600 });
  return { api, run, values, add };
}

describe("set", () => {
  it("shows each field that differs, under the type that the field has", async () => {
    const { run, values } = await started();
    await run("domains put example.com");
    const { exitCode, stdout } = await run(
      "set example.com level=require mx-hosts=mx1.example.com,mx2.example.com labels.cost.centre=7 enforcement=defer",
    );
    expect(exitCode).toBe(0);
    expect(stdout.split("\n").filter((line) => line.includes("→"))).toEqual([
      "labels.cost.centre: absent → 7",
      "mxHosts: none → mx1.example.com, mx2.example.com",
      "tls.enforcement: reject → defer",
      "tls.server.level: accept → require",
    ]);
    expect(await values("domains get example.com")).toMatchObject([
      { mxHosts: ["mx1.example.com", "mx2.example.com"], labels: { "cost.centre": "7" } },
    ]);
  });

  it("takes JSON after :=, and null removes a value", async () => {
    const { run, values } = await started();
    await run("domains put example.com");
    await run("set example.com labels.team=mail");
    await run('set example.com labels.team:=null mxHosts:=["mx1.example.com"]');
    expect(await values("domains get example.com")).toMatchObject([
      { mxHosts: ["mx1.example.com"], labels: {} },
    ]);
  });

  it("says so when nothing differs", async () => {
    const { run } = await started();
    await run("domains put example.com");
    expect((await run("set example.com level=accept")).stdout).toMatch(/^no difference\n/u);
  });

  it("shows the API's problem with its pointer, and exits with 1", async () => {
    const { run } = await started();
    await run("domains put example.com");
    const { exitCode, stdout, stderr } = await run("set example.com level=strict");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^postern: invalid-request: .+\n {2}tls\.server\.level {2}[a-z-]+: .+\n/u);
  });

  it("exits with 3 when the record is at another revision", async () => {
    const { run } = await started();
    await run("domains put example.com");
    await run("set example.com level=require");
    const { exitCode, stderr } = await run("set example.com level=none --if-match 1");
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^postern: stale-revision: .+\nhint: /u);
    const { stderr: json } = await run("set example.com level=none --if-match 1 --json");
    expect(JSON.parse(json)).toMatchObject({ error: { code: "stale-revision", exitCode: 3 } });
  });

  it.each([
    ["level", "level is not a setting"],
    ["a..b=1", "a..b is not the name of a field"],
    ["__proto__.x=1", "__proto__.x is not the name of a field"],
    ["labels.Team=1", "labels.Team is not the name of a field"],
    ["tls.server=require", "tls.server takes JSON"],
    ["mxHosts:=[", "mxHosts:= takes JSON"],
    ["level=none tls.server.level=none", "tls.server.level is set twice"],
    [
      "tls.clientCertificate.trust.publicRoots=maybe",
      "tls.clientCertificate.trust.publicRoots takes true or false",
    ],
  ])("rejects %s before it writes", async (setting, message) => {
    const { run, values } = await started();
    await run("domains put example.com");
    const { exitCode, stderr } = await run(`set example.com ${setting}`);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`postern: ${message}`);
    expect(await values("domains get example.com")).toMatchObject([{ revision: 1 }]);
  });
});

describe("domains", () => {
  it("are put from a file, listed by prefix and label, and deleted", async () => {
    const { run, values, add } = await started();
    add("a.json", JSON.stringify({ tls: { server: { level: "require" } }, labels: { team: "mail" } }));
    await run("domains put a.example a.json");
    await run("domains put b.example -", { stdin: "{}" });
    const { stdout } = await run("domains list");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/u).slice(0, 3))).toEqual([
      ["NAME", "LEVEL", "CLIENT CERTIFICATE"],
      ["a.example", "require", "none"],
      ["b.example", "accept", "none"],
      [""],
    ]);
    expect((await values("domains list --labels team=mail")).map(({ name }) => name)).toEqual(["a.example"]);
    expect((await values("domains list --prefix b")).map(({ name }) => name)).toEqual(["b.example"]);
    expect(await values("domains list --limit 1")).toHaveLength(1);
    expect((await run("domains delete a.example")).stdout).toBe("a.example deleted\n");
    expect(await values("domains list")).toHaveLength(1);
  });

  it("are replaced only with --if-match", async () => {
    const { run } = await started();
    await run("domains put example.com");
    expect(await run("domains put example.com")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^postern: condition-missing: .+\nhint: .+--if-match/u) as string,
    });
    expect((await run("domains put example.com --if-match *")).exitCode).toBe(0);
  });

  it("that cannot be read fail the list after its rows", async () => {
    const { api, run } = await started();
    await run("domains put a.example");
    await run("domains put b.example");
    api.database.run("UPDATE domain SET record = '{' WHERE id = 'a.example'");
    const { exitCode, stdout, stderr } = await run("domains list --json");
    expect({ exitCode, rows: stdout.split("\n").length - 1 }).toEqual({ exitCode: 1, rows: 1 });
    expect(JSON.parse(stderr)).toMatchObject({ error: { places: [{ where: "a.example" }] } });
  });
});

describe("status --wait", () => {
  it("fails for a domain whose settings cannot be read, which no edge enforces", async () => {
    const { api, run } = await started();
    await run("domains put example.org");
    api.database.run("UPDATE domain SET record = json_set(record, '$.tls.server.level', 'unknown')");
    expect(await run("status example.org")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await run("status example.org --wait")).toMatchObject({
      exitCode: 1,
      stderr: "postern: the stored settings of example.org cannot be read: no edge enforces them\n",
    });
  });
});

describe("a file that is not JSON", () => {
  it("is not shown by the error, since it may be one of a secret", async () => {
    const { add, run } = await started();
    for (const text of ["secret", "secret-secret-secret-secret-secret-secret-secret", '{ "a": secret }']) {
      add("token", text);
      const { exitCode, stderr } = await run("domains put example.org token");
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^postern: token is not JSON(?: \(line 1 column 8\))?\n$/u);
    }
  });
});

describe("certificates", () => {
  it("are made, changed, shown as PEM and deleted", async () => {
    const { run, values } = await started();
    const [made] = await values(
      "certificates create --source self-signed --name mx1.example.com --name mx2.example.com --label mx --days 30",
    );
    expect(made).toMatchObject({
      names: ["mx1.example.com", "mx2.example.com"],
      label: "mx",
      state: "active",
    });
    const id = String(made?.["id"]);
    expect((await run(`certificates set ${id} labels.team=mail`)).stdout).toContain(
      "labels.team: absent → mail",
    );
    expect((await run(`certificates chain ${id}`)).stdout).toMatch(
      /^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n$/u,
    );
    expect(await values(`certificates versions ${id}`)).toMatchObject([{ version: 1, cause: "created" }]);
    expect(await values(`certificates status ${id}`)).toMatchObject([{ version: 1 }]);
    expect((await values("certificates list --labels team=mail")).map((each) => each["id"])).toEqual([id]);
    expect((await run(`certificates delete ${id}`)).stdout).toBe(`${id} deleted\n`);
  });

  it("are uploaded with their key, and get new material", async () => {
    const { values, add } = await started();
    const ca = makeCa();
    for (const name of ["one", "two"]) {
      const { certificatePem, chainPem, privateKeyPem } = issueServer({
        ca,
        names: ["mx1.example.com"],
      });
      add(`${name}.pem`, `${certificatePem}${chainPem}`);
      add(`${name}.key`, privateKeyPem);
    }
    const [made] = await values("certificates upload one.pem --key one.key");
    expect(made).toMatchObject({ source: "pem", version: 1 });
    const material = `certificates material ${String(made?.["id"])} --file two.pem --key two.key`;
    expect(await values(material)).toMatchObject([{ version: 2 }]);
    expect(await values(`certificates rollback ${String(made?.["id"])} --to 1`)).toMatchObject([
      { keys: made?.["keys"] },
    ]);
  });

  it.each(["one.pem", "--file one.pem"])(
    "take their file as an argument and as an option: %s",
    async (file) => {
      const { run, values, add } = await started();
      const { certificatePem, privateKeyPem } = issueServer({ names: ["mx1.example.com"] });
      add("one.pem", `${certificatePem}${privateKeyPem}`);
      const [made] = await values(`certificates upload ${file}`);
      const id = String(made?.["id"]);
      expect(await values(`certificates material ${id} ${file}`)).toMatchObject([{ id }]);
      for (const line of ["certificates upload", `certificates material ${id}`]) {
        expect((await run(line)).stderr).toMatch(/the file is missing\nhint: .+--file/u);
        expect((await run(`${line} one.pem --file two.pem`)).stderr).toContain("two files are given");
      }
    },
  );

  it("never print the private key that was sent", async () => {
    const { run, add } = await started();
    add("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    add("broken.key", "-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----\n");
    const { exitCode, stdout, stderr } = await run("certificates upload broken.pem --key broken.key");
    expect(exitCode).toBe(1);
    expect(`${stdout}${stderr}`).not.toContain("secretsecret");
  });
});

describe("trust stores", () => {
  it("are made from PEM, replaced, restored and deleted", async () => {
    const { run, values, add } = await started();
    add("one.pem", makeCa({ name: "One CA" }).certificatePem);
    add("two.pem", makeCa({ name: "Two CA" }).certificatePem);
    const [made] = await values("trust-stores create one.pem --label partners --labels team=mail");
    const id = String(made?.["id"]);
    const [replaced] = await values(`trust-stores put ${id} --file two.pem`);
    expect(replaced).toMatchObject({ label: "partners", labels: { team: "mail" } });
    expect((await run(`trust-stores get ${id}`)).stdout).not.toContain("BEGIN CERTIFICATE");
    expect((await run(`trust-stores pem ${id}`)).stdout).toMatch(/^-----BEGIN CERTIFICATE-----\n/u);
    expect((await run(`trust-stores set ${id} label=friends`)).stdout).toBe("label: partners → friends\n");
    await values(`trust-stores restore ${id} --revision ${String(made?.["revision"])}`);
    expect((await run("trust-stores list")).stdout).toContain("One CA");
    expect((await run(`trust-stores delete ${id}`)).exitCode).toBe(0);
  });
});

describe("trust stores, as certificates,", () => {
  it.each(["one.pem", "--file one.pem"])(
    "take their file as an argument and as an option: %s",
    async (file) => {
      const { values, add } = await started();
      add("one.pem", makeCa().certificatePem);
      const [made] = await values(`trust-stores create ${file}`);
      const id = String(made?.["id"]);
      expect(await values(`trust-stores put ${id} ${file}`)).toMatchObject([{ id }]);
    },
  );
});

describe("tokens, principals and accounts", () => {
  it("give a token whose scopes whoami shows, until it is deleted", async () => {
    const { run, values } = await started();
    const [made] = await values("tokens create --scope domains:read --scope evaluate --label job");
    const env = { ...ENV, POSTERN_TOKEN: String(made?.["token"]) };
    expect(await values("whoami", { env })).toMatchObject([{ scopes: ["domains:read", "evaluate"] }]);
    const denied = await run("domains put example.com", { env });
    expect(denied.stderr).toMatch(/^postern: missing-scope: .*domains:write[\s\S]*\nhint: /u);
    await run(`tokens delete ${String(made?.["id"])}`);
    expect(await values("tokens list")).toEqual([]);
  });

  it("are written whole, and set by their fields", async () => {
    const { run, values } = await started();
    const arn = "arn:aws:iam::123456789012:role/deploy";
    await values(`principals put ${arn} --scope domains:read`);
    expect((await run(`principals set ${arn} scopes=domains:read,evaluate label=job`)).stdout).toBe(
      "label: none → job\nscopes: domains:read → domains:read, evaluate\n",
    );
    await values("accounts put acme --label Acme --quota domains=100");
    expect((await run("accounts set acme quotas.domains=200")).stdout).toBe("quotas.domains: 100 → 200\n");
    expect((await run("accounts list")).stdout).toContain("domains=200");
    expect((await run("accounts delete acme")).exitCode).toBe(0);
  });
});

describe("an account that has records", () => {
  it("is not deleted, and the refusal names what to do", async () => {
    const { run } = await started();
    await run("accounts put acme");
    await run("domains put acme.example --account acme");
    const { exitCode, stderr } = await run("accounts delete acme");
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^postern: in-use: .+\nhint: .+ delete them first, with `--account acme`\.\n$/u);
  });
});

describe("changes, edges and evaluate", () => {
  it("print the log of a record, newest first where asked", async () => {
    const { run, values } = await started();
    await run("domains put example.com");
    await run("set example.com level=require");
    const actions = async (line: string) => (await values(line)).map(({ action }) => action);
    expect(await actions("changes list --resource domain/example.com")).toEqual(["create", "update"]);
    expect(await actions("changes list --newest")).toEqual(["update", "create"]);
    expect(await values("edges list")).toEqual([]);
  });
});

describe("texts that a terminal would act on", () => {
  it.each(["\u001b[31mred", "\u0007", "\u009b2J", "\u202egpj.exe"])("are escaped: %j", async (text) => {
    const fetch = async (): Promise<Response> =>
      Response.json(
        { type: "urn:postern:problem:not-found", detail: text, requestId: "r", errors: [] },
        { status: 404 },
      );
    for (const flag of ["", " --json"]) {
      const { stderr } = await runCli(`whoami${flag}`.split(" "), { env: ENV, fetch, isTerminal: true });
      expect(stderr).toContain(text.slice(1));
      expect(stderr).not.toContain(text.slice(0, 1) === "\u001b" ? "\u001b[31mred" : text.slice(0, 1));
    }
  });

  it("are escaped in the values of a table and of JSON", async () => {
    const items = [
      { id: "tok_1", label: "a\u001b]0;title\u0007", scopes: [], expiresAt: null, lastUsedAt: null },
    ];
    const fetch = async (): Promise<Response> => Response.json({ items, unreadable: [], nextCursor: null });
    expect((await runCli(["tokens", "list"], { env: ENV, fetch })).stdout).toContain(
      String.raw`a\x1b]0;title\x07`,
    );
    const { stdout } = await runCli(["tokens", "list", "--json"], { env: ENV, fetch });
    expect(stdout).toContain(String.raw`a\u001b]0;title\u0007`);
  });
});
