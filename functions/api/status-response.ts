/** Schemas of status and edges in answers. */

import * as z from "zod";
import type { DomainStatus } from "../../core/management/domain-status.ts";
import type { CertificateStatus } from "../../core/management/certificate-status.ts";
import { CERTIFICATE_STATES } from "../../core/management/expiry.ts";
import {
  CERTIFICATE_PROBLEM_REASONS,
  EDGE_FAULTS,
  type ReportedEdge,
} from "../../core/edge-report/edge-reports.ts";
import { schemaOf } from "../../core/same-fields.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  ENFORCEMENTS,
  MIN_VERSIONS,
  TLS_LEVELS,
} from "../../core/record/domain.ts";
import { ITEM_KINDS } from "../../core/store/store.ts";
import { listOf, ownershipResponse, revision, time, warningResponse } from "./domain-response.ts";

const edgeStatus = z.strictObject({
  id: z.string(),
  release: z.string(),
  revision: z.int().min(0).nullable(),
  atRevision: z.boolean().meta({ description: "whether it enforces the domain's present settings" }),
  stale: z
    .boolean()
    .meta({ description: "whether it cannot reach the store, and enforces the settings that it has" }),
  lastReportAt: time,
});

const atEdge = {
  version: z.int().nullable(),
  fingerprintsSha256: z.array(z.string()).readonly(),
  notAfter: z.string(),
  problem: z.string().nullable(),
};

const certificateProblem = {
  version: z.int().meta({ description: "the version that does not load" }),
  reason: z.enum(CERTIFICATE_PROBLEM_REASONS),
  problem: z.string(),
  serves: z
    .int()
    .nullable()
    .meta({ description: "the older version that stays in service; null = the edge's default certificate" }),
};

const waited = {
  applied: z.boolean().optional().meta({
    description:
      "whether every live edge enforces the revision of waitFor, which of a pending domain is that none serves it; false when the time was up, or without a live edge; absent = the request did not wait",
  }),
  lagging: z.array(z.string()).readonly().optional().meta({
    description:
      "ids of the live edges that do not enforce the revision of waitFor; absent = the request did not wait",
  }),
};

export const domainStatusResponse = schemaOf<DomainStatus>()(
  z
    .strictObject({
      name: z.string(),
      revision: revision
        .nullable()
        .meta({ description: "revision of the domain; null = the stored record cannot be read" }),
      summary: z.string().meta({ examples: ["3 of 3 edges at revision 17", "0 edges"] }),
      edges: z.strictObject({
        live: z.array(edgeStatus).readonly(),
        lost: z
          .array(edgeStatus)
          .readonly()
          .meta({ description: "edges whose last report is over 30 s old; not counted" }),
        atRevision: z.int().min(0),
      }),
      ownership: ownershipResponse
        .nullable()
        .meta({ description: "verification of name and MX hosts; null = the stored record cannot be read" }),
      listeners: z
        .array(
          z.strictObject({
            listener: z.string(),
            kind: z.enum(["shared", "dedicated"]),
            edges: z.array(z.string()).readonly(),
            effective: z
              .strictObject({
                level: z.enum(TLS_LEVELS),
                minVersion: z.enum(MIN_VERSIONS),
                clientCertificateMode: z.enum(CLIENT_CERTIFICATE_MODES),
                enforcement: z.enum(ENFORCEMENTS),
              })
              .nullable()
              .meta({
                description: "settings in force at the listener; null = it does not serve the domain",
              }),
            reasons: z
              .array(
                z.strictObject({
                  code: z.enum([
                    "level-none-on-shared-listener",
                    "served-by-dedicated-listener",
                    "name-pending",
                  ]),
                  message: z.string(),
                }),
              )
              .readonly(),
          }),
        )
        .readonly(),
      mxHosts: z
        .array(
          z.strictObject({
            host: z.string(),
            own: z.boolean().meta({
              description:
                "whether the host belongs to this account; false = pending or another account's, and what it serves is not shown",
            }),
            pending: z.boolean().meta({
              description: "whether the account has still to show that the host is its own",
            }),
            certificateId: z.string().nullable(),
            version: z.int().nullable(),
            served: z.array(z.strictObject({ edge: z.string(), ...atEdge })).readonly(),
            problems: z.array(z.strictObject({ edge: z.string(), ...certificateProblem })).readonly(),
          }),
        )
        .readonly(),
      unreadable: z
        .array(
          z.strictObject({
            kind: z.enum(ITEM_KINDS),
            id: z.string(),
            problem: z.string(),
            edge: z
              .string()
              .nullable()
              .meta({ description: "id of the edge that cannot read it; null = the API cannot" }),
          }),
        )
        .readonly(),
      warnings: z.array(warningResponse).readonly(),
      ...waited,
    })
    .meta({ id: "DomainStatus" }),
);

