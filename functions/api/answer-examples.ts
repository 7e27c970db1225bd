/** Examples of answers in the OpenAPI document. */

import type * as z from "zod";
import { ACCESS_EXAMPLES } from "./access-examples.ts";
import { EXAMPLE_CA } from "../../core/management/certificate-input.ts";
import type {
  certificateListResponse,
  certificateResponse,
  trustStoreListResponse,
  trustStoreResponse,
  versionListResponse,
} from "./certificate-response.ts";
import type { changeListResponse, revertResponse } from "./change-response.ts";
import type { batchResponse } from "./domain-batch.route.ts";
import type { domainListResponse, domainResponse, tlsResponse } from "./domain-response.ts";
import { evaluationExample } from "./evaluation-example.ts";
import type { certificateStatusResponse, domainStatusResponse, edgeListResponse } from "./status-response.ts";

/**
 * One example for each body of an answer, by the name of its schema: a domain with a self-signed certificate,
 * a trust store and an edge. answer-examples.test.ts makes these requests and compares, so what is written
 * here is what the product answers.
 */

const certificateId = "cert_01KDW0000000000000000000M1";
const trustStoreId = "trust_01KDW0000000000000000000P1";
const edgeId = "edge_01KDW0000000000000000000E1";
const fingerprintSha256 = "8f2ad0c6a6d8b8d1f2b9a9d7c3e4f5061728394a5b6c7d8e9f00112233445566";

const written = (at: string) => ({ createdAt: at, updatedAt: at, updatedBy: "operator" });

const certificate: z.input<typeof certificateResponse> = {
  id: certificateId,
  account: "default",
  label: "mx1",
  labels: {},
  source: "self-signed",
  names: ["mx1.example.org"],
  notBefore: "2026-01-01T07:00:00.000Z",
  notAfter: "2027-01-01T08:00:00.000Z",
  keys: [
    {
      keyType: "ecdsa-p256",
      fingerprintSha256,
      spkiPin: "sha256//BUFBtpAxh/Afuz9m1w7Nq2qT0lkMieymQ8HHsEHo7e0=",
      issuer: "CN=mx1.example.org",
      slot: "ecdsa",
      tlsa: "3 1 1 054141b6903187f01fbb3f66d70ecdab6a93d2590c89eca643c1c7b041e8eded",
      notAfter: "2027-01-01T08:00:00.000Z",
    },
  ],
  version: 1,
  revision: 1,
  ...written("2026-01-01T08:00:00.000Z"),
  state: "active",
  renewal: { by: "postern", key: "keep", keyKept: true },
  renewsAt: "2026-09-01T07:40:00.000Z",
  expiresAt: "2027-01-01T08:00:00.000Z",
  lastError: null,
  nextKeys: [],
  timeline: [
    { at: "2026-01-01T08:00:00.000Z", event: "created" },
    { at: "2026-01-01T08:00:00.000Z", event: "version-added", version: 1, detail: "created" },
    { at: "2026-09-01T07:40:00.000Z", event: "renews" },
    { at: "2027-01-01T08:00:00.000Z", event: "expires" },
  ],
  usedBy: { count: 1, domains: ["example.org"] },
};

/** The answer to an upload with a certificate that its leaf does not need. */
const uploadedMaterial: z.input<typeof certificateResponse> = {
  ...certificate,
  source: "pem",
  notBefore: "2026-05-31T23:00:00.000Z",
  notAfter: "2027-06-01T00:00:00.000Z",
  keys: [
    {
      keyType: "ecdsa-p256",
      fingerprintSha256: "3ac58f0f6f8dbb9c06b1a1b2f9e7d6c5b4a39281706f5e4d3c2b1a0998877665",
      spkiPin: "sha256//n7bO1dUm2vT0Jq0v8xw7dXbYzq3o6s5L4kJhGfEdCbA=",
      issuer: "CN=Issuing CA",
      slot: "ecdsa",
      tlsa: "3 1 1 9fb6ced5d526daf4f426ad2ff31c3b7576d8ceade8eace4be2426119f11d09b0",
      notAfter: "2027-06-01T00:00:00.000Z",
    },
  ],
  version: 2,
  renewal: { by: "operator", key: null, keyKept: null },
  renewsAt: null,
  expiresAt: "2027-06-01T00:00:00.000Z",
  timeline: [
    { at: "2026-01-01T08:00:00.000Z", event: "created" },
    { at: "2026-01-01T08:00:00.000Z", event: "version-added", version: 1, detail: "created" },
    { at: "2026-06-01T08:00:00.000Z", event: "version-added", version: 2, detail: "uploaded" },
    { at: "2026-06-01T08:00:00.000Z", event: "version-retired", version: 1, detail: "replaced" },
    { at: "2027-06-01T00:00:00.000Z", event: "expires" },
  ],
  revision: 4,
  updatedAt: "2026-06-01T08:00:00.000Z",
  leftOut: [
    {
      subject: "CN=Old intermediate",
      fingerprintSha256: "c0ffee254729296a45a3885639ac7e10f9d54979c0ffee254729296a45a38856",
      notAfter: "2030-01-01T00:00:00.000Z",
      reason: "not-needed",
    },
  ],
};

