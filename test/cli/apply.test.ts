import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Ended } from "../../cli/src/frame/effects.ts";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { issueServer, makeCa } from "../support/pki.ts";
import { cliOn, type Send, sendTo } from "./cli-on-api.ts";
import type { MemoryFile } from "./run-cli.ts";

/** The lines of a file with domains, each with its own MX host. */
const domainsText = (count: number, more = ""): string =>
  `domains:\n${Array.from({ length: count }, (_, nth) => `  d${nth}.example: { mxHosts: [mx.d${nth}.example]${more} }\n`).join("")}`;

const isBatch = ({ url }: Request): boolean => url.endsWith("/v1/domains:batch");

/** Sends requests to an API; `onBatch` may answer, or end, a batch in its place, counted from 1. */
function sendWith(
  api: ApiUnderTest,
  onBatch: (nth: number, request: Request) => Promise<Response> | null,
): Send {
  let batches = 0;
  return async (request) => {
    if (!isBatch(request)) return sendTo(api)(request);
    batches += 1;
    return (await onBatch(batches, request)) ?? sendTo(api)(request);
  };
}

const linesOf = (text: string): readonly string[] => text.trimEnd().split("\n");

describe("plan", () => {
  it("shows each field that changes and whom the change refuses, and exits with 2", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/domains/a.example", { body: { mxHosts: ["mx.a.example"] } });
    const stdin =
      "domains:\n  a.example: { mxHosts: [mx.a.example], tls: { server: { level: require } } }\n  b.example: {}\n";
    const run = await cliOn(sendTo(api), { stdin })("plan", "-");
    expect(run.exitCode).toBe(2);
    expect(linesOf(run.stdout)).toEqual([
      "~ domain a.example",
      '    tls.server.level: "accept" → "require"',
      "    refuses: senders in plaintext",
      "+ domain b.example",
      expect.stringMatching(/^warning: a\.example: default-certificate-lacks-host: /u),
      "Plan: 1 to create, 1 to change, 0 to delete, 0 unchanged.",
      "Whether such senders exist is not known: the API keeps no sessions. Try enforcement: observe first.",
    ]);
    const json = await cliOn(sendTo(api), { stdin })("plan", "-", "--json");
    expect(linesOf(json.stdout).map((line) => JSON.parse(line))).toEqual([
      {
        action: "update",
        kind: "domain",
        name: "a.example",
        changes: [{ field: "tls.server.level", before: "accept", after: "require" }],
        refuses: ["senders in plaintext"],
      },
      { action: "create", kind: "domain", name: "b.example", changes: [], refuses: [] },
      { warning: expect.objectContaining({ domain: "a.example", code: "default-certificate-lacks-host" }) },
      { summary: { create: 1, update: 1, delete: 0, unchanged: 0 }, kept: [] },
    ]);
    expect(await api.store.head()).toBe(1);
  });

  it.each<[what: string, before: string, after: string, refuses: readonly string[]]>([
    ["nothing for a looser level", "{ server: { level: require } }", "{}", []],
    ["nothing while it is only observed", "{}", "{ server: { level: require }, enforcement: observe }", []],
    [
      "senders in plaintext once it is no longer only observed",
      "{ server: { level: require }, enforcement: observe }",
      "{ server: { level: require }, enforcement: defer }",
      ["senders in plaintext"],
    ],
    [
      "senders with TLS 1.2",
      "{ server: { level: require } }",
      "{ server: { level: require, minVersion: TLSv1.3 } }",
      ["senders with TLS 1.2"],
    ],
    [
      "senders of an exception that is removed",
      "{ server: { level: require }, exceptions: [{ match: { clientCidr: 192.0.2.0/24 }, level: none, reason: old }] }",
      "{ server: { level: require } }",
      [
        "senders and recipients of an exception that is removed or changed, where the domain's rule is stricter",
      ],
    ],
  ])("foresees %s", async (_, before, after, refuses) => {
    const api = await startApi();
    const cli = (tls: string) => cliOn(sendTo(api), { stdin: `domains:\n  a.example: { tls: ${tls} }\n` });
    await cli(before)("apply", "-", "--no-wait");
    const { stdout } = await cli(after)("plan", "-");
    expect(linesOf(stdout).filter((line) => line.includes("refuses: "))).toEqual(
      refuses.map((senders) => `    refuses: ${senders}`),
    );
  });
});

