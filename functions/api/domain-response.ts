/** Schemas of domains in answers. */

import * as z from "zod";
import { schemaOf } from "../../core/same-fields.ts";
import type { DomainView, LoggedDomain } from "../../core/management/domain-view.ts";
import { CHECK_RESULTS, type CheckResult } from "../../core/management/ownership-proof.ts";
import type { DomainOwnership } from "../../core/management/ownership-view.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  DELIVERY_TLS,
  ENFORCEMENTS,
  MIN_VERSIONS,
  NAME_MATCHES,
  PURPOSES,
  TLS_LEVELS,
  type TlsSettings,
} from "../../core/record/domain.ts";
import { ITEM_KINDS, type UnreadableItem } from "../../core/store/store.ts";
import { WARNING_CODES } from "../../core/record/warning-code.ts";

/** Strict everywhere: an answer with more than is declared fails its test. */
const names = z.array(z.string()).readonly();
export const time = z.iso.datetime().meta({ format: "date-time" });
export const revision = z.int().min(1);

export const warningResponse = z
  .strictObject({ code: z.enum(WARNING_CODES), message: z.string() })
  .meta({ id: "Warning" });

const exceptionResponse = z.strictObject({
  match: z.strictObject({
    clientCidr: z.string().optional(),
    senderDomain: z.string().optional(),
    clientName: z.string().optional(),
    recipient: z.string().optional(),
  }),
  level: z.enum(TLS_LEVELS).optional(),
  clientCertificateMode: z.enum(CLIENT_CERTIFICATE_MODES).optional(),
  reason: z.string(),
  expiresAt: z.string().optional(),
});

export const tlsResponse = schemaOf<TlsSettings>()(
  z
    .strictObject({
      server: z.strictObject({
        level: z.enum(TLS_LEVELS),
        certificateId: z.string().nullable(),
        minVersion: z.enum(MIN_VERSIONS),
      }),
      clientCertificate: z.strictObject({
        mode: z.enum(CLIENT_CERTIFICATE_MODES),
        trust: z.strictObject({ publicRoots: z.boolean(), trustStoreIds: names, pins: names }),
        names: z.strictObject({ match: z.enum(NAME_MATCHES), allowed: names }),
        purpose: z.enum(PURPOSES),
      }),
      enforcement: z.enum(ENFORCEMENTS),
      exceptions: z.array(exceptionResponse).readonly(),
    })
    .meta({ id: "TlsSettings" }),
);

const deliveryResponse = z.strictObject({ nextHop: z.string(), tls: z.enum(DELIVERY_TLS) });

export const labels = z
  .record(z.string(), z.string())
  .readonly()
  .meta({
    description: "names and values for the owner's tools; no effect on mail",
    examples: [{ team: "mail" }],
  });

/** Who owns a record and when it changed. */
export const written = {
  revision,
  createdAt: time,
  updatedAt: time,
  updatedBy: z.string(),
};

const domainFields = {
  name: z.string(),
  account: z.string(),
  mxHosts: names,
  tls: tlsResponse,
  delivery: deliveryResponse.nullable(),
  acknowledgedWarnings: z
    .array(z.enum(WARNING_CODES))
    .readonly()
    .meta({ description: "codes of acknowledged warnings, which `warnings` omits" }),
  labels,
  ...written,
};

const nameOwnership = {
  state: z
    .enum(["pending", "verified"])
    .meta({ description: "pending = edges do not serve the name until it is verified or confirmed" }),
  record: z.string().meta({ description: "name of the TXT record", examples: ["_postern.example.org"] }),
  value: z.string().nullable().meta({ description: "value that the record must have; null = verified" }),
  expiresAt: time
    .nullable()
    .meta({ description: "end of the schedule's checks, and of the claim to the name; null = verified" }),
  lastCheck: z
    .strictObject({
      at: time,
      result: z.enum(Object.keys(CHECK_RESULTS) as CheckResult[]),
      nextAt: time.nullable().meta({ description: "earliest next check of the schedule; null = none" }),
    })
    .meta({ id: "OwnershipCheck" })
    .nullable()
    .meta({ description: "last lookup of the record; null = verified, or none yet" }),
};

export const ownershipResponse = schemaOf<DomainOwnership>()(
  z
    .strictObject({
      ...nameOwnership,
      hosts: z
        .array(z.strictObject({ host: z.string(), ...nameOwnership }).meta({ id: "HostOwnership" }))
        .readonly()
        .meta({ description: "the MX hosts that are pending" }),
    })
    .meta({ id: "DomainOwnership" }),
);

export const domainResponse = schemaOf<DomainView>()(
  z
    .strictObject({
      ...domainFields,
      ownership: ownershipResponse,
      warnings: z.array(warningResponse).readonly(),
    })
    .meta({ id: "Domain" }),
);

/** A domain as the change log shows it. */
export const loggedDomain = schemaOf<LoggedDomain>()(
  z.strictObject({ ...domainFields, ownership: ownershipResponse }).meta({ id: "LoggedDomain" }),
);

export const listOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item).readonly(), nextCursor: z.string().nullable() });

/** A list of records: those of the page that cannot be read stand beside the others. */
export const recordsOf = <T extends z.ZodType>(item: T) =>
  listOf(item).extend({
    unreadable: z
      .array(
        schemaOf<UnreadableItem>()(
          z.strictObject({ kind: z.enum(ITEM_KINDS), id: z.string(), problem: z.string() }),
        ),
      )
      .readonly()
      .meta({ description: "records of this page that cannot be read; they can be replaced and deleted" }),
  });

export const domainListResponse = recordsOf(domainResponse).meta({ id: "DomainList" });