/** The versions after that upload. */
const versions: z.input<typeof versionListResponse> = {
  items: [
    {
      version: 2,
      keys: uploadedMaterial.keys.map((key) => ({ ...key, notBefore: uploadedMaterial.notBefore ?? "" })),
      addedAt: "2026-06-01T08:00:00.000Z",
      cause: "uploaded",
      retiredAt: null,
      retiredBy: null,
      isKept: true,
    },
    {
      version: 1,
      keys: certificate.keys.map((key) => ({ ...key, notBefore: certificate.notBefore ?? "" })),
      addedAt: "2026-01-01T08:00:00.000Z",
      cause: "created",
      retiredAt: "2026-06-01T08:00:00.000Z",
      retiredBy: "replaced",
      isKept: true,
    },
  ],
};

const trustStoreSummary = {
  id: trustStoreId,
  account: "default",
  label: "partners",
  labels: {},
  contentSha256: "1a326f3558da0f9cc781af1ddc003dea18663e0db1fd5e35ecc3532529ec9d3f",
  anchors: [
    {
      subject: "CN=Partner CA,O=Partner",
      fingerprintSha256: "b56a5e4d3d4ab9f9ad03ef114aa44ee14d1fff1951cbca529fad2fd7a86351b6",
      notBefore: "2026-01-01T00:00:00.000Z",
      notAfter: "2126-01-01T00:00:00.000Z",
    },
  ],
  crls: [],
  previous: [],
  revision: 2,
  ...written("2026-01-01T08:10:00.000Z"),
  usedBy: { count: 0, domains: [] },
};

const trustStore: z.input<typeof trustStoreResponse> = {
  ...trustStoreSummary,
  certificatesPem: EXAMPLE_CA,
  crlPem: null,
};

const tls: z.input<typeof tlsResponse> = {
  server: { level: "require", certificateId, minVersion: "TLSv1.2" },
  clientCertificate: {
    mode: "none",
    trust: { publicRoots: false, trustStoreIds: [], pins: [] },
    names: { match: "helo", allowed: [] },
    purpose: "clientAuthOrServerAuth",
  },
  enforcement: "reject",
  exceptions: [],
};

const loggedDomain = {
  name: "example.org",
  account: "default",
  mxHosts: ["mx1.example.org"],
  tls,
  delivery: null,
  acknowledgedWarnings: [],
  labels: {},
  revision: 3,
  ...written("2026-01-01T08:20:00.000Z"),
};

const warnings: z.input<typeof domainResponse>["warnings"] = [
  {
    code: "rfc3207-public-mx",
    message:
      "level require refuses plaintext; RFC 3207 section 4 says that a publicly referenced server must not, since senders without TLS cannot deliver",
  },
  {
    code: "certificate-self-signed",
    message: `certificate ${certificateId} is signed by itself: senders that verify will fail`,
  },
];

const VERIFIED = {
  state: "verified",
  record: "_postern.example.org",
  value: null,
  expiresAt: null,
  lastCheck: null,
} as const;

const domain: z.input<typeof domainResponse> = {
  ...loggedDomain,
  ownership: { ...VERIFIED, hosts: [] },
  warnings,
};

const status: z.input<typeof domainStatusResponse> = {
  name: "example.org",
  revision: 3,
  summary: "1 of 1 edges at revision 3",
  edges: {
    live: [
      {
        id: edgeId,
        release: "0.1.0",
        revision: 3,
        stale: false,
        lastReportAt: "2026-01-01T08:20:01.000Z",
        atRevision: true,
      },
    ],
    lost: [],
    atRevision: 1,
  },
  ownership: { ...VERIFIED, hosts: [] },
  listeners: [
    {
      listener: "mx",
      kind: "shared",
      edges: [edgeId],
      effective: {
        level: "require",
        minVersion: "TLSv1.2",
        clientCertificateMode: "none",
        enforcement: "reject",
      },
      reasons: [],
    },
  ],
  mxHosts: [{ host: "mx1.example.org", own: true, certificateId, version: 1, served: [], problems: [] }],
  unreadable: [],
  warnings,
};

const certificateStatus: z.input<typeof certificateStatusResponse> = {
  id: certificateId,
  revision: 1,
  state: "active",
  version: 1,
  fingerprintsSha256: [fingerprintSha256],
  notAfter: "2027-01-01T08:00:00.000Z",
  summary: "0 of 1 edges serve version 1",
  edges: {
    live: [
      {
        id: edgeId,
        release: "0.1.0",
        revision: 3,
        lastReportAt: "2026-01-01T08:20:01.000Z",
        version: null,
        fingerprintsSha256: [],
        notAfter: null,
        atVersion: false,
        faults: ["not-reported"],
        problem: null,
      },
    ],
    lost: [],
    atVersion: 0,
  },
  warnings: warnings.slice(1),
};

