import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import { Unreadable } from "../errors.ts";
import type { DomainRecord, ExceptionMatch } from "../record/domain.ts";
import type { Commit, LogEntry } from "./store.ts";
import {
  readCertificate,
  readDomain,
  readFeedEntry,
  offeredText,
  readMxHost,
  readOffered,
  readOrReport,
  readTrustStore,
} from "./stored-record.ts";
import { checkCidr, checkTimestamp } from "../management/text-formats.ts";

const full = domainRecord({
  mxHosts: ["mx1.example.com", "mx2.example.com"],
  server: { level: "require", certificateId: certificateId(1), minVersion: "TLSv1.3" },
  clientCertificate: {
    mode: "require",
    trust: { publicRoots: true, trustStoreIds: [trustStoreId(1)], pins: ["sha256//AAAA"] },
    names: { match: "list", allowed: [name("a.example")] },
  },
  enforcement: "defer",
  exceptions: [
    {
      match: { clientCidr: "192.0.2.0/24", senderDomain: name("b.example") },
      level: "accept",
      reason: "old scanner",
      expiresAt: "2027-01-01T00:00:00Z",
    },
    { match: { clientCidr: "2001:db8::/32" }, clientCertificateMode: "none", reason: "branch" },
    { match: { recipient: "tlsrpt@example.com" }, level: "accept", reason: "TLS reports" },
  ],
  delivery: { nextHop: "smtp://mail.example.net:25", tls: "opportunistic" },
  acknowledgedWarnings: ["rfc3207-public-mx"],
});
const host = {
  host: name("mx.example.com"),
  account: "default",
  certificateId: certificateId(1),
  domainCount: 2,
};
const entry: LogEntry = {
  revision: 7,
  at: full.updatedAt,
  account: "default",
  actor: "test",
  action: "update",
  record: { kind: "domain", id: full.name, before: full, after: { ...full, revision: 7 } },
  hosts: [{ host: host.host, before: null, after: host }],
};

/** The spelling that the API asks for, from its own message. */
function canonical(text: string): { readonly kind: "network" | "none"; readonly text: string } {
  try {
    checkCidr(text);
    return { kind: "network", text };
  } catch (error) {
    const quoted = /"([^"]+)"$/.exec(error instanceof Error ? error.message : "")?.[1];
    return quoted === undefined ? { kind: "none", text } : { kind: "network", text: quoted };
  }
}

/** A copy with one value replaced; `undefined` takes the key out. */
function changed(item: object, path: string, value: unknown): string {
  const copy: unknown = structuredClone(item);
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = copy as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = value;
  return JSON.stringify(copy);
}

