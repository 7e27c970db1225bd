import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hoursFromNow } from "../../test/support/certificate-writer.ts";
import { issueServer } from "../../test/support/pki.ts";
import { certificateId, name } from "../../test/support/records.ts";
import { materialOf, memoryVault } from "../../test/support/test-edge.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { VaultName } from "../../core/store/key-vault.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import { createEdgeLog } from "../telemetry/edge-log.ts";
import { countEdgeEvent, createMetrics } from "../telemetry/metrics.ts";
import { createCertificateSource } from "./certificate-source.ts";
import { type ContextChoice, createSecureContexts, type ServingContext } from "./secure-contexts.ts";
import { cipherList } from "./tls-parameters.ts";

const NAMES = { names: ["mx.a.example"] };
const NONE = { certificates: () => [] };

/** Contexts over a vault that answers when a test lets it. */
function bench() {
  const stored = memoryVault();
  const events: EdgeEvent[] = [];
  const time = { nowMs: 0 };
  const held: { reads: VaultName[]; wait: Promise<void>; down: boolean; broken: VaultName | null } = {
    reads: [],
    wait: Promise.resolve(),
    down: false,
    broken: null,
  };
  const vault = {
    async get(key: VaultName, sha256: string) {
      held.reads.push(key);
      await held.wait;
      if (held.down || held.broken === key) throw new Error("down");
      return stored.get(key, sha256);
    },
  };
  const onEvent = (event: EdgeEvent): void => void events.push(event);
  const clock = { now: () => time.nowMs };
  const inForce = new Map<CertificateId, CertificateRecord>();
  const source = createCertificateSource({
    vault,
    inForce: (id) => inForce.get(id),
    clock,
    onEvent,
    ciphers: cipherList(null),
  });
  const defaultCertificate = materialOf(issueServer({ names: ["edge.example.net"] }));
  const contexts = createSecureContexts({ source, defaultCertificate, ciphers: null, onEvent });
  let revision = 0;
  /** The next record of the certificate, which is in force then: a new version, or an earlier one again. */
  const version = (number: number, of?: CertificateRecord): CertificateRecord => {
    revision += 1;
    const made =
      of ??
      stored.add({ id: certificateId(1), material: { version: number, sha256: "" } }, [issueServer(NAMES)]);
    const record = { ...made, revision };
    inForce.set(record.id, record);
    return record;
  };
  /** The table as it was before: the record, and the revision that the next one follows. */
  const restore = (record: CertificateRecord): void => {
    ({ revision } = record);
    inForce.set(record.id, record);
  };
  const built = () => events.filter((event) => event.kind === "context" && event.outcome === "built").length;
  return { contexts, events, held, time, version, restore, inForce, stored, built };
}

const choose = (certificate: CertificateRecord, host = "mx.a.example"): ContextChoice => ({
  host: name(host),
  certificate,
  trust: null,
  ask: false,
  clientCurves: "key-exchange",
});

type Bench = ReturnType<typeof bench>;

/** What a handshake of this moment receives, without a wait for anything. */
function now({ contexts }: Bench, record: CertificateRecord, host?: string): ServingContext {
  const serving = contexts.get(choose(record, host), NONE);
  if (serving === null || serving instanceof Promise) throw new Error("the handshake would wait");
  return serving;
}

const servedVersion = ({ contexts }: Bench, record: CertificateRecord) =>
  contexts.served([record]).find(({ certificateId: id }) => id === record.id)?.version;

