import { expect, it } from "vitest";
import * as z from "zod";
import { certificateView } from "../../core/management/certificate-view.ts";
import { domainInput } from "../../core/management/domain-schema.ts";
import { NO_LABELS } from "../../core/record/labels.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { DomainSettings } from "../../core/record/domain.ts";
import type { StoredHostField } from "../../core/record/mx-host.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import { applyEntries, buildSnapshot } from "../../core/snapshot/snapshot.ts";
import { contentsAfter } from "../../core/store/log-applier.ts";
import { backupLines, readBackupLines } from "../../core/store/snapshot-backup.ts";
import type { Store, StoreContents } from "../../core/store/store.ts";
import { startApi } from "../support/api.ts";
import { BUILT_AT, certificateId, name, trustStoreId } from "../support/records.ts";
import { readableEntries, type StoreUnderTest, Writer } from "./store-under-test.ts";

/** T with every field set: an optional field without a value here does not compile. */
type Whole<T> = T extends string | number | boolean
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Whole<Item>[]
    : { readonly [K in keyof T]-?: Whole<NonNullable<T[K]>> };

const X = certificateId(1);
const T = trustStoreId(1);
const LATER = "2199-01-01T00:00:00.000Z";

const PIN = `sha256//${Buffer.alloc(32, 7).toString("base64")}`;
const KEY: Whole<CertificateRecord>["keys"][number] = {
  keyType: "rsa-3072",
  fingerprintSha256: "ab".repeat(32),
  keyBits: 3584,
  spkiPin: PIN,
  issuer: "CN=Every Field CA",
  issuerMissing: true,
  notBefore: "2026-01-01T00:00:00.000Z",
  notAfter: LATER,
};

const CERTIFICATE: Whole<CertificateRecord> = {
  id: X,
  account: "default",
  label: "every field",
  labels: { team: "mail" },
  source: "acm",
  names: ["mx.fields.example"],
  keys: [KEY],
  material: { version: 3, sha256: "cd".repeat(32), addedAt: BUILT_AT, cause: "exported" },
  acm: {
    arn: "arn:aws:acm:eu-central-1:123456789012:certificate/1",
    status: "issued",
    validation: [
      { type: "CNAME", domain: "mx.fields.example", name: "_a.mx.fields.example", value: "_b.acm.example" },
    ],
    problem: "the DNS record is missing",
  },
  acme: {
    directory: "letsencrypt",
    challenge: "http-01",
    profile: "shortlived",
    accountUrl: "https://ca.example/acct/1",
    caaIdentity: "ca.example",
    orders: [
      {
        keyType: "rsa-3072",
        spkiPin: PIN,
        url: "https://ca.example/order/1",
        startedAt: BUILT_AT,
        lookAgainAt: LATER,
        validation: [
          { type: "TXT", domain: "mx.fields.example", name: "_acme-challenge.mx.fields.example", value: "v" },
        ],
      },
    ],
    suggestions: [{ fingerprintSha256: KEY.fingerprintSha256, at: LATER }],
  },
  plan: { names: ["mx.fields.example"], keyTypes: ["rsa-3072"], days: 90, renewalKey: "new" },
  retired: [
    {
      version: 2,
      sha256: "de".repeat(32),
      addedAt: BUILT_AT,
      cause: "renewed",
      keys: [KEY],
      retiredAt: BUILT_AT,
      retiredBy: "rolled-back",
      source: "self-signed",
      plan: { keyTypes: ["rsa-3072"], days: 90, renewalKey: "new" },
    },
  ],
  pendingKeys: [
    { keyType: "rsa-3072", spkiPin: PIN, sha256: "fa".repeat(32), madeAt: BUILT_AT, switchAt: LATER },
  ],
  requests: [{ keyType: "rsa-3072", spkiPin: PIN, csrPem: "a signing request" }],
  attempt: { failures: 2, at: BUILT_AT, nextAt: LATER, problem: "the CA does not answer" },
  revision: 1,
  createdAt: BUILT_AT,
  updatedAt: BUILT_AT,
  updatedBy: "test",
};

const TRUST_STORE: Whole<TrustStoreRecord> = {
  id: T,
  account: "default",
  label: "every field",
  labels: { "managed-by": "tests" },
  contentSha256: "ef".repeat(32),
  anchors: [
    {
      subject: "CN=Example",
      fingerprintSha256: "01".repeat(32),
      notBefore: "2026-01-01T00:00:00.000Z",
      notAfter: LATER,
      crlUntil: LATER,
      limits: { isCa: false, usages: ["clientAuth"], dnsNames: ["client.example"] },
    },
  ],
  crls: [{ issuer: "CN=Example", thisUpdate: BUILT_AT, nextUpdate: LATER }],
  previous: [{ revision: 1, contentSha256: "23".repeat(32), replacedAt: BUILT_AT }],
  revision: 2,
  createdAt: BUILT_AT,
  updatedAt: BUILT_AT,
  updatedBy: "test",
};

