import type { AccessStore } from "../access/access-store.ts";
import { sameFields } from "../same-fields.ts";
import { type Actor, OPERATOR_ACCOUNT } from "../actor.ts";
import type { CertificateId } from "../name/ids.ts";
import { timestamp } from "../clock.ts";
import type { DomainName } from "../name/domain-name.ts";
import { RuleViolation, StateConflict, TooLarge, Unreadable } from "../errors.ts";
import { CAPS } from "../limits.ts";
import type { DomainRecord, DomainSettings } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import { ownershipName, pendingEntry } from "../record/ownership.ts";
import { type NamedHosts, plannedOf, planWrite, readHosts, type WritePlan } from "./plan-write.ts";
import { pendingAfter } from "./pending-names.ts";
import { isOperatorHost, referenceIssues } from "./reference-rules.ts";
import { expiredExceptionIssues, settingsIssues } from "./domain-rules.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Planned } from "../store/queued-write.ts";
import {
  type DomainWithHosts,
  MOVED_DOMAINS_NAMED,
  type MovedDomains,
  type Store,
  type UnreadableRecord,
} from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";

/** What a write of a domain reads of the store. */
export type DomainReads = Pick<
  Store,
  | "getDomainWithHosts"
  | "getUnreadable"
  | "getMxHosts"
  | "domainsOnHosts"
  | "firstDomainsOnHosts"
  | "getCertificate"
  | "getTrustStore"
>;

export interface DomainWriteDependencies
  extends Pick<ServiceDependencies, "clock" | "operatorHosts" | "ids"> {
  readonly store: DomainReads;
  /** Holds the account's quota. */
  readonly access: Pick<AccessStore, "get">;
}

export interface WriteOptions {
  readonly condition: WriteCondition;
  /**
   * `?sharedHosts=move`: the certificate of MX hosts that other domains of the account name may change too.
   */
  readonly moveSharedHosts: boolean;
}

interface DomainWriteRequest extends WriteOptions {
  readonly actor: Actor;
  readonly stored: DomainWithHosts | null;
  /** A stored record that cannot be read and that the write takes the place of; `stored` is null. */
  readonly replaced?: UnreadableRecord | undefined;
  /** The stored settings as they are shown. */
  readonly current: DomainSettings | null;
  readonly settings: DomainSettings;
  readonly expectedHead: number;
  /** The account has shown that the domain's name is its own. */
  readonly isProven?: boolean;
}

/**
 * Judges one write of a domain against what is stored, and says what to store.
 *
 * @returns with the record as it is stored then, and the items of its hosts.
 * @throws RuleViolation; StateConflict (`shared-host`, `host-taken`); TooLarge; Unavailable.
 */
export async function prepareDomainWrite(
  deps: DomainWriteDependencies,
  request: DomainWriteRequest,
): Promise<Planned<DomainWithHosts>> {
  const { actor, stored, settings, expectedHead } = request;
  const before = stored?.domain ?? null;
  const at = timestamp(deps.clock.now());
  const issues = [
    ...settingsIssues(settings),
    ...expiredExceptionIssues(settings, { current: request.current, nowMs: deps.clock.now() }),
  ];
  // Over a cap, the reads below would have no bound.
  if (issues.length > 0) throw new RuleViolation(issues);
  const { certificateId } = settings.tls.server;
  const planned =
    request.replaced === undefined ? stored : await plannedOf(deps.store, actor.account, request.replaced);
  const { account } = actor;
  const found = await readHosts(deps.store, planned, { account, mxHosts: settings.mxHosts });
  const pendingNames = pendingNamesAfter(deps, request, found.hosts);
  const after = sameFields<DomainRecord>()({
    ...settings,
    account,
    pendingNames,
    // The store sets it to the revision that the write takes.
    revision: 0,
    createdAt: before?.createdAt ?? at,
    updatedAt: at,
    updatedBy: actor.name,
  });
  checkSize(after);
  // The operator's account may give its own host a certificate.
  const operatorHosts = actor.account === OPERATOR_ACCOUNT ? NO_HOSTS : deps.operatorHosts;
  const reservedHosts = settings.mxHosts.filter(
    (host) =>
      !found.hosts.has(host) &&
      (isOperatorHost(operatorHosts, host) || pendingEntry({ pendingNames }, host) !== undefined),
  );
  const plan = planWrite({ before: planned?.domain ?? null, after, certificateId, reservedHosts, ...found });
  const finalHosts = hostsAfter(after, found.hosts, plan);
  // Before the other rules: their errors would reveal whether a host is the operator's or another account's.
  checkTaken(operatorHosts, { name: settings.name, pendingNames, certificateId, plan });
  await checkReferences(deps, request, { plan, finalHosts });
  const movedDomains = await sharingDomains(deps.store, after, { before: planned, plan });
  if (movedDomains !== undefined && !request.moveSharedHosts) throw sharedHost(plan, movedDomains);
  return {
    commit: {
      record: { kind: "domain", id: settings.name, before, after },
      replaced: request.replaced,
      hosts: plan.hosts,
      hostsRead: plan.hostsRead,
      movedDomains,
      uses: plan.uses,
      account: actor.account,
      actor: actor.name,
      at,
      expectedHead,
    },
    result: { domain: after, hosts: finalHosts },
  };
}