describe("stored items", () => {
  it("are read back as they were written, from text and from a parsed value", () => {
    expect(readDomain(full.name, JSON.stringify(full))).toEqual(full);
    expect(readDomain(full.name, full)).toEqual(full);
    const certificate = certificateRecord({ label: "main" });
    expect(readCertificate(certificate.id, JSON.stringify(certificate))).toEqual(certificate);
    const crls = [{ issuer: "CN=x", thisUpdate: full.createdAt, nextUpdate: full.createdAt }];
    const trust = trustStoreRecord({ label: "partners", crls });
    expect(readTrustStore(trust.id, JSON.stringify(trust))).toEqual(trust);
    expect(readMxHost(host.host, JSON.stringify(host))).toEqual(host);
    expect(readFeedEntry(7, JSON.stringify(entry))).toEqual({ kind: "entry", entry });
  });

  it.each([
    "added",
    "tls.added",
    "tls.server.added",
    "tls.clientCertificate.trust.added",
    "tls.exceptions.0.added",
    "delivery.added",
  ])("may carry a field of a later release at %s, which is dropped", (path) => {
    expect(readDomain(full.name, changed(full, path, { any: 1 }))).toEqual(full);
  });

  it.each([
    ["delivery", null],
    ["tls.server.certificateId", null],
  ])("mean null where %s is absent", (path, meaning) => {
    const read = readDomain(full.name, changed(full, path, undefined));
    expect(read).toEqual(JSON.parse(changed(full, path, meaning)));
  });

  it("mean no acknowledged warning where there is none, and drop one that cannot be acknowledged here", () => {
    const acknowledged = (value: unknown) =>
      readDomain(full.name, changed(full, "acknowledgedWarnings", value)).acknowledgedWarnings;
    expect(acknowledged(undefined)).toEqual([]);
    expect(acknowledged(null)).toEqual([]);
    expect(acknowledged(["rfc3207-public-mx", "of-a-later-release", "certificate-expired"])).toEqual([
      "rfc3207-public-mx",
    ]);
  });

  it("mean no labels where there are none, and keep those that there are", () => {
    const labels = { team: "mail", "app.example": "" };
    const records = [
      { record: domainRecord({ labels }), read: (text: string) => readDomain(full.name, text) },
      {
        record: certificateRecord({ labels }),
        read: (text: string) => readCertificate(certificateId(1), text),
      },
      { record: trustStoreRecord({ labels }), read: (text: string) => readTrustStore(trustStoreId(1), text) },
    ];
    for (const { record, read } of records) {
      expect(read(JSON.stringify(record)).labels).toEqual(labels);
      expect(read(changed(record, "labels", undefined)).labels).toEqual({});
      expect(read(changed(record, "labels", null)).labels).toEqual({});
      expect(() => read(changed(record, "labels", { team: 1 }))).toThrow(Unreadable);
    }
  });

  it("mean that nothing can be restored where a trust store has no earlier contents", () => {
    const previous = [{ revision: 1, contentSha256: "ab".repeat(32), replacedAt: full.createdAt }];
    const trust = trustStoreRecord({ previous });
    expect(readTrustStore(trust.id, JSON.stringify(trust))).toEqual(trust);
    expect(readTrustStore(trust.id, changed(trust, "previous", undefined)).previous).toEqual([]);
  });

  it("mean no label and no CRLs where those are absent", () => {
    const certificate = certificateRecord();
    expect(readCertificate(certificate.id, changed(certificate, "label", undefined)).label).toBeNull();
    const trust = trustStoreRecord();
    expect(readTrustStore(trust.id, changed(trust, "crls", undefined)).crls).toEqual([]);
    expect(readMxHost(host.host, changed(host, "certificateId", undefined)).certificateId).toBeNull();
  });

  it.each([
    ["tls.server.level", undefined],
    ["tls.server.level", "sometimes"],
    ["tls.server.minVersion", undefined],
    ["tls.server.minVersion", "TLSv1.4"],
    ["tls.clientCertificate.mode", undefined],
    ["tls.clientCertificate.mode", "demand"],
    ["tls.clientCertificate.purpose", undefined],
    ["tls.clientCertificate.names", undefined],
    ["tls.clientCertificate.names.match", "cn"],
    ["tls.clientCertificate.names.allowed.0", "*"],
    ["tls.clientCertificate.names.allowed.0", "*.*.example"],
    ["tls.clientCertificate.trust", undefined],
    ["tls.clientCertificate.trust.trustStoreIds.0", "cert_x"],
    ["tls.clientCertificate.trust.publicRoots", "false"],
    ["tls.enforcement", undefined],
    ["tls.enforcement", "warn"],
    ["tls.exceptions", undefined],
    ["tls.exceptions.0.match", {}],
    ["tls.exceptions.0.match.clientCidr", "192.0.2.0/33"],
    ["tls.exceptions.2.match.recipient", '"tlsrpt"@example.com'],
    ["tls.exceptions.0.match.later", "a condition that this release cannot check"],
    ["tls.exceptions.0.expiresAt", "next year"],
    ["tls.exceptions.0.level", "loose"],
    ["mxHosts", undefined],
    ["mxHosts.0", "MX.example.com"],
    ["delivery.tls", "never"],
    ["account", undefined],
    ["account", ""],
    ["revision", 0],
    ["revision", 1.5],
    ["createdAt", "yesterday"],
    ["name", "other.example"],
  ])("are unreadable where %s is %s: nothing that decides a verdict is guessed", (path, value) => {
    expect(() => readDomain(full.name, changed(full, path, value))).toThrow(Unreadable);
  });

  it.each([
    ["domainCount", 0],
    ["certificateId", "cert_1"],
    ["host", "other.example"],
    ["account", undefined],
  ])("make an MX host unreadable where %s is %s", (path, value) => {
    expect(() => readMxHost(host.host, changed(host, path, value))).toThrow(Unreadable);
  });

  it.each([
    ["material.sha256", "x"],
    ["material.version", 0],
    ["keys.0.keyType", "dsa"],
    ["keys.0.notAfter", "never"],
    ["id", certificateId(2)],
  ])("make a certificate unreadable where %s is %s", (path, value) => {
    const certificate = certificateRecord();
    expect(() => readCertificate(certificate.id, changed(certificate, path, value))).toThrow(Unreadable);
  });

  it.each(["", "{", "null", "[]", '"text"', "17"])("are unreadable when the text is %j", (text) => {
    expect(() => readDomain(full.name, text)).toThrow(Unreadable);
    expect(() => readMxHost("mx.example.com", text)).toThrow(Unreadable);
  });

  it("say which field is wrong and nothing of what is stored", () => {
    const report = readOrReport("domain", full.name, () =>
      readDomain(full.name, changed(full, "tls.server.level", "s3cret")),
    );
    expect(report).toEqual({
      unreadable: {
        kind: "domain",
        id: "example.com",
        problem: "domain example.com: tls.server.level (invalid_value)",
      },
    });
    expect(readOrReport("domain", full.name, () => readDomain(full.name, full))).toEqual({ value: full });
  });
});

