/**
 * Every route of the API as it is called on a record: of the caller's own account, of another account, and
 * absent. functions/api/access-walk.test.ts makes these calls as every kind of caller. A new
 * route needs a row, and a call for each way to name a record in its requests.
 */

import { createHash } from "node:crypto";
import type { Scope } from "../../core/access/scope.ts";
import { NotFound } from "../../core/errors.ts";
import type { KeyVault } from "../../core/store/key-vault.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { CertificateId, EdgeId } from "../../core/name/ids.ts";
import { issueServer, makeCa } from "./pki.ts";
import { type ApiUnderTest, type RequestOptions, TOKEN } from "./api.ts";

/** Names and ids of one account's records, or of none. */
export interface Records {
  readonly account: string;
  readonly domain: string;
  /** An MX host of the domain. */
  readonly host: string;
  readonly certificate: string;
  /** Of the key that it serves. */
  readonly fingerprint: string;
  /** A certificate with a signing request. */
  readonly request: string;
  readonly trustStore: string;
  readonly token: string;
  readonly principal: string;
  /** Revision of the change that created its last domain. */
  readonly change: number;
}

/** One way to call a route. */
export interface RouteCall {
  /** Said of more than one call of a route. */
  readonly name?: string;
  readonly path: (of: Records, own: Records) => string;
  readonly body?: (of: Records, own: Records) => unknown;
  readonly ifMatch?: true;
  /** A batch of one item: the statuses below are those of its result. */
  readonly isBatch?: true;
  /** Status on the caller's own records. */
  readonly own: number;
  /** On those of another account, and on absent ones: the answers are equal. */
  readonly absent?: number;
  /** On those of another account alone, where the name itself is taken (docs/access.md). */
  readonly taken?: number;
  /** A scope that it needs beside that of the route, of a caller that is not of the operator's account. */
  readonly tenantLacks?: Scope;
}

/** Never stored. */
export const ABSENT: Records = {
  account: "no-account",
  domain: "absent.example",
  host: "mx.absent.example",
  certificate: "cert_01KDW00000000000000000ABSE",
  fingerprint: "f".repeat(64),
  request: "cert_01KDW00000000000000000ABSF",
  trustStore: "trust_01KDW00000000000000000ABSE",
  token: "tok_01KDW00000000000000000ABSE",
  principal: "arn:aws:iam::123456789012:role/absent",
  change: 1_000_000,
};

/** Made once: a world is built for most calls. */
const made = new Map<string, string>();
function once(name: string, make: () => string): string {
  const text = made.get(name) ?? make();
  made.set(name, text);
  return text;
}
const caPem = (name: string): string => once(name, () => makeCa({ name }).certificatePem);
const PEM = caPem("Another CA");
const hostsOf = (of: string): string[] => [`mx1.${of}.example`, `mx2.${of}.example`];
const materialFor = (of: string): unknown =>
  JSON.parse(
    once(`material of ${of}`, () => {
      const { certificatePem, privateKeyPem } = issueServer({ names: hostsOf(of) });
      return JSON.stringify({ certificatePem, privateKeyPem });
    }),
  );
const domain = ({ domain: name }: Records): string => `/v1/domains/${name}`;
const certificate = ({ certificate: id }: Records): string => `/v1/certificates/${id}`;
const trustStore = ({ trustStore: id }: Records): string => `/v1/trust-stores/${id}`;
const token = ({ token: id }: Records): string => `/v1/tokens/${id}`;
const account = ({ account: name }: Records): string => `/v1/accounts/${name}`;
const principal = ({ principal: arn }: Records): string => `/v1/principals/${encodeURIComponent(arn)}`;
const to =
  (base: (of: Records) => string, rest = "") =>
  (of: Records): string =>
    base(of) + rest;