/** Together, the exceptions set every field of one; no field has its default. */
const DOMAIN: DomainSettings = {
  name: name("fields.example"),
  mxHosts: [name("mx.fields.example")],
  tls: {
    server: { level: "require", certificateId: X, minVersion: "TLSv1.3" },
    clientCertificate: {
      mode: "require",
      trust: {
        publicRoots: true,
        trustStoreIds: [T],
        pins: [`sha256//${Buffer.alloc(32, 9).toString("base64")}`],
      },
      names: { match: "list", allowed: [name("client.example")] },
      purpose: "clientAuth",
    },
    enforcement: "defer",
    exceptions: [
      {
        match: { clientCidr: "192.0.2.0/24", senderDomain: name("partner.example") },
        clientCertificateMode: "request",
        reason: "moves to a new certificate",
        expiresAt: LATER,
      },
      { match: { clientName: name("relay.example") }, level: "require", reason: "relays for others" },
      {
        match: { recipient: "tlsrpt@fields.example" },
        level: "accept",
        clientCertificateMode: "none",
        reason: "reports of failed TLS",
      },
    ],
  },
  delivery: { nextHop: "smtp://mail.fields.example:2525", tls: "opportunistic" },
  acknowledgedWarnings: ["rfc3207-public-mx"],
  labels: { "app.example": "shop", empty: "" },
};

const HOST = {
  host: name("mx.fields.example"),
  account: "default",
  certificateId: X,
  domainCount: 1,
  certificateRevision: 3,
} as const satisfies Record<StoredHostField, unknown>;

/**
 * Every value that a document holds at a path, with lists looked through: `tls.exceptions.match.recipient`.
 */
function valuesAt(document: unknown, path: readonly string[]): readonly unknown[] {
  if (Array.isArray(document)) return document.flatMap((item) => valuesAt(item, path));
  const [key, ...rest] = path;
  if (key === undefined) return [document];
  return typeof document === "object" && document !== null ? valuesAt(Reflect.get(document, key), rest) : [];
}

interface Leaf {
  readonly path: string;
  readonly default: unknown;
}

/** The fields of a schema that hold no others; fields that requests may only repeat are left out. */
function leavesOf(schema: z.core.$ZodType, path: readonly string[] = [], initial?: unknown): readonly Leaf[] {
  if (schema instanceof z.ZodDefault) return leavesOf(schema.unwrap(), path, schema.def.defaultValue);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional || schema instanceof z.ZodNullable)
    return leavesOf(schema.unwrap(), path, initial);
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodObject)
    return leavesOf(schema.element, path);
  if (!(schema instanceof z.ZodObject)) return [{ path: path.join("."), default: initial }];
  return Object.entries(schema.shape).flatMap(([key, field]) =>
    field.meta()?.readOnly === true ? [] : leavesOf(field, [...path, key]),
  );
}

const LEAVES = leavesOf(domainInput);

/** A snapshot leaves labels out, and nothing else: compared with those of the record that it is made of. */
const withoutItsLabels =
  <T extends { readonly labels: object }>(records: readonly T[]) =>
  (held: T, index: number): T => {
    expect(held.labels).toBe(NO_LABELS);
    return { ...held, labels: records[index]?.labels ?? {} };
  };

/** Each copy of what the store holds, by the way on which it came. */
async function copiesOf(store: Store): Promise<ReadonlyMap<string, StoreContents>> {
  const { entries, head } = await store.changesAfter(0, 100);
  const empty = { revision: 0, domains: [], mxHosts: [], certificates: [], trustStores: [], unreadable: [] };
  const loaded = await store.loadAll();
  const lines = backupLines({ contents: loaded, at: BUILT_AT });
  const backup = await readBackupLines(
    (async function* () {
      yield* lines;
    })(),
  );
  const snapshots = {
    "the snapshot of a full load": buildSnapshot(loaded, new Map()),
    "the snapshot by the log": applyEntries(buildSnapshot(empty, new Map()), entries, new Map()),
  };
  return new Map<string, StoreContents>([
    ["a full load", loaded],
    ["the log", contentsAfter(empty, entries)],
    ["the backup", backup.contents],
    ...Object.entries(snapshots).map(([way, snapshot]): [string, StoreContents] => [
      way,
      {
        ...loaded,
        revision: head,
        domains: [...snapshot.domains.records()].map(withoutItsLabels(loaded.domains)),
        certificates: [...snapshot.certificates()].map(withoutItsLabels(loaded.certificates)),
        trustStores: [...snapshot.trustStores()].map(withoutItsLabels(loaded.trustStores)),
      },
    ]),
  ]);
}

