import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DomainName } from "../../core/name/domain-name.ts";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { cliOn, sendTo } from "./cli-on-api.ts";
import { holds } from "../support/holds.ts";

/** Domains by their names: MX hosts, and the label of the certificate; null = the default. */
type Domains = Readonly<Record<string, readonly [hosts: readonly string[], certificate: string | null]>>;

const HOSTS = ["mx1.example", "mx2.example", "mx3.example"] as const;
const [MX1, MX2, MX3] = HOSTS;
const CERTIFICATES = ["one", "two"];

interface Prepared {
  readonly api: ApiUnderTest;
  /** Of the certificates, by their labels. */
  readonly ids: ReadonlyMap<string, string>;
}

/** An API whose domains were created in this order, each with `?sharedHosts=move`. */
async function prepare(domains: Domains): Promise<Prepared> {
  const api = await startApi();
  const ids = new Map<string, string>();
  for (const label of CERTIFICATES) {
    const body = { source: "self-signed", names: HOSTS, label };
    ids.set(label, String((await api.expect(201, "POST", "/v1/certificates", { body })).json.id));
  }
  for (const [name, [mxHosts, certificate]] of Object.entries(domains)) {
    const server = { certificateId: certificate === null ? null : ids.get(certificate) };
    const body = { mxHosts, tls: { server } };
    await api.expect(201, "PUT", `/v1/domains/${name}.example?sharedHosts=move`, { body });
  }
  return { api, ids };
}

const fileOf = (domains: Domains, level = "accept"): string =>
  `${JSON.stringify({
    domains: Object.fromEntries(
      Object.entries(domains).map(([name, [mxHosts, certificate]]) => [
        `${name}.example`,
        { mxHosts, tls: { server: { level, ...(certificate === null ? {} : { certificate }) } } },
      ]),
    ),
  })}\n`;

/** Labels of the certificates that the hosts serve; null = the default, undefined = no host of a domain. */
async function served({ api, ids }: Prepared): Promise<readonly (string | null | undefined)[]> {
  const labels = new Map<string | null, string | null>([[null, null]]);
  for (const [label, id] of ids) labels.set(id, label);
  const hosts = await api.store.getMxHosts(HOSTS as readonly string[] as readonly DomainName[]);
  return HOSTS.map((host) => {
    const item = hosts.get(host as string as DomainName);
    return item === undefined ? undefined : labels.get(item.certificateId);
  });
}

/** d0 has mx3 with a certificate, and mx1, which d1 has moved to the default one. */
const MIXED: Domains = { d0: [[MX3, MX1], "one"], d1: [[MX1], null] };
/** As MIXED, without a domain that shows mx1. */
const SILENT: Domains = { d0: [[MX3, MX1], "one"] };

async function prepareSilent(): Promise<Prepared> {
  const prepared = await prepare(MIXED);
  await prepared.api.expect(204, "DELETE", "/v1/domains/d1.example", { headers: { "If-Match": "*" } });
  return prepared;
}

const disagree = (host: string, name: string): string =>
  `${host} serves one certificate, and ${name}.example names another one for it: name the same one, or give one of them another MX host`;
const beside = (host: string, name: string): string =>
  `${host} is also an MX host of ${name}.example, which is not in the file and serves another certificate there: add ${name}.example, or name the certificate that it serves`;

type Case = readonly [what: string, before: Domains, file: Domains, mistake: string];

describe("a file in which a host would get a certificate that one of its domains does not name", () => {
  it.each<Case>([
    ["an empty API", {}, MIXED, disagree(MX1, "d0")],
    ["another order of the hosts", MIXED, { ...MIXED, d0: [[MX1, MX3], "one"] }, disagree(MX1, "d0")],
    ["a new domain", MIXED, { ...MIXED, d2: [[MX1], "one"] }, disagree(MX1, "d1")],
    ["another certificate for one of them", MIXED, { ...MIXED, d1: [[MX1], "two"] }, disagree(MX1, "d0")],
    [
      "a host that is added",
      { a: [[MX1], "one"], b: [[MX2], null] },
      { a: [[MX1, MX2], "one"], b: [[MX2], null] },
      disagree(MX2, "a"),
    ],
    [
      "a host that is added, of a domain beside the file",
      { a: [[MX1], "one"], b: [[MX2], null] },
      { a: [[MX1, MX2], "one"] },
      beside(MX2, "b"),
    ],
    [
      "another order of the hosts, of a domain beside the file",
      MIXED,
      { d0: [[MX1, MX3], "one"] },
      beside(MX1, "d1"),
    ],
    [
      "another certificate, where a domain beside the file shows that of another host",
      { a: [[MX2, MX1], "one"], b: [[MX1], "two"] },
      { b: [[MX1], "one"], c: [[MX1], "one"] },
      beside(MX1, "a"),
    ],
  ])("is refused for %s, and nothing is written", async (_, before, file, mistake) => {
    const { api } = await prepare(before);
    const head = await api.store.head();
    for (const command of ["plan", "apply"]) {
      const { exitCode, stdout, stderr } = await cliOn(sendTo(api), { stdin: fileOf(file) })(command, "-");
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toContain(`  ${mistake}\n`);
    }
    expect(await api.store.head()).toBe(head);
  });
});

