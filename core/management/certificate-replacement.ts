/** Deletion of a certificate, alone or in favour of another that its MX hosts serve from then on. */

import { type Actor, OPERATOR_ACCOUNT } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { type Issue, NotFound, RuleViolation, StateConflict, Unavailable, Unreadable } from "../errors.ts";
import { type CertificateId, isCertificateId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { MxHost, MxHostChange } from "../record/mx-host.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { materialName } from "../store/key-vault.ts";
import type { Planned } from "../store/queued-write.ts";
import {
  type Commit,
  type LogEntry,
  MOVED_DOMAINS_NAMED,
  type MovedDomains,
  type Store,
} from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { decodeMaterial } from "../x509/serving-material.ts";
import type { AcmCertificates } from "./acm-certificates.ts";
import { certificateUsedBy, namingUsers } from "./certificate-view.ts";
import { isOperatorHost, servingIssues } from "./reference-rules.ts";
import type { OwnRecords, Present, RecordTarget } from "./record-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

interface DeletionDependencies
  extends Pick<ServiceDependencies, "store" | "vault" | "clock" | "loadAtEdge" | "operatorHosts" | "retry"> {
  readonly records: OwnRecords<CertificateId, CertificateRecord>;
  /** null = there is none: no certificate has an order. */
  readonly acm: Pick<AcmCertificates, "delete"> | null;
}

interface Deletion {
  readonly target: RecordTarget;
  readonly condition: WriteCondition;
}

interface Replacement extends Deletion {
  /** Id of the certificate that takes the place of the deleted one. */
  readonly replaceWith: string;
}

/**
 * `replaceWith` null = only a certificate that no MX host serves is deleted; see `replaceCertificate` for any
 * other. @returns the entry of the deletion.
 * @throws StateConflict (`in-use`); NotFound; as the condition; as `commitWithRetry`
 */
export async function deleteCertificate(
  deps: DeletionDependencies,
  { replaceWith, ...deletion }: Deletion & { readonly replaceWith: string | null },
): Promise<LogEntry | null> {
  if (replaceWith !== null) return replaceCertificate(deps, { ...deletion, replaceWith });
  const { store, records } = deps;
  const { target, condition } = deletion;
  const { id, before } = await records.findFor(target, condition);
  return namingUsers(
    async () => {
      const uses = before?.acm === undefined ? 0 : await store.useCount("certificate", id);
      if (uses > 0) throw new StateConflict("in-use", `${uses} MX hosts serve the certificate`);
      await endOrder(deps, before);
      return records.delete(target, condition);
    },
    () => certificateUsedBy(store, { id, account: target.actor.account }),
    "; delete it with ?replaceWith=<id> of the certificate that its MX hosts serve from then on",
  );
}

/**
 * Before the record is deleted: a deletion that fails half-way can be repeated, and no order is left without
 * a record.
 */
async function endOrder(
  { acm }: Pick<DeletionDependencies, "acm">,
  record: CertificateRecord | null,
): Promise<void> {
  if (record?.acm !== undefined) await acm?.delete(record.acm);
}

/** A caller waits for all changes of a replacement; after this time the request is to be repeated. */
const MOVE_LIMIT_MS = 10_000;

/**
 * Moves every MX host of a certificate to another one and deletes it, in one change as long as the store
 * holds all hosts in one (`Store.hostsPerCommit`). Beyond that, changes of the other certificate move as many
 * hosts each, and the last change moves the rest and deletes. Each host serves one of the two after any of
 * them, and the deleted one keeps its revision until then: the same request can be repeated.
 *
 * @throws RuleViolation (`/replaceWith` of the query) where the other certificate is unknown, the same, not
 *   in force, not loadable, or misses a host; StateConflict (`host-taken`, `in-use`); Unavailable when hosts
 *   are left after 10 s; NotFound; as the condition; as `commitWithRetry`
 */
async function replaceCertificate(
  deps: DeletionDependencies,
  replacement: Replacement,
): Promise<LogEntry | null> {
  const { store, retry } = deps;
  const deadline = retry.now() + MOVE_LIMIT_MS;
  await checkBefore(deps, replacement);
  for (;;) {
    const build = (head: number) => planMove(deps, replacement, head);
    const { entry, result } = await commitWithRetry(store, build, retry);
    if (result.isLast) return entry;
    if (retry.now() < deadline) continue;
    throw new Unavailable("part of the MX hosts serve the new certificate by now; repeat the request");
  }
}

/** Once, before anything is stored: what every change rests on, and the hosts of all changes. */
async function checkBefore(deps: DeletionDependencies, replacement: Replacement): Promise<void> {
  const { store } = deps;
  const { old, other } = await bothOf(deps, replacement);
  const isMany = (await store.useCount("certificate", old.id)) > store.hostsPerCommit;
  checkMove(deps, replacement.target.actor, {
    other,
    hosts: isMany ? await store.hostsOfCertificate(old.id) : [],
  });
  await checkMaterial(deps, other);
}

interface Certificates {
  readonly old: Present<CertificateId, CertificateRecord>;
  /** Takes its place. */
  readonly other: CertificateRecord;
}

async function bothOf(
  { store, records }: DeletionDependencies,
  { target, condition, replaceWith }: Replacement,
): Promise<Certificates> {
  const old = await records.findFor(target, condition);
  if (old.id === replaceWith)
    throw violation("replaces-itself", "is the certificate that is to be deleted; name another one");
  const other = isCertificateId(replaceWith) ? await store.getCertificate(replaceWith) : null;
  if (other?.account !== target.actor.account)
    throw violation("unknown-certificate", `certificate ${JSON.stringify(replaceWith)} not found`);
  return { old, other };
}

async function planMove(
  deps: DeletionDependencies,
  replacement: Replacement,
  expectedHead: number,
): Promise<Planned<{ readonly isLast: boolean }>> {
  const { store, clock } = deps;
  const { actor } = replacement.target;
  const { old, other } = await bothOf(deps, replacement);
  const found = await store.hostsOfCertificate(old.id, store.hostsPerCommit + 1);
  const hosts = found.slice(0, store.hostsPerCommit);
  const isLast = hosts.length === found.length;
  checkMove(deps, actor, { other, hosts });
  if (isLast) await endOrder(deps, old.before);
  const at = timestamp(clock.now());
  const stored: Pick<Commit, "record" | "replaced"> = isLast
    ? {
        record: { kind: "certificate", id: old.id, before: old.before, after: null },
        replaced: old.replaced,
      }
    : {
        record: {
          kind: "certificate",
          id: other.id,
          before: other,
          after: { ...other, updatedAt: at, updatedBy: actor.name },
        },
      };
  const changes = hosts.map((host) => moved(host, other.id));
  const commit: Commit = {
    ...stored,
    hosts: changes,
    uses: [
      { kind: "certificate", id: other.id, delta: changes.filter(({ after }) => after !== null).length },
      ...(hosts.length === 0 ? [] : [{ kind: "certificate", id: old.id, delta: -hosts.length } as const]),
    ],
    movedDomains: await domainsOn(store, actor, hosts),
    account: actor.account,
    actor: actor.name,
    at,
    expectedHead,
  };
  return { commit, result: { isLast } };
}

/** A damaged item that no domain names any more goes; any other becomes whole. */
function moved(item: MxHost, certificateId: CertificateId): MxHostChange {
  const { isDamaged: _, ...whole } = item;
  const after = item.domainCount < 1 ? null : { ...whole, certificateId };
  return { host: item.host, before: item, after };
}

/** The rules that a write of a domain checks when its certificate changes. */
function checkMove(
  { clock, operatorHosts }: Pick<DeletionDependencies, "clock" | "operatorHosts">,
  { account }: Actor,
  { other, hosts }: { readonly other: CertificateRecord; readonly hosts: readonly MxHost[] },
): void {
  const unowned = hosts.find((host) => host.account !== account);
  if (unowned !== undefined) {
    const message = `MX host ${unowned.host} serves it and cannot be read, nor its account; write the domains that name it first`;
    throw new StateConflict("in-use", message);
  }
  const operators =
    account === OPERATOR_ACCOUNT ? [] : hosts.filter(({ host }) => isOperatorHost(operatorHosts, host));
  if (operators.length > 0) {
    const names = operators.map(({ host }) => host).join(", ");
    const message = `MX host ${names} does not belong to this account, so its certificate cannot be set here`;
    throw new StateConflict("host-taken", message, [inQuery({ code: "host-taken", message })]);
  }
  const issues = servingIssues("/replaceWith", other, {
    hosts: hosts.map(({ host }) => host),
    nowMs: clock.now(),
  });
  if (issues.length > 0) throw new RuleViolation(issues.map(inQuery));
}

/** What no edge can load must not replace what edges serve. */
async function checkMaterial(
  { vault, loadAtEdge }: Pick<DeletionDependencies, "vault" | "loadAtEdge">,
  { id, material }: CertificateRecord,
): Promise<void> {
  if (material === null) return;
  try {
    const bytes = await vault.get(materialName(id, material.version), material.sha256);
    const { keys } = decodeMaterial(bytes);
    const code = loadAtEdge({ keys, anchorsPem: [], crlsPem: [] });
    if (code === null) return;
    throw violation("does-not-load", `no edge could load it${code === "" ? "" : ` (${code})`}`);
  } catch (error) {
    if (!(error instanceof NotFound) && !(error instanceof Unreadable)) throw error;
    throw violation("does-not-load", "no edge could load it: its key material is missing or cannot be read");
  }
}

const inQuery = ({ code, message }: Pick<Issue, "code" | "message">): Issue => ({
  in: "query",
  pointer: "/replaceWith",
  code,
  message,
});

const violation = (code: Issue["code"], message: string): RuleViolation =>
  new RuleViolation([inQuery({ code, message })]);

/** For the change log; undefined = none. */
async function domainsOn(
  store: Pick<Store, "firstDomainsOnHosts">,
  { account }: Actor,
  hosts: readonly MxHost[],
): Promise<MovedDomains | undefined> {
  if (hosts.length === 0) return undefined;
  const { names, isAll } = await store.firstDomainsOnHosts(
    account,
    hosts.map(({ host }) => host),
    MOVED_DOMAINS_NAMED,
  );
  if (isAll) return { count: names.length, names };
  // A host counts its domains itself; those of several may be the same.
  const count = Math.max(names.length, ...hosts.map(({ domainCount }) => domainCount));
  return hosts.length === 1 ? { count, names } : { count, isAtLeast: true, names };
}
