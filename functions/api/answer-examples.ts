/** Examples of answers in the OpenAPI document. */

import type * as z from "zod";
import { ACCESS_EXAMPLES } from "./access-examples.ts";
import {
  certificate,
  certificateId,
  fingerprintSha256,
  SIGNING_REQUEST,
  uploadedMaterial,
  versions,
  written,
} from "./certificate-examples.ts";
import { EXAMPLE_CA } from "../../core/management/certificate-input.ts";
import type {
  certificateListResponse,
  trustStoreListResponse,
  trustStoreResponse,
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

const trustStoreId = "trust_01KDW0000000000000000000P1";
const edgeId = "edge_01KDW0000000000000000000E1";

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

const VERIFIED = {
  state: "verified",
  record: "_postern.example.org",
  value: null,
  expiresAt: null,
  lastCheck: null,
} as const;

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
  ownership: { ...VERIFIED, hosts: [] },
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

const domain: z.input<typeof domainResponse> = {
  ...loggedDomain,
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
  mxHosts: [
    {
      host: "mx1.example.org",
      own: true,
      pending: false,
      certificateId,
      version: 1,
      served: [],
      problems: [],
    },
  ],
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
      ownership: { ...VERIFIED, record: "_postern.example.net", hosts: [] },
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