const read = (path: RouteCall["path"]): RouteCall => ({ path, own: 200, absent: 404 });
/** The record as it is stored. */
const raw = (path: (of: Records) => string): RouteCall => ({
  ...read(to(path, "?raw=true")),
  name: "as it is stored",
  absent: 403,
  tenantLacks: "operator",
});
const write = (path: RouteCall["path"], body?: RouteCall["body"]): RouteCall => ({
  path,
  ifMatch: true,
  own: 200,
  absent: 404,
  ...(body === undefined ? {} : { body }),
});
const remove = (path: RouteCall["path"], own = 204): RouteCall => ({ ...write(path), own });
const list = (path: string): RouteCall => ({ path: () => path, own: 200 });
const create = (path: string, body: unknown): RouteCall => ({
  ...list(path),
  body: () => body,
  own: 201,
});
/** On the caller's own domain, with something in the body that names a record. */
const onOwn = (path: (of: Records) => string, name: string, body: RouteCall["body"]): RouteCall => ({
  name,
  path: (_, own) => path(own),
  ifMatch: true,
  own: 200,
  absent: 422,
  ...(body === undefined ? {} : { body }),
});

const tlsOf = (of: Records) => ({ server: { level: "require", certificateId: of.certificate } });
const trusting = (of: Records) => ({
  server: { level: "require" },
  clientCertificate: { mode: "request", trust: { trustStoreIds: [of.trustStore] } },
});
const session = (of: Records) => ({
  clientAddress: "192.0.2.1",
  mailFrom: "a@sender.example",
  rcptTo: `b@${of.domain}`,
});
const TLS = { protocol: "TLSv1.3" };
/** A session with something more in its request. */
const evaluation = (name: string, body: NonNullable<RouteCall["body"]>): RouteCall => ({
  ...list("/v1/evaluate"),
  name,
  body,
});
/** One item of a batch, on the record or on the caller's own domain. */
const batched = (
  name: string,
  item: (of: Records, own: Records) => object,
  statuses: Pick<RouteCall, "own" | "absent" | "taken">,
): RouteCall => ({
  name,
  path: () => "/v1/domains:batch",
  body: (of, own) => ({ items: [item(of, own)] }),
  isBatch: true,
  ...statuses,
});
const onOwnInBatch = (name: string, item: (of: Records, own: Records) => object): RouteCall =>
  batched(name, (of, own) => ({ name: own.domain, ifMatch: "*", ...item(of, own) }), {
    own: 200,
    absent: 422,
  });
/** Of every record that an account has. */
const labelOf = (of: string) => ({ [`label-of-${of}`]: `value-of-${of}` });
const labelled = (path: string): RouteCall => ({
  ...list(path),
  name: "by label",
  path: ({ account: of }) => `${path}?label=${encodeURIComponent(`label-of-${of}=value-of-${of}`)}`,
});

