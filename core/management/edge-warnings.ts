/** Warnings that only the status gives, since they depend on the edges. */

import { ending, type Warning, warning } from "./warning.ts";
import type { ReportedEdge, ServedCertificate } from "../edge-report/edge-reports.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { isPending, verifyHint } from "../record/ownership.ts";
import type { MxHost } from "../record/mx-host.ts";
import type { UnreadableItem } from "../store/store.ts";
import { type WarningCode } from "../record/warning-code.ts";

interface DomainAndHosts {
  readonly domain: DomainRecord;
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
}

/** What a listener makes of the domain; null = it is not served there. */
interface Effect {
  readonly effective: object | null;
  readonly reasons: readonly { readonly code: string }[];
}

/** Whether an item that an edge cannot read has to do with the domain. */
export function concerns({ domain, hosts }: DomainAndHosts, { kind, id }: UnreadableItem): boolean {
  switch (kind) {
    case "domain":
      return id === domain.name;
    case "mx-host":
      return domain.mxHosts.some((host) => host === id);
    case "trust-store":
      return domain.tls.clientCertificate.trust.trustStoreIds.some((each) => each === id);
    case "certificate":
      return domain.mxHosts.some((host) => {
        const item = hosts.get(host);
        return item?.account === domain.account && item.certificateId === id;
      });
    case "log-entry":
      return false;
    default:
      return kind satisfies never;
  }
}

/** What the live edges give reason to warn of. */
export function edgeWarnings(
  facts: DomainAndHosts & { readonly nowMs: number },
  live: readonly ReportedEdge[],
  listeners: readonly Effect[],
): Warning[] {
  if (live.length === 0)
    return warning(
      "no-live-edge",
      "no edge has reported within 30 s: whether these settings are in force is not known",
    );
  const { mode } = facts.domain.tls.clientCertificate;
  const stale = live.filter((edge) => edge.stale);
  const unreadable = live.filter((edge) => edge.unreadable.some((item) => concerns(facts, item)));
  const troubled = live.filter(
    (edge) =>
      edge.certificates.some((each) => each.problem !== null && isOwn(facts, each)) ||
      edge.certificateProblems.some((each) => each.serves !== null && isOwn(facts, each)),
  );
  const withoutCertificate = live.flatMap((edge) =>
    edge.certificateProblems.filter((each) => each.serves === null && isOwn(facts, each)).slice(0, 1),
  );
  const cannotJudge = mode === "none" ? [] : live.filter((edge) => !edge.chainVerifier);
  const of = (edges: readonly ReportedEdge[]): string => `${edges.length} of ${live.length} edges`;
  const possible: readonly (readonly [holds: boolean, code: WarningCode, message: string])[] = [
    [
      listeners.every(({ effective }) => effective === null),
      "not-served",
      isPending(facts.domain) ? verifyHint(facts.domain) : "no listener of a live edge serves this domain",
    ],
    [
      listeners.some(({ reasons }) => reasons.some(({ code }) => code === "level-none-on-shared-listener")),
      "level-none-on-shared-listener",
      "level none is in effect accept on shared listeners with other domains; a dedicated listener makes it literal",
    ],
    [stale.length > 0, "edge-stale", `${of(stale)} cannot reach the store and enforce what they have`],
    [
      unreadable.length > 0,
      "settings-unreadable-at-edge",
      `${of(unreadable)} cannot read a stored item of this domain; its previous version is in force there`,
    ],
    [
      troubled.length > 0,
      "certificate-problem-at-edge",
      `${of(troubled)} could not load the newest material of a certificate; the version before stays in service`,
    ],
    [
      withoutCertificate.length > 0,
      "certificate-not-loaded-at-edge",
      `${withoutCertificate.length} of ${live.length} edges present their default certificate for an MX host of this domain: ${withoutCertificate[0]?.problem ?? "its own does not load"}`,
    ],
    [
      cannotJudge.length > 0,
      "chain-verifier-missing",
      `${of(cannotJudge)} have no chain verifier: what the handshake cannot judge is answered 451 4.7.5`,
    ],
  ];
  return [
    ...possible.flatMap(([holds, code, message]) => (holds ? warning(code, message) : [])),
    ...(presentsDefault(facts) ? defaultCertificateWarnings(live, facts.nowMs) : []),
  ];
}

/** Of the edge whose default certificate ends first. */
function defaultCertificateWarnings(live: readonly ReportedEdge[], nowMs: number): Warning[] {
  const own = live.flatMap(({ id, certificates }) =>
    certificates
      .filter(({ certificateId }) => certificateId === null)
      .map(({ notAfter }) => ({ id, notAfter })),
  );
  const [first] = own.toSorted((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter));
  if (first === undefined) return [];
  return ending(first.notAfter, nowMs, {
    expired: "default-certificate-expired",
    expiring: "default-certificate-expiring",
    text: `the default certificate of edge ${first.id}, which senders to this domain are shown, is valid until ${first.notAfter}`,
  });
}

/** Senders receive the default certificate where the host has none, or where the domain names no host. */
function presentsDefault({ domain, hosts }: DomainAndHosts): boolean {
  if (domain.mxHosts.length === 0) return true;
  return domain.mxHosts.some((host) => {
    const item = hosts.get(host);
    return item === undefined || (item.account === domain.account && item.certificateId === null);
  });
}

const isOwn = (
  { domain, hosts }: DomainAndHosts,
  { certificateId }: Pick<ServedCertificate, "certificateId">,
): boolean =>
  domain.mxHosts.some((host) => {
    const item = hosts.get(host);
    return item?.account === domain.account && item.certificateId === certificateId;
  });