const edges: z.input<typeof edgeListResponse> = {
  items: [
    {
      id: edgeId,
      release: "0.1.0",
      state: "live",
      listeners: [{ name: "mx", address: "192.0.2.1", port: 25, domain: null, proxyProtocol: false }],
      revision: 3,
      certificates: [],
      certificateProblems: [],
      stale: false,
      chainVerifier: true,
      omitted: 0,
      lastReportAt: "2026-01-01T08:20:01.000Z",
    },
  ],
  nextCursor: null,
};

const changes: z.input<typeof changeListResponse> = {
  items: [
    {
      revision: 3,
      at: "2026-01-01T08:20:00.000Z",
      actor: "operator",
      action: "create",
      mxHosts: [{ host: "mx1.example.org", certificateBefore: null, certificateAfter: certificateId }],
      kind: "domain",
      resource: { kind: "domain", id: "example.org" },
      before: null,
      after: loggedDomain,
      diff: [{ op: "replace", path: "", value: loggedDomain }],
    },
  ],
  unreadable: [],
  nextCursor: null,
};

/** Of the change that a batch made of example.net. */
const revert: z.input<typeof revertResponse> = {
  change: {
    revision: 7,
    at: "2026-01-01T08:50:00.000Z",
    actor: "operator",
    action: "delete",
    mxHosts: [],
    kind: "domain",
    resource: { kind: "domain", id: "example.net" },
    before: {
      ...loggedDomain,
      name: "example.net",
      mxHosts: ["mx1.example.net"],
      tls: { ...tls, server: { level: "accept", certificateId: null, minVersion: "TLSv1.2" } },
      revision: 6,
    },
    after: null,
    diff: [{ op: "replace", path: "", value: null }],
  },
};

const page = <T>(item: T) => ({ items: [item], unreadable: [], nextCursor: null });
const domainList: z.input<typeof domainListResponse> = page(domain);
const certificateList: z.input<typeof certificateListResponse> = page(certificate);
const trustStoreList: z.input<typeof trustStoreListResponse> = page(trustStoreSummary);

/** For mx1.example.org; its key was thrown away. */
const SIGNING_REQUEST = [
  "-----BEGIN CERTIFICATE REQUEST-----",
  "MIIBAzCBqQIBADAaMRgwFgYDVQQDEw9teDEuZXhhbXBsZS5vcmcwWTATBgcqhkjO",
  "PQIBBggqhkjOPQMBBwNCAAStLLk3rt0ClTYzAAPK7xbZ1SuaOcDp6YbA3xmNXJkP",
  "9m/56JF4MorUaE0Gpfy0XLDqqZ8+A8dkw00IBILNzJ5SoC0wKwYJKoZIhvcNAQkO",
  "MR4wHDAaBgNVHREEEzARgg9teDEuZXhhbXBsZS5vcmcwCgYIKoZIzj0EAwIDSQAw",
  "RgIhALtu/xLnqUKMbUZWyCu3oLBM7I0NjebgKyDBitWQy0CKAiEA+6xGKxzZlQZn",
  "WpbOmILL0Sz/DvbzyUutLBN+T3pI4CY=",
  "-----END CERTIFICATE REQUEST-----",
  "",
].join("\n");

/** By the id of the schema. */
export const ANSWER_EXAMPLES: Readonly<Record<string, unknown>> = {
  Domain: domain,
  DomainList: domainList,
  TlsSettings: tls,
  DomainStatus: status,
  CertificateStatus: certificateStatus,
  Certificate: certificate,
  CertificateList: certificateList,
  CertificateVersionList: versions,
  TrustStore: trustStore,
  TrustStoreList: trustStoreList,
  EdgeList: edges,
  ChangeList: changes,
  ChangeRevert: revert,
  ...ACCESS_EXAMPLES,
  Evaluation: evaluationExample({ certificateId, fingerprintSha256 }),
};

const batchResults: z.input<typeof batchResponse> = {
  results: [
    { name: "example.net", status: 201, etag: '"6"' },
    {
      name: "example.org",
      status: 428,
      etag: '"3"',
      problem: {
        type: "urn:postern:problem:condition-missing",
        title: "Precondition required",
        status: 428,
        detail: "the record exists: send If-Match with the revision that you have read, or * for any",
        requestId: "0d9a4a1c-3c2f-4f0e-9f3b-6a1a0b1c2d3e",
        errors: [],
      },
    },
  ],
};

/** Where the answer of one operation differs, or has no schema. */
export const OPERATION_EXAMPLES: Readonly<Record<string, unknown>> = {
  getLiveness: { status: "live" },
  getReadiness: { status: "ready" },
  getCertificateChain: EXAMPLE_CA,
  getCertificateRequests: SIGNING_REQUEST,
  putCertificateMaterial: uploadedMaterial,
  batchDomains: batchResults,
};