/** By method and path of the OpenAPI document: the scope, null = any caller, and the calls. */
export const ROUTE_CALLS: Readonly<Record<string, readonly [Scope | null, ...RouteCall[]]>> = {
  "GET /v1/whoami": [null, list("/v1/whoami")],

  "GET /v1/domains": [
    "domains:read",
    list("/v1/domains"),
    { ...list(""), name: "by certificate", path: (of) => `/v1/domains?certificateId=${of.certificate}` },
    { ...list(""), name: "by prefix", path: (of) => `/v1/domains?prefix=${of.domain.slice(0, 6)}` },
    labelled("/v1/domains"),
  ],
  "GET /v1/domains/{name}": ["domains:read", read(to(domain)), raw(domain)],
  "PUT /v1/domains/{name}": [
    "domains:write",
    { ...write(to(domain), () => ({})), absent: 412, taken: 409 },
    { name: "creates", path: domain, body: () => ({}), own: 428, absent: 201, taken: 409 },
    onOwn(domain, "with a certificate", (of, own) => ({ mxHosts: [own.host], tls: tlsOf(of) })),
    onOwn(domain, "with a trust store", (of, own) => ({ mxHosts: [own.host], tls: trusting(of) })),
    {
      ...onOwn(domain, "on a host", (of, own) => ({ mxHosts: [of.host], tls: tlsOf(own) })),
      absent: 409,
    },
  ],
  "PATCH /v1/domains/{name}": [
    "domains:write",
    write(to(domain), () => ({ tls: { enforcement: "defer" } })),
    onOwn(domain, "with a certificate", (of) => ({ tls: tlsOf(of) })),
    onOwn(domain, "with a trust store", (of) => ({ tls: trusting(of) })),
    { ...onOwn(domain, "on a host", (of, own) => ({ mxHosts: [of.host], tls: tlsOf(own) })), absent: 409 },
  ],
  "DELETE /v1/domains/{name}": ["domains:write", remove(to(domain))],
  "GET /v1/domains/{name}/tls": ["domains:read", read(to(domain, "/tls"))],
  "PUT /v1/domains/{name}/tls": [
    "domains:write",
    write(to(domain, "/tls"), () => ({})),
    onOwn(to(domain, "/tls"), "with a certificate", tlsOf),
    onOwn(to(domain, "/tls"), "with a trust store", trusting),
  ],
  "PATCH /v1/domains/{name}/tls": [
    "domains:write",
    write(to(domain, "/tls"), () => ({ enforcement: "defer" })),
    onOwn(to(domain, "/tls"), "with a trust store", trusting),
  ],
  "GET /v1/domains/{name}/status": ["domains:read", read(to(domain, "/status"))],
  "POST /v1/domains/{name}/verify": ["domains:write", read(to(domain, "/verify"))],
  "POST /v1/domains/{name}/confirm": [
    "operator",
    { path: to(domain, "/confirm"), own: 200, tenantLacks: "operator" },
  ],
  "POST /v1/domains:batch": [
    "domains:write",
    batched("creates", ({ domain: name }) => ({ name, ifNoneMatch: "*", put: {} }), {
      own: 412,
      absent: 201,
      taken: 409,
    }),
    batched("replaces", ({ domain: name }) => ({ name, ifMatch: "*", put: {} }), {
      own: 200,
      absent: 412,
      taken: 409,
    }),
    batched(
      "patches",
      ({ domain: name }) => ({ name, ifMatch: "*", patch: { tls: { enforcement: "defer" } } }),
      {
        own: 200,
        absent: 404,
      },
    ),
    batched("deletes", ({ domain: name }) => ({ name, ifMatch: "*", delete: true }), {
      own: 204,
      absent: 404,
    }),
    onOwnInBatch("with a certificate", (of, own) => ({ put: { mxHosts: [own.host], tls: tlsOf(of) } })),
    onOwnInBatch("with a trust store", (of, own) => ({ put: { mxHosts: [own.host], tls: trusting(of) } })),
    onOwnInBatch("with a patch of the certificate", (of) => ({ patch: { tls: tlsOf(of) } })),
    onOwnInBatch("with a patch of the trust stores", (of) => ({ patch: { tls: trusting(of) } })),
    {
      ...onOwnInBatch("on a host", (of, own) => ({ put: { mxHosts: [of.host], tls: tlsOf(own) } })),
      absent: 409,
    },
  ],

  "GET /v1/certificates": ["certificates:read", list("/v1/certificates"), labelled("/v1/certificates")],
  "POST /v1/certificates": [
    "certificates:write",
    create("/v1/certificates", { source: "self-signed", names: ["mx.new.example"] }),
  ],
  "GET /v1/certificates/{id}": ["certificates:read", read(to(certificate)), raw(certificate)],
  "PATCH /v1/certificates/{id}": ["certificates:write", write(to(certificate), () => ({ label: "changed" }))],
  "DELETE /v1/certificates/{id}": [
    "certificates:write",
    remove(to(certificate), 409),
    {
      name: "replaced by another",
      path: (of, own) => `${certificate(own)}?replaceWith=${of.certificate}`,
      ifMatch: true,
      // It cannot take the place of itself.
      own: 422,
      absent: 422,
    },
  ],
  "GET /v1/certificates/{id}/chain.pem": ["certificates:read", read(to(certificate, "/chain.pem"))],
  "GET /v1/certificates/{id}/csr.pem": [
    "certificates:read",
    read(({ request }) => `/v1/certificates/${request}/csr.pem`),
  ],
  "GET /v1/certificates/{id}/status": ["certificates:read", read(to(certificate, "/status"))],
  "GET /v1/certificates/{id}/versions": ["certificates:read", read(to(certificate, "/versions"))],
  "PUT /v1/certificates/{id}/material": [
    "certificates:write",
    {
      ...write(to(certificate, "/material"), (_, own) => materialFor(own.account)),
    },
  ],
  "POST /v1/certificates/{id}/next-key": ["certificates:write", write(to(certificate, "/next-key"))],
  "DELETE /v1/certificates/{id}/next-key": ["certificates:write", remove(to(certificate, "/next-key"), 200)],
  "POST /v1/certificates/{id}/renew": ["certificates:write", write(to(certificate, "/renew"))],
  "POST /v1/certificates/{id}/rollback": [
    "certificates:write",
    write(to(certificate, "/rollback"), () => ({ version: 1 })),
  ],
  "POST /v1/certificates/{id}/rotate": [
    "certificates:write",
    { ...write(to(certificate, "/rotate")), own: 422 },
  ],

  "GET /v1/trust-stores": ["trust-stores:read", list("/v1/trust-stores"), labelled("/v1/trust-stores")],
  "POST /v1/trust-stores": ["trust-stores:write", create("/v1/trust-stores", { certificatesPem: PEM })],
  "GET /v1/trust-stores/{id}": ["trust-stores:read", read(to(trustStore)), raw(trustStore)],
  "PUT /v1/trust-stores/{id}": [
    "trust-stores:write",
    write(to(trustStore), () => ({ certificatesPem: PEM })),
  ],
  "DELETE /v1/trust-stores/{id}": ["trust-stores:write", remove(to(trustStore), 409)],
  "POST /v1/trust-stores/{id}/restore": [
    "trust-stores:write",
    { ...write(to(trustStore, "/restore"), () => ({ revision: 1_000 })), own: 404 },
  ],

  "GET /v1/edges": ["edges:read", list("/v1/edges")],
  "GET /v1/changes": [
    "changes:read",
    list("/v1/changes"),
    { ...list(""), name: "newest first", path: () => "/v1/changes?order=desc" },
    { ...list(""), name: "of a domain", path: (of) => `/v1/changes?resource=domain/${of.domain}` },
    {
      ...list(""),
      name: "of a certificate",
      path: (of) => `/v1/changes?resource=certificate/${of.certificate}`,
    },
    {
      ...list(""),
      name: "of a trust store",
      path: (of) => `/v1/changes?resource=trust-store/${of.trustStore}`,
    },
  ],
  "POST /v1/changes/{revision}/revert": [
    "changes:read",
    {
      path: ({ change }) => `/v1/changes/${change}/revert`,
      own: 200,
      absent: 404,
      tenantLacks: "domains:write",
    },
  ],
  "POST /v1/evaluate": [
    "evaluate",
    { ...list("/v1/evaluate"), body: session },
    evaluation("by a name of the certificate", (of) => ({ ...session(of), ...TLS, sni: of.host })),
    evaluation("on the caller's domain, by another name", (of, own) => ({
      ...session(own),
      ...TLS,
      sni: of.host,
    })),
    evaluation("at a dedicated listener", (of, own) => ({
      ...session(own),
      listener: `dedicated-${of.account}`,
    })),
    {
      ...evaluation("with a draft", (of) => ({ ...session(of), settings: {} })),
      absent: 200,
      taken: 409,
    },
    {
      ...evaluation("with a draft on a host", (of, own) => ({
        ...session(own),
        settings: { mxHosts: [of.host], tls: tlsOf(own) },
      })),
      absent: 409,
    },
    {
      ...evaluation("with a draft that names a certificate", (of, own) => ({
        ...session(own),
        settings: { mxHosts: [own.host], tls: tlsOf(of) },
      })),
      absent: 422,
    },
    {
      ...evaluation("with a draft that names a trust store", (of, own) => ({
        ...session(own),
        settings: { mxHosts: [own.host], tls: trusting(of) },
      })),
      absent: 422,
    },
  ],

  "GET /v1/tokens": ["tokens:write", list("/v1/tokens")],
  "POST /v1/tokens": [
    "tokens:write",
    create("/v1/tokens", { scopes: ["tokens:write"] }),
    {
      ...create("/v1/tokens", null),
      name: "in an account",
      body: (of) => ({ scopes: ["tokens:write"], account: of.account }),
      // Asked for by a caller without operator: the same for any other account.
      absent: 403,
    },
    {
      ...create("/v1/tokens", { scopes: ["tokens:write", "evaluate"] }),
      name: "with a scope",
      tenantLacks: "evaluate",
    },
  ],
  "GET /v1/tokens/{id}": ["tokens:write", read(to(token))],
  "DELETE /v1/tokens/{id}": ["tokens:write", remove(to(token))],

  "GET /v1/accounts": ["accounts:write", list("/v1/accounts")],
  "GET /v1/accounts/{account}": ["accounts:write", read(to(account))],
  "PUT /v1/accounts/{account}": [
    "accounts:write",
    { ...write(to(account), () => ({ label: "changed" })), absent: 403 },
  ],
  "DELETE /v1/accounts/{account}": [
    "accounts:write",
    { ...remove(to(account), 409), tenantLacks: "operator" },
  ],

  "GET /v1/principals": ["accounts:write", list("/v1/principals")],
  "GET /v1/principals/{arn}": ["accounts:write", read(to(principal))],
  "PUT /v1/principals/{arn}": [
    "accounts:write",
    { ...write(to(principal), () => ({ scopes: [] })), absent: 403, tenantLacks: "operator" },
  ],
  "DELETE /v1/principals/{arn}": ["accounts:write", { ...remove(to(principal)), tenantLacks: "operator" }],
};

