/** Reverts of changes: what a record was before is written again, as a new change under the rules of now. */

import { type Caller, requireScope, type Scope } from "../access/scope.ts";
import {
  Gone,
  InvalidInput,
  type Issue,
  NotFound,
  RuleViolation,
  StaleRevision,
  StateConflict,
  TooLarge,
  Unreadable,
} from "../errors.ts";
import type { TrustStoreId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { DomainRecord } from "../record/domain.ts";
import { NO_LABELS } from "../record/labels.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { LogEntry, RecordChange, RecordKind, Store } from "../store/store.ts";
import { checkCondition, type WriteCondition } from "../store/write-condition.ts";
import type { TrustStoreContent } from "../x509/trust-anchors.ts";
import { certificatesIn } from "./certificate-records.ts";
import { CertificateService } from "./certificate-service.ts";
import { domainInput } from "./domain-schema.ts";
import { loggedDomain } from "./domain-view.ts";
import { DomainService } from "./domain-service.ts";
import type { WriteOptions } from "./domain-write.ts";
import { parseDocument } from "./input-fields.ts";
import { OwnRecords, readable, saysTheSame } from "./record-write.ts";
import { planOf, renewalKeyOf } from "./renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { TrustStoreService } from "./trust-store-service.ts";
import { trustStoreContent } from "./trust-store-view.ts";

/** Scope that writes a record of each kind. */
const WRITE_SCOPE = {
  domain: "domains:write",
  certificate: "certificates:write",
  "trust-store": "trust-stores:write",
} as const satisfies Record<RecordKind, Scope>;

/** An entry whose record is of one kind. */
type EntryOf<K extends RecordKind> = Pick<LogEntry, "revision" | "action" | "hosts"> & {
  readonly record: Extract<RecordChange, { readonly kind: K }>;
};

interface Revert<K extends RecordKind> extends WriteOptions {
  readonly caller: Caller;
  readonly entry: EntryOf<K>;
}

export class ChangeReverts {
  readonly #deps: ServiceDependencies;
  readonly #domains: DomainService;
  readonly #certificates: CertificateService;
  readonly #trustStores: TrustStoreService;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
    this.#domains = new DomainService(deps);
    this.#certificates = new CertificateService(deps);
    this.#trustStores = new TrustStoreService(deps);
  }

  /**
   * Without a condition, the record must be as the change left it.
   * @returns the entry of the new change; null = the record is already as it was before
   * @throws StateConflict (`changed-since`, `not-revertible`); NotFound for a revision that is not reached or
   *   another account's; Gone when the log no longer has it; MissingScope; as a write of the record
   */
  async revert(caller: Caller, revision: number, options: WriteOptions): Promise<LogEntry | null> {
    const entry = await this.#entry(caller, revision);
    requireScope(caller, WRITE_SCOPE[entry.record.kind]);
    const { matches, matchesNot } = options.condition;
    const isConditional = matches !== null || matchesNot !== null;
    const condition = isConditional ? options.condition : asLeftBy(entry);
    try {
      return await this.#write(entry, { ...options, caller, condition });
    } catch (error) {
      const isChanged = error instanceof StaleRevision || error instanceof NotFound;
      if (isChanged && !isConditional) throw changedSince(entry, error);
      throw inPath(error);
    }
  }

  async #entry({ account }: Caller, revision: number): Promise<LogEntry> {
    const { store } = this.#deps;
    const oldest = await store.oldestRevision();
    if (revision > 0 && revision < oldest) throw pruned(oldest);
    const [found] = revision === 0 ? [] : (await store.changesAfter(revision - 1, 1)).entries;
    const { account: of = account, revision: at } = (found?.kind === "entry" ? found.entry : found) ?? {};
    if (found === undefined || at !== revision || (of ?? account) !== account)
      throw new NotFound(`change ${revision} not found`);
    if (found.kind === "entry") return found.entry;
    throw new Unreadable(`change ${revision} cannot be read (${found.item.problem})`);
  }

  /** @returns null = nothing was written */
  #write(
    { record, ...entry }: LogEntry,
    request: WriteOptions & { readonly caller: Caller },
  ): Promise<LogEntry | null> {
    switch (record.kind) {
      case "domain":
        return this.#domain({ ...request, entry: { ...entry, record } });
      case "certificate":
        return this.#certificate({ ...request, entry: { ...entry, record } });
      case "trust-store":
        return this.#trustStore({ ...request, entry: { ...entry, record } });
      default:
        return record satisfies never;
    }
  }

  async #domain({ caller, entry, ...options }: Revert<"domain">): Promise<LogEntry | null> {
    const { id, before } = entry.record;
    const target = { actor: caller, name: id };
    if (isCreation(entry)) {
      await checkLeftHosts(this.#deps.store, entry, { account: caller.account, mxHosts: [] });
      return this.#domains.delete(target, options.condition);
    }
    const earlier = known(before);
    checkHosts(entry, earlier);
    await checkLeftHosts(this.#deps.store, entry, earlier);
    const input = parseDocument(domainInput, loggedDomain(earlier));
    return (await this.#domains.put(target, input, options)).entry;
  }

  async #certificate({ caller, entry, condition }: Revert<"certificate">): Promise<LogEntry | null> {
    const { id, before, after } = entry.record;
    const target = { actor: caller, id };
    if (isCreation(entry)) return this.#certificates.delete(target, condition);
    const earlier = known(before);
    if (after === null) throw notRevertible(NO_KEYS);
    if (entry.hosts.length > 0 || !saysTheSame(withoutSettable(earlier), withoutSettable(after)))
      throw notRevertible(NO_MATERIAL);
    const records = new OwnRecords(this.#deps, certificatesIn(this.#deps.store));
    const written = await records.write(caller, async () => {
      const present = readable(await records.findFor(target, condition));
      const wanted = withSettable(present, earlier);
      return saysTheSame(present, wanted)
        ? { unchanged: present }
        : { id: present.id, before: present, after: wanted };
    });
    return written.entry;
  }

  async #trustStore({ caller, entry, condition }: Revert<"trust-store">): Promise<LogEntry | null> {
    const { id, before } = entry.record;
    const target = { actor: caller, id };
    if (isCreation(entry)) return this.#trustStores.delete(target, condition);
    const earlier = known(before);
    const { label, labels } = earlier;
    const input = { label, labels, ...(await this.#content(earlier)) };
    if (!(await this.#isAbsent(id))) return (await this.#trustStores.put(target, input, condition)).entry;
    checkCondition(condition, null);
    return (await this.#trustStores.create(caller, input, id)).entry;
  }

  async #isAbsent(id: TrustStoreId): Promise<boolean> {
    try {
      return (await this.#deps.store.getTrustStore(id)) === null;
    } catch (error) {
      if (error instanceof Unreadable) return false;
      throw error;
    }
  }

  async #content(record: TrustStoreRecord): Promise<TrustStoreContent> {
    try {
      return await trustStoreContent(this.#deps.vault, record);
    } catch (error) {
      if (error instanceof Unreadable && error.cause instanceof NotFound) throw notRevertible(NO_CONTENT);
      throw error;
    }
  }
}

const isCreation = ({ action }: Pick<LogEntry, "action">): boolean => action === "create";

/** The record before a change that did not create it. @throws StateConflict where it could not be read */
function known<R>(before: R | null): R {
  if (before === null) throw notRevertible("the record could not be read before this change");
  return before;
}

const NO_KEYS =
  "a deleted certificate does not come back, because its keys are deleted; make, order or upload it again";
const NO_MATERIAL =
  "only label, labels and renewal.key of a certificate are reverted; POST /v1/certificates/{id}/rollback puts a retired version into service";
const NO_CONTENT = "the certificates and CRLs that the trust store had are not kept any more";

/** The condition that the record is as the change left it. */
const asLeftBy = ({ revision, record }: LogEntry): WriteCondition =>
  record.after === null ? { matches: null, matchesNot: "any" } : { matches: [revision], matchesNot: null };

/**
 * A write of a domain gives all its hosts one certificate.
 * @throws StateConflict where a host had another one than the domain showed
 */
function checkHosts({ hosts }: EntryOf<"domain">, { mxHosts, account, tls }: DomainRecord): void {
  const others = hosts.filter(
    ({ host, before }) =>
      before?.account === account &&
      before.certificateId !== tls.server.certificateId &&
      mxHosts.includes(host),
  );
  if (others.length === 0) return;
  const names = others.map(({ host }) => host).join(", ");
  throw notRevertible(`MX host ${names} served another certificate than the domain's other hosts`);
}

/**
 * A write of a domain sets certificates of the hosts that it names alone.
 * @throws StateConflict where the change gave a host another certificate that the domain did not name before,
 *   and it has not been given back: other domains would stay without it
 */
async function checkLeftHosts(
  store: Pick<Store, "getMxHosts">,
  { hosts }: EntryOf<"domain">,
  { account, mxHosts }: Pick<DomainRecord, "account" | "mxHosts">,
): Promise<void> {
  const moved = hosts.filter(
    ({ host, before, after }) =>
      before?.account === account &&
      after?.account === account &&
      before.certificateId !== after.certificateId &&
      !mxHosts.includes(host),
  );
  if (moved.length === 0) return;
  const present = await store.getMxHosts(moved.map(({ host }) => host));
  const left = moved.flatMap(({ host, before }) => {
    const item = present.get(host);
    const certificateId = before?.certificateId ?? null;
    const isGivenBack = item?.account !== account || item.certificateId === certificateId;
    return isGivenBack ? [] : `MX host ${host} served ${certificateId ?? "the default certificate"}`;
  });
  if (left.length === 0) return;
  throw notRevertible(
    `${left.join(", ")}, and this domain did not name it: write that certificate to a domain which names it, with ?sharedHosts=move, and repeat the request with If-Match`,
  );
}

/** What a patch of a certificate may change, set to the same in all. */
const withoutSettable = (record: CertificateRecord): CertificateRecord => {
  const plan = planOf(record);
  return {
    ...record,
    label: null,
    labels: NO_LABELS,
    plan: plan === null ? undefined : { ...plan, renewalKey: "keep" },
  };
};

function withSettable(present: CertificateRecord, earlier: CertificateRecord): CertificateRecord {
  const { label, labels } = earlier;
  const renewalKey = renewalKeyOf(earlier);
  const plan = planOf(present);
  const isKept = plan === null || renewalKey === null || plan.renewalKey === renewalKey;
  return { ...present, label, labels, plan: isKept ? present.plan : { ...plan, renewalKey } };
}

const notRevertible = (message: string): StateConflict => conflict("not-revertible", message);

function changedSince(
  { revision, record: { id, after } }: LogEntry,
  cause: StaleRevision | NotFound,
): StateConflict {
  const present = cause instanceof StaleRevision ? cause.revision : null;
  if (present === null)
    return conflict(
      "changed-since",
      `${id} does not exist any more; If-None-Match: * makes it again as it was before`,
    );
  const since = after === null ? "exists again" : `was changed since revision ${revision}`;
  return conflict(
    "changed-since",
    `${id} ${since} and is at revision ${present}; repeat with If-Match: "${present}" to replace it as it is now`,
  );
}

const conflict = (code: "changed-since" | "not-revertible", message: string): StateConflict =>
  new StateConflict(code, message, [{ in: "path", pointer: "/revision", code, message }]);

function pruned(oldest: number): Gone {
  return new Gone(`the log begins at revision ${oldest}: entries are kept for 90 days`, {
    in: "path",
    pointer: "/revision",
    code: "gone",
    message: `must be at least ${oldest}`,
  });
}

/** The request has no body: what is wrong with the earlier record is wrong with its revision. */
function inPath(error: unknown): unknown {
  const at = (issues: readonly Issue[]): Issue[] =>
    issues.map(({ in: part = "body", pointer, code, message }) => {
      const text = part === "body" && pointer !== "" ? `${pointer} ${message}` : message;
      return { in: "path", pointer: "/revision", code, message: text };
    });
  if (error instanceof RuleViolation || error instanceof InvalidInput)
    return new RuleViolation(at(error.issues));
  if (error instanceof StateConflict) return new StateConflict(error.code, error.message, at(error.issues));
  if (error instanceof TooLarge) return new TooLarge(error.message, at(error.issues));
  return error;
}