const pendingNamesAfter = (
  { clock, ids, operatorHosts }: DomainWriteDependencies,
  { actor, stored, replaced, settings, isProven = false }: DomainWriteRequest,
  hosts: ReadonlyMap<DomainName, MxHost>,
): DomainRecord["pendingNames"] =>
  pendingAfter(
    { newProof: () => ids.proof(), nowMs: clock.now(), operatorHosts },
    { actor, before: stored?.domain ?? null, replaced, after: settings, hosts, isProven },
  );

const NO_HOSTS: ReadonlySet<string> = new Set();

function checkSize(record: DomainRecord): void {
  if (Buffer.byteLength(JSON.stringify(record)) <= CAPS.domainRecordBytes) return;
  const message = `the domain is over ${CAPS.domainRecordBytes} bytes`;
  throw new TooLarge(message, [{ pointer: "", code: "too-large", message }]);
}

function hostsAfter(
  { mxHosts }: DomainSettings,
  stored: ReadonlyMap<DomainName, MxHost>,
  plan: WritePlan,
): ReadonlyMap<DomainName, MxHost> {
  const changed = new Map(plan.hosts.map(({ host, after }) => [host, after]));
  return new Map(
    mxHosts.flatMap((host) => {
      const item = changed.has(host) ? changed.get(host) : stored.get(host);
      return item ? [[host, item] as const] : [];
    }),
  );
}

async function checkReferences(
  { store, clock }: DomainWriteDependencies,
  { actor, current, settings }: DomainWriteRequest,
  { plan, finalHosts }: { plan: WritePlan; finalHosts: ReadonlyMap<DomainName, MxHost> },
): Promise<void> {
  const { certificateId } = settings.tls.server;
  const { trustStoreIds } = settings.tls.clientCertificate.trust;
  const newlyServed = plan.hosts.some(
    (change) =>
      change.after?.certificateId === certificateId && change.before?.certificateId !== certificateId,
  );
  const certificateIsNew = newlyServed || current?.tls.server.certificateId !== certificateId;
  const certificate =
    certificateId === null
      ? null
      : await readUnlessKept(!certificateIsNew, () => store.getCertificate(certificateId));
  const keptIds = current?.tls.clientCertificate.trust.trustStoreIds ?? [];
  const trustStores = await Promise.all(
    trustStoreIds.map((id) => readUnlessKept(keptIds.includes(id), () => store.getTrustStore(id))),
  );
  const issues = referenceIssues(settings, {
    account: actor.account,
    certificate,
    certificateIsNew,
    hosts: [...finalHosts.values()].filter(({ account }) => account === actor.account),
    trustStores,
    trustIsNew: current === null || judgesClients(current) !== judgesClients(settings),
    nowMs: clock.now(),
  });
  if (issues.length > 0) throw new RuleViolation(issues);
}

/**
 * A record that the domain named before and that cannot be read does not lock the domain's other settings.
 */
async function readUnlessKept<T>(
  isKept: boolean,
  read: () => Promise<T | null>,
): Promise<T | null | "unreadable"> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Unreadable && isKept) return "unreadable";
    throw error;
  }
}