describe("a plan in a file", () => {
  const prepare = async () => {
    const api = await startApi();
    for (const name of ["a", "b"]) await api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {} });
    const text =
      "domains:\n  a.example: { labels: { x: y } }\n  b.example: { labels: { x: y } }\n  c.example: {}\n";
    const files = new Map<string, MemoryFile>([["postern.yaml", { text, mode: 0o644 }]]);
    const cli = cliOn(sendTo(api), { files });
    expect((await cli("plan", "--out", "plan.json")).exitCode).toBe(2);
    return { api, files, cli };
  };

  it("is readable by its owner alone, and is carried out once", async () => {
    const { api, files, cli } = await prepare();
    expect(files.get("plan.json")?.mode).toBe(0o600);
    expect(await cli("apply", "plan.json", "--no-wait")).toMatchObject({ exitCode: 0, stderr: "" });
    const head = await api.store.head();
    const again = await cli("apply", "plan.json", "--no-wait");
    expect(again.exitCode).toBe(3);
    expect(await api.store.head()).toBe(head);
  });

  it("is refused where a record has changed since, before anything is written", async () => {
    const { api, cli } = await prepare();
    await api.expect(200, "PATCH", "/v1/domains/b.example", {
      body: { labels: { by: "hand" } },
      headers: { "If-Match": "*" },
    });
    await api.expect(201, "PUT", "/v1/domains/c.example", { body: {} });
    const head = await api.store.head();
    const run = await cli("apply", "plan.json", "--no-wait");
    expect(run).toEqual({
      exitCode: 3,
      stdout: "",
      stderr:
        "postern: the plan is stale, and nothing was written\n  412  domain b.example is at revision 3, planned at 2\n  412  domain c.example exists by now\nhint: Plan again: `postern plan --out`.\n",
    });
    expect(await api.store.head()).toBe(head);
  });

  it("fails with a conflict where a record changes between the comparison and the write", async () => {
    const { api, files } = await prepare();
    const send = sendWith(api, (nth) => {
      if (nth !== 1) return null;
      const headers = { "If-Match": "*" };
      const change = api.expect(200, "PATCH", "/v1/domains/b.example", {
        body: { labels: { by: "hand" } },
        headers,
      });
      return change.then(() => null as unknown as Response);
    });
    const run = await cliOn(send, { files })("apply", "plan.json", "--no-wait");
    expect(run.exitCode).toBe(3);
    expect(run.stderr).toContain("domain b.example: stale-revision: ");
    expect(linesOf(run.stdout)).toEqual([
      "~ domain a.example",
      "+ domain c.example",
      "2 of 3 applied, 1 failed.",
    ]);
    expect((await api.expect(200, "GET", "/v1/domains/b.example")).json.labels).toEqual({ by: "hand" });
  });

  it("is refused where it is not one of this release", async () => {
    const { files, cli } = await prepare();
    files.set("plan.json", { text: '{"posternPlan":1,"steps":[{}]}', mode: 0o600 });
    expect(await cli("apply", "plan.json")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("postern: plan.json is not a plan of this release: "),
    });
  });

  it.each<[what: string, edit: (step: Record<string, unknown>) => void]>([
    ["an update without a write, which would be a deletion", (step) => (step["write"] = null)],
    ["a write without settings", (step) => (step["write"] = {})],
    ["a change that is null", (step) => (step["changes"] = [null])],
    ["a deletion with a write", (step) => (step["action"] = "delete")],
    ["a creation with a revision", (step) => (step["action"] = "create")],
    ["an update without a revision", (step) => (step["revision"] = null)],
    ["a member more", (step) => (step["more"] = 1)],
    ["another kind", (step) => (step["kind"] = "certificate")],
    ["an unknown kind", (step) => (step["kind"] = "edge")],
    ["an unknown action", (step) => (step["action"] = "replace")],
    ["another name", (step) => (step["name"] = "b.example")],
    ["another write than was shown", (step) => (step["write"] = { put: {}, movesHosts: false })],
    ["other changes than are written", (step) => (step["changes"] = [])],
  ])("is refused with %s, before anything is written", async (_, edit) => {
    const { api, files, cli } = await prepare();
    const plan = JSON.parse(files.get("plan.json")?.text ?? "");
    edit(plan.steps[0]);
    files.set("plan.json", { text: JSON.stringify(plan), mode: 0o600 });
    const head = await api.store.head();
    const run = await cli("apply", "plan.json", "--no-wait");
    expect(run).toMatchObject({ exitCode: 1, stdout: "" });
    expect(run.stderr).toMatch(/^postern: plan\.json is not a plan of this release: .+\nhint: /u);
    expect(await api.store.head()).toBe(head);
  });
});

