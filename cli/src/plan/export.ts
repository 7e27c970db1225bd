import { DEFAULT_SCALAR_STYLE_RULES, dump, SCALAR_STYLE, type ScalarStyleRule } from "js-yaml";
import type { Certificate } from "../../../sdk/src/index.ts";
import { CommandError } from "../frame/command-error.ts";
import { terminalText } from "../frame/terminal-text.ts";
import { withoutDefaults } from "./file-schema.ts";
import { pemBlocks, pemText } from "./pem.ts";
import { MANAGED_BY } from "./postern-file.ts";
import { hostWarnings } from "./shared-hosts.ts";
import { keyTypesOf, settingsOf, type Stored } from "./stored.ts";

type Entry = Readonly<Record<string, unknown>>;

/** A file of the stored records, and what it cannot say. */
export interface Exported {
  readonly document: Entry;
  readonly warnings: readonly string[];
}

/**
 * @param name only records with this value of the label managed-by; null = all
 * @throws CommandError for a name that no record has
 */
export function exportOf(stored: Stored, name: string | null): Exported {
  if (name !== null) checkName(stored, name);
  const warnings: string[] = [...stored.unreadable].map(
    (record) => `${record} cannot be read, and is left out`,
  );
  const isOwn = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): boolean =>
    name === null || labels[MANAGED_BY] === name;
  const labelsOf = (labels: Readonly<Record<string, string>>): Entry => {
    const own = Object.entries(labels).filter(([label, value]) => label !== MANAGED_BY || value !== name);
    return own.length === 0 ? {} : { labels: Object.fromEntries(own) };
  };
  const trustStores = byLabel({ what: "trust store", isOwn, warnings }, stored.trustStores);
  const certificates = byLabel({ what: "certificate", isOwn, warnings }, stored.certificates);
  const labels = new Map([...trustStores, ...certificates].map(([label, { id }]) => [id, label]));
  const domains = [...stored.domains.values()].filter(isOwn);
  const certificateText = (id: string | null): string =>
    id === null ? "the default certificate" : `certificate ${labels.get(id) ?? id}`;
  warnings.push(...hostWarnings(domains, stored, certificateText));
  const document = {
    ...(name === null ? {} : { name }),
    ...section(
      "trustStores",
      [...trustStores].map(([label, { id, labels: own }]) => {
        const { certificatesPem = "", crlPem = null } = stored.trusted.get(id) ?? {};
        const crls = crlPem === null ? {} : { crlPem: pemText(pemBlocks(crlPem, "X509 CRL")) };
        const entry = { certificatesPem: pemText(pemBlocks(certificatesPem, "CERTIFICATE")), ...crls };
        return [label, { ...entry, ...labelsOf(own) }];
      }),
    ),
    ...section(
      "certificates",
      [...certificates].map(([label, certificate]) => {
        const entry = certificateEntry(certificate, stored.chains.get(certificate.id) ?? "");
        return [label, { ...entry, ...labelsOf(certificate.labels) }];
      }),
    ),
    ...section(
      "domains",
      domains.map((domain) => {
        const { labels: own, ...settings } = settingsOf(domain);
        const entry = withoutDefaults("DomainInput", settings) as Entry;
        return [domain.name, { ...withLabels(entry, labels), ...labelsOf(own) }];
      }),
    ),
  };
  return { document, warnings };
}

const MOST_NAMES = 20;

function checkName({ domains, certificates, trustStores }: Stored, name: string): void {
  const all = [...domains.values(), ...certificates, ...trustStores];
  const names = [...new Set(all.flatMap(({ labels }) => labels[MANAGED_BY] ?? []))].toSorted();
  if (names.includes(name)) return;
  const shown = names.slice(0, MOST_NAMES).join(", ");
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  throw new CommandError(`no record has the label ${MANAGED_BY}=${name}`, {
    hint: names.length === 0 ? `No record has the label ${MANAGED_BY}.` : `The names are ${shown}${more}.`,
  });
}

const section = (name: string, entries: readonly (readonly [string, Entry])[]): Entry =>
  entries.length === 0 ? {} : { [name]: Object.fromEntries(entries) };