describe("what the API takes is read back", () => {
  const taken = (check: (text: string) => void, text: string): boolean => {
    try {
      check(text);
      return true;
    } catch {
      return false;
    }
  };
  const exceptionWith = (path: string, text: string) => () =>
    readDomain(full.name, changed(full, path, text));

  const networks = fc.oneof(
    fc.tuple(fc.ipV4(), fc.nat(32)),
    fc.tuple(fc.ipV6(), fc.nat(128)),
    fc.tuple(fc.constantFrom("::", "::1", "2001:db8::", "fe80::", "64:ff9b::", "::ffff:0:0"), fc.nat(128)),
  );
  it("every network in canonical form", () => {
    fc.assert(
      fc.property(networks, ([address, bits]) => {
        const { kind, text } = canonical(`${address}/${bits}`);
        fc.pre(kind === "network" && taken(checkCidr, text));
        expect(exceptionWith("tls.exceptions.0.match.clientCidr", text)).not.toThrow();
      }),
    );
  });

  it("every time", () => {
    const fraction = fc.constantFrom("", ".1", ".123", ".123456789");
    const times = fc.tuple(fc.date({ noInvalidDate: true }), fraction);
    fc.assert(
      fc.property(times, ([date, digits]) => {
        const text = `${date.toISOString().slice(0, -5)}${digits}Z`;
        fc.pre(taken(checkTimestamp, text));
        expect(exceptionWith("tls.exceptions.0.expiresAt", text)).not.toThrow();
      }),
    );
  });
});

describe("a log entry that cannot be read", () => {
  it("keeps its place and says what it was about", () => {
    expect(readFeedEntry(7, changed(entry, "record.after.tls.server.level", "new"))).toMatchObject({
      kind: "unreadable",
      revision: 7,
      item: { kind: "domain", id: "example.com" },
    });
  });

  it.each(["", "{}", '{"record":{"kind":"token","id":"x"}}'])(
    "is listed by its revision when nothing else is known: %s",
    (text) => {
      expect(readFeedEntry(7, text)).toMatchObject({
        kind: "unreadable",
        revision: 7,
        item: { kind: "log-entry", id: "7" },
      });
    },
  );

  it.each([
    ["revision", 8],
    ["record.id", "other.example"],
    ["record.after.revision", 6],
    ["hosts.0.host", "other.example"],
    ["action", "rename"],
  ])("is one whose parts do not belong together: %s is %s", (path, value) => {
    expect(readFeedEntry(7, changed(entry, path, value)).kind).toBe("unreadable");
  });
});

