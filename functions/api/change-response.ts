/** Schemas of the change log in answers. */

import * as z from "zod";
import type { LoggedCertificate } from "../../core/management/certificate-view.ts";
import type { LoggedDomain } from "../../core/management/domain-view.ts";
import type { PatchOperation } from "../../core/management/json-diff.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import { schemaOf } from "../../core/same-fields.ts";
import { CHANGE_ACTIONS, ITEM_KINDS, type LogEntry, type RECORD_KINDS } from "../../core/store/store.ts";
import { loggedCertificateResponse, loggedTrustStore } from "./certificate-response.ts";
import { listOf, loggedDomain, revision, time } from "./domain-response.ts";

const patchOperation = schemaOf<PatchOperation>()(
  z
    .strictObject({
      op: z.enum(["add", "remove", "replace"]),
      path: z.string().meta({ description: "JSON Pointer (RFC 6901)" }),
      value: z.unknown().optional().meta({ description: "any JSON; absent where op is remove" }),
    })
    .meta({ id: "PatchOperation" }),
);

type RecordKind = (typeof RECORD_KINDS)[number];
const changeOf = <K extends RecordKind, T extends z.ZodType>(kind: K, logged: T) =>
  z.strictObject({
    kind: z.literal(kind),
    revision,
    at: time,
    actor: z.string(),
    action: z.enum(CHANGE_ACTIONS),
    resource: z.strictObject({ kind: z.literal(kind), id: z.string() }),
    before: logged.nullable().meta({
      description:
        "record before the change, as GET answered it, without warnings and checks of ownership; null = created, or it could not be read",
    }),
    after: logged.nullable().meta({ description: "record after the change; null = deleted" }),
    diff: z.array(patchOperation).readonly().meta({
      description: "JSON Patch (RFC 6902) that turns before into after; items of lists are replaced whole",
    }),
    mxHosts: z
      .array(
        z.strictObject({
          host: z.string(),
          certificateBefore: z.string().nullable(),
          certificateAfter: z.string().nullable(),
        }),
      )
      .readonly()
      .meta({ description: "MX hosts that serve another certificate since; null = the edge's default" }),
    movedDomains: z
      .strictObject({
        count: z.int().min(0),
        isAtLeast: z.literal(true).optional(),
        names: z.array(z.string()).readonly(),
      })
      .optional()
      .meta({
        description:
          "other domains whose certificate this changed, by shared MX hosts; names: the first 200; isAtLeast: there may be more than count",
      }),
  });

const change = z
  .discriminatedUnion("kind", [
    changeOf("domain", loggedDomain).meta({ id: "DomainChange" }),
    changeOf("certificate", loggedCertificateResponse).meta({ id: "CertificateChange" }),
    changeOf("trust-store", loggedTrustStore).meta({ id: "TrustStoreChange" }),
  ])
  .meta({ id: "Change" });

/** A log entry without its account, and with what changed at the MX hosts in the place of their items. */
interface ShownChange extends Omit<LogEntry, "account" | "record" | "hosts"> {
  readonly kind: RecordKind;
  readonly resource: { readonly kind: RecordKind; readonly id: string };
  readonly before: LoggedDomain | LoggedCertificate | TrustStoreRecord | null;
  readonly after: LoggedDomain | LoggedCertificate | TrustStoreRecord | null;
  readonly diff: readonly PatchOperation[];
  readonly mxHosts: readonly {
    readonly host: string;
    readonly certificateBefore: string | null;
    readonly certificateAfter: string | null;
  }[];
}

export const changeListResponse = listOf(schemaOf<ShownChange>()(change))
  .extend({
    unreadable: z
      .array(z.strictObject({ revision, kind: z.enum(ITEM_KINDS), id: z.string(), problem: z.string() }))
      .readonly()
      .meta({ description: "entries of this page that cannot be read" }),
  })
  .meta({ id: "ChangeList" });

export const revertResponse = z
  .strictObject({
    change: change.nullable().meta({
      description:
        "the change that this made; null = the record was already as before, and nothing was written",
    }),
  })
  .meta({ id: "ChangeRevert" });