/** Key material is put back between calls, and a file of the local vault waits for the disk. */
export function memoryVault(objects: Map<string, Uint8Array>): KeyVault {
  return {
    put: async (name, content) => {
      objects.set(name, content);
      return createHash("sha256").update(content).digest("hex");
    },
    get: async (name) => {
      const found = objects.get(name);
      if (found === undefined) throw new NotFound(`no object ${name}`);
      return found;
    },
    delete: async (name) => objects.delete(name),
  };
}

/** Makes one record of each kind in an account, as the operator. Their texts have the account's name. */
export async function makeRecords(api: ApiUnderTest, of: string, n: number): Promise<Records> {
  const headers = { "Postern-Account": of };
  const post = async (path: string, body: object) =>
    (await api.expect(201, "POST", path, { body, headers })).json;
  if (of !== "default")
    await api.expect(201, "PUT", `/v1/accounts/${of}`, { body: { label: `${of} label` } });
  const names = hostsOf(of);
  const labels = labelOf(of);
  const self = { source: "self-signed", names, label: `${of} certificate`, labels };
  const { id } = await post("/v1/certificates", self);
  const path = `/v1/certificates/${id}`;
  const now = { "If-Match": "*", ...headers };
  const renewed = await api.expect(200, "POST", `${path}/renew`, { headers: now });
  const request = await post("/v1/certificates", { ...self, source: "request", label: `${of} request` });
  const ca = caPem(`${of} CA`);
  const store = await post("/v1/trust-stores", { certificatesPem: ca, label: `${of} partners`, labels });
  const trust = { clientCertificate: { mode: "request", trust: { trustStoreIds: [store.id] } } };
  const tls = { server: { level: "require", certificateId: id }, ...trust };
  let change = 0;
  for (const [index, host] of names.entries()) {
    const body = { mxHosts: [host], tls, labels };
    const { json } = await api.expect(201, "PUT", `/v1/domains/${of}${index}.example`, { body, headers });
    change = json.revision;
  }
  const { id: tokenId } = await post("/v1/tokens", { scopes: ["evaluate"], label: `${of} token` });
  const arn = `arn:aws:iam::${String(n).repeat(12)}:role/${of}-role`;
  const body = { scopes: [], label: `${of} principal` };
  await api.expect(201, "PUT", `/v1/principals/${encodeURIComponent(arn)}`, { body, headers });
  return {
    account: of,
    domain: `${of}0.example`,
    host: `mx1.${of}.example`,
    certificate: id,
    fingerprint: renewed.json.keys[0].fingerprintSha256,
    request: request.id,
    trustStore: store.id,
    token: tokenId,
    principal: arn,
    change,
  };
}

