import { describe, expect, it } from "vitest";
import { Ended } from "../../cli/src/frame/effects.ts";
import { type ApiUnderTest, startApi, TOKEN } from "../support/api.ts";
import { startTenants } from "../support/tenants.ts";
import { cliOn, type Send, sendTo } from "./cli-on-api.ts";
import type { CliOptions, CliRun } from "./run-cli.ts";

const ANY = { "If-Match": "*" };

/** Runs `changes …` on an API. */
const changesOn = (api: ApiUnderTest, options: CliOptions = {}) => {
  const cli = cliOn(sendTo(api), options);
  return (line: string) => cli("changes", ...line.split(" "));
};

/** Revisions of the changes that a run printed as JSON. */
const revisionsOf = (stdout: string): readonly number[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { readonly revision: number }).revision);

const patch = (api: ApiUnderTest, body: object, query = "") =>
  api.expect(200, "PATCH", `/v1/domains/a.example${query}`, { body, headers: ANY });

/** An API with three changes of a domain, an hour apart, and one of another. */
async function changed(): Promise<ApiUnderTest> {
  const api = await startApi();
  await api.expect(201, "PUT", "/v1/domains/a.example", { body: {} });
  api.advance(3_600_000);
  await patch(api, { tls: { server: { level: "require" } }, labels: { team: "mail" } });
  await api.expect(201, "PUT", "/v1/domains/b.example", { body: {} });
  api.advance(3_600_000);
  await patch(api, { tls: { server: { level: "none" } } });
  return api;
}

