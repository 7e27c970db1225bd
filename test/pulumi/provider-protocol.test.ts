import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPostern, type Postern } from "../../sdk/src/index.ts";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { examplesIn } from "../sdk/packed-sdk.ts";
import { DynamicProviders, handlerText, PulumiProject, type Values } from "./packed-pulumi.ts";

let project: PulumiProject;
let providers: DynamicProviders;
let postern: Postern;
let dataDir = "";
let url = "";
let token = "";

beforeAll(async () => {
  project = new PulumiProject();
  dataDir = newDataDir();
  const gate = new PosternProcess(dataDir);
  const { api } = await gate.started();
  url = httpUrl(api);
  token = gate.token;
  postern = createPostern({ url, auth: { token } });
  providers = new DynamicProviders(project.directory, { POSTERN_URL: url, POSTERN_TOKEN: token });
  await providers.configure();
});

afterAll(async () => {
  await providers.end();
  await endAll();
  project.remove();
  rmSync(dataDir, { recursive: true, force: true });
});

const ofDomain = (inputs: Values): Values => ({ ...inputs, __provider: handlerText("domain") });
const ofCertificate = (inputs: Values): Values => ({ ...inputs, __provider: handlerText("certificate") });
const ofTrustStore = (inputs: Values): Values => ({ ...inputs, __provider: handlerText("trustStore") });