type Served = readonly (string | null | undefined)[];
type Applied = readonly [what: string, before: Domains, file: Domains, hosts: Served];

describe("apply", () => {
  it.each<Applied>([
    ["another field of a domain whose hosts differ", MIXED, MIXED, [null, undefined, "one"]],
    [
      "a host that is added to a domain whose hosts differ",
      MIXED,
      { ...MIXED, d0: [[MX3, MX1, MX2], "one"] },
      [null, "one", "one"],
    ],
    [
      "a new domain that names what its host serves",
      MIXED,
      { ...MIXED, d2: [[MX1], null] },
      [null, undefined, "one"],
    ],
    [
      "hosts that differ and are to agree",
      MIXED,
      { ...MIXED, d1: [[MX1], "one"] },
      ["one", undefined, "one"],
    ],
    [
      "a shared first host, with a further one of each domain",
      { a: [[MX1, MX2], "one"], b: [[MX1, MX3], "one"] },
      { a: [[MX1, MX2], "two"], b: [[MX1, MX3], "two"] },
      ["two", "two", "two"],
    ],
    [
      "the first host of one domain that is a further one of another",
      { a: [[MX1, MX2], "one"], b: [[MX2, MX3], "one"], c: [[MX3, MX1], "one"] },
      { a: [[MX1, MX2], "two"], b: [[MX2, MX3], "two"], c: [[MX3, MX1], "two"] },
      ["two", "two", "two"],
    ],
    [
      "a shared first host, with a further one that is added",
      { a: [[MX1], "one"], b: [[MX1, MX2], "one"] },
      { a: [[MX1], "two"], b: [[MX1, MX2, MX3], "two"] },
      ["two", "two", "two"],
    ],
    [
      "a host that one domain adds and another has first",
      { a: [[MX3], "two"], b: [[MX1, MX2], "one"] },
      { a: [[MX3, MX1], "two"], b: [[MX1, MX2], "two"] },
      ["two", "two", "two"],
    ],
    [
      "domains that change places",
      { a: [[MX1], "one"], b: [[MX2], "two"] },
      { a: [[MX2], "one"], b: [[MX1], "two"] },
      ["two", "one", undefined],
    ],
  ])("writes %s", async (_, before, file, hosts) => {
    const prepared = await prepare(before);
    const cli = cliOn(sendTo(prepared.api), { stdin: fileOf(file, "require") });
    expect(await cli("apply", "-", "--no-wait")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await served(prepared)).toEqual(hosts);
    expect(await cli("plan", "-")).toMatchObject({ exitCode: 0 });
  });

  it("asks to move hosts only where other domains of the file serve another certificate there", async () => {
    const { api } = await prepare(MIXED);
    const moves: unknown[] = [];
    const send = async (request: Request): Promise<Response> => {
      if (request.method === "POST") {
        const { items } = (await request.clone().json()) as { readonly items: readonly unknown[] };
        moves.push(...items);
      }
      return sendTo(api)(request);
    };
    const cli = (file: Domains, level: string) => cliOn(send, { stdin: fileOf(file, level) });
    await cli(MIXED, "require")("apply", "-", "--no-wait");
    await cli({ ...MIXED, d1: [[MX1], "one"] }, "require")("apply", "-", "--no-wait");
    expect(moves).toMatchObject([{ name: "d0.example" }, { name: "d1.example" }, { name: "d1.example" }]);
    const wanted = moves.map((item) => (item as { readonly sharedHosts?: string }).sharedHosts);
    expect(wanted).toEqual([undefined, undefined, "move"]);
  });
});