/** No field of a stored or shown record is lost on any way. */
export function fieldCases(subject: () => StoreUnderTest): void {
  it.each(LEAVES)("have a value other than the default in this test: $path", ({ path, default: initial }) => {
    const values = valuesAt(DOMAIN, path.split("."));
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) expect(value).not.toEqual(initial ?? null);
    expect(values.some((value) => value !== undefined)).toBe(true);
  });

  it("are all stored, of a certificate and a trust store", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(CERTIFICATE);
    await writer.putTrustStore(TRUST_STORE);
    expect(await store.getCertificate(X)).toEqual(CERTIFICATE);
    expect(await store.getTrustStore(T)).toEqual(TRUST_STORE);
    for (const [way, contents] of await copiesOf(store)) {
      expect(contents.certificates, way).toEqual([CERTIFICATE]);
      expect(contents.trustStores, way).toEqual([TRUST_STORE]);
    }
  });

  it("are all shown, of a certificate and a trust store", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(CERTIFICATE);
    await writer.putTrustStore(TRUST_STORE);
    const api = await startApi({ store });
    const { json: shown } = await api.expect(200, "GET", `/v1/certificates/${X}`);
    expect(shown).toEqual(certificateView(CERTIFICATE, { count: 0, domains: [] }, Date.now()));
    const {
      keys,
      material,
      acm,
      acme,
      plan: _plan,
      retired,
      pendingKeys,
      requests,
      attempt,
      ...others
    } = CERTIFICATE;
    const { notBefore, ...key } = keys[0] ?? {};
    const { directory, challenge, profile, accountUrl, caaIdentity } = acme;
    expect(shown).toMatchObject({ ...others, notBefore, keys: [key], version: material.version });
    expect(shown).toMatchObject({ validation: acm.validation, reason: acm.problem, requests });
    expect(shown).toMatchObject({ lastError: attempt, acme: { directory, challenge, profile, accountUrl } });
    expect(JSON.stringify(shown)).toContain(caaIdentity);
    const [{ sha256: _hidden, ...nextKey } = {}] = pendingKeys;
    expect(shown).toMatchObject({ nextKeys: [nextKey] });
    const [was] = retired;
    expect(shown).toMatchObject({
      timeline: expect.arrayContaining([
        { at: was?.retiredAt, event: "version-retired", version: was?.version, detail: was?.retiredBy },
      ]),
    });
    const { json: list } = await api.expect(200, "GET", "/v1/trust-stores");
    expect(list).toMatchObject({ items: [TRUST_STORE] });
    const { json: changes } = await api.expect(200, "GET", "/v1/changes");
    expect(changes).toMatchObject({ items: [{ after: { ...others, keys: [key] } }, { after: TRUST_STORE }] });
  });

  it("are all kept, of a domain, through every way of the API and every copy of the store", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(CERTIFICATE);
    await writer.putTrustStore(TRUST_STORE);
    const api = await startApi({ store });
    const path = `/v1/domains/${DOMAIN.name}`;
    const changed = (enforcement: string) => ({ ...DOMAIN, tls: { ...DOMAIN.tls, enforcement } });
    const headers = { "if-match": "*" };

    const put = await api.expect(201, "PUT", path, { body: DOMAIN });
    expect(put.json).toMatchObject(DOMAIN);
    // One field of every object, so that each is merged.
    const clientCertificate = { mode: "require", trust: { publicRoots: true }, names: { match: "list" } };
    const body = {
      tls: { server: { level: "require" }, clientCertificate, enforcement: "reject" },
      delivery: { tls: "opportunistic" },
    };
    const patched = await api.expect(200, "PATCH", path, { body, headers });
    expect(patched.json).toMatchObject(changed("reject"));
    const patchedTls = await api.expect(200, "PATCH", `${path}/tls`, {
      body: { enforcement: "observe" },
      headers,
    });
    expect(patchedTls.json).toMatchObject(changed("observe").tls);
    const putTls = await api.expect(200, "PUT", `${path}/tls`, { body: DOMAIN.tls, headers });
    expect(putTls.json).toMatchObject(DOMAIN.tls);

    expect((await api.expect(200, "GET", path)).json).toMatchObject(DOMAIN);
    expect((await api.expect(200, "GET", `${path}/tls`)).json).toMatchObject(DOMAIN.tls);
    expect((await api.expect(200, "GET", "/v1/domains")).json).toMatchObject({ items: [DOMAIN] });
    const changes = await api.expect(200, "GET", "/v1/changes?after=5");
    expect(changes.json).toMatchObject({ items: [{ before: changed("observe"), after: DOMAIN }] });

    const record = await store.getDomain(DOMAIN.name);
    expect(record).toMatchObject(DOMAIN);
    expect((await store.getMxHosts([HOST.host])).get(HOST.host)).toEqual(HOST);
    expect(readableEntries((await store.changesAfter(5, 1)).entries)).toMatchObject([
      { record: { after: record } },
    ]);
    for (const [way, contents] of await copiesOf(store)) {
      expect(contents.domains, way).toEqual([record]);
      expect(contents.mxHosts, way).toEqual([HOST]);
    }
  });
}