/** A second account's domain on a host of the first: allowed without a certificate. */
export async function shareHost(
  api: ApiUnderTest,
  { of, domain: name, host }: { readonly of: string; readonly domain: string; readonly host: string },
): Promise<void> {
  const headers = { "Postern-Account": of };
  await api.expect(201, "PUT", `/v1/domains/${name}`, { body: { mxHosts: [host] }, headers });
}

/** A domain that cannot be read any more, the log entry of another, and an edge that reports all of them. */
export async function damageAndReport(api: ApiUnderTest, all: readonly Records[]): Promise<void> {
  const problem = "the stored item does not match the schema";
  const certificates = all.map(({ certificate: certificateId }) => ({
    certificateId: certificateId as CertificateId,
    version: 2,
    fingerprintsSha256: ["0".repeat(64)],
    notAfter: "2027-01-01T00:00:00.000Z",
    problem: null,
  }));
  for (const { account: of } of all) {
    const [name, headers] = [`damaged-${of}.example`, { "Postern-Account": of }];
    await api.expect(201, "PUT", `/v1/domains/${name}`, { body: {}, headers });
    const sql = "UPDATE domain SET record = json_set(record, '$.tls.server.level', 'unknown') WHERE id = ?";
    api.database.run(sql, name);
    const inLog = `UPDATE log SET entry = json_set(entry, '$.record.after.tls.server.level', 'unknown')
                   WHERE revision = (SELECT max(revision) FROM log)`;
    api.database.run(inLog);
  }
  await api.edgeReports.report({
    id: "edge_01KDW0000000000000000000E1" as EdgeId,
    release: "0.1.0",
    listeners: [
      { name: "mx", address: "192.0.2.1", port: 25, domain: null, proxyProtocol: false },
      ...all.map(({ account: of, domain: name }) => ({
        name: `dedicated-${of}`,
        address: "192.0.2.1",
        port: 2525,
        domain: name as DomainName,
        proxyProtocol: false,
      })),
    ],
    revision: 3,
    certificates,
    certificateProblems: all.map(({ certificate: certificateId, account: of }) => ({
      certificateId: certificateId as CertificateId,
      version: 1,
      reason: "context",
      serves: 2,
      problem: `does not load at ${of}`,
    })),
    unreadable: all.map(({ account: of }) => ({ kind: "domain", id: `damaged-${of}.example`, problem })),
    stale: false,
    chainVerifier: true,
    postmaster: "postmaster@default0.example",
    omitted: 0,
  });
}

/** Request of a call as the operator who made the records would send it. */
export function requestOf(call: RouteCall, of: Records, own: Records): RequestOptions & { path: string } {
  const body = call.body?.(of, own);
  return {
    path: call.path(of, own),
    token: TOKEN,
    headers: call.ifMatch === true ? { "If-Match": "*" } : {},
    ...(body === undefined ? {} : { body }),
  };
}