describe("a new version of a certificate", () => {
  it("keeps no handshake waiting: the version before is served until it is loaded", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const before = now(made, first);
    const second = made.version(2);
    const { promise, resolve } = Promise.withResolvers<void>();
    made.held.wait = promise;
    const prepared = made.contexts.prepare([second]);
    expect(now(made, second)).toBe(before);
    resolve();
    await prepared;
    expect(now(made, second)).not.toBe(before);
    expect(servedVersion(made, second)).toBe(2);
  });

  it("has its contexts built before it is in service, for every host that was asked for", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    for (const host of ["mx.a.example", "mx.b.example"]) now(made, first, host);
    const second = made.version(2);
    await made.contexts.prepare([second]);
    const built = made.built();
    for (const host of ["mx.a.example", "mx.b.example"]) now(made, second, host);
    expect(made.built()).toBe(built);
    now(made, second, "mx.c.example");
    expect(made.built()).toBe(built + 1);
  });

  it("is needed for new contexts: a change of labels alone builds and loads nothing", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const before = now(made, first);
    const built = made.built();
    const labelled = { ...first, labels: { team: "mail" }, revision: first.revision + 1 };
    made.restore(labelled);
    await made.contexts.prepare([labelled]);
    expect(now(made, labelled)).toBe(before);
    expect(made.built()).toBe(built);
    expect(made.held.reads).toEqual([`keys/${first.id}/1`]);
  });

  it("is loaded behind the handshakes where it was not prepared", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const before = now(made, first);
    const second = made.version(2);
    expect(now(made, second)).toBe(before);
    await expect.poll(() => now(made, second)).not.toBe(before);
    expect(made.held.reads).toEqual([`keys/${first.id}/1`, `keys/${first.id}/2`]);
  });

  it("is served to a session of an older snapshot too, and an older one never takes its place", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const second = made.version(2);
    await made.contexts.prepare([second]);
    await made.contexts.prepare([first]);
    expect(now(made, first)).toBe(now(made, second));
    expect(servedVersion(made, second)).toBe(2);
  });
});

describe("a rollback to an earlier version", () => {
  it("is served like any other change, and again the later version after it", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const before = now(made, first);
    const second = made.version(2);
    await made.contexts.prepare([second]);
    const back = made.version(1, first);
    await made.contexts.prepare([back]);
    expect(now(made, back)).toBe(before);
    expect(made.contexts.served([back])).toMatchObject([
      { certificateId: null },
      { version: 1, problem: null },
    ]);
    // A session that began before the rollback.
    expect(now(made, second)).toBe(before);
    const again = made.version(2, second);
    await made.contexts.prepare([again]);
    expect(servedVersion(made, again)).toBe(2);
  });

  it("ends the problem of the version that did not load", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const second = made.version(2);
    made.stored.remove(`keys/${second.id}/2`);
    await made.contexts.prepare([second]);
    const problemsOf = (record: CertificateRecord) => made.contexts.problems({ certificate: () => record });
    expect(problemsOf(second)).toMatchObject([{ version: 2, reason: "key-missing", serves: 1 }]);
    const back = made.version(1, first);
    await made.contexts.prepare([back]);
    expect(problemsOf(back)).toEqual([]);
    // The session's older snapshot does not bring the failed version back.
    made.time.nowMs += 10_000;
    now(made, second);
    expect(made.held.reads).toHaveLength(2);
  });

  it("that does not load leaves the later version in service, and says which", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const second = made.version(2);
    await made.contexts.prepare([second]);
    made.stored.remove(`keys/${first.id}/1`);
    const back = made.version(1, first);
    await made.contexts.prepare([back]);
    expect(servedVersion(made, back)).toBe(2);
    expect(made.contexts.problems({ certificate: () => back })).toMatchObject([
      { version: 1, reason: "key-missing", serves: 2 },
    ]);
  });
});

