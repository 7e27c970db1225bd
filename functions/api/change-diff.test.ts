import * as fc from "fast-check";
import { applyPatch } from "rfc6902";
import { expect, it } from "vitest";
import { fillStore, randomStore } from "../../test/cli/random-store.ts";
import { type ApiUnderTest, openApi } from "../../test/support/api.ts";

const HERE = { headers: { "If-Match": "*" } };
type Json = Readonly<Record<string, unknown>> | null;

interface Operation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
}

/** The document after the operations (RFC 6902), by another hand than the product's. */
function patched(before: Json, diff: readonly Operation[]): unknown {
  const holder = { document: structuredClone(before) };
  const under = diff.map((each) => ({ value: null, ...each, path: `/document${each.path}` }));
  expect(applyPatch(holder, under).filter((error) => error !== null)).toEqual([]);
  return holder.document;
}

/** What GET answers, as far as the log has it: without computed members. */
async function read(api: ApiUnderTest, path: string, like: Json): Promise<Json> {
  const { status, json } = await api.send("GET", path);
  if (status === 404) return null;
  return Object.fromEntries(Object.keys(like ?? json).map((member) => [member, json[member]]));
}

const DOMAINS = "/v1/domains/";

/** The settings of another domain, with what a read adds. */
async function settingsOf(api: ApiUnderTest, name: string): Promise<object> {
  const { json } = await api.expect(200, "GET", `/v1/domains/${name}`);
  const { name: _name, ...settings } = json;
  return settings;
}

type Write = (
  names: { readonly domain: string; readonly other: string },
  api: ApiUnderTest,
) => Promise<unknown>;
const WRITES: Readonly<Record<string, Write>> = {
  settings: async ({ domain, other }, api) =>
    api.send("PUT", `/v1/domains/${domain}?sharedHosts=move`, {
      body: await settingsOf(api, other),
      ...HERE,
    }),
  patch: ({ domain }, api) =>
    api.send("PATCH", `/v1/domains/${domain}`, {
      body: { tls: { enforcement: "defer", exceptions: null }, labels: { "a.b": "~/", team: null } },
      ...HERE,
    }),
  deletion: ({ domain }, api) => api.send("DELETE", `/v1/domains/${domain}`, HERE),
  revert: async (_, api) => {
    const revision = Math.max(1, await api.store.head());
    return api.send("POST", `/v1/changes/${revision}/revert?sharedHosts=move`, HERE);
  },
};

const steps = fc.array(
  fc.record({ write: fc.constantFrom(...Object.keys(WRITES)), to: fc.nat(9), from: fc.nat(9) }),
  { minLength: 1, maxLength: 8 },
);

it("the diff of every change turns the record as it was read before into the one that is read after", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(randomStore, steps, async (store, planned) => {
      const { api, close } = await openApi();
      try {
        await fillStore(api, store);
        const { items } = (await api.expect(200, "GET", "/v1/domains")).json;
        const names: readonly string[] = items.map(({ name }: { name: string }) => name);
        for (const { write, to, from } of names.length === 0 ? [] : planned) {
          const [domain = "", other = ""] = [names[to % names.length], names[from % names.length]];
          const known = new Map<string, Json>();
          for (const name of names) known.set(name, (await api.send("GET", `/v1/domains/${name}`)).json);
          const head = await api.store.head();
          if ((await api.send("GET", `/v1/domains/${other}`)).status === 200 || write !== "settings")
            await WRITES[write]?.({ domain, other }, api);
          const [change] = (await api.expect(200, "GET", `/v1/changes?after=${head}`)).json.items;
          if (change?.kind !== "domain") continue;
          const { before, after, diff, resource } = change;
          const shown = known.get(resource.id);
          const old =
            before && Object.fromEntries(Object.keys(before).map((key) => [key, shown?.[key as never]]));
          const present = await read(api, DOMAINS + resource.id, after);
          expect(patched(old, diff)).toEqual(present);
          compared += 1;
        }
        for (const { before, after, diff } of (await api.expect(200, "GET", "/v1/changes?limit=200")).json
          .items) {
          expect(patched(before, diff)).toEqual(after);
          compared += 1;
        }
      } finally {
        await close();
      }
    }),
    { numRuns: 60 },
  );
  // Otherwise the rules of the API refuse what the generators make: it is some 400.
  expect(compared).toBeGreaterThan(150);
});