const judgesClients = ({ tls }: DomainSettings): string =>
  JSON.stringify([tls.clientCertificate, tls.exceptions]);

/**
 * One message for a host of another account and for one of the operator: a caller must not learn which it is.
 */
function checkTaken(
  operatorHosts: ReadonlySet<string>,
  {
    name,
    pendingNames,
    certificateId,
    plan,
  }: Pick<DomainRecord, "name" | "pendingNames"> & {
    readonly certificateId: CertificateId | null;
    readonly plan: WritePlan;
  },
): void {
  if (certificateId === null) return;
  const operators = plan.hosts.filter(
    ({ host, before, after }) =>
      after?.certificateId === certificateId &&
      before?.certificateId !== certificateId &&
      isOperatorHost(operatorHosts, host),
  );
  const taken = [...plan.foreignHosts, ...operators.map(({ host }) => host)];
  if (taken.length === 0) return;
  const list = (hosts: readonly string[]): string => hosts.toSorted().join(", ");
  const pending = taken.filter((host) => pendingEntry({ pendingNames }, host) !== undefined);
  const others = taken.filter((host) => !pending.includes(host));
  const texts = [
    ...(pending.length === 0
      ? []
      : [
          `MX host ${list(pending)} is pending, so its certificate cannot be set yet; leave certificateId null, publish the TXT record ${list(pending.map(ownershipName))} with the value that \`ownership\` of the domain shows, and set the certificate after POST /v1/domains/${name}/verify`,
        ]),
    ...(others.length === 0
      ? []
      : [
          `MX host ${list(others)} does not belong to this account, so its certificate cannot be set here; leave certificateId null`,
        ]),
  ];
  const message = texts.join("; ");
  const pointer = "/tls/server/certificateId";
  throw new StateConflict("host-taken", message, [{ pointer, code: "host-taken", message }]);
}

/** The other domains whose certificate the write changes; undefined = none. */
async function sharingDomains(
  store: Pick<Store, "firstDomainsOnHosts">,
  { account, name: written }: DomainRecord,
  { before, plan }: { readonly before: NamedHosts | null; readonly plan: WritePlan },
): Promise<MovedDomains | undefined> {
  const { sharedHosts } = plan;
  if (sharedHosts.length === 0) return undefined;
  // One more than is named: the written domain may be among them.
  const found = await store.firstDomainsOnHosts(account, sharedHosts, MOVED_DOMAINS_NAMED + 1);
  const others = found.names.filter((name) => name !== written);
  const names = others.slice(0, MOVED_DOMAINS_NAMED);
  if (found.isAll) return { count: others.length, names };
  // A host counts its domains itself; those of several may be the same.
  const counts = plan.hosts
    .filter(({ host }) => sharedHosts.includes(host))
    .map(
      (change) => (change.before?.domainCount ?? 0) - Number(before?.domain.mxHosts.includes(change.host)),
    );
  const count = Math.max(others.length + 1, ...counts);
  return sharedHosts.length === 1 ? { count, names } : { count, isAtLeast: true, names };
}

const certificateText = (id: CertificateId | null | undefined): string => id ?? "the default certificate";

function sharedHost({ hosts, sharedHosts }: WritePlan, { count, isAtLeast }: MovedDomains): StateConflict {
  const number = isAtLeast === true ? `at least ${count}` : count;
  const which = count === 1 ? "1 other domain serves" : `${number} other domains serve`;
  const moved = hosts.filter(({ host }) => sharedHosts.includes(host));
  const changes = moved.map(
    ({ host, before, after }) =>
      `on ${host} from ${certificateText(before?.certificateId)} to ${certificateText(after?.certificateId)}`,
  );
  const [kept = null] = [...new Set(moved.map(({ before }) => before?.certificateId ?? null))];
  const message = `this changes the certificate that ${which} ${changes.join(", ")}; certificateId ${kept ?? "null"} changes nothing for them, and ?sharedHosts=move changes it for all of them`;
  return new StateConflict("shared-host", message, [
    { pointer: "/tls/server/certificateId", code: "shared-host", message },
  ]);
}