describe("a write that is offered to other writers", () => {
  const commits: readonly Commit[] = [
    {
      at: entry.at,
      account: entry.account,
      actor: entry.actor,
      record: { kind: "domain", id: full.name, before: full, after: { ...full, mxHosts: [host.host] } },
      hosts: [{ host: host.host, before: host, after: { ...host, certificateRevision: 3, domainCount: 3 } }],
      hostsRead: [{ host: name("mx2.example.com"), item: null }],
      movedDomains: { count: 1, names: [name("b.example")] },
      uses: [
        { kind: "certificate", id: certificateId(1), delta: -1 },
        { kind: "trust-store", id: trustStoreId(1), delta: 0 },
      ],
      expectedHead: 6,
    },
    ...[certificateRecord(), trustStoreRecord()].map((after): Commit => {
      const record =
        "material" in after
          ? ({ kind: "certificate", id: after.id, before: null, after } as const)
          : ({ kind: "trust-store", id: after.id, before: after, after: null } as const);
      const { at, account, actor } = entry;
      return { at, account, actor, record, hosts: [], uses: [], expectedHead: 0 };
    }),
  ];

  it.each(commits.map((commit) => [commit.record.kind, commit] as const))(
    "is read as it was: %s",
    (_, commit) => {
      const { record, expectedHead } = commit;
      const planned = (revision: number): Commit => {
        const after = record.after && { ...record.after, revision };
        return { ...commit, record: { ...record, after } as Commit["record"] };
      };
      const text = offeredText({ ...planned(0), ticket: 3, offered: 3, along: [] });
      expect(readOffered(text)).toEqual(planned(expectedHead + 1));
    },
  );

  it.each<[string, (text: string) => string]>([
    [
      "a member that this release does not know",
      (text) => text.replace('"account"', '"colour":"red","account"'),
    ],
    ["one in a record", (text) => text.replace('"mxHosts"', '"colour":"red","mxHosts"')],
    ["a value that this release does not know", (text) => text.replace('"require"', '"perhaps"')],
    ["half of it", (text) => text.slice(0, text.length / 2)],
  ])("is nothing with %s: without it, it would be another write", (_, change) => {
    const [commit] = commits;
    if (commit === undefined) throw new TypeError("no commit");
    const text = offeredText(commit);
    expect(change(text)).not.toBe(text);
    expect(readOffered(change(text))).toBeNull();
    expect(readOffered(undefined)).toBeNull();
  });

  it("is nothing when no writer could store it: it would fail the writes of all who read it", () => {
    const [commit] = commits;
    if (commit === undefined) throw new TypeError("no commit");
    const written = JSON.parse(offeredText(commit));
    const without = { ...written, record: { ...written.record, before: null, after: null } };
    expect(readOffered(JSON.stringify(written))).not.toBeNull();
    expect(readOffered(JSON.stringify(without))).toBeNull();
    const ofAnother = { ...written, record: { ...written.record, id: "another.example" } };
    expect(readOffered(JSON.stringify(ofAnother))).toBeNull();
  });
});

describe("items that a release has really written (test/skew)", () => {
  const item = (release: string, file: string): string =>
    readFileSync(new URL(`../../test/skew/${release}/${file}.json`, import.meta.url), "utf8");

  it.each(["0.1.0"])("are read: release %s", (release) => {
    expect(readDomain("example.com", item(release, "domain"))).toMatchObject({
      revision: 3,
      mxHosts: ["mx1.example.com"],
      tls: { server: { level: "require" }, clientCertificate: { mode: "require" }, enforcement: "defer" },
      acknowledgedWarnings: [],
      labels: {},
    });
    expect(readCertificate(certificateId(1), item(release, "certificate"))).toMatchObject({
      label: "main",
      labels: {},
    });
    expect(readTrustStore(trustStoreId(1), item(release, "trust-store"))).toMatchObject({
      label: "partners",
      labels: {},
      previous: [],
    });
    expect(readFeedEntry(3, item(release, "log-entry"))).toMatchObject({
      kind: "entry",
      entry: { revision: 3 },
    });
  });

  it.each(["0.1.0"])("keep every field of exceptions: release %s", (release) => {
    const domain = JSON.parse(item(release, "domain-exceptions")) as DomainRecord;
    expect(readDomain("example.com", item(release, "domain-exceptions"))).toMatchObject(domain);
    const change = JSON.parse(item(release, "log-entry-exceptions")) as object;
    expect(readFeedEntry(1, item(release, "log-entry-exceptions"))).toMatchObject({
      kind: "entry",
      entry: change,
    });
    // A new condition needs an item here that has it.
    const conditions = { clientCidr: 1, senderDomain: 1, clientName: 1, recipient: 1 } satisfies Readonly<
      Record<keyof ExceptionMatch, 1>
    >;
    const written = domain.tls.exceptions.flatMap(({ match }) => Object.keys(match));
    expect(new Set(written)).toEqual(new Set(Object.keys(conditions)));
  });
});
