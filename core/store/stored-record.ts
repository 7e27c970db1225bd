/** Readers of stored records and log entries, of any release. */

import { checkMailbox } from "../name/mailbox.ts";
import { CLIENT_USAGES } from "../x509/anchor-limits.ts";
import * as z from "zod";
import type { CertificateRecord } from "../record/certificate.ts";
import { isTrustStoreId, type TrustStoreId } from "../name/ids.ts";
import { type TrustStoreRecord } from "../record/trust-store.ts";
import { type DomainName, type NamePattern, toDomainName } from "../name/domain-name.ts";
import { Unreadable } from "../errors.ts";
import { schemaOf } from "../same-fields.ts";
import { parseStoredJson } from "../stored-json.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  DELIVERY_TLS,
  type DomainRecord,
  ENFORCEMENTS,
  MIN_VERSIONS,
  NAME_MATCHES,
  PURPOSES,
  TLS_LEVELS,
} from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import {
  CHANGE_ACTIONS,
  type Commit,
  type FeedEntry,
  type LogEntry,
  RECORD_KINDS,
  type UnreadableItem,
  type UnreadableRecord,
} from "./store.ts";
import {
  absentIsNull,
  certificate,
  certificateId,
  labels,
  sha256,
  takenRevision,
  timestamp,
  written,
} from "./stored-certificate.ts";
import { isAcknowledgeable, type WarningCode } from "../record/warning-code.ts";

/*
 * How stored items are read back, whatever release wrote them (test/skew holds real ones):
 * - A field that this release does not know is dropped.
 * - A field that may be null, or a list that only informs, means null or empty when it is absent.
 * - A field that decides a verdict has no default here: an item without it, or with a value that this release
 *   does not know, is unreadable, and the previous version stays in force. A default could only guess, and a
 *   guess may be more permissive than what was set. A new field starts as optional with a meaning for its
 *   absence, in a release before the first that writes it.
 */

const isName = (value: unknown): value is string =>
  typeof value === "string" && toDomainName(value) === value;

const domainName = z.custom<DomainName>(isName);
const namePattern = z.custom<NamePattern>(
  (value) => typeof value === "string" && isName(value.startsWith("*.") ? value.slice(2) : value),
);
/** Another spelling than the canonical one would match no recipient. */
const mailbox = z.string().refine((text) => {
  try {
    checkMailbox(text);
    return true;
  } catch {
    return false;
  }
});
const trustStoreId = z.custom<TrustStoreId>((value) => typeof value === "string" && isTrustStoreId(value));
/**
 * Strict: a key that this release drops would be a condition less, and the exception would hold for more
 * senders.
 */
const exceptionMatch = z
  .strictObject({
    clientCidr: z.union([z.cidrv4(), z.cidrv6()]).optional(),
    senderDomain: domainName.optional(),
    clientName: namePattern.optional(),
    recipient: mailbox.optional(),
  })
  .refine((match) => Object.keys(match).length > 0);

const tls = z.object({
  server: z.object({
    level: z.enum(TLS_LEVELS),
    certificateId: absentIsNull(certificateId),
    minVersion: z.enum(MIN_VERSIONS),
  }),
  clientCertificate: z.object({
    mode: z.enum(CLIENT_CERTIFICATE_MODES),
    trust: z.object({
      publicRoots: z.boolean(),
      trustStoreIds: z.array(trustStoreId),
      pins: z.array(z.string()),
    }),
    names: z.object({ match: z.enum(NAME_MATCHES), allowed: z.array(namePattern) }),
    purpose: z.enum(PURPOSES),
  }),
  enforcement: z.enum(ENFORCEMENTS),
  exceptions: z.array(
    z.object({
      match: exceptionMatch,
      level: z.enum(TLS_LEVELS).optional(),
      clientCertificateMode: z.enum(CLIENT_CERTIFICATE_MODES).optional(),
      reason: z.string(),
      expiresAt: timestamp.optional(),
    }),
  ),
});

const NONE: readonly WarningCode[] = Object.freeze([]);
/** A code that this release does not let be acknowledged is dropped: its warning shows again. */
const acknowledged = z
  .array(z.string())
  .nullish()
  .transform((codes): readonly WarningCode[] => {
    const known = codes?.filter(isAcknowledgeable) ?? NONE;
    return known.length === 0 ? NONE : known;
  });

const pendingNames = z
  .array(z.object({ name: domainName, value: z.string().min(1), expiresAt: timestamp }))
  .min(1);

const domain = z.object({
  name: domainName,
  account: z.string().min(1),
  mxHosts: z.array(domainName),
  tls,
  delivery: absentIsNull(z.object({ nextHop: z.string().min(1), tls: z.enum(DELIVERY_TLS) })),
  acknowledgedWarnings: acknowledged,
  labels,
  pendingNames: pendingNames.optional(),
  ...written,
});