describe("changes list", () => {
  it("shows what each update changed", async () => {
    const api = await changed();
    const { stdout } = await changesOn(api)("list --resource domain/a.example");
    expect(stdout.replaceAll(/\d{4}-[-:.\dT]+Z/gu, "TIME")).toBe(
      [
        "REVISION  AT                        ACTION  RESOURCE          ACTOR",
        "1         TIME  create  domain/a.example  tester",
        "2         TIME  update  domain/a.example  tester",
        "    labels.team: absent → mail",
        "    tls.server.level: accept → require",
        "4         TIME  update  domain/a.example  tester",
        "    tls.server.level: require → none",
        "",
      ].join("\n"),
    );
  });

  it("shows the MX hosts that serve another certificate since, and the domains that share them", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example"] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
    for (const name of ["a", "b"])
      await api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: { mxHosts: ["mx.example"] } });
    await patch(api, { tls: { server: { certificateId: id } } }, "?sharedHosts=move");
    const { stdout } = await changesOn(api)("list --newest --limit 1");
    expect(stdout).toContain(
      `    tls.server.certificateId: none → ${id}\n    MX host mx.example: default certificate → ${id}\n    of 1 other domain too: b.example\n`,
    );
  });

  it("prints a change on each line for programs, with its difference as RFC 6902 has it", async () => {
    const api = await changed();
    const { stdout } = await changesOn(api)("list --after 3 --json");
    expect(JSON.parse(stdout)).toMatchObject({
      revision: 4,
      diff: expect.arrayContaining([{ op: "replace", path: "/tls/server/level", value: "none" }]),
    });
  });

  it.each([
    ["--resource domain/b.example", [3]],
    ["--actor tester", [1, 2, 3, 4]],
    ["--actor stranger", []],
    ["--after 2", [3, 4]],
    ["--before 3", [1, 2]],
    ["--newest --before 3", [2, 1]],
    ["--newest --limit 1", [4]],
  ])("has the filter of the API: %s", async (filter, revisions) => {
    const { exitCode, stdout } = await changesOn(await changed())(`list ${filter} --json`);
    expect(exitCode).toBe(0);
    expect(revisionsOf(stdout)).toEqual(revisions);
  });

  it("has the filters of the API by time", async () => {
    const api = await changed();
    const { items } = (await api.expect(200, "GET", "/v1/changes")).json;
    const at = items.map((change: { at: string }) => change.at);
    const list = async (line: string) => revisionsOf((await changesOn(api)(`list ${line} --json`)).stdout);
    expect(await list(`--from ${at[1]}`)).toEqual([2, 3, 4]);
    expect(await list(`--from ${at[1]} --to ${at[3]}`)).toEqual([2, 3]);
    const wrong = await changesOn(api)("list --from yesterday");
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("from") });
  });

  it.each([
    ["--wait 5", "--wait needs --after"],
    ["--wait 5 --after 1 --newest", "--wait and --follow are for later changes"],
    ["--follow --before 3", "--wait and --follow are for later changes"],
    ["--follow --to 2999-01-01T00:00:00Z", "--follow has no end"],
    ["--wait soon --after 1", "--wait must be a whole number"],
  ])("is a mistake: %s", async (filter, message) => {
    const { exitCode, stdout, stderr } = await changesOn(await startApi())(`list ${filter}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(`postern: ${message}`);
  });
});

/** Sends to an API; `onWait` is called while a request waits for a change, counted from 1. */
function waitingOn(api: ApiUnderTest, onWait: (nth: number) => unknown): Send {
  let waits = 0;
  return async (request) => {
    const answer = sendTo(api)(request);
    if (new URL(request.url).searchParams.has("wait")) await onWait(++waits);
    return answer;
  };
}

describe("changes list --wait", () => {
  it("ends with the next change, or with none when the time is over", async () => {
    const api = await changed();
    const send = waitingOn(api, () => patch(api, { labels: { team: "post" } }));
    const run = await cliOn(send)("changes", "list", "--after", "4", "--wait", "60", "--json");
    expect(revisionsOf(run.stdout)).toEqual([5]);
    const none = await changesOn(api)("list --after 5 --wait 1");
    expect(none).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  it("prints all later changes at once where there are some", async () => {
    const { stdout } = await changesOn(await changed())("list --after 1 --wait 60 --json");
    expect(revisionsOf(stdout)).toEqual([2, 3, 4]);
  });
});

describe("changes list --follow", () => {
  const follow = async (api: ApiUnderTest, line: string) => {
    const send = waitingOn(api, (nth) => patch(api, { labels: { n: String(nth) } }));
    return cliOn(send)("changes", "list", "--follow", ...line.split(" "));
  };

  it.each([
    ["--limit 2", [5, 6]],
    ["--after 3 --limit 3", [4, 5, 6]],
    ["--from 2000-01-01T00:00:00Z --limit 6", [1, 2, 3, 4, 5, 6]],
    ["--resource domain/a.example --after 0 --limit 4", [1, 2, 4, 5]],
  ])("goes on with new changes: %s", async (line, revisions) => {
    const { exitCode, stdout } = await follow(await changed(), `${line} --json`);
    expect(exitCode).toBe(0);
    expect(revisionsOf(stdout)).toEqual(revisions);
  });

  it("prints each change when it arrives, and ends with Ctrl-C", async () => {
    const api = await changed();
    const controller = new AbortController();
    let printed = "";
    const send = waitingOn(api, async () => {
      if (printed.includes("labels.n: absent → 1")) controller.abort(new Ended(130));
      else await patch(api, { labels: { n: "1" } });
    });
    const cli = cliOn(send, { signal: controller.signal, onStdout: (text) => (printed += text) });
    expect(await cli("changes", "list", "--follow")).toMatchObject({ exitCode: 130, stderr: "" });
    expect(printed).toMatch(/^REVISION .*\n5 .*domain\/a\.example .*\n {4}labels\.n: absent → 1\n$/u);
  });
});

describe("changes revert", () => {
  it("writes the record back, and shows the new change", async () => {
    const api = await changed();
    expect(await changesOn(api)("revert 4")).toEqual({
      exitCode: 0,
      stdout: "change 4 reverted by 5: update domain/a.example\n    tls.server.level: none → require\n",
      stderr: "",
    });
    const { stdout } = await changesOn(api)("revert 5 --json");
    expect(JSON.parse(stdout)).toMatchObject({ change: { revision: 6, action: "update" } });
    expect((await changesOn(api)("revert 4 --if-match *")).stdout).toBe(
      "change 4 reverted by 7: update domain/a.example\n    tls.server.level: none → require\n",
    );
    expect((await changesOn(api)("revert 4 --if-match 7")).stdout).toBe(
      "no difference: the record is as it was before the change\n",
    );
  });

  it("fails with a conflict where the record was changed since, and names the way on", async () => {
    const api = await changed();
    const { exitCode, stdout, stderr } = await changesOn(api)("revert 2");
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: "" });
    expect(stderr).toContain(
      "postern: changed-since: a.example was changed since revision 2 and is at revision 4",
    );
    expect(stderr).toContain("\nhint: `--if-match` with the present revision loses the later changes");
    const stale = await changesOn(api)("revert 2 --if-match 3");
    expect(stale).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("postern: stale-revision: "),
    });
    expect(stale.stderr).toContain("\nhint: The record has changed since");
    expect(await changesOn(api)("revert 2 --if-match 4")).toMatchObject({ exitCode: 0 });
  });

  it("creates a deleted record again: the deletion's, or with --if-absent an earlier one", async () => {
    const api = await changed();
    await api.expect(204, "DELETE", "/v1/domains/a.example", { headers: ANY });
    const gone = await changesOn(api)("revert 4");
    expect(gone).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("`--if-absent`") });
    expect((await changesOn(api)("revert 5")).stdout).toBe(
      "change 5 reverted by 6: create domain/a.example\n",
    );
    expect((await changesOn(api)("revert 6")).stdout).toBe(
      "change 6 reverted by 7: delete domain/a.example\n",
    );
    const run = await changesOn(api)("revert 4 --if-absent --json");
    expect(JSON.parse(run.stdout)).toMatchObject({
      change: { action: "create", after: { tls: { server: { level: "require" } } } },
    });
    expect(await changesOn(api)("revert 4 --if-absent")).toMatchObject({ exitCode: 3 });
  });

  it("moves hosts that other domains share with --move-shared-hosts alone", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example"] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
    for (const name of ["a", "b"])
      await api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: { mxHosts: ["mx.example"] } });
    await patch(api, { tls: { server: { certificateId: id } } }, "?sharedHosts=move");
    const { exitCode, stderr } = await changesOn(api)("revert 4");
    expect(exitCode).toBe(3);
    expect(stderr).toContain("postern: shared-host: ");
    expect(stderr).toContain("\nhint: `--move-shared-hosts` changes the certificate for all of them.\n");
    const { stdout } = await changesOn(api)("revert 4 --move-shared-hosts");
    expect(stdout).toContain("    of 1 other domain too: b.example\n");
  });

  it("names the scope of the record's kind that the token lacks", async () => {
    const api = await changed();
    const body = { scopes: ["changes:read"] };
    const { token } = (await api.expect(201, "POST", "/v1/tokens", { body })).json;
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: String(token) };
    const { exitCode, stderr } = await changesOn(api, { env })("revert 4");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^postern: missing-scope: .*domains:write/u);
  });

  it.each([
    ["revert x", "revision must be that of a change"],
    ["revert 4 --if-absent --if-match 4", "--if-match is for a record that exists"],
    ["revert 4 --if-match x", "--if-match must be a revision"],
    ["revert 99", "not-found: change 99 not found"],
  ])("is a mistake: %s", async (line, message) => {
    const { exitCode, stderr } = await changesOn(await changed())(line);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`postern: ${message}`);
  });
});

describe("a file with names of a tenant", () => {
  it("shows by plan and apply which names are pending, with the TXT record of each", async () => {
    const { api } = await startTenants();
    const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "postern_test-token-of-another-account" };
    const stdin = "domains:\n  tenant.example: { mxHosts: [mx.tenant.example] }\n";
    const cli = cliOn(sendTo(api), { env, stdin });
    const lines = [
      expect.stringMatching(
        /^pending: tenant\.example is not served: publish _postern\.tenant\.example TXT "postern=[^"]+"$/u,
      ),
      "    then: postern domains verify tenant.example",
      expect.stringMatching(
        /^pending: mx\.tenant\.example is not served: publish _postern\.mx\.tenant\.example TXT "postern=[^"]+"$/u,
      ),
      "    then: postern domains verify tenant.example",
    ];
    const pendingOf = ({ stdout }: CliRun) =>
      stdout.split("\n").filter((line) => /pending|then:/u.test(line));
    expect(pendingOf(await cli("apply", "-", "--no-wait"))).toEqual(lines);
    expect(pendingOf(await cli("plan", "-"))).toEqual(lines);
    expect(pendingOf(await cli("apply", "-"))).toEqual(lines);
    const json = await cli("plan", "-", "--json");
    expect(json.stdout).toContain('{"pending":{"domain":"tenant.example","name":"mx.tenant.example",');
  });
});

describe("domains verify and confirm", () => {
  it("show which TXT records are awaited, and exit with 1 until the names are verified", async () => {
    const { api, records } = await startTenants();
    const env = (token: string) => ({ POSTERN_URL: "http://api.test", POSTERN_TOKEN: token });
    const cli = cliOn(sendTo(api), { env: env("postern_test-token-of-another-account") });
    await cli("domains", "put", "tenant.example");
    const pending = await cli("domains", "verify", "tenant.example");
    expect(pending).toMatchObject({ exitCode: 1, stderr: "" });
    const [, value = ""] =
      /^pending: _postern\.tenant\.example TXT "(postern=[^"]+)" {2}\(absent\)\n$/u.exec(pending.stdout) ??
      [];
    records.set("_postern.tenant.example", [value]);
    api.advance(60_000);
    expect(await cli("domains", "verify", "tenant.example")).toEqual({
      exitCode: 0,
      stdout: "tenant.example and its MX hosts are verified\n",
      stderr: "",
    });
    await cli("domains", "put", "other.example");
    await api.expect(201, "PUT", "/v1/accounts/other", { body: {} });
    const confirm = ["domains", "confirm", "other.example", "--account", "other", "--json"];
    const confirmed = await cliOn(sendTo(api), { env: env(TOKEN) })(...confirm);
    expect(confirmed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(confirmed.stdout)).toMatchObject({ ownership: { state: "verified" } });
    expect(await cli("domains", "confirm", "other.example")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("missing-scope"),
    });
  });
});