/** Records that their label names; of others, a warning. */
function byLabel<T extends { readonly id: string; readonly label: string | null }>(
  { what, isOwn, warnings }: { what: string; isOwn: (record: T) => boolean; warnings: string[] },
  all: readonly T[],
): ReadonlyMap<string, T> {
  const counts = new Map<string, number>();
  for (const { label } of all) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  const named = new Map<string, T>();
  for (const record of all.filter(isOwn)) {
    const { id, label } = record;
    if (label === null) warnings.push(`${what} ${id} has no label, and is left out: domains name its id`);
    else if (counts.get(label) !== 1)
      warnings.push(
        `${what} ${id} has the label ${label} with another one, and is left out: domains name its id`,
      );
    else named.set(label, record);
  }
  return named;
}

/** With labels in place of the ids of records that the file has. */
function withLabels(entry: Entry, labels: ReadonlyMap<string, string>): Entry {
  const tls = entry["tls"] as { server?: Entry; clientCertificate?: { trust?: Entry } } | undefined;
  if (tls === undefined) return entry;
  const { server, clientCertificate } = tls;
  const certificate = labels.get(String(server?.["certificateId"]));
  const { certificateId: _id, ...others } = server ?? {};
  const trust = clientCertificate?.trust;
  const ids = [trust?.["trustStoreIds"] ?? []].flat().map(String);
  const named = ids.flatMap((id) => labels.get(id) ?? []);
  const unnamed = ids.filter((id) => !labels.has(id));
  const { trustStoreIds: _ids, ...otherTrust } = trust ?? {};
  const itsTrust = {
    ...(named.length === 0 ? {} : { trustStores: named }),
    ...(unnamed.length === 0 ? {} : { trustStoreIds: unnamed }),
    ...otherTrust,
  };
  return {
    ...entry,
    tls: {
      ...tls,
      ...(certificate === undefined ? {} : { server: { certificate, ...others } }),
      ...(named.length === 0 ? {} : { clientCertificate: { ...clientCertificate, trust: itsTrust } }),
    },
  };
}

function certificateEntry(certificate: Certificate, chainPem: string): Entry {
  const { source, names, renewal, acme } = certificate;
  const chain = pemText(pemBlocks(chainPem, "CERTIFICATE"));
  if (source === "pem" || source === "pkcs12") return { source: "pem", certificatePem: chain };
  const keyTypes = keyTypesOf(certificate) ?? [];
  return {
    source,
    names,
    ...(keyTypes.length === 1 ? { keyType: keyTypes[0] } : {}),
    ...(keyTypes.length > 1 ? { keyTypes } : {}),
    ...(source === "self-signed" ? daysOf(certificate) : {}),
    ...(source === "acm" ? { acceptCharges: true } : {}),
    ...(source === "request" && chain !== "" ? { certificatePem: chain } : {}),
    ...(acme === undefined
      ? {}
      : {
          directory: acme.directory,
          challenge: acme.challenge,
          ...(acme.profile === null ? {} : { profile: acme.profile }),
        }),
    ...(renewal.key === null || source === "acm" ? {} : { renewalKey: renewal.key }),
  };
}

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 365;

function daysOf({ notBefore, notAfter }: Certificate): Entry {
  if (notBefore === null || notAfter === null) return {};
  const days = Math.max(1, Math.round((Date.parse(notAfter) - Date.parse(notBefore)) / DAY_MS));
  return days === DEFAULT_DAYS ? {} : { days };
}

/** A character that is printed as an escape is one for YAML in double quotes alone. */
const quoteEscaped: ScalarStyleRule = (layout) => {
  const isEscaped = layout.node.value.split("\n").some((line) => terminalText(line) !== line);
  if (isEscaped) layout.style = SCALAR_STYLE.DOUBLE_QUOTED;
};

const STYLE = {
  lineWidth: -1,
  noRefs: true,
  scalarStyleRules: [quoteEscaped, ...Object.values(DEFAULT_SCALAR_STYLE_RULES)],
};

/** The file as YAML, under a line for each warning. */
export function exportText({ document, warnings }: Exported): string {
  const lines = ["Written by postern export; without private keys.", ...warnings];
  return `${lines.map((line) => `# ${line}\n`).join("")}${dump(document, STYLE)}`;
}