describe("a table restored to a lower revision", () => {
  /** An edge that serves version 3 of revision 3, and then the settings of revision 1. */
  async function restored() {
    const made = bench();
    const [first, second] = [made.version(1), made.version(2)];
    await made.contexts.prepare([second]);
    const third = made.version(3);
    await made.contexts.prepare([third]);
    made.restore(first);
    return { made, first, second, third };
  }

  it("has its version served, and the renewal after it, which is of a lower revision too", async () => {
    const { made, first, third } = await restored();
    await made.contexts.prepare([first]);
    expect(servedVersion(made, first)).toBe(1);
    const renewed = made.version(4);
    expect(renewed.revision).toBeLessThan(third.revision);
    await made.contexts.prepare([renewed]);
    expect(servedVersion(made, renewed)).toBe(4);
    expect(made.contexts.problems({ certificate: () => renewed })).toEqual([]);
  });

  it("that named the version in service has the renewal after it served", async () => {
    const made = bench();
    const first = made.version(1);
    made.version(1, first);
    const later = made.version(1, first);
    await made.contexts.prepare([later]);
    made.restore(first);
    await made.contexts.prepare([first]);
    const renewed = made.version(2);
    expect(renewed.revision).toBeLessThan(later.revision);
    await made.contexts.prepare([renewed]);
    expect(servedVersion(made, renewed)).toBe(2);
  });

  it("has no version of the settings before it served, not to a session of theirs either", async () => {
    const { made, first, third } = await restored();
    await made.contexts.prepare([first]);
    const before = now(made, first);
    const reads = made.held.reads.length;
    await made.contexts.prepare([third]);
    expect(now(made, third)).toBe(before);
    expect(made.held.reads).toHaveLength(reads);
  });

  it("shows the version of a lower revision that does not load, and tries it again", async () => {
    const { made } = await restored();
    const renewed = made.version(4);
    made.held.down = true;
    await made.contexts.prepare([renewed]);
    const problems = () => made.contexts.problems({ certificate: () => renewed });
    expect(problems()).toMatchObject([{ version: 4, serves: 3 }]);
    made.held.down = false;
    made.time.nowMs += 10_000;
    await made.contexts.prepare([renewed]);
    expect(problems()).toEqual([]);
    expect(servedVersion(made, renewed)).toBe(4);
  });
});

describe("a load that ends late", () => {
  /** Version 1 is served, and 2 is loaded until `end`. */
  async function slow() {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const second = made.version(2);
    const { promise, resolve } = Promise.withResolvers<void>();
    made.held.wait = promise;
    const load = made.contexts.prepare([second]);
    made.held.wait = Promise.resolve();
    const end = async (): Promise<void> => {
      resolve();
      await load;
    };
    return { made, first, second, end };
  }

  it("does not replace the newer version that is in force by then, whatever its revision", async () => {
    const { made, first, end } = await slow();
    made.restore({ ...first, revision: 0 });
    const third = made.version(3);
    await made.contexts.prepare([third]);
    await end();
    expect(servedVersion(made, third)).toBe(3);
  });

  it("does not replace the version before it, when that is in force again", async () => {
    const { made, first, end } = await slow();
    const back = made.version(1, first);
    await made.contexts.prepare([back]);
    await end();
    expect(servedVersion(made, back)).toBe(1);
  });

  it("that fails does not hide the failure of the version that is in force by then", async () => {
    const { made, second, end } = await slow();
    made.stored.remove(`keys/${second.id}/2`);
    const third = made.version(3);
    made.stored.remove(`keys/${third.id}/3`);
    await made.contexts.prepare([third]);
    await end();
    expect(made.contexts.problems({ certificate: () => third })).toMatchObject([{ version: 3, serves: 1 }]);
  });
});

describe("a version that does not load", () => {
  it("is counted at every attempt and logged once for each version and reason", async () => {
    const made = bench();
    const first = made.version(1);
    await made.contexts.prepare([first]);
    const attempt = async (record: CertificateRecord): Promise<void> => {
      made.time.nowMs += 6_000;
      await made.contexts.prepare([record]);
    };
    const second = made.version(2);
    made.stored.remove(`keys/${second.id}/2`);
    for (let n = 0; n < 5; n += 1) await attempt(second);
    made.held.down = true;
    for (let n = 0; n < 2; n += 1) await attempt(second);
    made.held.down = false;
    await attempt(second);
    const third = made.version(3);
    made.stored.remove(`keys/${third.id}/3`);
    await attempt(third);

    const lines: string[] = [];
    const log = createEdgeLog((event, fields) => {
      lines.push(`${event} ${String(fields?.["version"])} ${String(fields?.["reason"])}`);
      expect(fields).not.toHaveProperty("isRepeated");
    }, "all");
    const metrics = createMetrics();
    for (const event of made.events.filter(({ kind }) => kind === "certificate-problem")) {
      log(event);
      countEdgeEvent(metrics, event);
    }
    expect(lines).toEqual([
      "certificate-problem 2 key-missing",
      "certificate-problem 2 context",
      "certificate-problem 3 key-missing",
    ]);
    expect(metrics.render()).toContain('postern_certificate_problems_total{reason="key-missing"} 7');
    expect(servedVersion(made, third)).toBe(1);
  });
});