describe("apply", () => {
  it("writes nothing the second time: no request but reads, and no revision", async () => {
    const api = await startApi();
    const stdin = domainsText(120);
    expect(await cliOn(sendTo(api), { stdin })("apply", "-", "--no-wait")).toMatchObject({ exitCode: 0 });
    const head = await api.store.head();
    const methods = new Set<string>();
    const send: Send = (request) => {
      methods.add(request.method);
      return sendTo(api)(request);
    };
    const again = await cliOn(send, { stdin })("apply", "-");
    expect(again).toEqual({ exitCode: 0, stdout: "Nothing to apply.\n", stderr: "" });
    expect([...methods]).toEqual(["GET"]);
    expect(await api.store.head()).toBe(head);
  });

  it("lists what was done when the API goes away, and a second apply completes it", async () => {
    const api = await startApi();
    const stdin = domainsText(450);
    const send = sendWith(api, (nth) =>
      nth <= 2 ? null : Promise.reject(new TypeError("connection refused")),
    );
    const run = await cliOn(send, { stdin })("apply", "-", "--no-wait");
    expect(run.exitCode).toBe(1);
    const done = linesOf(run.stdout).filter((line) => line.startsWith("+ domain "));
    expect(done).toHaveLength(200);
    expect(linesOf(run.stdout).at(-1)).toMatch(
      /^200 of 450 applied, \d+ may have been written, \d+ not tried\.$/u,
    );
    expect(run.stderr).toContain("stopped: no answer from http://api.test: connection refused");
    expect(run.stderr).toContain("hint: Apply again: what is done is not written twice.");
    const { store } = api;
    expect(await store.head()).toBe(200);
    const again = await cliOn(sendTo(api), { stdin })("apply", "-", "--no-wait");
    expect(linesOf(again.stdout).at(-1)).toBe("250 of 250 applied.");
    expect(await store.head()).toBe(450);
  });

  it("lists what was done at Ctrl-C and exits with 130, and a second apply completes it", async () => {
    const api = await startApi();
    const stdin = domainsText(450);
    const controller = new AbortController();
    const send = sendWith(api, (nth, request) => {
      if (nth !== 3) return null;
      controller.abort(new Ended(130));
      return sendTo(api)(request);
    });
    const run = await cliOn(send, { stdin, signal: controller.signal })("apply", "-");
    expect(run.exitCode).toBe(130);
    const done = linesOf(run.stdout).filter((line) => line.startsWith("+ domain "));
    expect(done.length).toBeGreaterThanOrEqual(100);
    expect(done.length).toBeLessThan(450);
    expect(linesOf(run.stdout).at(-1)).toMatch(/^\d+ of 450 applied, /u);
    const again = await cliOn(sendTo(api), { stdin })("apply", "-", "--no-wait");
    expect(again.exitCode).toBe(0);
    expect(await api.store.head()).toBe(450);
  });

  it("sends a batch again that the API is too busy for, and knows what an answer that was lost has stored", async () => {
    const api = await startApi();
    const stdin = domainsText(60);
    const busy = () => new Response(null, { status: 503, headers: { "retry-after": "0" } });
    const send = sendWith(api, (nth, request) => {
      if (nth === 1) return Promise.resolve(busy());
      return nth === 2 ? sendTo(api)(request).then(busy) : null;
    });
    const run = await cliOn(send, { stdin })("apply", "-", "--no-wait");
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(linesOf(run.stdout).at(-1)).toBe("60 of 60 applied.");
    expect(await api.store.head()).toBe(60);
  });

  it("sends batches that the API takes by their octets, also where a character has several", async () => {
    const api = await startApi();
    const labels = Array.from({ length: 18 }, (_, nth) => `l${nth}: ${"日".repeat(200)}`).join(", ");
    const stdin = domainsText(100, `, labels: { ${labels} }`);
    const octets: number[] = [];
    const send = sendWith(api, (_, request) =>
      request
        .clone()
        .arrayBuffer()
        .then(({ byteLength }) => octets.push(byteLength))
        .then(() => sendTo(api)(request)),
    );
    const run = await cliOn(send, { stdin })("apply", "-", "--no-wait");
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(linesOf(run.stdout).at(-1)).toBe("100 of 100 applied.");
    expect(Math.max(...octets)).toBeGreaterThan(900_000);
    expect(Math.max(...octets)).toBeLessThanOrEqual(1_000_000);
    expect(octets).toHaveLength(2);
  });

  it("sends smaller batches where a proxy takes fewer octets than the API, and one item alone fails alone", async () => {
    const api = await startApi();
    const stdin = `${domainsText(90)}  long.example: { labels: { text: ${"x".repeat(200)} }, mxHosts: [${Array.from({ length: 20 }, (_, nth) => `mx${nth}.long.example`).join(", ")}] }\n`;
    const send = sendWith(api, async (_, request) => {
      const { byteLength } = await request.clone().arrayBuffer();
      return byteLength > 900 ? new Response("too large", { status: 413 }) : sendTo(api)(request);
    });
    const run = await cliOn(send, { stdin })("apply", "-", "--no-wait");
    expect(run.exitCode).toBe(1);
    expect(linesOf(run.stdout).at(-1)).toBe("90 of 91 applied, 1 failed.");
    expect(run.stderr).toContain("domain long.example: unrecognized: too large");
  });

  it("names the line of the file where a rule of the API is broken, and applies the rest", async () => {
    const api = await startApi();
    const text =
      "domains:\n  a.example:\n    tls:\n      clientCertificate:\n        mode: require\n  b.example: {}\n";
    const files = new Map<string, MemoryFile>([["postern.yaml", { text, mode: 0o644 }]]);
    const run = await cliOn(sendTo(api), { files })("apply", "--no-wait");
    expect(run.exitCode).toBe(1);
    expect(linesOf(run.stdout)).toEqual(["+ domain b.example", "1 of 2 applied, 1 failed."]);
    expect(run.stderr).toContain("domain a.example: rule-violation: ");
    expect(run.stderr).toContain("  postern.yaml:5:15  client-certificate-without-required-tls: ");
  });

  it("moves an MX host of several domains to another certificate, with every one of them", async () => {
    const api = await startApi();
    const text = (label: string): string =>
      `certificates:\n  one: { source: self-signed, names: [mx.example] }\n  two: { source: self-signed, names: [mx.example] }\ndomains:\n${Array.from({ length: 130 }, (_, nth) => `  d${nth}.example: { mxHosts: [mx.example], labels: { on: ${label} }, tls: { server: { certificate: ${label} } } }\n`).join("")}`;
    for (const label of ["one", "two"])
      expect(await cliOn(sendTo(api), { stdin: text(label) })("apply", "-", "--no-wait")).toMatchObject({
        exitCode: 0,
        stderr: "",
      });
    expect(await cliOn(sendTo(api), { stdin: text("two") })("plan", "-")).toMatchObject({ exitCode: 0 });
    const beside = "domains:\n  d0.example: { mxHosts: [mx.example] }\n";
    const refused = await cliOn(sendTo(api), { stdin: beside })("plan", "-");
    expect(refused.stderr).toMatch(
      /stdin:2:3 {2}mx\.example is also an MX host of d\d+\.example, which is not in the file/u,
    );
  });

  it.each([1, 60])("shows the API's warnings about the domains of the file: %i domains", async (count) => {
    const api = await startApi();
    const stdin = domainsText(count, ", tls: { enforcement: observe, server: { level: require } }");
    const warningsOf = ({ stdout }: { stdout: string }) =>
      linesOf(stdout).flatMap((line, at, all) =>
        line.includes("enforcement-observe") ? [line, ...all.slice(at + 1, at + 2)] : [],
      );
    const cli = cliOn(sendTo(api), { stdin });
    const more = count === 1 ? /./u : new RegExp(`^ {4}and ${count - 1} more of this code$`, "u");
    const lines = [
      expect.stringMatching(/^warning: d0\.example: enforcement-observe: ./u),
      expect.stringMatching(more),
    ];
    expect(warningsOf(await cli("apply", "-", "--no-wait"))).toEqual(lines);
    expect(warningsOf(await cli("plan", "-"))).toEqual(lines);
    const json = linesOf((await cli("plan", "-", "--json")).stdout).map((line) => JSON.parse(line).warning);
    expect(json.filter((warning) => warning?.code === "enforcement-observe")).toHaveLength(count);
  });

  it("does not write domains whose certificate was not created", async () => {
    const api = await startApi();
    const stdin =
      "certificates:\n  mx: { source: acme, names: [mx.example], directory: none }\ndomains:\n  a.example: { mxHosts: [mx.example], tls: { server: { certificate: mx } } }\n  b.example: {}\n";
    const run = await cliOn(sendTo(api), { stdin })("apply", "-", "--no-wait");
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("domain a.example: certificate mx was not created\n");
    expect(linesOf(run.stdout)).toEqual(["+ domain b.example", "1 of 3 applied, 1 failed, 1 not tried."]);
  });

  it("ends when every edge has the changes, and deletions too", async () => {
    const api = await startApi();
    const report = { release: "0", listeners: [], certificates: [], certificateProblems: [], unreadable: [] };
    const id = api.ids.edge();
    const edgeAt = (revision: number) =>
      api.edgeReports.report({ ...report, id, revision, stale: false, chainVerifier: true, omitted: 0 });
    await edgeAt(0);
    let waits = 0;
    const send: Send = async (request) => {
      const isWait = request.url.includes("/status");
      if (isWait && ++waits === 2) await edgeAt(await api.store.head());
      return sendTo(api)(request);
    };
    const text = (more: string): string => `name: shop\ndomains:\n  a.example: {}\n${more}`;
    const four = text("  b.example: {}\n  c.example: {}\n  d.example: {}\n");
    const run = await cliOn(send, { stdin: four })("apply", "-");
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(linesOf(run.stdout).at(-1)).toBe("Every edge has revision 4.");
    waits = 0;
    const fewer = text("  b.example: {}\n  c.example: {}\n");
    const pruned = await cliOn(send, { stdin: fewer })("apply", "-", "--prune");
    expect(linesOf(pruned.stdout)).toEqual([
      "- domain d.example",
      "1 of 1 applied.",
      "Every edge has revision 5.",
    ]);
    expect(waits).toBeGreaterThanOrEqual(2);
  });
});

