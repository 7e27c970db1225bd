import { certificateView } from "../store/shown-domain.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { certificateId, domainRecord, name, trustStoreId } from "../../test/support/records.ts";
import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { type MxHost } from "../record/mx-host.ts";
import { planWrite, type WritePlan } from "./plan-write.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [T1, T2] = [trustStoreId(1), trustStoreId(2)];

const item = (
  host: string,
  certificate: CertificateId | null,
  domainCount = 1,
  account = "default",
): MxHost => ({
  host: name(host),
  account,
  certificateId: certificate,
  domainCount,
});

const items = (...list: MxHost[]): Map<DomainName, MxHost> => new Map(list.map((each) => [each.host, each]));
const onHosts = (...mxHosts: string[]): DomainRecord => domainRecord({ mxHosts });
const noOthers: ReadonlyMap<DomainName, number> = new Map();

/** `[["mx.example", 1, X]]`: the items that a plan leaves behind, null for one that goes. */
const left = (plan: WritePlan) =>
  plan.hosts.map(({ host, after }) => [host, after?.domainCount ?? null, after?.certificateId ?? null]);

describe("claims of a write", () => {
  it("claims every host of a new domain, with the certificate, and counts a use for each", () => {
    const plan = planWrite({
      before: null,
      after: onHosts("a.example", "b.example"),
      certificateId: X,
      hosts: items(),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([
      ["a.example", 1, X],
      ["b.example", 1, X],
    ]);
    expect(plan.hosts.every((change) => change.before === null)).toBe(true);
    expect(plan.uses).toEqual([{ kind: "certificate", id: X, delta: 2 }]);
  });

  it("deletes an item with its last domain and only counts down before", () => {
    const plan = planWrite({
      before: onHosts("a.example", "b.example"),
      after: null,
      certificateId: null,
      hosts: items(item("a.example", X), item("b.example", X, 3)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([
      ["a.example", null, null],
      ["b.example", 2, X],
    ]);
    expect(plan.hosts[0]?.after).toBeNull();
    expect(plan.uses).toEqual([{ kind: "certificate", id: X, delta: -1 }]);
  });

  it("touches no host when mxHosts and the certificate as viewed stay, whatever the stored field says", () => {
    const before = domainRecord({ mxHosts: ["a.example", "b.example"], server: { certificateId: Y } });
    const hosts = items(item("a.example", X, 2), item("b.example", Y, 2));
    const plan = planWrite({ before, after: { ...before }, certificateId: X, hosts, othersNaming: noOthers });
    expect(plan.hosts).toEqual([]);
    expect(plan.sharedHosts).toEqual([]);
    expect(plan.uses).toEqual([{ kind: "certificate", id: X, delta: 0 }]);
  });

  it("sets a new certificate for all hosts of the domain and moves the uses", () => {
    const before = onHosts("a.example", "b.example");
    const hosts = items(item("a.example", X), item("b.example", Y));
    const plan = planWrite({ before, after: before, certificateId: Y, hosts, othersNaming: noOthers });
    expect(left(plan)).toEqual([["a.example", 1, Y]]);
    expect(plan.uses).toEqual([
      { kind: "certificate", id: Y, delta: 1 },
      { kind: "certificate", id: X, delta: -1 },
    ]);
  });

  it("sets hosts back to the default certificate", () => {
    const before = onHosts("a.example");
    const hosts = items(item("a.example", X));
    const plan = planWrite({ before, after: before, certificateId: null, hosts, othersNaming: noOthers });
    expect(left(plan)).toEqual([["a.example", 1, null]]);
    expect(plan.uses).toEqual([{ kind: "certificate", id: X, delta: -1 }]);
  });

  it("gives only the added host the certificate when nothing else was asked for", () => {
    const plan = planWrite({
      before: onHosts("a.example", "b.example"),
      after: onHosts("a.example", "b.example", "c.example"),
      certificateId: X,
      hosts: items(item("a.example", X), item("b.example", Y, 2)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([["c.example", 1, X]]);
    expect(plan.sharedHosts).toEqual([]);
  });

  it("sets all own hosts when another order behind another account's host would make it read so", () => {
    const plan = planWrite({
      before: onHosts("other.example", "a.example", "b.example"),
      after: onHosts("other.example", "b.example", "a.example"),
      certificateId: X,
      hosts: items(item("other.example", null, 1, "stranger"), item("a.example", X), item("b.example", Y)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([["b.example", 1, X]]);
  });

  it("sets all hosts when another order would make the domain read as another certificate", () => {
    const plan = planWrite({
      before: onHosts("a.example", "b.example"),
      after: onHosts("b.example", "a.example"),
      certificateId: X,
      hosts: items(item("a.example", X), item("b.example", Y, 2)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([["b.example", 2, X]]);
    expect(plan.sharedHosts).toEqual(["b.example"]);
  });

  it("sets all hosts to a certificate that is set, although the first one has it already", () => {
    const plan = planWrite({
      before: onHosts("a.example", "b.example"),
      after: onHosts("b.example", "a.example"),
      certificateId: Y,
      hosts: items(item("a.example", X), item("b.example", Y)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([["a.example", 1, Y]]);
  });

  it("names hosts whose certificate changes for other domains, and only those", () => {
    const plan = planWrite({
      before: onHosts("a.example", "b.example"),
      after: onHosts("a.example", "b.example", "c.example", "d.example"),
      certificateId: Y,
      hosts: items(
        item("a.example", X, 1),
        item("b.example", X, 2),
        item("c.example", X, 1),
        item("d.example", Y, 5),
      ),
      othersNaming: noOthers,
    });
    expect(plan.sharedHosts).toEqual(["b.example", "c.example"]);
  });

  it("does not call a host shared when the other domains keep its certificate", () => {
    const plan = planWrite({
      before: null,
      after: onHosts("a.example"),
      certificateId: X,
      hosts: items(item("a.example", X, 4)),
      othersNaming: noOthers,
    });
    expect(left(plan)).toEqual([["a.example", 5, X]]);
    expect(plan.sharedHosts).toEqual([]);
  });

  it("leaves hosts of another account untouched, with or without a certificate, and names them", () => {
    const hosts = items(item("a.example", X, 1, "other"), item("b.example", null));
    const after = onHosts("a.example", "b.example");
    for (const wanted of [null, Y]) {
      const plan = planWrite({ before: null, after, certificateId: wanted, hosts, othersNaming: noOthers });
      expect(plan.foreignHosts).toEqual(["a.example"]);
      expect(left(plan)).toEqual([["b.example", 2, wanted]]);
    }
    const gone = planWrite({
      before: after,
      after: null,
      certificateId: null,
      hosts,
      othersNaming: noOthers,
    });
    expect(left(gone)).toEqual([["b.example", null, null]]);
    expect(gone.foreignHosts).toEqual([]);
  });

  it("claims a host that another account gave up for all domains that name it already", () => {
    const before = onHosts("a.example");
    const plan = planWrite({
      before,
      after: before,
      certificateId: X,
      hosts: items(),
      othersNaming: new Map([[name("a.example"), 2]]),
    });
    expect(left(plan)).toEqual([["a.example", 3, X]]);
    expect(plan.sharedHosts).toEqual(["a.example"]);
  });

  it("counts a host once that is named twice", () => {
    const twice = onHosts("a.example", "a.example");
    const made = planWrite({
      before: null,
      after: twice,
      certificateId: X,
      hosts: items(),
      othersNaming: noOthers,
    });
    expect(left(made)).toEqual([["a.example", 1, X]]);
    const hosts = items(item("a.example", X, 2));
    const gone = planWrite({
      before: twice,
      after: null,
      certificateId: null,
      hosts,
      othersNaming: noOthers,
    });
    expect(left(gone)).toEqual([["a.example", 1, X]]);
  });
});

describe("uses of trust stores", () => {
  const trusting = (...trustStoreIds: (typeof T1)[]) => domainRecord({ trustStoreIds });
  it.each([
    ["a new one counts up", trusting(), trusting(T1), [[T1, 1]]],
    ["one that stays must exist", trusting(T1), trusting(T1), [[T1, 0]]],
    ["one named twice counts once", null, trusting(T1, T1), [[T1, 1]]],
    [
      "one that goes counts down",
      trusting(T1, T2),
      trusting(T2),
      [
        [T2, 0],
        [T1, -1],
      ],
    ],
    [
      "all count down with the domain",
      trusting(T1, T2),
      null,
      [
        [T1, -1],
        [T2, -1],
      ],
    ],
  ] as const)("%s", (_, before, after, expected) => {
    const { uses } = planWrite({
      before,
      after,
      certificateId: null,
      hosts: items(),
      othersNaming: noOthers,
    });
    expect(uses.map((use) => [use.id, use.delta])).toEqual(expected);
  });
});

/** What a store would hold after plans were applied: nothing but domains, host items and counts. */
interface Model {
  readonly domains: Map<DomainName, DomainRecord>;
  readonly hosts: Map<DomainName, MxHost>;
  readonly uses: Map<string, number>;
}

interface ModelWrite {
  readonly domain: DomainName;
  readonly account: string;
  readonly mxHosts: readonly DomainName[];
  readonly certificate: CertificateId | null;
  readonly trustStores: readonly (typeof T1)[];
  readonly remove: boolean;
}

const some = <T>(values: readonly T[], maxLength: number) =>
  fc.uniqueArray(fc.constantFrom(...values), { maxLength });
const domainNames = ["d1.example", "d2.example", "d3.example", "d4.example", "d5.example"].map(name);
const hostNames = ["a.example", "b.example", "c.example"].map(name);
const writes: fc.Arbitrary<ModelWrite> = fc.record({
  domain: fc.constantFrom(...domainNames),
  account: fc.constantFrom("one", "two"),
  mxHosts: some(hostNames, 3),
  certificate: fc.constantFrom(null, X, Y),
  trustStores: some([T1, T2], 2),
  remove: fc.boolean(),
});

function apply(model: Model, write: ModelWrite): WritePlan {
  const before = model.domains.get(write.domain) ?? null;
  const account = before?.account ?? write.account;
  const wanted = domainRecord({
    name: write.domain,
    account,
    mxHosts: write.mxHosts,
    trustStoreIds: write.trustStores,
  });
  const after = write.remove ? null : wanted;
  const others = [...model.domains.values()].filter(
    (domain) => domain.account === account && domain.name !== write.domain,
  );
  const othersNaming = new Map(
    hostNames.map((host) => [host, others.filter((domain) => domain.mxHosts.includes(host)).length]),
  );
  const plan = planWrite({
    before,
    after,
    certificateId: write.certificate,
    hosts: model.hosts,
    othersNaming,
  });
  if (after === null) model.domains.delete(write.domain);
  else model.domains.set(write.domain, after);
  for (const change of plan.hosts) {
    expect(change.before).toEqual(model.hosts.get(change.host) ?? null);
    if (change.after === null) model.hosts.delete(change.host);
    else model.hosts.set(change.host, change.after);
  }
  for (const use of plan.uses) model.uses.set(use.id, (model.uses.get(use.id) ?? 0) + use.delta);
  return plan;
}

const countOf = <T>(values: Iterable<T>, holds: (value: T) => boolean): number =>
  [...values].filter(holds).length;

function checkCounts(model: Model): void {
  for (const host of model.hosts.values()) {
    const naming = countOf(
      model.domains.values(),
      (d) => d.account === host.account && d.mxHosts.includes(host.host),
    );
    expect([host.host, host.domainCount]).toEqual([host.host, naming]);
    expect(naming).toBeGreaterThan(0);
  }
  for (const id of [X, Y]) {
    expect(model.uses.get(id) ?? 0).toBe(countOf(model.hosts.values(), (host) => host.certificateId === id));
  }
  for (const id of [T1, T2]) {
    const naming = countOf(model.domains.values(), (d) =>
      d.tls.clientCertificate.trust.trustStoreIds.includes(id),
    );
    expect(model.uses.get(id) ?? 0).toBe(naming);
  }
}

describe("any sequence of writes of two accounts", () => {
  const emptyModel = (): Model => ({ domains: new Map(), hosts: new Map(), uses: new Map() });
  const sequences = fc.array(writes, { maxLength: 40 });

  it("keeps every count equal to the number of domains and hosts", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const model = emptyModel();
        for (const write of sequence) {
          apply(model, write);
          checkCounts(model);
        }
      }),
    );
  });

  it("reads back the certificate that was set, unless every host is another account's", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const model = emptyModel();
        for (const write of sequence) {
          const { foreignHosts } = apply(model, write);
          const after = model.domains.get(write.domain);
          if (after === undefined || after.mxHosts.length === foreignHosts.length) continue;
          expect(certificateView(after, model.hosts)).toBe(write.certificate);
        }
      }),
    );
  });

  it("never changes what another domain serves without naming the host as shared", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const model = emptyModel();
        for (const write of sequence) {
          const served = new Map([...model.hosts].map(([host, each]) => [host, each.certificateId]));
          const { sharedHosts } = apply(model, write);
          for (const [host, each] of model.hosts) {
            const namedByOthers = countOf(
              model.domains.values(),
              (d) => d.account === each.account && d.name !== write.domain && d.mxHosts.includes(host),
            );
            const changed = (served.get(host) ?? null) !== each.certificateId;
            expect([host, sharedHosts.includes(host)]).toEqual([host, changed && namedByOthers > 0]);
          }
        }
      }),
    );
  });

  it("touches no host when the same write comes again", () => {
    fc.assert(
      fc.property(sequences, writes, (sequence, last) => {
        const model = emptyModel();
        for (const write of [...sequence, last]) apply(model, write);
        fc.pre(model.domains.has(last.domain));
        const foreign = apply(model, last).foreignHosts;
        fc.pre(foreign.length === 0 || last.certificate === null);
        expect(apply(model, last).hosts).toEqual([]);
      }),
    );
  });
});