describe("export", () => {
  it("names hosts whose domains name different certificates, and is refused by an empty API", async () => {
    const { api } = await prepare(MIXED);
    const { exitCode, stdout, stderr } = await cliOn(sendTo(api))("export");
    const text =
      "mx1.example serves the default certificate, but d0.example names certificate one, and d1.example names the default certificate: an API that does not have them so refuses this file until they name the same one";
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: `warning: ${text}\n` });
    expect(stdout).toContain(`\n# ${text}\n`);
    expect(await cliOn(sendTo(api), { stdin: stdout })("plan", "-")).toMatchObject({ exitCode: 0 });
    const copy = await cliOn(sendTo(await startApi()), { stdin: stdout })("apply", "-");
    expect(copy).toMatchObject({ exitCode: 1, stdout: "" });
    expect(copy.stderr).toMatch(
      /^postern: stdin cannot be applied\n {2}stdin:\d+:3 {2}mx1\.example serves one/u,
    );
    expect(copy.stderr).toContain(disagree(MX1, "d0"));
  });

  it("names hosts that serve another certificate than their domain shows, acknowledged or not", async () => {
    const { api } = await prepareSilent();
    const text =
      "mx1.example serves the default certificate, but d0.example names certificate one: another API gives the host that one too";
    expect(await cliOn(sendTo(api))("export")).toMatchObject({ exitCode: 0, stderr: `warning: ${text}\n` });
    await api.expect(200, "PATCH", "/v1/domains/d0.example", {
      body: { acknowledgedWarnings: ["mx-hosts-differ"] },
      headers: { "If-Match": "*" },
    });
    const { stdout, stderr } = await cliOn(sendTo(api))("export");
    expect(stderr).toBe(`warning: ${text}\n`);
    const copy = await prepare({});
    const cli = cliOn(sendTo(copy.api), { stdin: fileOf(SILENT) });
    expect(await cli("apply", "-", "--no-wait")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await served(copy)).toEqual(["one", undefined, "one"]);
    expect(await cliOn(sendTo(api), { stdin: stdout })("plan", "-")).toMatchObject({ exitCode: 0 });
  });
});

const domain = fc.tuple(
  fc.shuffledSubarray([...HOSTS], { minLength: 1 }),
  fc.constantFrom(null, ...CERTIFICATES),
);
const domains = fc.dictionary(fc.constantFrom("d0", "d1", "d2", "d3"), domain, {
  maxKeys: 4,
  noNullPrototype: true,
});

describe("a random file on a random store", () => {
  it("is refused before a write, or every domain of it reads as the file, and others as before", async () => {
    await holds(
      fc.asyncProperty(domains, domains, fc.boolean(), async (before, changed, isMerged) => {
        const prepared = await prepare(before);
        const { api } = prepared;
        const file = isMerged ? { ...before, ...changed } : changed;
        const shownOf = async (): Promise<readonly string[]> => {
          const { json } = await api.expect(200, "GET", "/v1/domains");
          return json.items.flatMap(({ name, tls }: { name: string; tls: { server: object } }) =>
            Object.hasOwn(file, name.replace(".example", "")) ? [] : `${name} ${JSON.stringify(tls.server)}`,
          );
        };
        const [head, others] = [await api.store.head(), await shownOf()];
        const earlier = await served(prepared);
        const cli = cliOn(sendTo(api), { stdin: fileOf(file, "require") });
        const planned = await cli("plan", "-");
        const applied = await cli("apply", "-", "--no-wait");
        if (planned.exitCode === 1) expect(await api.store.head()).toBe(head);
        expect(applied).toMatchObject(
          planned.exitCode === 1 ? { exitCode: 1, stdout: "" } : { exitCode: 0, stderr: "" },
        );
        expect(await shownOf()).toEqual(others);
        const [now, isApplied] = [await served(prepared), applied.exitCode === 0];
        for (const [name, [hosts, certificate]] of Object.entries(file)) {
          // A domain shows the certificate of its first host: a file that names that one changes no host.
          const [first] = before[name]?.[0] ?? [];
          const shown = first === undefined ? undefined : earlier[HOSTS.indexOf(first)];
          const isWritten = isApplied && shown !== certificate;
          const wrong = hosts.filter((host) => now[HOSTS.indexOf(host)] !== certificate);
          expect(isWritten ? wrong : []).toEqual([]);
        }
        expect((await cli("plan", "-")).exitCode).toBe(planned.exitCode === 1 ? 1 : 0);
      }),
      { numRuns: 100 },
    );
  });
});