describe("export --name", () => {
  it("is a mistake for a name that no record has, and names those that there are", async () => {
    const api = await startApi();
    const cli = (stdin = "") => cliOn(sendTo(api), { stdin });
    const none = await cli()("export", "--name", "shop");
    expect(none).toMatchObject({ exitCode: 1, stdout: "" });
    for (const name of ["shop", "bank"])
      await cli(`name: ${name}\ndomains:\n  ${name}.example: {}\n`)("apply", "-", "--no-wait");
    expect(await cli()("export", "--name", "shpo")).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "postern: no record has the label managed-by=shpo\nhint: The names are bank, shop.\n",
    });
    expect((await cli()("export", "--name", "shop")).stdout).toContain("shop.example");
  });
});

describe("apply --prune", () => {
  const prepare = async (count: number) => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/domains/other.example", {
      body: { labels: { "managed-by": "other" } },
    });
    await api.expect(201, "PUT", "/v1/domains/hand.example", { body: {} });
    const stdin = (wanted: number): string => `name: shop\n${domainsText(wanted)}`;
    const cli = (wanted: number) => cliOn(sendTo(api), { stdin: stdin(wanted) });
    await cli(count)("apply", "-", "--no-wait");
    const names = async (): Promise<number> =>
      (await api.expect(200, "GET", "/v1/domains")).json.items.length;
    return { cli, names };
  };

  it("deletes only records with the file's name, and none without it", async () => {
    const { cli, names } = await prepare(10);
    const kept = await cli(7)("apply", "-", "--no-wait");
    expect(kept.stdout).toBe("Nothing to apply.\n");
    expect((await cli(7)("plan", "-")).stdout).toContain(
      "3 records carry the file's name and are not in it: --prune deletes them.",
    );
    expect(await names()).toBe(12);
    const pruned = await cli(7)("apply", "-", "--prune", "--no-wait");
    expect(linesOf(pruned.stdout)).toEqual([
      "- domain d7.example",
      "- domain d8.example",
      "- domain d9.example",
      "3 of 3 applied.",
    ]);
    expect(await names()).toBe(9);
  });

  it("deletes more than 30 % with --force alone", async () => {
    const { cli, names } = await prepare(10);
    const refused = await cli(6)("apply", "-", "--prune", "--no-wait");
    expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refused.stderr).toContain(
      "stdin:1:1  4 of the 10 records of shop would be deleted, more than 30 %: --force does it",
    );
    expect(await names()).toBe(12);
    expect(await cli(6)("apply", "-", "--prune", "--force", "--no-wait")).toMatchObject({ exitCode: 0 });
    expect(await names()).toBe(8);
  });

  it("is refused for a file without a name", async () => {
    const api = await startApi();
    const run = await cliOn(sendTo(api), { stdin: "domains: {}\n" })("apply", "-", "--prune");
    expect(run.stderr).toContain("--prune needs the file's name");
  });
});

