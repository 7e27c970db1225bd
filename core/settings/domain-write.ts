import type { Actor } from "../actor.ts";
import type { CertificateId } from "../certificate/ids.ts";
import { timestamp } from "../clock.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
import { RuleViolation, StateConflict, TooLarge } from "../errors.ts";
import { CAPS } from "../limits.ts";
import type { DomainRecord, DomainSettings } from "./domain.ts";
import { readHosts } from "./host-reads.ts";
import type { MxHost } from "./mx-host.ts";
import { planWrite, type WritePlan } from "./plan-write.ts";
import { referenceIssues } from "./record-rules.ts";
import { settingsIssues } from "./rules.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Commit } from "./store.ts";
import { isOperatorHost } from "./warnings.ts";
import type { WriteCondition } from "./write-condition.ts";

export interface WriteOptions {
  readonly condition: WriteCondition;
  /** `?sharedHosts=move`: the certificate of MX hosts that other domains of the account name may change too. */
  readonly moveSharedHosts: boolean;
}

interface DomainWriteRequest extends WriteOptions {
  readonly actor: Actor;
  readonly before: DomainRecord | null;
  /** `before` as it is shown. */
  readonly current: DomainSettings | null;
  readonly settings: DomainSettings;
  readonly expectedHead: number;
}

export interface PreparedWrite {
  readonly commit: Commit;
  /** The items of the domain's hosts as they are once it is stored. */
  readonly finalHosts: ReadonlyMap<DomainName, MxHost>;
}

/**
 * Judges one write of a domain against what is stored, and says what to store.
 *
 * @throws RuleViolation; StateConflict (`shared-host`, `host-taken`); TooLarge; Unavailable.
 */
export async function prepareDomainWrite(
  deps: ServiceDependencies,
  request: DomainWriteRequest,
): Promise<PreparedWrite> {
  const { actor, before, settings, expectedHead } = request;
  const at = timestamp(deps.clock.now());
  const after: DomainRecord = {
    ...settings,
    account: actor.account,
    // The store sets it to the revision that the write takes.
    revision: 0,
    createdAt: before?.createdAt ?? at,
    updatedAt: at,
    updatedBy: actor.name,
  };
  const issues = settingsIssues(settings);
  // Over a cap, the reads below would have no bound.
  if (issues.length > 0) throw new RuleViolation(issues);
  checkSize(after);
  const { certificateId } = settings.tls.server;
  const found = await readHosts(deps.store, before, after);
  const plan = planWrite({ before, after, certificateId, ...found });
  const finalHosts = hostsAfter(after, found.hosts, plan);
  // First of all: whether a host of ours would be covered must not tell the operator's hosts from another account's.
  checkTaken(deps.operatorHosts, { certificateId, plan });
  await checkReferences(deps, request, { plan, finalHosts });
  if (!request.moveSharedHosts) await checkShared(deps, request, plan);
  return {
    commit: {
      record: { kind: "domain", id: settings.name, before, after },
      hosts: plan.hosts,
      uses: plan.uses,
      account: actor.account,
      actor: actor.name,
      at,
      expectedHead,
    },
    finalHosts,
  };
}

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
  { store, clock }: ServiceDependencies,
  { actor, before, current, settings }: DomainWriteRequest,
  { plan, finalHosts }: { plan: WritePlan; finalHosts: ReadonlyMap<DomainName, MxHost> },
): Promise<void> {
  const { certificateId } = settings.tls.server;
  const { trustStoreIds } = settings.tls.clientCertificate.trust;
  const newlyServed = plan.hosts.some(
    (change) =>
      change.after?.certificateId === certificateId && change.before?.certificateId !== certificateId,
  );
  const issues = referenceIssues(settings, {
    account: actor.account,
    certificate: certificateId === null ? null : await store.getCertificate(certificateId),
    certificateIsNew: newlyServed || current?.tls.server.certificateId !== certificateId,
    hosts: [...finalHosts.values()].filter(({ account }) => account === actor.account),
    trustStores: await Promise.all(trustStoreIds.map((id) => store.getTrustStore(id))),
    trustIsNew: before === null || judgesClients(before) !== judgesClients(settings),
    nowMs: clock.now(),
  });
  if (issues.length > 0) throw new RuleViolation(issues);
}

const judgesClients = ({ tls }: DomainSettings): string =>
  JSON.stringify([tls.clientCertificate, tls.exceptions]);

/** The same words for a host of another account and for one of the operator: neither may be told from the other. */
function checkTaken(
  operatorHosts: ReadonlySet<string>,
  { certificateId, plan }: { certificateId: CertificateId | null; plan: WritePlan },
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
  const message = `MX host ${taken.toSorted().join(", ")} is not this account's, so its certificate cannot be set here; leave certificateId null`;
  const pointer = "/tls/server/certificateId";
  throw new StateConflict("host-taken", message, [{ pointer, code: "host-taken", message }]);
}

async function checkShared(
  { store }: ServiceDependencies,
  { actor, before }: DomainWriteRequest,
  { sharedHosts }: WritePlan,
): Promise<void> {
  if (sharedHosts.length === 0) return;
  const { count } = await store.domainsOnHosts(actor.account, sharedHosts, 1);
  const others =
    count - (before !== null && sharedHosts.some((host) => before.mxHosts.includes(host)) ? 1 : 0);
  const which = others === 1 ? "1 other domain serves" : `${others} other domains serve`;
  const message = `this changes the certificate that ${which} on ${sharedHosts.join(", ")}; repeat with ?sharedHosts=move to change it for all of them`;
  throw new StateConflict("shared-host", message, [
    { pointer: "/tls/server/certificateId", code: "shared-host", message },
  ]);
}