const trustStore = z.object({
  id: trustStoreId,
  account: z.string().min(1),
  label: absentIsNull(z.string()),
  labels,
  contentSha256: sha256,
  anchors: z.array(
    z.object({
      subject: z.string(),
      fingerprintSha256: sha256,
      notBefore: timestamp,
      notAfter: timestamp,
      crlUntil: timestamp.nullable().exactOptional(),
      limits: z
        .object({
          isCa: z.boolean(),
          usages: z.array(z.enum(CLIENT_USAGES)),
          dnsNames: z.array(z.string()).nullable(),
        })
        .exactOptional(),
    }),
  ),
  crls: z
    .array(z.object({ issuer: z.string(), thisUpdate: timestamp, nextUpdate: timestamp }))
    .nullish()
    .transform((crls) => crls ?? []),
  previous: z
    .array(z.object({ revision: takenRevision, contentSha256: sha256, replacedAt: timestamp }))
    .nullish()
    .transform((contents) => contents ?? []),
  ...written,
});

const mxHost = z.object({
  host: domainName,
  account: z.string().min(1),
  certificateId: absentIsNull(certificateId),
  domainCount: z.int().min(1),
  certificateRevision: takenRevision.optional(),
});

const beforeAndAfter = <T extends z.ZodType>(record: T) => ({
  before: absentIsNull(record),
  after: absentIsNull(record),
});

/** What a write changes, and on whose behalf. */
const change = z.object({
  at: timestamp,
  account: z.string().min(1),
  actor: z.string(),
  record: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("domain"), id: domainName, ...beforeAndAfter(domain) }),
    z.object({ kind: z.literal("certificate"), id: certificateId, ...beforeAndAfter(certificate) }),
    z.object({ kind: z.literal("trust-store"), id: trustStoreId, ...beforeAndAfter(trustStore) }),
  ]),
  hosts: z.array(z.object({ host: domainName, ...beforeAndAfter(mxHost) })),
  movedDomains: z
    .object({
      count: z.int().min(0),
      isAtLeast: z.literal(true).optional(),
      names: z.array(domainName),
    })
    .optional(),
});

/** Rejects an entry whose id differs from its record's: applying it would change an unrelated record. */
const namesItsRecord = ({ record, hosts }: z.infer<typeof change>): boolean => {
  const isOwn = [record.before, record.after].every((each) => each === null || recordKey(each) === record.id);
  return isOwn && hosts.every(({ host, after }) => after === null || after.host === host);
};

const logEntry = change
  .extend({ revision: takenRevision, action: z.enum(CHANGE_ACTIONS) })
  .refine(namesItsRecord)
  .refine(({ record, revision }) => record.after === null || record.after.revision === revision);

/** What another writer could store: one that it could not would fail the write of each who took it along. */
const offeredCommit = change
  .extend({
    hostsRead: z.array(z.object({ host: domainName, item: mxHost.nullable() })).optional(),
    uses: z.array(
      z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("certificate"), id: certificateId, delta: z.int() }),
        z.object({ kind: z.literal("trust-store"), id: trustStoreId, delta: z.int() }),
      ]),
    ),
    expectedHead: z.int().min(0),
  })
  .refine(namesItsRecord)
  .refine(({ record: { before, after } }) => before !== null || after !== null);

/** A damaged host is one as it was read; what is logged and offered is what was stored. */
type DamagedHost = "before.isDamaged" | "after.isDamaged";
/** One with a quota is not offered (queued-write.ts). */
type OfferedCommit = Omit<Commit, "ticket" | "offered" | "along" | "replaced" | "quota">;

/** What is read, with every field of its type. */
const STORED = {
  domain: schemaOf<DomainRecord>()(domain),
  certificate,
  trustStore: schemaOf<TrustStoreRecord>()(trustStore),
  mxHost: schemaOf<MxHost, "isDamaged">()(mxHost),
  logEntry: schemaOf<LogEntry, `hosts.${DamagedHost}`>()(logEntry),
  offered: schemaOf<OfferedCommit, `hosts.${DamagedHost}` | "hostsRead.item.isDamaged">()(offeredCommit),
};

const recordKey = (record: { readonly id: string } | { readonly name: string }): string =>
  "id" in record ? record.id : record.name;

/** Subject of a log entry that cannot be read, where at least that is readable. */
const entrySubject = z.object({
  account: z.string().min(1).nullable().catch(null),
  record: z.object({ kind: z.enum(RECORD_KINDS), id: z.string().max(300) }),
});

/** A stored item: JSON text, or what an SDK has parsed already. `key` is the one it is stored under. */
interface StoredItem<T> {
  readonly kind: UnreadableItem["kind"];
  readonly key: string;
  readonly stored: unknown;
  readonly schema: z.ZodType<T>;
  readonly keyOf: (value: T) => string;
}