describe("an edge that starts while the version in force does not load", () => {
  /** Versions 1 to 3 are stored; 3 is in force, and 2 and 1 are retired. The edge holds none. */
  function started() {
    const made = bench();
    const [first, second, third] = [made.version(1), made.version(2), made.version(3)];
    const retired = [second, first].flatMap(({ material, keys }) =>
      material === null
        ? []
        : { ...material, keys, retiredAt: third.updatedAt, retiredBy: "replaced" as const },
    );
    const record: CertificateRecord = { ...third, retired };
    made.restore(record);
    const lose = (version: number): void => made.stored.remove(`keys/${record.id}/${version}`);
    return { ...made, record, lose };
  }
  const problemsOf = ({ contexts, record }: ReturnType<typeof started>) =>
    contexts.problems({ certificate: () => record });

  it("serves the latest retired version, and reports the problem", async () => {
    const made = started();
    made.lose(3);
    await made.contexts.prepare([made.record]);
    expect(servedVersion(made, made.record)).toBe(2);
    now(made, made.record);
    expect(problemsOf(made)).toMatchObject([{ version: 3, reason: "key-missing", serves: 2 }]);
    expect(made.events).toMatchObject([
      { kind: "certificate-problem", version: 3, reason: "key-missing", serves: 2 },
      { kind: "context" },
    ]);
  });

  it("serves an earlier one where that does not load either", async () => {
    const made = started();
    made.lose(3);
    made.lose(2);
    await made.contexts.prepare([made.record]);
    expect(servedVersion(made, made.record)).toBe(1);
    expect(problemsOf(made)).toMatchObject([{ version: 3, serves: 1 }]);
  });

  it("serves it to the first client that asks", async () => {
    const made = started();
    made.lose(3);
    await made.contexts.get(choose(made.record), NONE);
    expect(servedVersion(made, made.record)).toBe(2);
  });

  it("serves the default certificate where none loads", async () => {
    const made = started();
    for (const version of [1, 2, 3]) made.lose(version);
    await made.contexts.prepare([made.record]);
    expect(servedVersion(made, made.record)).toBeUndefined();
    expect(problemsOf(made)).toMatchObject([{ version: 3, serves: null }]);
  });

  it("serves the version in force once it loads, and reports that", async () => {
    const made = started();
    made.held.broken = `keys/${made.record.id}/3`;
    await made.contexts.prepare([made.record]);
    expect(servedVersion(made, made.record)).toBe(2);
    made.held.broken = null;
    made.time.nowMs += 10_000;
    await made.contexts.prepare([made.record]);
    expect(servedVersion(made, made.record)).toBe(3);
    expect(problemsOf(made)).toEqual([]);
    expect(made.events.at(-1)).toMatchObject({ kind: "certificate-recovered", version: 3 });
  });
});

describe("an expired certificate", () => {
  it("is still served, with its end in the report", async () => {
    const made = bench();
    const expired = issueServer({ ...NAMES, notBefore: hoursFromNow(-48), notAfter: hoursFromNow(-24) });
    const record = made.stored.add({ id: certificateId(2) }, [expired]);
    await made.contexts.prepare([record]);
    now(made, record);
    const [, served] = made.contexts.served([record]);
    expect(served?.fingerprintsSha256).toEqual([
      new X509Certificate(expired.der).fingerprint256.replaceAll(":", "").toLowerCase(),
    ]);
    expect(Date.parse(served?.notAfter ?? "")).toBeLessThan(Date.now());
    expect(served?.problem).toBeNull();
  });
});
