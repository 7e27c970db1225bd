import type { Domain } from "../../../sdk/src/index.ts";
import { isSame } from "./file-schema.ts";
import type { DomainSettings } from "./postern-file.ts";
import type { Report } from "./step.ts";
import { mayDiffer, type Stored } from "./stored.ts";

/**
 * A certificate belongs to an MX host, and a domain shows that of its first one (docs/semantics.md): hosts of
 * a domain may serve different ones, while a file names one certificate for all hosts of a domain.
 */

/** An MX host that stored domains name. */
interface HostNow {
  readonly names: Set<string>;
  /** undefined = no answer shows it: the host is pending. */
  certificateId: string | null | undefined;
}

function hostsNow({
  domains,
  hostCertificates,
}: Pick<Stored, "domains" | "hostCertificates">): ReadonlyMap<string, HostNow> {
  const hosts = new Map<string, HostNow>();
  for (const domain of domains.values())
    for (const host of domain.mxHosts) {
      const entry = hosts.get(host) ?? { names: new Set(), certificateId: hostCertificates.get(host) };
      hosts.set(host, entry);
      entry.names.add(domain.name);
      const isShown = !mayDiffer(domain) && !isPending(domain, host);
      if (isShown && entry.certificateId === undefined) entry.certificateId = domain.tls.server.certificateId;
    }
  return hosts;
}

const isPending = ({ ownership }: Domain, host: string): boolean =>
  ownership.hosts.some((pending) => pending.host === host);

export interface HostUsers {
  /** Whether the write changes the certificate that other domains, all of the file, serve now. */
  areMovedBy(name: string, settings: DomainSettings): boolean;
}

/**
 * Reports where a write would change the certificate of a host for a domain that names another one, or that
 * is not in the file. What no write touches stays as it is stored, and is no mistake.
 */
export function hostUsers(
  wanted: ReadonlyMap<string, DomainSettings>,
  stored: Stored,
  report: Report,
): HostUsers {
  const now = hostsNow(stored);
  const changed = (name: string, settings: DomainSettings): readonly string[] =>
    writtenHosts(settings, stored.domains.get(name), now).filter(
      (host) => now.get(host)?.certificateId !== settings.tls.server.certificateId,
    );
  const named = new Map<string, Named[]>();
  for (const [name, settings] of wanted) {
    const { certificateId } = settings.tls.server;
    const itsChanged = new Set(changed(name, settings));
    for (const host of settings.mxHosts) {
      const others = named.get(host) ?? [];
      named.set(host, others);
      const isChanged = itsChanged.has(host);
      const other = others.find(
        (each) => each.certificateId !== certificateId && (isChanged || each.isChanged),
      );
      if (other !== undefined)
        report(
          ["domains", name],
          `${host} serves one certificate, and ${other.name} names another one for it: name the same one, or give one of them another MX host`,
        );
      others.push({ name, certificateId, isChanged });
      const beside = isChanged
        ? [...(now.get(host)?.names ?? [])].find((each) => !wanted.has(each))
        : undefined;
      if (beside !== undefined)
        report(
          ["domains", name],
          `${host} is also an MX host of ${beside}, which is not in the file and serves another certificate there: add ${beside}, or name the certificate that it serves`,
        );
    }
  }
  return {
    areMovedBy: (name, settings) =>
      changed(name, settings).some((host) => [...(now.get(host)?.names ?? [])].some((each) => each !== name)),
  };
}

interface Named {
  readonly name: string;
  readonly certificateId: string | null;
  readonly isChanged: boolean;
}

/**
 * Hosts that a PUT gives the certificate of the domain, as the API does it: all of them for another
 * certificate than the domain shows, otherwise those that are added.
 */
function writtenHosts(
  { mxHosts, tls }: DomainSettings,
  before: Domain | undefined,
  now: ReadonlyMap<string, HostNow>,
): readonly string[] {
  const { certificateId } = tls.server;
  if (before === undefined || before.tls.server.certificateId !== certificateId) return mxHosts;
  if (isSame(before.mxHosts, mxHosts)) return [];
  const added = mxHosts.filter((host) => !before.mxHosts.includes(host));
  const first = mxHosts.find((host) => !isPending(before, host));
  // The first host shows the certificate of the domain, so it must have it.
  const isShown =
    first === undefined || added.includes(first) || now.get(first)?.certificateId === certificateId;
  return isShown ? added : mxHosts;
}

const MOST_NAMED = 3;

/**
 * MX hosts whose certificate a file of these domains cannot say, each as a sentence: their domains name
 * different ones, or serve another one there than they name.
 *
 * @param textOf a certificate for people
 */
export function hostWarnings(
  exported: readonly Domain[],
  stored: Stored,
  textOf: (certificateId: string | null) => string,
): readonly string[] {
  const now = hostsNow(stored);
  const named = new Map<string, Map<string | null, string[]>>();
  for (const { name, mxHosts, tls } of exported)
    for (const host of mxHosts) {
      const byCertificate = named.get(host) ?? new Map<string | null, string[]>();
      named.set(host, byCertificate);
      const { certificateId } = tls.server;
      byCertificate.set(certificateId, [...(byCertificate.get(certificateId) ?? []), name]);
    }
  return [...named].flatMap(([host, byCertificate]) => {
    const served = now.get(host)?.certificateId;
    const names = [...byCertificate].map(([id, domains]) => `${listOf(domains)} names ${textOf(id)}`);
    const serves = served === undefined ? host : `${host} serves ${textOf(served)}`;
    if (byCertificate.size > 1)
      return `${serves}, but ${names.join(", and ")}: an API that does not have them so refuses this file until they name the same one`;
    if (served === undefined || byCertificate.has(served)) return [];
    return `${serves}, but ${names.join("")}: another API gives the host that one too`;
  });
}

function listOf(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  const shown = names.slice(0, MOST_NAMED).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