const certificateAtEdge = z.strictObject({
  id: z.string(),
  release: z.string(),
  revision: z.int().min(0).nullable(),
  lastReportAt: time,
  version: z.int().nullable().meta({
    description:
      "version that it presents for the certificate's MX hosts; null = not reported, or its default certificate",
  }),
  fingerprintsSha256: z.array(z.string()).readonly(),
  notAfter: z.string().nullable(),
  atVersion: z.boolean().meta({ description: "whether it presents the version in force" }),
  faults: z.array(z.enum(EDGE_FAULTS)).readonly().meta({
    description:
      "why it does not present the version in force: not-loaded = see problem, behind = has not applied the last change, stale = cannot reach the store, unreadable = cannot read the stored certificate, not-reported = not loaded yet or left out of its report",
  }),
  problem: z.strictObject(certificateProblem).nullable(),
});

export const certificateStatusResponse = schemaOf<CertificateStatus>()(
  z
    .strictObject({
      id: z.string(),
      revision,
      state: z.enum(CERTIFICATE_STATES),
      version: z.int().nullable().meta({ description: "the version in force; null = none is issued yet" }),
      fingerprintsSha256: z.array(z.string()).readonly(),
      notAfter: z.string().nullable(),
      summary: z.string().meta({ examples: ["3 of 3 edges serve version 4", "0 edges"] }),
      edges: z.strictObject({
        live: z.array(certificateAtEdge).readonly(),
        lost: z
          .array(certificateAtEdge)
          .readonly()
          .meta({ description: "edges whose last report is over 30 s old; not counted" }),
        atVersion: z.int().min(0),
      }),
      warnings: z.array(warningResponse).readonly(),
      ...waited,
    })
    .meta({ id: "CertificateStatus" }),
);

/**
 * Items that an edge cannot read may be any account's: each domain's status shows its own. Postmaster and
 * delivery are the operator's.
 */
export type ShownEdge = Omit<ReportedEdge, "unreadable" | "postmaster" | "passesOn">;

export const edgeListResponse = listOf(
  schemaOf<ShownEdge>()(
    z
      .strictObject({
        id: z.string(),
        release: z.string(),
        state: z.enum(["live", "lost"]),
        listeners: z
          .array(
            z.strictObject({
              name: z.string(),
              address: z.string(),
              port: z.int(),
              domain: z.string().nullable(),
              proxyProtocol: z.boolean(),
            }),
          )
          .readonly(),
        revision: z.int().min(0).nullable(),
        certificates: z.array(z.strictObject({ certificateId: z.string().nullable(), ...atEdge })).readonly(),
        certificateProblems: z
          .array(z.strictObject({ certificateId: z.string(), ...certificateProblem }))
          .readonly(),
        stale: z.boolean(),
        chainVerifier: z.boolean(),
        omitted: z
          .int()
          .min(0)
          .meta({ description: "certificates and unreadable items that did not fit into the report" }),
        lastReportAt: time,
      })
      .meta({ id: "Edge" }),
  ),
).meta({ id: "EdgeList" });