/** A value that an output of another resource will have. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

describe("a domain in Pulumi's protocol", () => {
  const accept = ofDomain({ name: "life.example.org", tls: { server: { level: "accept" } } });
  const require = ofDomain({ name: "life.example.org", tls: { server: { level: "require" } } });

  it("is created, changed, refreshed and deleted", async () => {
    const { id, state } = await providers.create(accept);
    expect([id, state["revision"]]).toEqual(["life.example.org", expect.any(Number)]);
    expect(await providers.diff(id, state, accept)).toMatchObject({ changes: false, replaces: [] });
    expect(await providers.diff(id, state, require)).toMatchObject({ changes: true, replaces: [] });
    const changed = await providers.update(id, state, require);
    expect((await postern.domains.get(id)).tls.server.level).toBe("require");
    expect((await providers.read(id, changed)).inputs).toMatchObject({
      tls: { server: { level: "require" } },
    });
    await providers.delete(id, changed);
    expect((await providers.read(id, changed)).id).toBe("");
    await providers.delete(id, changed);
  });

  it("shows in a refresh what another caller has changed, member by member", async () => {
    const name = "drift.example.org";
    const given = ofDomain({ name, tls: { server: { level: "accept" } } });
    const { id, state } = await providers.create(given);
    const other = await postern.domains.get(name);
    await postern.domains.patch(
      name,
      { tls: { server: { level: "require" } }, labels: { team: "mail" } },
      { ifMatch: other },
    );
    const { inputs, state: refreshed } = await providers.read(id, state);
    expect(inputs).toEqual({ ...given, tls: { server: { level: "require" } }, labels: { team: "mail" } });
    expect(await providers.diff(id, refreshed, given)).toMatchObject({ changes: true });
    const back = await providers.update(id, refreshed, given);
    expect((await postern.domains.get(name)).labels).toEqual({});
    expect(await providers.diff(id, back, given)).toMatchObject({ changes: false });
  });

  it("is not overwritten or deleted after another caller's change, which the error names", async () => {
    const name = "pinned.example.org";
    const given = ofDomain({ name });
    const { id, state } = await providers.create(given);
    const other = await postern.domains.get(name);
    await postern.domains.patch(name, { enforcement: undefined, tls: { enforcement: "observe" } } as never, {
      ifMatch: other,
    });
    const drifted =
      /pinned\.example\.org was changed by another caller .+ \(tls\.enforcement\): pulumi refresh/u;
    await expect(providers.update(id, state, ofDomain({ name, labels: { a: "b" } }))).rejects.toThrow(
      drifted,
    );
    await expect(providers.delete(id, state)).rejects.toThrow(drifted);
    expect((await postern.domains.get(name)).tls.enforcement).toBe("observe");
  });

  it("is not taken over by its creation, and says how it is adopted", async () => {
    await postern.domains.put("taken.example.org", { labels: { owner: "other" } });
    await expect(providers.create(ofDomain({ name: "taken.example.org" }))).rejects.toThrow(
      "domain taken.example.org exists: adopt: true takes it over",
    );
  });

  it("is adopted by its name, with the settings of the program", async () => {
    const name = "adopted.example.org";
    await postern.domains.put(name, { mxHosts: ["mx1.example.org"], labels: { team: "mail" } });
    const inputs = ofDomain({ name, mxHosts: ["mx1.example.org"], adopt: true });
    expect((await providers.check({}, inputs)).failures).toEqual([]);
    const { id, state } = await providers.create(inputs);
    expect((await postern.domains.get(id)).labels).toEqual({});
    expect(await providers.diff(id, state, inputs)).toMatchObject({ changes: false, replaces: [] });
    const absent = await providers.create(ofDomain({ name: "not-yet.example.org", adopt: true }));
    expect((await postern.domains.get(absent.id)).name).toBe("not-yet.example.org");
  });

  it("is replaced for another name, and deleted first only where the name stays", async () => {
    const { id, state } = await providers.create(ofDomain({ name: "old.example.org" }));
    expect(await providers.diff(id, state, ofDomain({ name: "new.example.org" }))).toEqual({
      changes: true,
      replaces: ["name"],
      deletesFirst: false,
    });
    const elsewhere = ofDomain({ name: "old.example.org", connection: { account: "shop" } });
    expect(await providers.diff(id, state, elsewhere)).toEqual({
      changes: true,
      replaces: ["connection"],
      deletesFirst: true,
    });
  });

  it("keeps its record when its token is replaced, and its state takes the new one", async () => {
    const connected = (each: string): Values =>
      ofDomain({ name: "token.example.org", connection: { url, token: each } });
    const { id, state } = await providers.create(connected(token));
    const before = await postern.domains.get(id);
    const made = await postern.tokens.create({ label: "pulumi", scopes: ["domains:read", "domains:write"] });
    const news = connected(made.token);
    expect(await providers.diff(id, state, news)).toMatchObject({ changes: true, replaces: [] });
    expect((await providers.update(id, state, news))["connection"]).toEqual({ url, token: made.token });
    expect((await postern.domains.get(id)).revision).toBe(before.revision);
  });

  it.each<[string, Values, string]>([
    [
      "a level that does not exist",
      { name: "a.example", tls: { server: { level: "must" } } },
      "tls.server.level",
    ],
    ["an unknown member", { name: "a.example", tls: { serve: {} } }, "tls.serve"],
    ["a wrong host", { name: "a.example", mxHosts: ["mx.example", "not a host"] }, "mxHosts[1]"],
    ["no name", { mxHosts: [] }, "name"],
  ])("is rejected before anything is created, at the path of the mistake: %s", async (_, inputs, path) => {
    const { failures } = await providers.check({}, ofDomain(inputs));
    expect(failures.map(([property]) => property)).toEqual([path]);
    expect(JSON.stringify(failures)).not.toContain("not a host");
  });

  it("is not judged by values that are not known yet", async () => {
    const inputs = ofDomain({ name: UNKNOWN, mxHosts: [UNKNOWN], tls: { server: { level: UNKNOWN } } });
    expect(await providers.check({}, inputs)).toEqual({ inputs, failures: [] });
  });
});

describe("a certificate in Pulumi's protocol", () => {
  const made = { source: "self-signed", names: ["mx.example.org"], label: "gate" };

  it("is created, labelled in place, and replaced for other names", async () => {
    const { id, state } = await providers.create(ofCertificate({ ...made, labels: { a: "1", b: "2" } }));
    expect(state["state"]).toBe("active");
    const news = ofCertificate({ ...made, label: "other", labels: { a: "3" } });
    expect(await providers.diff(id, state, news)).toMatchObject({ changes: true, replaces: [] });
    const changed = await providers.update(id, state, news);
    expect(await postern.certificates.get(id)).toMatchObject({ label: "other", labels: { a: "3" } });
    const renamed = ofCertificate({ ...made, names: ["mx2.example.org"] });
    expect(await providers.diff(id, changed, renamed)).toMatchObject({
      replaces: ["names"],
      deletesFirst: false,
    });
    await providers.delete(id, changed);
    expect((await providers.read(id, changed)).id).toBe("");
  });

  it("is written although its revision has moved, where no setting has: renewals are no drift", async () => {
    const { id, state } = await providers.create(ofCertificate(made));
    await postern.certificates.renew(id, { ifMatch: await postern.certificates.get(id) });
    expect((await postern.certificates.get(id)).revision).not.toBe(state["revision"]);
    await providers.update(id, state, ofCertificate({ ...made, label: "renewed" }));
    expect((await postern.certificates.get(id)).label).toBe("renewed");
  });

  it("is adopted by its label, unless several have it", async () => {
    const { id } = await postern.certificates.create({ ...made, source: "self-signed", label: "only" });
    const inputs = ofCertificate({ ...made, label: "only", labels: { team: "mail" }, adopt: true });
    const adopted = await providers.create(inputs);
    expect(adopted.id).toBe(id);
    expect((await postern.certificates.get(id)).labels).toEqual({ team: "mail" });
    expect(await providers.diff(id, adopted.state, inputs)).toMatchObject({ changes: false, replaces: [] });
    await postern.certificates.create({ ...made, source: "self-signed", label: "only" });
    await expect(providers.create(inputs)).rejects.toThrow("2 records have the label only");
  });

  it("names the sources where there is none", async () => {
    const { failures } = await providers.check({}, ofCertificate({ names: ["mx.example.org"] }));
    expect(failures).toEqual([["source", "One of self-signed, pem, pkcs12, request, acme, acm."]]);
  });
});

describe("a trust store in Pulumi's protocol", () => {
  it("is created from PEM, changed in place and deleted", async () => {
    const { id: authority } = await postern.certificates.create({
      source: "self-signed",
      names: ["ca.example.org"],
    });
    const certificatesPem = await postern.certificates.chainPem(authority);
    const given = ofTrustStore({ certificatesPem, label: "partners" });
    const { id, state } = await providers.create(given);
    expect(await providers.diff(id, state, given)).toMatchObject({ changes: false });
    const changed = await providers.update(id, state, ofTrustStore({ certificatesPem, label: "all" }));
    expect((await postern.trustStores.get(id)).label).toBe("all");
    await providers.delete(id, changed);
    expect((await providers.read(id, changed)).id).toBe("");
  });
});

const PAGE = examplesIn(readFileSync(join(import.meta.dirname, "../../docs/iac.md"), "utf8"));

describe("the packed package", () => {
  it.each([
    ["docs/iac.md", () => PAGE.find(({ heading }) => heading === "Pulumi")?.code ?? ""],
    ["its README", () => examplesIn(project.readPacked("README.md"))[0]?.code ?? ""],
  ])("type-checks in a strict project as its examples use it: %s", async (_, example) => {
    const program = example();
    expect(program).toContain('level: "require"');
    expect(await project.typeErrors(program)).toBe("");
    expect(await project.typeErrors(program.replace('level: "require"', 'level: "required"'))).toContain(
      "error TS",
    );
  });

  it("is its code, types, licences and README alone, with Pulumi as its only peer", () => {
    const others = project.packed.filter((path) => !/^dist\/types\/.+\.d\.ts$/u.test(path));
    expect(others.toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist/THIRD-PARTY-LICENSES.txt",
      "dist/index.js",
      "dist/provider.cjs",
      "package.json",
    ]);
    const manifest = JSON.parse(project.readPacked("package.json")) as Values;
    expect(manifest).not.toHaveProperty("dependencies");
    expect(Object.keys(manifest["peerDependencies"] as object)).toEqual(["@pulumi/pulumi"]);
    expect(project.readPacked("dist/index.js")).toContain('require("@postern/pulumi/provider")');
  });
});
