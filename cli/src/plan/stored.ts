import type { Certificate, Domain, Postern, TrustStore, TrustStoreSummary } from "../../../sdk/src/index.ts";
import type { DomainSettings } from "./postern-file.ts";

/** Records that an API has, with what a plan compares. */
export interface Stored {
  readonly domains: ReadonlyMap<string, Domain>;
  readonly certificates: readonly Certificate[];
  readonly trustStores: readonly TrustStoreSummary[];
  /** PEM of the chain that is served, by the id of the certificate. */
  readonly chains: ReadonlyMap<string, string>;
  readonly trusted: ReadonlyMap<string, TrustStore>;
  /** Certificates of MX hosts, of domains whose hosts may serve different ones; null = the default. */
  readonly hostCertificates: ReadonlyMap<string, string | null>;
  /** `domain example.com`, of records that the API cannot read. */
  readonly unreadable: ReadonlySet<string>;
}

/** Lists of an account. */
export type Records = Omit<Stored, "chains" | "trusted" | "hostCertificates">;

const PAGE = 200;

interface AnyPage<T> {
  readonly items: readonly T[];
  readonly unreadable: readonly { readonly kind: string; readonly id: string }[];
}

/** @param onRead receives how many domains are read */
export async function readRecords(
  postern: Postern,
  signal: AbortSignal,
  onRead: (domains: number) => void,
): Promise<Records> {
  const unreadable = new Set<string>();
  const readAll = async <T>(pages: AsyncIterable<AnyPage<T>>, onPage: (count: number) => void) => {
    const items: T[] = [];
    for await (const page of pages) {
      items.push(...page.items);
      for (const { kind, id } of page.unreadable) unreadable.add(`${kind} ${id}`);
      onPage(items.length);
    }
    return items;
  };
  const nothing = (): void => undefined;
  const trustStores = await readAll(postern.trustStores.list({ limit: PAGE }, { signal }).pages(), nothing);
  const certificates = await readAll(postern.certificates.list({ limit: PAGE }, { signal }).pages(), nothing);
  const domains = await readAll(postern.domains.list({ limit: PAGE }, { signal }).pages(), onRead);
  const byName = new Map(domains.map((domain) => [domain.name, domain]));
  return { domains: byName, certificates, trustStores, unreadable };
}

/** Labels of the records whose contents are read; null = all. */
export interface Wanted {
  readonly certificates: { readonly has: (label: string) => boolean } | null;
  readonly trustStores: { readonly has: (label: string) => boolean } | null;
}

export async function withContents(postern: Postern, records: Records, wanted: Wanted): Promise<Stored> {
  const chains = new Map<string, string>();
  for (const { id, label, version } of records.certificates)
    if (version !== null && isWanted(wanted.certificates, label))
      chains.set(id, await postern.certificates.chainPem(id));
  const trusted = new Map<string, TrustStore>();
  for (const { id, label } of records.trustStores)
    if (isWanted(wanted.trustStores, label)) trusted.set(id, await postern.trustStores.get(id));
  const hostCertificates = new Map<string, string | null>();
  for (const { name } of [...records.domains.values()].filter(mayDiffer))
    for (const { host, own, certificateId } of (await postern.domains.status(name)).mxHosts)
      if (own) hostCertificates.set(host, certificateId);
  return { ...records, chains, trusted, hostCertificates };
}

const isWanted = (labels: Wanted["certificates"], label: string | null): boolean =>
  label !== null && (labels === null || labels.has(label));

/** Whether hosts of the domain may serve another certificate than it shows. */
export const mayDiffer = ({ warnings, acknowledgedWarnings }: Domain): boolean =>
  warnings.some(({ code }) => code === DIFFER) || acknowledgedWarnings.includes(DIFFER);

const DIFFER = "mx-hosts-differ";

/** What a caller may write of a domain. */
export const settingsOf = ({
  mxHosts,
  tls,
  delivery,
  acknowledgedWarnings,
  labels,
}: Domain): DomainSettings => ({ mxHosts, tls, delivery, acknowledgedWarnings, labels });

/** Key types of a certificate, sorted; null = the API does not say yet. */
export function keyTypesOf({ keys, requests = [] }: Certificate): readonly string[] | null {
  const types = [...new Set([...keys, ...requests].map(({ keyType }) => keyType))].toSorted();
  return types.length === 0 ? null : types;
}
