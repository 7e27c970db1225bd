import { describe, expect, it } from "vitest";
import { certificateId, domainRecord, name } from "../../test/support/records.ts";
import { domainPage } from "./domain-page.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";

const X = certificateId(1);

/** `count` domains with a host each, in order; those of `serving` serve X. Counts what is read. */
function start(
  count: number,
  serving: (n: number) => boolean,
  uses: number,
  damaged: readonly string[] = [],
) {
  const names = Array.from({ length: count }, (_, n) => `d${String(n).padStart(6, "0")}.example`);
  const hostOf = (domain: string) => name(`mx.${domain}`);
  const domains: DomainRecord[] = names.map((each) => domainRecord({ name: each, mxHosts: [hostOf(each)] }));
  const read = { records: 0, hosts: 0, joined: 0, lists: 0 };
  const store = {
    useCount: async () => uses,
    listDomains: async (
      filter: { readonly certificateId?: string | undefined },
      { limit, after = "" }: { readonly limit: number; readonly after?: string | undefined },
    ) => {
      if (filter.certificateId !== undefined) read.joined += 1;
      read.lists += 1;
      const rest = domains.filter((each) => each.name > after);
      const shown = rest.slice(0, limit);
      read.records += shown.length;
      const [items, unreadable] = [false, true].map((isDamaged) =>
        shown.filter((each) => damaged.includes(each.name) === isDamaged),
      );
      return {
        items: items ?? [],
        unreadable: (unreadable ?? []).map((each) => ({
          kind: "domain" as const,
          id: each.name,
          problem: "",
        })),
        next: rest.length > limit ? (shown.at(-1)?.name ?? null) : null,
      };
    },
    getMxHosts: async (hosts: readonly string[]) => {
      read.hosts += hosts.length;
      return new Map(
        names.flatMap((each, n): [ReturnType<typeof name>, MxHost][] =>
          hosts.includes(hostOf(each))
            ? [
                [
                  hostOf(each),
                  {
                    host: hostOf(each),
                    account: "default",
                    certificateId: serving(n) ? X : null,
                    domainCount: 1,
                  },
                ],
              ]
            : [],
        ),
      );
    },
  };
  const list = (limit: number, after?: string, account = "default") =>
    domainPage(store, { account, certificateId: X }, { limit, after });
  return { list, read, names };
}

describe("a page of the domains that serve a certificate", () => {
  it("is left to the store where few hosts serve it", async () => {
    const { list, read } = start(10, () => true, 50);
    await list(5);
    expect(read).toMatchObject({ joined: 1, hosts: 0 });
  });

  it("is full where many serve it, and costs what it shows", async () => {
    const { list, read, names } = start(5_000, (n) => n % 2 === 0, 2_500);
    const { items, next } = await list(20);
    expect(items.map((each) => each.name)).toEqual(names.filter((_, n) => n % 2 === 0).slice(0, 20));
    expect(next).toBe(items.at(-1)?.name);
    expect(read.joined).toBe(0);
    expect(read.records).toBeLessThan(60);
    expect(read.hosts).toBeLessThan(60);
  });

  it("ends early, and goes on, where the first of them come late: no page reads more than 1,200 domains", async () => {
    const { list, read, names } = start(4_000, (n) => n >= 3_990, 100);
    const found: string[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      Object.assign(read, { records: 0, hosts: 0 });
      const page = await list(200, after);
      found.push(...page.items.map((each) => each.name));
      after = page.next ?? undefined;
      pages += 1;
      expect(read.records).toBeLessThanOrEqual(1_200);
      expect(read.hosts).toBeLessThanOrEqual(1_200);
    } while (after !== undefined);
    expect(found).toEqual(names.slice(3_990));
    expect(pages).toBe(4);
  });

  it("has no domain whose host is another account's", async () => {
    const { list } = start(60, () => true, 60);
    expect((await list(60)).items).toHaveLength(60);
    expect(await list(60, undefined, "other")).toMatchObject({ items: [], next: null });
  });

  it("asks the store a few times, also where one domain is left to find", async () => {
    const { list, read, names } = start(4_000, (n) => n === 0 || n >= 990, 100);
    const { items, next } = await list(2);
    expect(items.map((each) => each.name)).toEqual([names[0], names[990]]);
    expect(next).toBe(names[990]);
    expect(read.lists).toBeLessThanOrEqual(20);
  });

  it("shows each record that cannot be read once, on the page that its name belongs to", async () => {
    const damaged = ["d000001.example", "d000007.example", "d000012.example"];
    const { list } = start(20, () => true, 100, damaged);
    const shown: string[] = [];
    let after: string | undefined;
    do {
      const page = await list(4, after);
      shown.push(
        [...page.items.map((each) => each.name), "|", ...page.unreadable.map(({ id }) => id)].join(" "),
      );
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(shown.map((page) => page.split("| ")[1] ?? "")).toEqual([
      "d000001.example",
      "d000007.example",
      "d000012.example",
      "",
      "",
    ]);
    expect(shown.join(" ").match(/d\d{6}/gu)).toHaveLength(20);
  });
});