describe("certificates and trust stores of files", () => {
  it("are uploaded from PEM beside the file, renewed when it changes, and their keys are nowhere else", async () => {
    const api = await startApi();
    const folder = await mkdtemp(join(tmpdir(), "postern-apply-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const root = makeCa({ name: "Apply Root" });
    const ca = makeCa({ name: "Apply CA", parent: root });
    const files = new Map<string, MemoryFile>();
    const put = (name: string, text: string): void =>
      void files.set(join(folder, name), { text, mode: 0o600 });
    const upload = (): void => {
      const issued = issueServer({ names: ["mx.example"], ca });
      put("mx1.pem", `${issued.bundlePem}${root.certificatePem}`);
      put("mx1.key", issued.privateKeyPem);
    };
    upload();
    put("partners.pem", root.certificatePem);
    const text =
      "certificates:\n  mx1: { source: pem, certificateFile: mx1.pem, privateKeyFile: mx1.key }\ntrustStores:\n  partners: { certificatesFile: partners.pem }\ndomains:\n  a.example:\n    mxHosts: [mx.example]\n    tls:\n      server: { level: require, certificate: mx1 }\n      clientCertificate: { mode: require, names: { match: any }, trust: { trustStores: [partners] } }\n";
    put("postern.yaml", text);
    const cli = cliOn(sendTo(api), { files });
    const [yaml, plan] = [join(folder, "postern.yaml"), join(folder, "plan.json")];
    await cli("plan", yaml, "--out", plan);
    expect(files.get(plan)?.text).not.toContain("PRIVATE KEY");
    expect(await cli("apply", plan, "--no-wait")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await cli("plan", yaml)).toMatchObject({ exitCode: 0 });
    upload();
    put("partners.pem", ca.certificatePem);
    const renewed = await cli("plan", yaml);
    const isShown = (line: string): boolean => !/^(?: {4}certificates|warning): /u.test(line);
    expect(linesOf(renewed.stdout).filter(isShown)).toEqual([
      "~ trust-store partners",
      "    refuses: clients whose certificates only a removed CA has issued",
      "~ certificate mx1",
      "Plan: 0 to create, 2 to change, 0 to delete, 1 unchanged.",
      "Whether such senders exist is not known: the API keeps no sessions. Try enforcement: observe first.",
    ]);
    expect(await cli("apply", yaml, "--no-wait")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await cli("plan", yaml)).toMatchObject({ exitCode: 0 });
    const { json } = await api.expect(200, "GET", "/v1/certificates");
    expect(json.items).toMatchObject([{ label: "mx1", source: "pem", version: 2 }]);
  });
});