/** @throws Unreadable */
export const readDomain = (key: string, stored: unknown): DomainRecord =>
  readItem({ kind: "domain", key, stored, schema: STORED.domain, keyOf: recordKey });

/** @throws Unreadable */
export const readCertificate = (key: string, stored: unknown): CertificateRecord =>
  readItem({ kind: "certificate", key, stored, schema: STORED.certificate, keyOf: recordKey });

/** @throws Unreadable */
export const readTrustStore = (key: string, stored: unknown): TrustStoreRecord =>
  readItem({ kind: "trust-store", key, stored, schema: STORED.trustStore, keyOf: recordKey });

/** @throws Unreadable */
export const readMxHost = (key: string, stored: unknown): MxHost =>
  readItem({ kind: "mx-host", key, stored, schema: STORED.mxHost, keyOf: (item) => item.host });

const namedByDomain = z.object({
  mxHosts: z.array(domainName),
  tls: z.object({
    clientCertificate: z.object({ trust: z.object({ trustStoreIds: z.array(trustStoreId) }) }),
  }),
});

const ownershipOfDomain = z.object({
  name: domainName,
  account: z.string().min(1),
  pendingNames: pendingNames.optional(),
});

/** The pending names of a domain, where at least that can be read of its record; undefined = not known. */
export function pendingNamesOfDomain(stored: unknown): UnreadableRecord["pendingNames"] {
  const read = ownershipOfDomain.safeParse(valueOf(stored));
  return read.success ? (read.data.pendingNames ?? []) : undefined;
}

/** What the record of a domain names, where at least that can be read of it. */
export function namesOfDomain(stored: unknown): Pick<UnreadableRecord, "mxHosts" | "trustStoreIds"> | null {
  const read = namedByDomain.safeParse(valueOf(stored));
  if (!read.success) return null;
  return { mxHosts: read.data.mxHosts, trustStoreIds: read.data.tls.clientCertificate.trust.trustStoreIds };
}

/** Never throws: an entry that cannot be read keeps its place in the feed. */
export function readFeedEntry(revision: number, stored: unknown): FeedEntry {
  try {
    const entry: LogEntry = readItem({
      kind: "log-entry",
      key: String(revision),
      stored,
      schema: STORED.logEntry,
      keyOf: (read) => String(read.revision),
    });
    return { kind: "entry", entry };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const { account, ...item } = subjectOf(revision, stored, error.message);
    return { kind: "unreadable", revision, item, account };
  }
}

/** A write as it is offered to other writers, with its members in the order of the schema. */
export function offeredText(commit: Commit): string {
  const { record, expectedHead } = commit;
  // What stores it sets the revision of the record; a plan has none yet.
  const after = record.after && { ...record.after, revision: expectedHead + 1 };
  return JSON.stringify(STORED.offered.parse({ ...commit, record: { ...record, after } }));
}

/**
 * A write that another writer has offered, possibly of another release. @returns null unless everything in it
 * is known here: stored without what this release drops, it would be another write.
 */
export function readOffered(text: string | undefined): Commit | null {
  const read = STORED.offered.safeParse(valueOf(text));
  return read.success && JSON.stringify(read.data) === text ? read.data : null;
}

function readItem<T>({ kind, key, stored, schema, keyOf }: StoredItem<T>): T {
  const result = schema.safeParse(valueOf(stored));
  if (!result.success)
    throw new Unreadable(`${kind} ${key}: ${problems(result.error)}`, { cause: result.error });
  if (keyOf(result.data) !== key) throw new Unreadable(`${kind} ${key}: holds another item`);
  return result.data;
}

const valueOf = (stored: unknown): unknown => (typeof stored === "string" ? parseStoredJson(stored) : stored);

/** Where and which kind of problem, never what is stored: the text shows in the status. */
function problems({ issues }: z.ZodError): string {
  const shown = issues.slice(0, 3).map((issue) => `${issue.path.join(".") || "item"} (${issue.code})`);
  return issues.length > shown.length ? `${shown.join(", ")}, …` : shown.join(", ");
}

function subjectOf(
  revision: number,
  stored: unknown,
  problem: string,
): UnreadableItem & { readonly account: string | null } {
  const subject = entrySubject.safeParse(valueOf(stored));
  if (!subject.success) return { kind: "log-entry", id: String(revision), problem, account: null };
  return { ...subject.data.record, problem, account: subject.data.account };
}

/** For lists: the item, or what to say of it. `read` is one of the functions above, over `stored`. */
export function readOrReport<T>(
  kind: UnreadableItem["kind"],
  id: string,
  read: () => T,
): { readonly value: T } | { readonly unreadable: UnreadableItem } {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { unreadable: { kind, id, problem: error.message } };
  }
}
